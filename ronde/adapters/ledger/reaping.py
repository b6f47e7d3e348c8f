"""What is done for jobs and runs that nobody looks after: ended leases, late starts, lost messages."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, exists, func, or_, select, update

from ronde.adapters.ledger.endings import COLUMNS, end, requeue
from ronde.adapters.ledger.part import AnyRow, Part, among, event, tell
from ronde.adapters.ledger.prepared import Prepared
from ronde.adapters.ledger.tables import jobs, runs
from ronde.adapters.ledger.waves import is_due, move_on
from ronde.model.check import Json
from ronde.model.run import (
    JOB_OPEN,
    RUN_OPEN,
    JobEvent,
    JobState,
    Policy,
    Progress,
    job_sources,
    lapse_event,
    run_state,
    run_verdict,
)
from ronde.model.verdict import Verdict

_now = bindparam("now", type_=jobs.c.wake_at.type)
# SKIP LOCKED: a row that somebody is changing this very moment is not abandoned.
_LAPSED = (
    select(*COLUMNS)
    .where(among(jobs.c.state, job_sources(JobEvent.LAPSE)), jobs.c.lease_until <= _now)
    .with_for_update(skip_locked=True)
)
_LATE = (
    select(*COLUMNS)
    .where(among(jobs.c.state, job_sources(JobEvent.EXPIRE)), jobs.c.not_after < _now)
    .with_for_update(skip_locked=True)
)
_STANDING = (
    select(jobs.c.client, jobs.c.state, jobs.c.verdict, func.count().label("jobs"))
    .where(jobs.c.run_id == bindparam("run"))
    .group_by(jobs.c.client, jobs.c.state, jobs.c.verdict)
)
_PROGRESS = Prepared(
    select(jobs.c.state, jobs.c.verdict).where(jobs.c.run_id == bindparam("run")).group_by(jobs.c.state, jobs.c.verdict)
)
_open_run = among(runs.c.state, RUN_OPEN)
_FIND_RUN = select(runs.c.state, runs.c.pace, runs.c.paused_by).where(runs.c.id == bindparam("run"), _open_run)
_RUN = Prepared(_FIND_RUN)
_LOCKED_RUN = _FIND_RUN.with_for_update()
_MOVE = (
    update(runs)
    .where(runs.c.id == bindparam("run"), _open_run)
    .values(state=bindparam("new"), verdict=bindparam("worst"), finished_at=bindparam("at"))
)
_UNFINISHED = (
    select(runs.c.id)
    .where(_open_run, runs.c.created_at <= _now)
    .where(or_(runs.c.pace.is_not(None), ~exists().where(jobs.c.run_id == runs.c.id, among(jobs.c.state, JOB_OPEN))))
    .order_by(runs.c.created_at)
)


class Reaping(Part):
    """The part of `ronde.ports.Jobs` that the roll call and `advance` use."""

    def reap(self, now: datetime) -> Sequence[str]:
        with self._db.read() as connection:
            if not any(connection.execute(look, {"now": now}).first() for look in (_LAPSED, _LATE)):
                return ()
        with self._db.write() as connection:
            touched = _reap_lapsed(connection, now)
            late = connection.execute(_LATE, {"now": now}).all()
            end(connection, late, JobEvent.EXPIRE, now)
        return list(dict.fromkeys([*touched, *(row.run_id for row in late)]))

    def advance(self, run: str, now: datetime) -> bool:
        with self._db.read() as connection:
            known = _RUN.rows(connection, {"run": run})
            if not known:
                return False
            same = run_state(_progress(connection, run)) == known[0].state
            if same and not is_due(connection, run, known[0], now):
                return False  # the usual case, after every job but the last
        with self._db.write() as connection:
            if connection.execute(_LOCKED_RUN, {"run": run}).first() is None:
                return False
            move_on(connection, run, now)
            progress = _progress(connection, run)
            state = run_state(progress)
            ended = state not in RUN_OPEN
            verdict = run_verdict(progress) if ended else None
            new = {"new": state.value, "worst": verdict and verdict.value, "at": now if ended else None}
            moved = connection.execute(_MOVE, {"run": run, **new}).rowcount == 1
            if moved and ended:
                _tell_end(connection, run, now)
        return moved and ended

    def unfinished(self, now: datetime) -> Sequence[str]:
        with self._db.read() as connection:
            return list(connection.execute(_UNFINISHED, {"now": now}).scalars())


def _reap_lapsed(connection: Connection, now: datetime) -> list[str]:
    by_event = defaultdict(list)
    for row in connection.execute(_LAPSED, {"now": now}):
        by_event[lapse_event(Policy(row.policy), row.attempt, row.attempts_most)].append(row)
    for what, rows in by_event.items():
        if what is JobEvent.LAPSE:
            asked = [row for row in rows if row.cancel_by is not None]
            end(connection, asked, JobEvent.CANCEL, now)
            requeue(connection, [row for row in rows if row.cancel_by is None], now)
        else:
            end(connection, rows, what, now)
    return [row.run_id for rows in by_event.values() for row in rows]


def _progress(connection: Connection, run: str) -> Progress:
    return _progress_of(_PROGRESS.rows(connection, {"run": run}))


def _progress_of(rows: Sequence[AnyRow]) -> Progress:
    return Progress(
        tuple(JobState(row.state) for row in rows),
        tuple(Verdict(row.verdict) if row.verdict else Verdict.UNKNOWN for row in rows),
    )


def _tell_end(connection: Connection, run: str, now: datetime) -> None:
    """One line for each client, with what its own jobs came to: nobody learns of another's."""
    by_client = defaultdict(list)
    for row in connection.execute(_STANDING, {"run": run}):
        by_client[row.client].append(row)
    lines = []
    for client, rows in sorted(by_client.items()):
        own = _progress_of(rows)
        ends: Counter[str] = Counter()
        for row in rows:
            ends[row.state] += row.jobs
        data: dict[str, Json] = {
            "state": run_state(own).value,
            "verdict": run_verdict(own).value,
            "jobs": dict(ends),
        }
        lines.append(event(now, client, "run.end", run, run=run, data=data))
    tell(connection, *lines)
