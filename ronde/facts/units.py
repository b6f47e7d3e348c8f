"""systemd's units: one unit's standing, and those that have failed."""

from collections.abc import Sequence
from dataclasses import dataclass

from ronde.facts.question import Question
from ronde.facts.reading import Unreadable
from ronde.model.command import Answer, Command

_PROPERTIES = "Id,LoadState,ActiveState,SubState,UnitFileState,InvocationID,ActiveEnterTimestamp,Result"
_NO_SYSTEMD = "ronde: no systemd"
# A host without systemd says so in words of ours; `systemctl show` of an unknown unit is an answer like any other.
_SHOW = f'command -v systemctl >/dev/null || {{ echo "{_NO_SYSTEMD}" >&2; exit 69; }}; exec systemctl "$@"'


@dataclass(frozen=True, slots=True)
class Unit:
    """How one unit stands.

    Attributes:
        active: systemd's ActiveState: active, inactive, failed, activating, deactivating, reloading.
        invocation: another one after every start; empty while it never ran.
        enabled: systemd's UnitFileState: enabled, disabled, static, masked, …
        since: when it became active, as systemd writes it.
    """

    name: str
    exists: bool
    active: str
    sub: str
    enabled: str
    invocation: str
    since: str
    result: str


def unit_question(name: str) -> Question:
    argv = ("sh", "-c", _SHOW, "ronde", "show", f"--property={_PROPERTIES}", "--", name)
    return Question(Command(argv, timeout=30), f"systemctl show {name}")


def parse_unit(answer: Answer, name: str) -> Unit:
    """How the unit stands.

    Raises:
        Unreadable: systemd did not answer; a unit that does not exist is an answer.
    """
    if answer.exit_status != 0:
        raise Unreadable(_why(answer))
    fields = dict(line.partition("=")[::2] for line in answer.text.splitlines())
    if not {"LoadState", "ActiveState"} <= fields.keys():
        raise Unreadable(f"systemctl show said nothing of {name}")
    return Unit(
        name=fields.get("Id", name),
        exists=fields["LoadState"] not in ("not-found", "bad-setting", "error"),
        active=fields["ActiveState"],
        sub=fields.get("SubState", ""),
        enabled=fields.get("UnitFileState", ""),
        invocation=fields.get("InvocationID", ""),
        since=fields.get("ActiveEnterTimestamp", ""),
        result=fields.get("Result", ""),
    )


def failed_question() -> Question:
    argv = (
        "sh",
        "-c",
        _SHOW,
        "ronde",
        "list-units",
        "--state=failed",
        "--plain",
        "--no-legend",
        "--full",
        "--no-pager",
    )
    return Question(Command(argv, timeout=30), "systemctl list-units --state=failed")


def parse_failed(answer: Answer) -> Sequence[str]:
    """Names of the failed units.

    Raises:
        Unreadable: systemd did not answer.
    """
    if answer.exit_status != 0:
        raise Unreadable(_why(answer))
    return sorted(line.split()[0] for line in answer.text.splitlines() if line.strip())


def _why(answer: Answer) -> str:
    if _NO_SYSTEMD in answer.error_text:
        return "the host has no systemd"
    said = (answer.error_text.strip() or answer.text.strip() or "nothing").splitlines()[-1]
    return f"systemctl ended with {answer.exit_status}: {said}"
