"""How a procedure goes on: from the steps of a plan and what is known of them to the next step, or the end.

Nothing here looks at a target. Whoever carries it out asks, does, records, and asks again; a worker that takes over
from a dead one starts with the same question on the same records, and so comes to the same answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from ronde.model.check import Json
from ronde.model.plan import JobPlan, Step, Target
from ronde.model.run import JobState

MOST_KEPT: Final = 64 * 1024  # characters of a program's output that later steps can look at; the record has it all


class StepState(StrEnum):
    """Where one step stands; a step that nobody has begun has no record."""

    BEGUN = "begun"  # the intent is on record; what came of it is not
    DONE = "done"
    SKIPPED = "skipped"  # its condition did not hold
    FAILED = "failed"
    UNCLEAR = "unclear"  # it was begun, must not be repeated, and the target does not tell what came of it


STEP_ENDED: Final = frozenset(StepState) - {StepState.BEGUN}


@dataclass(frozen=True, slots=True)
class StepRecord:
    """What is known of one step of one job.

    Attributes:
        step: its id; `section`: `steps`, `rescue` or `always`.
        attempt: the attempt at the job that began it.
        changed: whether it changed the target; with `reason`, why, or why nothing was done.
        facts: what later steps can look at.
        journal: what a later attempt needs to find out what came of it.
    """

    step: str
    section: str
    state: StepState
    attempt: int
    began_at: datetime
    ended_at: datetime | None = None
    changed: bool = False
    reason: str = ""
    facts: Mapping[str, Json] = field(default_factory=dict)
    journal: Mapping[str, Json] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        return self.state in STEP_ENDED


Known = Mapping[str, StepRecord]


@dataclass(frozen=True, slots=True)
class Do:
    """The next step; `record` is what an earlier attempt left of it, when it was begun and never ended."""

    step: Step
    section: str
    record: StepRecord | None = None


@dataclass(frozen=True, slots=True)
class End:
    """Nothing is left to do.

    Attributes:
        state: `SUCCEEDED`, `FAILED`, `CANCELLED` or `NEEDS_HUMAN`.
        because: the record that decided it; None when everything went well, or a person stopped it.
    """

    state: JobState
    because: StepRecord | None = None


def next_move(plan: JobPlan, known: Known, *, cancelled: bool = False) -> Do | End:
    """What comes next, given everything on record.

    A step that failed ends its section; `rescue` follows when one of `steps` failed, `always` in any case. A step whose
    outcome is unclear ends everything at once: nobody touches a target that nobody understands. A cancelled job goes on
    with `always` alone.
    """
    sections = plan.sections()
    ids = {name: [step.id for step in steps] for name, steps in sections.items()}
    unclear = _first(known, [step for steps in ids.values() for step in steps], StepState.UNCLEAR)
    if unclear is not None:
        return End(JobState.NEEDS_HUMAN, unclear)
    failed = _first(known, ids["steps"], StepState.FAILED)
    order = ["steps"] if failed is None and not cancelled else ["rescue"] if not cancelled else []
    for section in (*order, "always"):
        move = _in_section(sections[section], section, known)
        if move is not None:
            return move
    worst = failed or _first(known, [*ids["rescue"], *ids["always"]], StepState.FAILED)
    if cancelled and (failed is not None or not _complete(ids["steps"], known)):
        return End(JobState.CANCELLED, failed)
    return End(JobState.FAILED, worst) if worst is not None else End(JobState.SUCCEEDED)


def _in_section(steps: Sequence[Step], section: str, known: Known) -> Do | None:
    """The first step without an end, unless one before it failed."""
    for step in steps:
        record = known.get(step.id)
        if record is None or not record.ended:
            return Do(step, section, record)
        if record.state is StepState.FAILED:
            return None
    return None


def _complete(steps: Sequence[str], known: Known) -> bool:
    return all(step in known and known[step].ended for step in steps)


def _first(known: Known, steps: Sequence[str], state: StepState) -> StepRecord | None:
    return next((known[step] for step in steps if step in known and known[step].state is state), None)


def values_for(plan: JobPlan, step: Step, known: Known, before: Mapping[str, Mapping[str, Json]]) -> dict[str, Json]:
    """What the expressions of a step can see.

    Args:
        plan: of the job.
        step: the step; one that was included sees its own playbook's parameters and steps, and no other's.
        known: the records of the job so far.
        before: the facts of each step, by id, when this playbook last succeeded on this target.

    Returns:
        Parameters by name, results of earlier steps by name, `target` and `before`.
    """
    scope = step.scope
    own = plan.procedure.values.get(scope, {}) if plan.procedure else {}
    prefix = f"{scope}." if scope else ""
    results = {
        record.step.removeprefix(prefix): result_of(record)
        for record in known.values()
        if record.ended and record.step.startswith(prefix) and "." not in record.step.removeprefix(prefix)
    }
    earlier: dict[str, Json] = {
        name.removeprefix(prefix): facts for name, facts in before.items() if name.startswith(prefix)
    }
    return {**own, **results, "target": target_facts(plan.target), "before": earlier}


def result_of(record: StepRecord) -> dict[str, Json]:
    """A step as expressions see it."""
    return {
        **record.facts,
        "changed": record.changed,
        "skipped": record.state is StepState.SKIPPED,
        "failed": record.state is StepState.FAILED,
        "reason": record.reason,
    }


def target_facts(target: Target) -> dict[str, Json]:
    return {"client": target.client, "name": target.name, "kind": target.kind.value}
