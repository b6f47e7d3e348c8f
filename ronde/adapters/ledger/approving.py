"""Requests for a second technician, and what became of them."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, select, update

from ronde.adapters.ledger.endings import COLUMNS, end
from ronde.adapters.ledger.part import AnyRow, Part, among, event, tell
from ronde.adapters.ledger.tables import approvals, jobs, runs
from ronde.adapters.ledger.waves import move_on
from ronde.model.approvals import (
    Answer,
    Approval,
    ApprovalEvent,
    ApprovalRequest,
    ApprovalState,
    Decision,
    approval_sources,
)
from ronde.model.plan import job_from_json
from ronde.model.records import Scope, Trouble
from ronde.model.run import JobEvent, JobState, RunState, change_job, job_sources

_CLIENTS = select(jobs.c.client).where(jobs.c.run_id == bindparam("run")).distinct()
_WAITING = (
    select(*COLUMNS, jobs.c.plan)
    .where(jobs.c.run_id == bindparam("run"), among(jobs.c.state, job_sources(JobEvent.RELEASE)))
    .order_by(jobs.c.id)
    .with_for_update()
)
_RELEASE = (
    update(jobs)
    .where(jobs.c.id == bindparam("job"), among(jobs.c.state, job_sources(JobEvent.RELEASE)))
    .values(
        state=bindparam("new"),
        wake_at=bindparam("start", type_=jobs.c.wake_at.type),
        not_after=bindparam("end", type_=jobs.c.not_after.type),
    )
)
_BEGIN_RUN = (
    update(runs)
    .where(runs.c.id == bindparam("run"), among(runs.c.state, {RunState.PENDING_APPROVAL}))
    .values(state=RunState.QUEUED.value)
)


class SqlApprovals(Part):
    """The approving part of `ronde.ports.Orders`."""

    def approval(self, scope: Scope, run: str) -> Approval | None:
        with self._db.read() as connection:
            row = connection.execute(select(approvals).where(approvals.c.run_id == run)).first()
            clients = frozenset(connection.execute(_CLIENTS, {"run": run}).scalars())
        if row is None or not clients & scope.clients:
            return None
        return _approval(row, clients)

    def decide_run(self, approval: Approval, now: datetime) -> bool:
        decision = approval.decision
        if decision is None or approval.state not in (ApprovalState.APPROVED, ApprovalState.REFUSED):
            raise ValueError("nothing was decided")
        agreed = approval.state is ApprovalState.APPROVED
        what = ApprovalEvent.APPROVE if agreed else ApprovalEvent.REFUSE
        run = approval.request.run
        decided = (
            update(approvals)
            .where(approvals.c.run_id == run, approvals.c.plan == decision.answer.plan_digest)
            .where(among(approvals.c.state, approval_sources(what)), approvals.c.expires_at > now)
            # an approval is used in the very transaction that gives it: its jobs are released here, and only here
            .values(state=(ApprovalState.USED if agreed else ApprovalState.REFUSED).value)
            .values(decided_by=decision.by, decided_at=now, reason=decision.answer.reason)
        )
        with self._db.write() as connection:
            if connection.execute(decided).rowcount != 1:
                return False
            waiting = connection.execute(_WAITING, {"run": run}).all()
            if agreed:
                _release(connection, run, waiting, now)
            else:
                words = f"{decision.by} refused it" + (f": {decision.answer.reason}" if decision.answer.reason else "")
                end(connection, waiting, JobEvent.CANCEL, now, decision.by, Trouble("refused", words, permanent=True))
            data = {"plan": decision.answer.plan_digest, "reason": decision.answer.reason}
            lines = [
                event(now, client, f"run.{what}", run, actor=decision.by, run=run, data=data)
                for client in sorted(approval.request.clients)
            ]
            tell(connection, *lines)
            if agreed:
                move_on(connection, run, now)
        return True


def _release(connection: Connection, run: str, waiting: Sequence[AnyRow], now: datetime) -> None:
    """Let the jobs go; those of a change that goes in rings only so far that their rings decide."""
    parameters = []
    for row in waiting:
        plan = job_from_json(row.plan)
        start = max(now, plan.not_before) if plan.not_before else now
        what = JobEvent.LINE_UP if plan.waits_its_turn else JobEvent.RELEASE
        state = change_job(JobState(row.state), what)
        parameters.append({"job": row.id, "new": state.value, "start": start, "end": plan.not_after})
    if parameters:
        connection.execute(_RELEASE, parameters)
    connection.execute(_BEGIN_RUN, {"run": run})


def _approval(row: AnyRow, clients: frozenset[str]) -> Approval:
    request = ApprovalRequest(row.run_id, row.plan, row.requested_by, row.requested_at, row.expires_at, clients)
    decision = None
    if row.decided_by is not None:
        agreed = row.state != ApprovalState.REFUSED
        decision = Decision(Answer(agreed, row.plan, row.reason), row.decided_by, row.decided_at)
    return Approval(request, ApprovalState(row.state), decision)
