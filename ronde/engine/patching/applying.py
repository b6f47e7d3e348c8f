"""The run itself: fit to begin, carried out by the host alone, and judged by its package database."""

from typing import Final

from ronde.engine.patching.course import Course
from ronde.engine.patching.planning import unlocked
from ronde.engine.patching.proving import health_of, probes_before
from ronde.engine.patching.repairing import repaired, state_of
from ronde.engine.patching.running import run_fed, said_by
from ronde.engine.patching.tools import Tool
from ronde.model.check import Finding, Json
from ronde.model.detached import Carried, Standing
from ronde.model.errors import CannotDetach
from ronde.model.patch.before import broken_in, unfit
from ronde.model.patch.outcome import Outcome, judge_outcome
from ronde.model.patch.packages import Database, Transaction
from ronde.model.patch.stored import health_json, packed
from ronde.model.patch.thresholds import critical, info, unknown
from ronde.model.patch.transaction import PatchEvent

MOST_TURNS: Final = (
    5  # starts of one and the same run: a lock that was taken in between, a manager updating itself first
)


def prechecking(course: Course) -> PatchEvent:
    """`PRECHECKING`: how the host is before anything is done, on record; it must be fit, and its packages whole."""
    tool, health = course.tool, health_of(course)
    state = state_of(tool)
    found = list(unfit(health))
    if isinstance(state, Finding):
        found.append(state)
    elif broken := broken_in(*state):
        words = f"The package database is not whole: {', '.join(broken)}."
        found.append(critical("patch-interrupted", words, broken=list(broken)))
    course.tell(*found)
    if found or isinstance(state, Finding):
        return PatchEvent.REFUSE
    course.note(
        health=health_json(health),
        database=packed(state[0]),
        holds=sorted(state[0].holds),
        automatic=_marked(tool, course.plan),
        failing_probes=dict(probes_before(course)),
    )
    return PatchEvent.PASS


def _marked(tool: Tool, plan: Transaction) -> list[str]:
    """Which packages of the plan count as installed automatically; the run would forget it."""
    automatic = tool.automatic()
    changed = (*plan.upgrade, *plan.downgrade)
    return sorted({name for change in changed for name in (change.name, change.target.label)} & automatic)


def patch_due(course: Course) -> PatchEvent:  # noqa: ARG001 - every due state is asked in the same way
    """`PATCH_DUE`: nothing is left to decide."""
    return PatchEvent.BEGIN


def patching(course: Course) -> PatchEvent:
    """`PATCHING`: the run, once; from here on nobody's wish ends it, since half a run is worse than a whole one.

    Raises:
        ConnectionLost, Fenced: as `run_fed`; another attempt finds the run on the host.
    """
    course.stage.gate.shield()
    tool = course.tool
    order = tool.apply(course.wanted, course.plan)
    turn = int(course.journal.get("turn", 1))
    while True:
        try:
            carried = run_fed(course, order, f"apply-{turn}")
        except CannotDetach as error:
            course.tell(unknown("patch-tool-missing", error.message))
            return PatchEvent.NOT_BEGUN if turn == 1 else PatchEvent.FAIL
        if turn >= MOST_TURNS or not tool.again(carried) or unlocked(course, tool) is not None:
            break
        turn += 1
        course.keep(turn=turn)
    return _judged(course, tool, carried)


def _judged(course: Course, tool: Tool, carried: Carried) -> PatchEvent:
    """What the run came to, by the package database; its exit status only explains."""
    if carried.standing is Standing.RUNNING or carried.alive:
        course.tell(unknown("patch-outcome-unknown", f"The run may still be going on: {carried.why}"))
        return PatchEvent.LOSE
    if carried.timed_out:
        course.tell(_timed_out(carried))
    if (held := unlocked(course, tool)) is not None:
        course.tell(held)
        return PatchEvent.LOSE
    state = state_of(tool)
    if not isinstance(state, Finding) and not carried.timed_out:  # what hung once hangs again
        state = repaired(course, tool, state, "after")
    if isinstance(state, Finding):
        course.tell(state)
        return PatchEvent.LOSE
    database = tool.after(state[0], said_by(carried))
    outcome = judge_outcome(course.plan, course.before, database)
    _put_marks_back(course, tool)
    _tell(course, tool, carried, outcome)
    if not outcome.known:
        return PatchEvent.LOSE
    broken = broken_in(*state)
    if broken:
        course.tell(critical("patch-interrupted", f"The package database is not whole: {', '.join(broken)}."))
    return PatchEvent.SUCCEED if outcome.succeeded and not broken else _failed(course, tool, carried, database)


def _failed(course: Course, tool: Tool, carried: Carried, database: Database) -> PatchEvent:
    """A run that never got past a lock, or past its own look at the plan, has provably touched nothing."""
    found = tool.explain(carried) if carried.standing is Standing.ENDED else None
    kept_out = found is not None and found.rule in {"patch-locked", "patch-plan-differs"}
    return PatchEvent.NOT_BEGUN if kept_out and database == course.before else PatchEvent.FAIL


def _timed_out(carried: Carried) -> Finding:
    left = f"; still there: {', '.join(carried.left)}" if carried.left else ""
    words = f"The package manager was ended at its time limit, in mid-run{left}. Its last words: {_last(carried)}"
    return critical("patch-timed-out-run", words)


def _last(carried: Carried) -> str:
    lines = [line.strip() for line in said_by(carried).splitlines() if line.strip()]
    return lines[-1][:200] if lines else "none"


def _put_marks_back(course: Course, tool: Tool) -> None:
    """Naming a package makes it count as asked for by a person; give back what that took."""
    automatic = course.journal.get("automatic", ())
    order = tool.marks(course.plan, automatic)
    if order is not None:
        run_fed(course, order, "marks")


def _tell(course: Course, tool: Tool, carried: Carried, outcome: Outcome) -> None:
    found = list(outcome.findings)
    said = tool.explain(carried) if carried.standing is Standing.ENDED and not outcome.succeeded else None
    if carried.standing is Standing.BROKEN:
        said = unknown("patch-not-understood", f"The run did not end by itself: {carried.why}")
    left = tool.leftovers()
    if isinstance(left, Finding):
        found.append(left)
    elif left.paths:
        words = f"New versions of configuration files wait beside the old ones: {', '.join(left.paths[:6])}."
        found.append(info("patch-config-left", words, paths=list(left.paths)))
    course.tell(*([said] if said else []), *found)
    done: list[Json] = [[package.name, package.arch, package.version] for package in outcome.done]
    course.note(done=done, failed=[[miss.label, miss.meant, miss.found] for miss in outcome.failed])
