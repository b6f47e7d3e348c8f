"""What every package manager's failure has in common, and the limits of the questions."""

from ronde.facts.question import tail
from ronde.model.check import Finding
from ronde.model.command import Answer
from ronde.model.patch.thresholds import unknown

LOOK_LIMIT = 60.0  # seconds for questions that read local files
SOLVE_LIMIT = 300.0  # seconds for questions that let the package manager work out a run
REFRESH_LIMIT = 900.0  # seconds for reading all repositories anew over a slow line
_KILLED = {124: "was stopped at its time limit", 137: "was killed"}


def cut(answer: Answer) -> Finding | None:
    """A cut answer is never read as if it were complete."""
    if not answer.truncated:
        return None
    return unknown("patch-answer-cut", f"The answer is longer than {answer.command.cap} bytes and was cut.")


def common_failure(tool: str, answer: Answer) -> Finding | None:
    """What an exit status means whatever the tool is; None when it says nothing."""
    status = answer.exit_status
    if status is None:
        return unknown("patch-not-understood", f"{tool} ended without an exit status.")
    if status in _KILLED:
        return unknown("patch-timed-out", f"{tool} {_KILLED[status]}.", exit_status=status)
    if status in {126, 127}:
        return unknown("patch-tool-missing", f"{tool} is not installed or not executable on the host.")
    return None


def not_understood(tool: str, answer: Answer, why: str = "") -> Finding:
    """The finding of last resort: an answer outside of what we know is never good news."""
    said = why or tail(answer) or "nothing"
    message = f"{tool} answered what we do not understand (exit status {answer.exit_status}): {said}"
    return unknown("patch-not-understood", message, exit_status=answer.exit_status)


def unusable(tool: str, answer: Answer) -> Finding | None:
    """The finding in place of an answer that did not succeed in full; None when it may be read."""
    if answer.exit_status == 0:
        return cut(answer)
    return common_failure(tool, answer) or not_understood(tool, answer)
