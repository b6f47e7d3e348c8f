"""How a Windows host stands, which start of it this is, and the order to start it anew; not verified on Windows.

None of it needs a task of SYSTEM: an administrator's session may ask all this itself.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from ronde.facts.patch.reading import common_failure, cut, not_understood
from ronde.facts.patch.windows import call, refused
from ronde.facts.patch.windows_scripts import LOOK, PROBE, REBOOT
from ronde.facts.question import Question
from ronde.facts.reading import Unreadable, instant, items, loads, mapping, text, whole
from ronde.model.check import Finding, Json
from ronde.model.command import Answer
from ronde.model.inventory import Probe
from ronde.model.patch.absent import Absent
from ronde.model.patch.health import Health, Mount, Socket
from ronde.model.patch.thresholds import unknown

NO_LOAD: Final = Absent("Windows keeps no load average.")
# The kernel gives ports from here on to programs that ask for any (RFC 6335, and Windows' default since Vista).
_PASSING_FROM: Final = 49152
_NEAR: Final = 60.0  # seconds by which a clock that is set may move an instant
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_Part = TypeVar("_Part")


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a host: when it was last started, and when it was looked at, both by its own clock."""

    boot: datetime
    at: datetime
    health: Health


def look_question() -> Question:
    return call(LOOK, {}, "how the host stands, and since when it runs")


def reboot_question(boot: datetime) -> Question:
    """The order to restart a host that was last started at `boot`; in any other boot it is void."""
    return call(REBOOT, {"boot": int((boot - _EPOCH).total_seconds())}, "restart the host (shutdown /r)")


def probes_question(probes: Sequence[Probe]) -> Question:
    given: list[Json] = [_probe(probe) for probe in probes]
    return call(PROBE, {"probes": given}, "; ".join(probe.words for probe in probes))


def _probe(probe: Probe) -> Json:
    """A unit is a service here, by its short name."""
    if probe.port is not None:
        return {"kind": "port", "address": probe.address, "port": probe.port}
    if probe.http is not None:
        return {"kind": "http", "url": probe.http, "status": list(probe.status)}
    if probe.unit is not None:
        return {"kind": "unit", "name": probe.unit}
    return {"kind": "command", "argv": list(probe.command or ())}


def parse_look(answer: Answer) -> Look | Finding:
    """A part that the host could not tell is a finding in its place."""
    said = _said(answer, "seen")
    if isinstance(said, Finding):
        return said
    try:
        seen = mapping(said.get("seen"))
        health = Health(
            units=_part(seen, "services", _services),
            sockets=_part(seen, "sockets", _sockets),
            mounts=_part(seen, "drives", _drives),
            load=NO_LOAD,
        )
        return Look(instant(seen.get("boot")), instant(seen.get("now")), health)
    except (Unreadable, ValueError) as error:
        return not_understood("powershell", answer, str(error))


def parse_reboot(answer: Answer) -> Finding | None:
    """Why the order was not taken; None when it was, or when the host is in another boot already."""
    said = _said(answer, "ordered", "rebooted")
    return said if isinstance(said, Finding) else None


def parse_probes(answer: Answer, probes: Sequence[Probe]) -> dict[str, str] | Finding:
    """By the probe's words, why it is not so; empty when it is."""
    said = _said(answer, "probed")
    if isinstance(said, Finding):
        return said
    answers = said.get("answers")
    if not isinstance(answers, list) or len(answers) != len(probes) or not all(isinstance(w, str) for w in answers):
        return not_understood("powershell", answer, f"{len(probes)} probes were asked for: {str(answers)[:80]}")
    return {probe.words: why for probe, why in zip(probes, answers, strict=True)}


def started_since(before: Look, after: Look) -> bool:
    """Whether the host was started between two looks.

    That `LastBootUpTime` differs is not enough: Windows reckons it from its clock, and shifts it when that is set. It
    must lie after the look before.
    """
    return after.boot != before.boot and (after.boot - before.at).total_seconds() > -_NEAR


def _said(answer: Answer, *states: str) -> Mapping[str, Any] | Finding:
    if answer.exit_status != 0 or answer.truncated:
        return cut(answer) or common_failure("powershell", answer) or not_understood("powershell", answer)
    try:
        said = mapping(loads(answer.text.lstrip("\ufeff")))
        if said.get("state") == "error":
            return refused(text(said, "error"), text(said, "code", ""))
        if said.get("state") not in states:
            return not_understood("powershell", answer, f"it says {said.get('state')!r}")
    except Unreadable as error:
        return not_understood("powershell", answer, str(error))
    return said


def _part(seen: Mapping[str, Any], name: str, read: Callable[[list[Any]], _Part]) -> _Part | Finding:
    if not isinstance(seen.get(name), list):
        return unknown("patch-health-unknown", f"Windows did not tell its {name}.")
    return read(items(seen[name]))


def _services(entries: list[Any]) -> frozenset[str]:
    return frozenset(str(entry) for entry in entries)


def _sockets(entries: list[Any]) -> frozenset[Socket]:
    found = [(text(mapping(entry), "address"), whole(mapping(entry), "port")) for entry in entries]
    return frozenset(
        Socket("tcp", f"[{address}]" if ":" in address else address, port)
        for address, port in found
        if port < _PASSING_FROM
    )


def _drives(entries: list[Any]) -> tuple[Mount, ...]:
    drives = [mapping(entry) for entry in entries]
    return tuple(
        sorted(
            Mount(text(one, "place"), text(one, "kind", ""), whole(one, "size"), whole(one, "free")) for one in drives
        )
    )
