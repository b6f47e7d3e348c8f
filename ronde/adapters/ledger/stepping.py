"""How far the steps of a procedure came: one row a step, written before it acts and when it has ended."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, select

from ronde.adapters.ledger.part import AnyRow, Part, among, event, tell
from ronde.adapters.ledger.recording import Recording
from ronde.adapters.ledger.tables import jobs, steps
from ronde.model.check import Check, Json
from ronde.model.plan import JobPlan
from ronde.model.procedure import StepRecord, StepState
from ronde.model.run import JobState
from ronde.ports import Claim

HELD = select(jobs.c.id).where(
    jobs.c.id == bindparam("job"),
    jobs.c.token == bindparam("fence"),
    jobs.c.attempt == bindparam("nth"),
    among(jobs.c.state, {JobState.RUNNING}),
)
_OF_JOB = select(steps).where(steps.c.job_id == bindparam("job")).order_by(steps.c.position)


class Stepping(Recording, Part):
    """The part of `ronde.ports.Jobs` that procedures use."""

    def steps(self, claim: Claim) -> Sequence[StepRecord]:
        with self._db.read() as connection:
            return steps_of(connection, claim.job)

    def keep_step(self, claim: Claim, record: StepRecord, now: datetime, check: Check | None = None) -> bool:
        place, changes = _place(claim.plan, record.step)
        rows = self.rows_of(claim, [] if check is None else [(place, check)], now)
        with self._db.write(durable=changes) as connection:
            held = HELD.with_for_update()
            if connection.execute(held, {"job": claim.job, "fence": claim.token, "nth": claim.attempt}).first() is None:
                return False
            values = _row(claim, record, place)
            add = self._db.insert(steps)
            new = {name: add.excluded[name] for name in values if name not in ("job_id", "step")}
            connection.execute(add.on_conflict_do_update(index_elements=["job_id", "step"], set_=new), values)
            if changes:
                tell(connection, _line(claim, record, now))
            self.add_rows(connection, rows)
        return True


def steps_of(connection: Connection, job: str) -> list[StepRecord]:
    """The records of a job's steps, in the order of its plan."""
    return [step_record(row) for row in connection.execute(_OF_JOB, {"job": job})]


def step_record(row: AnyRow) -> StepRecord:
    return StepRecord(
        step=row.step,
        section=row.section,
        state=StepState(row.state),
        attempt=row.attempt,
        began_at=row.began_at,
        ended_at=row.ended_at,
        changed=row.changed,
        reason=row.reason,
        facts=row.facts,
        journal=row.journal,
    )


def _place(plan: JobPlan, step: str) -> tuple[int, bool]:
    """Its place over all sections, and whether it changes the target."""
    everything = [one for section in plan.sections().values() for one in section]
    place = next(at for at, one in enumerate(everything) if one.id == step)
    terms = everything[place].terms
    return place, terms is not None and terms.changes


def _row(claim: Claim, record: StepRecord, place: int) -> dict[str, Any]:
    return {
        "job_id": claim.job,
        "step": record.step,
        "position": place,
        "section": record.section,
        "client": claim.plan.target.client,
        "state": record.state.value,
        "attempt": record.attempt,
        "began_at": record.began_at,
        "ended_at": record.ended_at,
        "changed": record.changed,
        "reason": record.reason,
        "facts": record.facts,
        "journal": record.journal,
    }


def _line(claim: Claim, record: StepRecord, now: datetime) -> dict[str, Any]:
    data: Mapping[str, Json] = {"step": record.step, "attempt": record.attempt, "changed": record.changed}
    client = claim.plan.target.client
    return event(now, client, f"step.{record.state}", claim.job, actor=claim.worker, run=claim.run, data=data)
