"""What a host answers about detached commands. An answer without our header, or cut off, is never read as one."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from ronde.facts.question import tail
from ronde.model.command import Answer
from ronde.model.detached import Launch, Standing
from ronde.model.errors import CannotDetach, ProtocolFault

_HEADER = re.compile(rb"^ronde-job ([^\n]*)\n", re.MULTILINE)
_STEP = re.compile(rb"^ronde-step step=([a-z0-9._-]+) standing=([a-z]+)$", re.MULTILINE)
_TIMEOUT_STATUSES = frozenset({124, 137})  # of timeout(1): asked to end; killed

_MISSING = {
    "folder": "its private folder cannot be made or written",
    "fence": "its private folder cannot be written",
    "input": "there is no place for its standard input",
}


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a detached command.

    Attributes:
        fence: the highest attempt the host has seen; `by` the one that started the command, 0 when unknown.
        age: seconds since it began, by a clock that only counts; 0 when the host was restarted since.
        spent: seconds it took; None before its end.
        out_size, err_size: bytes there are; `out` and `err` those sent now.
        cut: whether a stream exceeded the cap, or was still held open after the end.
        struck: the runner's limit has ended it; `stopped`: somebody told it to end.
        alive: its leading process lives.
        left: what should have ended and did not, as `pid:uid`.
    """

    standing: Standing
    fence: int = 0
    by: int = 0
    exit_status: int | None = None
    started: datetime | None = None
    ended: datetime | None = None
    age: float = 0.0
    spent: float | None = None
    boot_then: str = ""
    boot_now: str = ""
    out_size: int = 0
    err_size: int = 0
    out: bytes = b""
    err: bytes = b""
    cut: bool = False
    struck: bool = False
    stopped: bool = False
    alive: bool = False
    left: tuple[str, ...] = ()

    def timed_out(self, launch: Launch) -> bool:
        """Whether the limit ended it, rather than the command itself with a status that looks like that.

        Root's own limit only shows as a status of `timeout`; whether that limit had come tells its own from one that
        the command gave.
        """
        if self.struck:
            return True
        late = self.spent is not None and self.spent >= launch.limit
        return launch.sudo and late and self.exit_status in _TIMEOUT_STATUSES


class Outcome(StrEnum):
    """What became of a request to start, to raise the fence, or to tidy."""

    STARTED = "started"
    ALREADY = "already"
    FENCED = "fenced"
    SHORT = "short"  # the link broke while the input was sent; nothing was started
    BUSY = "busy"  # something else is being decided about this job just now
    RAISED = "raised"
    TIDIED = "tidied"
    RUNNING = "running"  # nothing was removed


@dataclass(frozen=True, slots=True)
class Raised:
    """The answer to a raised fence: whether it holds now, and the steps of the job that ever began."""

    holds: bool
    steps: Mapping[str, Standing]


def parse_outcome(answer: Answer) -> Outcome:
    """What became of it.

    Raises:
        CannotDetach: the host lacks what it needs; nothing was done.
        ProtocolFault: not understood.
    """
    said, _ = _header(answer)
    outcome = said.get("answer", "")
    if outcome == "unable":
        what = said.get("for", "")
        reason = _MISSING.get(what, f"it has no usable {what}")
        raise CannotDetach(f"The host cannot run a command detached: {reason}. {tail(answer)}".rstrip())
    try:
        return Outcome(outcome)
    except ValueError as error:
        raise _not_understood(answer) from error


def parse_raised(answer: Answer) -> Raised:
    """The fence and the steps.

    Raises:
        CannotDetach, ProtocolFault: as `parse_outcome`.
    """
    outcome = parse_outcome(answer)
    if outcome not in {Outcome.RAISED, Outcome.FENCED}:
        raise _not_understood(answer)
    steps = {name.decode(): Standing(standing.decode()) for name, standing in _STEP.findall(answer.stdout)}
    return Raised(outcome is Outcome.RAISED, steps)


def parse_look(answer: Answer) -> Look:
    """The header and the bytes that follow it.

    Raises:
        ProtocolFault: not understood, or not whole.
    """
    said, body = _header(answer)
    try:
        return _look(said, body)
    except (KeyError, ValueError, OverflowError, OSError) as error:  # the latter two: a time beyond all years
        raise _not_understood(answer) from error


def _look(said: Mapping[str, str], body: bytes) -> Look:
    standing = Standing(said["standing"])
    if standing is Standing.FENCED:
        return Look(standing, fence=int(said["fence"]))
    out, err = int(said.get("sent_out", "0")), int(said.get("sent_err", "0"))
    if len(body) != out + err:
        raise ValueError("not all of the output came")
    if standing is Standing.ENDED and not said["status"].isdecimal():
        raise ValueError("an end without a status")
    return Look(
        standing,
        fence=int(said["fence"]),
        by=int(said["by"] or 0),
        exit_status=int(said["status"]) if standing is Standing.ENDED else None,
        started=_instant(said["at"]),
        ended=_instant(said["finished"]),
        age=int(said["age"]) / 100,
        spent=int(said["spent"]) / 100 if said["spent"] else None,
        boot_then=said["then"],
        boot_now=said["now"],
        out_size=int(said["out"]),
        err_size=int(said["err"]),
        out=body[:out],
        err=body[out:],
        cut="out.cut" in said or "err.cut" in said or said["open"] == "1",
        struck="limit" in said,
        stopped="stop" in said,
        alive=said["live"] == "1",
        left=tuple(word for word in said.get("left", "").split(",") if word),
    )


def _header(answer: Answer) -> tuple[Mapping[str, str], bytes]:
    """The words of our header and what follows it; a greeting printed by the login shell may stand before it."""
    found = _HEADER.search(answer.stdout)
    if found is None or answer.exit_status != 0 or answer.truncated:
        raise _not_understood(answer)
    words = (word.partition("=") for word in found[1].decode("utf-8", "replace").split(" "))
    return {name: value for name, _, value in words}, answer.stdout[found.end() :]


def _instant(text: str) -> datetime | None:
    return datetime.fromtimestamp(int(text), UTC) if text else None


def _not_understood(answer: Answer) -> ProtocolFault:
    said = tail(answer) or "nothing"
    return ProtocolFault(f"The host answered what we do not understand (exit status {answer.exit_status}): {said}")
