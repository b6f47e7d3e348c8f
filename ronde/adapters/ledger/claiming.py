"""Taking a job and keeping it: one conditional update each, with a fence token and a lease."""

import secrets
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, update

from ronde.adapters.ledger.endings import COLUMNS, end
from ronde.adapters.ledger.locking import take_lock
from ronde.adapters.ledger.part import AnyRow, Part, among, event, lock_lanes, tell
from ronde.adapters.ledger.prepared import Prepared
from ronde.adapters.ledger.tables import jobs, runs, workers
from ronde.adapters.ledger.waves import may_begin
from ronde.model.lanes import has_room, held_places
from ronde.model.plan import JobPlan, job_from_json
from ronde.model.run import JobEvent, JobState, Policy, RunState, change_job, job_sources
from ronde.ports import Claim, Hint, Refusal, Renewal

_LOOK_AGAIN = timedelta(seconds=5)  # at the latest; the end of the other job wakes this one sooner

_claimable = among(jobs.c.state, job_sources(JobEvent.CLAIM))
_FIND = Prepared(
    select(
        *COLUMNS,
        jobs.c.plan,
        jobs.c.lanes,
        jobs.c.not_before,
        jobs.c.not_after,
        jobs.c.started_at,
        runs.c.requested_by,
        runs.c.pace,
        runs.c.paused_by,
        runs.c.due,
        runs.c.state.label("run_state"),
    )
    .join(runs, runs.c.id == jobs.c.run_id)
    .where(jobs.c.id == bindparam("job"), jobs.c.attempt == bindparam("nth"), _claimable)
    .with_for_update(of=jobs)
)
_RUNNING = Prepared(
    select(jobs.c.lanes, func.count().label("held"))
    .where(among(jobs.c.state, {JobState.RUNNING}))
    .group_by(jobs.c.lanes)
)
_TAKE = Prepared(
    update(jobs)
    .where(jobs.c.id == bindparam("job"), jobs.c.attempt == bindparam("nth"), _claimable)
    .values(
        state=change_job(JobState.QUEUED, JobEvent.CLAIM).value,
        token=bindparam("fence"),
        worker=bindparam("by"),
        started_at=bindparam("at"),
        lease_until=bindparam("until"),
    )
)
_SEND_AGAIN = Prepared(
    update(jobs)
    .where(jobs.c.id == bindparam("job"), jobs.c.attempt == bindparam("nth"), _claimable)
    .values(wake_at=bindparam("at"))
)
_START_RUN = Prepared(
    update(runs)
    .where(runs.c.id == bindparam("run"), among(runs.c.state, {RunState.QUEUED}))
    .values(state=RunState.RUNNING.value)
)
_held = (jobs.c.token.in_(bindparam("tokens", expanding=True)), among(jobs.c.state, {JobState.RUNNING}))
_HELD = (
    select(jobs.c.id, jobs.c.token, jobs.c.cancel_by, jobs.c.cancel_now)
    .where(*_held)
    .order_by(jobs.c.id)
    .with_for_update()
)
_EXTEND = (
    update(jobs).where(jobs.c.id.in_(bindparam("ids", expanding=True)), *_held).values(lease_until=bindparam("until"))
)


class Claiming(Part):
    """The claiming part of `ronde.ports.Jobs`."""

    def claim(self, hint: Hint, worker: str, now: datetime, lease: float) -> Claim | Refusal:
        key = {"job": hint.job, "nth": hint.attempt}
        with self._db.write(durable=False) as connection:
            found = _FIND.rows(connection, key)
            if not found:
                return Refusal.GONE
            (row,) = found
            plan = job_from_json(row.plan)
            refusal = self._refusal(connection, row, key, now) or self._other(connection, row, plan, now)
            answer = refusal or _take(connection, row, plan, worker, now, lease)
        if isinstance(answer, Claim) and answer.plan.policy is Policy.AT_MOST_ONCE:
            self._db.settle(now)  # what must not happen twice only begins once no power cut can undo its claim
        return answer

    def _refusal(self, connection: Connection, row: AnyRow, key: Mapping[str, Any], now: datetime) -> Refusal | None:
        if row.not_after is not None and row.not_after < now:
            end(connection, [row], JobEvent.EXPIRE, now)
            return Refusal.EXPIRED
        if row.not_before is not None and now < row.not_before:
            _SEND_AGAIN.change(connection, {**key, "at": row.not_before})
            return Refusal.EARLY
        if row.lanes != "{}" and not self._room(connection, row.lanes):
            _SEND_AGAIN.change(connection, {**key, "at": now})
            return Refusal.NO_ROOM
        if row.pace is not None and row.started_at is None and not may_begin(connection, row.run_id, row):
            _SEND_AGAIN.change(connection, {**key, "at": now + _LOOK_AGAIN})  # unless its run skips it before that
            return Refusal.STOPPED
        return None

    def _other(self, connection: Connection, row: AnyRow, plan: JobPlan, now: datetime) -> Refusal | None:
        """Another job is changing the same target: this one looks again a little later."""
        if take_lock(self._db, connection, row, plan, now):
            return None
        _SEND_AGAIN.change(connection, {"job": row.id, "nth": row.attempt, "at": now + _LOOK_AGAIN})
        return Refusal.LOCKED

    def _room(self, connection: Connection, lanes: str) -> bool:
        if not self._db.sqlite:
            lock_lanes(connection, lanes)
        return has_room(lanes, held_places(_RUNNING.rows(connection, {})))

    def renew(self, worker: str, tokens: Collection[str], now: datetime, lease: float) -> Renewal:
        until = now + timedelta(seconds=lease)
        asked = {"tokens": sorted(tokens)}
        with self._db.write(durable=False) as connection:
            held = connection.execute(_HELD, asked).all() if tokens else []
            if held:
                connection.execute(_EXTEND, {**asked, "ids": [row.id for row in held], "until": until})
            alive = self._db.insert(workers).on_conflict_do_update(index_elements=["name"], set_={"seen_at": now})
            connection.execute(alive, {"name": worker, "queues": [], "version": "", "seen_at": now})
        return Renewal(
            fenced=frozenset(tokens) - {row.token for row in held},
            cancelled=frozenset(row.token for row in held if row.cancel_by is not None),
            at_once=frozenset(row.token for row in held if row.cancel_by is not None and row.cancel_now),
        )


def _take(
    connection: Connection, row: AnyRow, plan: JobPlan, worker: str, now: datetime, lease: float
) -> Claim | Refusal:
    token = secrets.token_hex(16)
    until = now + timedelta(seconds=lease)
    taking = {"job": row.id, "nth": row.attempt, "fence": token, "by": worker, "at": now, "until": until}
    if _TAKE.change(connection, taking) != 1:
        return Refusal.GONE
    if row.run_state == RunState.QUEUED:
        _START_RUN.change(connection, {"run": row.run_id})
    data = {"attempt": row.attempt}
    line = event(now, row.client, f"job.{JobEvent.CLAIM}", row.id, actor=worker, run=row.run_id, data=data)
    tell(connection, line)
    return Claim(
        job=row.id,
        run=row.run_id,
        attempt=row.attempt,
        token=token,
        plan=plan,
        claimed_at=now,
        lease_until=until,
        requested_by=row.requested_by,
        due=row.due,
        worker=worker,
        most=row.attempts_most,
    )
