"""The steps of a procedure as people and programs are told of them: all of the plan, begun or not, in its order."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from ronde.model.plan import Step
from ronde.model.procedure import StepRecord
from ronde.model.records import JobRecord
from ronde.model.run import JOB_OPEN
from ronde.reports.work import STEP

NOT_BEGUN = "not_begun"


@dataclass(frozen=True, slots=True)
class StepLine:
    """One step.

    Attributes:
        state: as `ronde.model.procedure.StepState` names it, or `not_begun`.
        changed: whether it changed the target; `reason`: why, or why nothing was done, or why it failed.
        shown: the action as a person would type it; before it was done, as far as it is known then.
    """

    id: str
    section: str
    state: str
    changed: bool
    reason: str
    shown: str
    began_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def took(self) -> timedelta | None:
        """How long it took; None while that is not known."""
        return None if self.began_at is None or self.ended_at is None else self.ended_at - self.began_at


def step_lines(job: JobRecord) -> list[StepLine]:
    """The steps of a procedure; nothing for a job that only examines.

    What would be done if a step failed is told as long as that can still happen, and once it has happened.
    """
    if job.plan is None or job.plan.procedure is None:
        return []
    records = {record.step: record for record in job.steps}
    said = {check.subject: check.facts.get("shown") for check in job.checks if check.kind == STEP}
    return [
        _line(step, section, records.get(step.id), said.get(step.id))
        for section, steps in job.plan.sections().items()
        for step in steps
        if section != "rescue" or step.id in records or job.state in JOB_OPEN
    ]


def _line(step: Step, section: str, record: StepRecord | None, said: object) -> StepLine:
    planned = (step.terms.shown if step.terms else None) or step.use
    shown = said if isinstance(said, str) and said else planned
    if record is None:
        return StepLine(step.id, section, NOT_BEGUN, changed=False, reason="", shown=shown)
    return StepLine(
        id=step.id,
        section=section,
        state=record.state.value,
        changed=record.changed,
        reason=record.reason,
        shown=shown,
        began_at=record.began_at,
        ended_at=record.ended_at,
    )
