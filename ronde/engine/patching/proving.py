"""How the host stands before and after a run: its health, and whether its services answer."""

from collections.abc import Callable
from typing import Final

from ronde.engine.patching.course import Course
from ronde.engine.procedure.waiting import HTTP, NO_TOOL, PORT
from ronde.facts.patch import health as facts
from ronde.facts.question import Question, tail
from ronde.model.check import Finding
from ronde.model.command import Answer, Command
from ronde.model.inventory import Probe
from ronde.model.patch.health import Health, compare
from ronde.model.patch.thresholds import critical, warning
from ronde.model.patch.transaction import PatchEvent
from ronde.model.verdict import Severity

SETTLE: Final = 90.0  # seconds that services may take to be as before; after a boot they come up one after the other
LOOK_EVERY: Final = 5.0
_PROBE_LIMIT: Final = 30.0  # seconds for one probe


def health_of(course: Course) -> Health:
    """One look at the host."""
    units, sockets, mounts, load = course.ask(
        facts.units_question(), facts.sockets_question(), facts.mounts_question(), facts.load_question()
    )
    return Health(
        units=facts.parse_units(units),
        sockets=facts.parse_sockets(sockets),
        mounts=facts.parse_mounts(mounts),
        load=facts.parse_load(load),
    )


def failing_probes(course: Course) -> dict[str, str]:
    """The probes of the host that are not so now, in words, each with why; all of them are looked at."""
    probes = course.host.probes
    if not probes:
        return {}
    answers = course.ask(*(_question(probe) for probe in probes))
    found = {probe.words: _why(probe, answer) for probe, answer in zip(probes, answers, strict=True)}
    return {words: why for words, why in found.items() if why}


def _question(probe: Probe) -> Question:
    if probe.unit is not None:
        argv: tuple[str, ...] = ("systemctl", "is-active", "--", probe.unit)
    elif probe.port is not None:
        argv = ("sh", "-c", PORT, "ronde", probe.address, str(probe.port))
    elif probe.http is not None:
        argv = ("sh", "-c", HTTP, "ronde", probe.http)
    else:
        argv = probe.command or ()
    return Question(Command(argv, timeout=_PROBE_LIMIT), probe.words)


def _why(probe: Probe, answer: Answer) -> str:
    """Why a probe is not so; empty when it is. What the host has no tool to look at is not so."""
    said = answer.text.strip()
    if answer.exit_status == NO_TOOL and probe.unit is None and probe.command is None:
        return "the host has nothing to look with"
    if probe.unit is not None:
        return "" if said == "active" else f"it is {said or tail(answer) or 'not told'}"
    if probe.http is not None:
        fine = said.isdigit() and int(said) in probe.status
        return "" if fine else f"it answers {said or tail(answer) or 'nothing'}"
    return "" if answer.exit_status == 0 else f"exit status {answer.exit_status}: {tail(answer) or 'nothing was said'}"


def checking(course: Course, look: Callable[[Course], Health] = health_of) -> PatchEvent:
    """`CHECKING`: the same look as before, compared; what comes up late is waited for a little."""
    before, clock = course.health_before, course.stage.job.engine.clock
    began = clock.now()
    while True:
        findings = compare(before, look(course))
        worse = any(finding.severity is Severity.CRITICAL for finding in findings)
        if not worse or (clock.now() - began).total_seconds() >= SETTLE:
            break
        course.pause(LOOK_EVERY)
    course.tell(*findings)
    if worse:
        return PatchEvent.WORSE
    return PatchEvent.LOSE if _blind(before, findings) else PatchEvent.PASS


def _blind(before: Health, findings: tuple[Finding, ...]) -> bool:
    """Whether something that was read before cannot be read now; what never could is only told."""
    names = {"failed units": before.units, "listening sockets": before.sockets, "mounts": before.mounts}
    return any(
        finding.rule == "patch-health-unknown"
        and finding.evidence.get("when") == "after"
        and names.get(str(finding.evidence.get("what"))) is not None
        and not isinstance(names[str(finding.evidence["what"])], Finding)
        for finding in findings
    )


def probing(course: Course, look: Callable[[Course], dict[str, str]] = failing_probes) -> PatchEvent:
    """`PROBING`: every service that answered before answers now."""
    earlier = set(course.journal.get("failing_probes", {}))
    clock = course.stage.job.engine.clock
    began = clock.now()
    while True:
        failing = look(course)
        lost = {words: why for words, why in failing.items() if words not in earlier}
        if not lost or (clock.now() - began).total_seconds() >= SETTLE:
            break
        course.pause(LOOK_EVERY)
    course.tell(*(critical("patch-probe-failed", f"{words}: {why}.", probe=words) for words, why in lost.items()))
    course.note(probes=[probe.words for probe in course.host.probes], failing_probes_after=dict(failing))
    return PatchEvent.WORSE if lost else PatchEvent.PASS


def probes_before(course: Course, look: Callable[[Course], dict[str, str]] = failing_probes) -> dict[str, str]:
    """The probes that fail before anything is done; they are told, and not held against the run."""
    failing = look(course)
    course.tell(
        *(
            warning("patch-probe-was-failing", f"Before the run, {words}: {why}.", probe=words)
            for words, why in failing.items()
        )
    )
    return failing
