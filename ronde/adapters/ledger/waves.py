"""Runs that go in rings: what their rings say is done here, and people pause and resume them.

Whoever moves a run on holds the lock of its row, so that two of them never let the same place be taken twice. Of its
jobs only those that wait are locked as well, in the order of their ids; a job that a worker is about to take is passed
over: then it has begun, or the next look finds it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from ronde.adapters.ledger.endings import COLUMNS, end
from ronde.adapters.ledger.part import AnyRow, Part, among, event, tell
from ronde.adapters.ledger.rows import trouble_from, verdict_from
from ronde.adapters.ledger.tables import jobs, runs
from ronde.model.advancing import Move, Standing, is_stopped, next_wave
from ronde.model.pace import pace_from_json, place_from_json
from ronde.model.plan import Target, TargetKind
from ronde.model.records import Scope, Trouble
from ronde.model.run import RUN_OPEN, JobEvent, JobState, change_job, job_sources

_of_run = jobs.c.run_id == bindparam("run")
_RUN = (
    select(runs.c.pace, runs.c.paused_by)
    .where(runs.c.id == bindparam("run"), runs.c.pace.is_not(None), among(runs.c.state, RUN_OPEN))
    .with_for_update()
)
_CLIENTS = select(jobs.c.client).where(_of_run).distinct().order_by(jobs.c.client)
_JOBS = (
    select(
        *(jobs.c.id, jobs.c.client, jobs.c.kind, jobs.c.target, jobs.c.place, jobs.c.state, jobs.c.verdict),
        *(jobs.c.started_at, jobs.c.finished_at, jobs.c.not_before, jobs.c.not_after, jobs.c.trouble),
    )
    .where(_of_run, jobs.c.place.is_not(None))
    .order_by(jobs.c.position)
)
_WAITING = (
    select(*COLUMNS, jobs.c.not_before)
    .where(_of_run, among(jobs.c.state, job_sources(JobEvent.ADMIT)))
    .order_by(jobs.c.id)
    .with_for_update()
)
_LET_GO = (
    select(*COLUMNS)
    .where(_of_run, among(jobs.c.state, job_sources(JobEvent.RECALL)), jobs.c.started_at.is_(None))
    .order_by(jobs.c.id)
    .with_for_update(skip_locked=True)
)
_CHANGE = (
    update(jobs)
    .where(jobs.c.id == bindparam("job"), jobs.c.state == bindparam("old"))
    .values(state=bindparam("new"), sends=0, wake_at=bindparam("start", type_=jobs.c.wake_at.type))
)
_PUT_OFF = (
    update(jobs)
    .where(jobs.c.id == bindparam("job"), among(jobs.c.state, job_sources(JobEvent.ADMIT)))
    .values(not_before=bindparam("start", type_=jobs.c.not_before.type))
)
_PAUSE = update(runs).where(runs.c.id == bindparam("run")).values(paused_by=bindparam("by"))


class SqlWaves(Part):
    """The part of `ronde.ports.Orders` that pauses runs."""

    def pause_run(self, scope: Scope, run: str, who: str, now: datetime) -> bool:
        return self._mark(scope, run, who, now, paused=True)

    def resume_run(self, scope: Scope, run: str, who: str, now: datetime) -> bool:
        return self._mark(scope, run, who, now, paused=False)

    def _mark(self, scope: Scope, run: str, who: str, now: datetime, *, paused: bool) -> bool:
        with self._db.write() as connection:
            row = connection.execute(_RUN, {"run": run}).first()
            if row is None or (row.paused_by is not None) == paused:
                return False
            clients = connection.execute(_CLIENTS, {"run": run}).scalars().all()
            if not scope.clients.issuperset(clients):
                return False
            connection.execute(_PAUSE, {"run": run, "by": who if paused else None})
            action = "run.pause" if paused else "run.resume"
            tell(connection, *[event(now, client, action, run, actor=who, run=run) for client in clients])
            move_on(connection, run, now)
        return True


def is_due(connection: Connection, run: str, row: AnyRow, now: datetime) -> bool:
    """Whether moving the run on would do something; `row` has its pace and who paused it. Locks nothing."""
    if row.pace is None:
        return False
    known = connection.execute(_JOBS, {"run": run}).all()
    move = _move(known, row, now)
    return bool(move.admit or move.recall or move.skip or _put_off(known, move))


def may_begin(connection: Connection, run: str, row: AnyRow) -> bool:
    """Whether a job of the run that was let go may still be begun; `row` has its pace and who paused it."""
    pace = pace_from_json(row.pace)
    if pace is None:
        return True
    return row.paused_by is None and not is_stopped(_standings(connection.execute(_JOBS, {"run": run}).all()), pace)


def move_on(connection: Connection, run: str, now: datetime) -> None:
    """Do what the rings of a run say; nothing for a run that goes in none, or has ended."""
    row = connection.execute(_RUN, {"run": run}).first()
    if row is None:
        return
    waiting = {job.id: job for job in connection.execute(_WAITING, {"run": run})}
    known = connection.execute(_JOBS, {"run": run}).all()
    move = _move(known, row, now)
    let_go: dict[str, AnyRow] = {}
    if move.recall or move.skip:
        let_go = {job.id: job for job in connection.execute(_LET_GO, {"run": run})}
    _change(connection, [waiting[job] for job in move.admit if job in waiting], JobEvent.ADMIT, now)
    _change(connection, [let_go[job] for job in move.recall if job in let_go], JobEvent.RECALL, now)
    _skip(connection, waiting | let_go, move.skip, now)
    if put_off := [job for job in _put_off(known, move) if job in waiting]:
        connection.execute(_PUT_OFF, [{"job": job, "start": move.ready} for job in put_off])


def _move(known: Sequence[AnyRow], row: AnyRow, now: datetime) -> Move:
    pace = pace_from_json(row.pace)
    return Move() if pace is None else next_wave(_standings(known), pace, now, paused=row.paused_by is not None)


def _standings(known: Sequence[AnyRow]) -> list[Standing]:
    return [_standing(row) for row in known]


def _standing(row: AnyRow) -> Standing:
    place, trouble = place_from_json(row.place), trouble_from(row.trouble)
    assert place is not None  # noqa: S101 - the statement asks for jobs that have one
    return Standing(
        job=row.id,
        target=Target(row.client, TargetKind(row.kind), row.target),
        place=place,
        state=JobState(row.state),
        verdict=verdict_from(row.verdict),
        begun=row.started_at is not None,
        ended=row.finished_at,
        not_after=row.not_after,
        trouble=trouble.code if trouble else "",
    )


def _put_off(known: Sequence[AnyRow], move: Move) -> list[str]:
    """The waiting jobs of whom it is not yet on record that they begin no earlier than the canaries allow."""
    if move.ready is None:
        return []
    gone = {job for job, _ in move.skip}
    return [
        row.id
        for row in known
        if row.state == JobState.WAITING
        and row.id not in gone
        and (row.not_before is None or row.not_before < move.ready)
    ]


def _change(connection: Connection, found: Sequence[AnyRow], what: JobEvent, now: datetime) -> None:
    """Let locked jobs begin, or have them wait again."""
    if not found:
        return
    parameters = []
    for row in found:
        planned = getattr(row, "not_before", None)
        start = max(now, planned) if planned is not None else now
        new = change_job(JobState(row.state), what)
        parameters.append({"job": row.id, "old": row.state, "new": new.value, "start": start})
    connection.execute(_CHANGE, parameters)
    tell(connection, *[event(now, row.client, f"job.{what}", row.id, run=row.run_id) for row in found])


def _skip(
    connection: Connection, locked: Mapping[str, AnyRow], skip: Sequence[tuple[str, Trouble]], now: datetime
) -> None:
    by_reason: dict[Trouble, list[Any]] = {}
    for job, why in skip:
        if job in locked:
            by_reason.setdefault(why, []).append(locked[job])
    for why, found in by_reason.items():
        end(connection, found, JobEvent.SKIP, now, why=why)
