"""A question to a host: the command that puts it, and how a person would type the same."""

from dataclasses import dataclass

from ronde.model.command import Answer, Command


@dataclass(frozen=True, slots=True)
class Question:
    """One command with its readable form; the command itself may be wrapped in our envelope."""

    command: Command
    shown: str


def tail(answer: Answer, lines: int = 3) -> str:
    """The last lines of standard error, or of standard output when there is none; at most 300 characters."""
    text = answer.error_text.strip() or answer.text.strip()
    return " / ".join(line.strip() for line in text.splitlines()[-lines:] if line.strip())[:300]
