"""A question to a host: the command that puts it, and how a person would type the same."""

import re
from dataclasses import dataclass

from ronde.model.command import Answer, Command

_TRACE = re.compile(r"\s|(main|runtime|github\.com|golang\.org)[./]")


@dataclass(frozen=True, slots=True)
class Question:
    """One command with its readable form; the command itself may be wrapped in our envelope."""

    command: Command
    shown: str


def tail(answer: Answer, lines: int = 3) -> str:
    """The last telling lines of standard error, or of standard output when there is none; at most 300 characters.

    A Go stack trace, which restic prints behind some errors, tells nothing.
    """
    said = answer.error_text.strip() or answer.text.strip()
    telling = [line.strip() for line in said.splitlines() if line.strip() and not _TRACE.match(line)]
    return " / ".join(telling[-lines:])[:300]
