"""Small readers shared by the parsers, and what any tool's failure has in common."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ronde.facts.envelope import CHANGING, NO_ACCESS, NO_PLACE, NO_REPOSITORY, NO_WORKSPACE
from ronde.facts.question import tail
from ronde.model.backup.thresholds import critical, unknown
from ronde.model.check import Finding
from ronde.model.command import Answer

_FRACTION = re.compile(r"(\.\d{6})\d+")
_KILLED = {124: "was stopped at its time limit", 137: "was killed"}


class Unreadable(ValueError):
    """An answer that does not have the shape we know; the parser turns it into a finding."""


def instant(text: object) -> datetime:
    """An ISO 8601 time with up to nanoseconds; without a zone it is UTC, since `TZ=UTC` is forced on every command."""
    if not isinstance(text, str):
        raise Unreadable(f"{text!r} is not a time")
    try:
        parsed = datetime.fromisoformat(_FRACTION.sub(r"\1", text))
    except ValueError as error:
        raise Unreadable(str(error)) from error
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def loads(text: str) -> Any:
    """JSON; Unreadable instead of the decoder's own error."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"not JSON: {error}") from error


def mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise Unreadable(f"not an object: {str(value)[:80]}")
    return value


def items(value: object) -> list[Any]:
    """A list; null, which some versions print for an empty one, is empty."""
    if not isinstance(value, list | None):
        raise Unreadable(f"not a list: {str(value)[:80]}")
    return value or []


def text(entry: Mapping[str, Any], key: str, default: str | None = None) -> str:
    value = entry.get(key, default)
    if not isinstance(value, str):
        raise Unreadable(f"{key} is {value!r}")
    return value


def whole(entry: Mapping[str, Any], key: str) -> int:
    value = entry.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Unreadable(f"{key} is {value!r}")
    return value


def words(entry: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """A list of strings; absent or null is empty."""
    value = entry.get(key) or []
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise Unreadable(f"{key} is {value!r}")
    return tuple(value)


def cut(answer: Answer) -> Finding | None:
    """A cut answer is never read as if it were complete."""
    if not answer.truncated:
        return None
    return unknown("backup-answer-cut", f"The answer is longer than {answer.command.cap} bytes and was cut.")


def common_failure(tool: str, answer: Answer) -> Finding | None:
    """What an exit status or a remark of our envelope means whatever the tool is; None when it says nothing."""
    status, said = answer.exit_status, answer.error_text
    if status is None:
        return unknown("backup-not-understood", f"{tool} ended without an exit status.")
    if status in _KILLED:
        return unknown("backup-timed-out", f"{tool} {_KILLED[status]}.", exit_status=status)
    if status in {126, 127}:
        return unknown("backup-tool-missing", f"{tool} is not installed or not executable on the host.")
    marks = {
        NO_PLACE: critical("backup-missing", "There is no folder at the repository's place."),
        NO_REPOSITORY: critical("backup-missing", "The folder at the repository's place holds no repository."),
        NO_ACCESS: unknown("backup-not-readable", "Our user may not read the repository."),
        CHANGING: unknown("backup-busy", "The repository changed while it was being looked at."),
        NO_WORKSPACE: unknown("backup-not-understood", "No private folder could be made on the host (disk full?)."),
    }
    return next((found for mark, found in marks.items() if mark in said), None)


def not_understood(tool: str, answer: Answer, why: str = "") -> Finding:
    """The finding of last resort: an answer outside of what we know is never good news."""
    said = why or tail(answer) or "nothing"
    message = f"{tool} answered what we do not understand (exit status {answer.exit_status}): {said}"
    return unknown("backup-not-understood", message, exit_status=answer.exit_status)
