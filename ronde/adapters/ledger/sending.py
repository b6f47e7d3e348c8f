"""Which queued jobs get a wake-up message: due, within their lanes, and fair between clients."""

from collections import Counter, deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, bindparam, case, func, or_, select, text, update

from ronde.adapters.ledger.part import Part, among
from ronde.adapters.ledger.prepared import Prepared
from ronde.adapters.ledger.tables import jobs
from ronde.model.lanes import Group, allot, held_places
from ronde.model.run import JOB_OPEN, JobEvent, JobState, job_sources
from ronde.ports import Hint

_SENDING = text("SELECT pg_advisory_xact_lock(5922410113)")  # one sender at a time; any constant of our own
_BATCH = 500  # ids in one statement

_now = bindparam("now", type_=jobs.c.wake_at.type)
_claimable = among(jobs.c.state, job_sources(JobEvent.CLAIM))
_due = and_(_claimable, jobs.c.wake_at <= _now, or_(jobs.c.not_after.is_(None), jobs.c.not_after >= _now))
_under_way = or_(among(jobs.c.state, {JobState.RUNNING}), and_(jobs.c.sends > 0, jobs.c.wake_at > _now))
_open = among(jobs.c.state, JOB_OPEN)


def _count(condition: Any) -> Any:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)


_STANDING = Prepared(
    select(jobs.c.client, jobs.c.lanes, _count(_under_way).label("held"), _count(_due).label("waiting"))
    .where(_open)
    .group_by(jobs.c.client, jobs.c.lanes)
)
_STANDING_OF_RUN = Prepared(
    select(
        jobs.c.client,
        jobs.c.lanes,
        _count(_under_way).label("held"),
        _count(and_(_due, jobs.c.run_id == bindparam("run"))).label("waiting"),
    )
    .where(_open)
    .group_by(jobs.c.client, jobs.c.lanes)
)
_FIRST = (
    select(jobs.c.id, jobs.c.attempt)
    .where(_due, jobs.c.client == bindparam("client"), jobs.c.lanes == bindparam("lanes"))
    .order_by(jobs.c.wake_at, jobs.c.created_at, jobs.c.position)
    .limit(bindparam("places"))
    .with_for_update(skip_locked=True)
)
_FIRST_OF_RUN = _FIRST.where(jobs.c.run_id == bindparam("run"))
_SENT = (
    update(jobs)
    .where(jobs.c.id.in_(bindparam("ids", expanding=True)), _claimable)
    .values(sends=jobs.c.sends + 1, wake_at=bindparam("again", type_=jobs.c.wake_at.type))
)


class Sending(Part):
    """The sending half of `ronde.ports.Jobs`."""

    def to_send(
        self, now: datetime, *, resend_after: float, limit: int = 500, run: str | None = None
    ) -> Sequence[Hint]:
        with self._db.read() as connection:
            if not _next(connection, now, limit, run):
                return ()  # the usual case, after every job of a full lane: nobody waits for the write lock
        with self._db.write(durable=False) as connection:
            if not self._db.sqlite:
                connection.execute(_SENDING)
            hints = _chosen(connection, _next(connection, now, limit, run), now, run)
            again = now + timedelta(seconds=resend_after)
            for start in range(0, len(hints), _BATCH):
                ids = [hint.job for hint in hints[start : start + _BATCH]]
                connection.execute(_SENT, {"ids": ids, "again": again})
        return hints


def _next(connection: Connection, now: datetime, limit: int, run: str | None) -> list[Group]:
    statement, more = (_STANDING, {}) if run is None else (_STANDING_OF_RUN, {"run": run})
    found = statement.rows(connection, {"now": now, **more})
    waiting = {Group(row.client, row.lanes): row.waiting for row in found if row.waiting}
    if not waiting:
        return []
    return allot(waiting, held_places((row.lanes, row.held) for row in found), limit)


def _chosen(connection: Connection, turns: Sequence[Group], now: datetime, run: str | None) -> list[Hint]:
    """The oldest jobs of each group, in the order of the turns."""
    statement, more = (_FIRST, {}) if run is None else (_FIRST_OF_RUN, {"run": run})
    queues: dict[Group, deque[Hint]] = {}
    for group, count in Counter(turns).items():
        asked = {"now": now, "client": group.client, "lanes": group.lanes, "places": count, **more}
        queues[group] = deque(Hint(job, attempt) for job, attempt in connection.execute(statement, asked))
    return [queues[group].popleft() for group in turns if queues[group]]
