"""What became of a host, in one result: its state, in words, and what later runs and reports need."""

from collections.abc import Callable, Mapping
from typing import Final

from ronde.engine.patching.course import Course, sentences
from ronde.engine.procedure.result import Result
from ronde.model.check import Finding, Json
from ronde.model.patch.packages import Kept, KeptReason
from ronde.model.patch.transaction import PatchState
from ronde.model.patch.words import left_words, plan_words
from ronde.model.procedure import StepState
from ronde.model.verdict import Severity

_S = PatchState
_STATES: Final[Mapping[PatchState, StepState]] = {
    _S.NOTHING_TO_DO: StepState.DONE,
    _S.KEPT: StepState.DONE,
    _S.REFUSED: StepState.FAILED,
    _S.ABANDONED: StepState.FAILED,
    _S.REVERTED: StepState.FAILED,
}


def told(course: Course) -> Result:
    """The result of a host that has come to an end.

    A host that is worse than before, and was left so for a person to decide, has failed: what is wrong with it is
    known. Only what nobody can establish is unclear.
    """
    state, way = course.state, course.way
    lost = state is _S.NEEDS_HUMAN and not _decided(course)
    result = StepState.UNCLEAR if lost else _STATES.get(state, StepState.FAILED)
    changed = bool(course.journal.get("done")) and state is not _S.REVERTED
    return Result(
        result,
        "; ".join(part for part in (_WORDS[state](course), course.caveat) if part),
        changed=changed or lost or way.reboot_done,
        facts=facts_of(course),
        findings=course.findings,
    )


def _decided(course: Course) -> bool:
    """Whether the end was a decision not to go back, rather than something that nobody could find out."""
    events = course.way.events
    return bool(events) and events[-1].value == "decline"


def facts_of(course: Course) -> dict[str, Json]:
    """What later steps, runs and reports can look at."""
    kept = course.journal
    names = (
        "manager", "documented", "plan", "digest", "security", "left", "pending_reboot", "done", "failed", "reboot",
        "boot_before", "boot_now", "back", "kernel_before", "kernel_now", "failing_probes", "failing_probes_after",
        "probes",
    )  # fmt: skip
    facts: dict[str, Json] = {name: kept[name] for name in names if name in kept}
    taken = kept.get("taken")
    snapshot = {**taken, "vcenter": kept["home"]["vcenter"]} if isinstance(taken, Mapping) else None
    events: list[Json] = [event.value for event in course.way.events]
    return {**facts, "state": course.state.value, "events": events, "snapshot": snapshot}


def plan_of(course: Course) -> str:
    """The plan in words."""
    if "plan" not in course.journal:
        return "nothing"
    return course.journal.get("said") or plan_words(course.plan, course.journal.get("security", ()))


def left_of(course: Course) -> str:
    """What waits and was not touched."""
    kept = [Kept(name, KeptReason(reason), detail) for name, reason, detail in course.journal.get("left", ())]
    return left_words(kept)


def _nothing(course: Course) -> str:
    left = left_of(course)
    return "nothing to install" + (f"; {left}" if left else "")


def _refused(course: Course) -> str:
    why = _worst(course) or "it was called off before anything was touched"
    plan = f" The plan was to {plan_of(course)} ({course.journal['digest'][:8]})." if "digest" in course.journal else ""
    return f"nothing was done: {why}{plan}"


def _kept(course: Course) -> str:
    parts = [
        f"{plan_of(course).replace('install', 'installed', 1)}",
        _reboot(course),
        "as well as before",
        _net(course),
    ]
    left = left_of(course)
    return "; ".join([*(part for part in parts if part), *([left] if left else [])])


def _reboot(course: Course) -> str:
    if course.way.reboot_done:
        before, now = (_boot(course.journal[name]) for name in ("boot_before", "boot_now"))
        return f"rebooted, boot {before} before, {now} now"
    return "reboot left for later" if course.journal.get("reboot", {}).get("needed") else "no reboot"


def _boot(named: str) -> str:
    """A boot in short: the beginning of its id; the time at which it began, where a boot has no id."""
    return named.replace("T", " ")[:16] if "T" in named else named[:8]


def _net(course: Course) -> str:
    taken = course.journal.get("taken")
    if not isinstance(taken, Mapping):
        return "without a snapshot"
    return f"snapshot {taken['name']} kept until {taken['expires']}"


def _reverted(course: Course) -> str:
    return f"taken back to how it was before the run: {_worst(course)}"


def _needs_human(course: Course) -> str:
    return _worst(course) or "what became of the host cannot be told"


_WORDS: Final[Mapping[PatchState, Callable[[Course], str]]] = {
    _S.NOTHING_TO_DO: _nothing,
    _S.REFUSED: _refused,
    _S.ABANDONED: _refused,
    _S.KEPT: _kept,
    _S.REVERTED: _reverted,
    _S.NEEDS_HUMAN: _needs_human,
}


def _worst(course: Course) -> str:
    """What was found that matters most, in the order in which it was found."""
    for severity in (Severity.CRITICAL, Severity.UNKNOWN):
        found: list[Finding] = [finding for finding in course.findings if finding.severity is severity]
        if found:
            return sentences(found[:3])
    return ""
