"""Runs come into being: claimed due instants, orders by people, and their cancelling."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from ronde.adapters.ledger.endings import COLUMNS, end
from ronde.adapters.ledger.part import Part, among, event, new_id, tell, within
from ronde.adapters.ledger.tables import jobs, occurrences, runs, schedules_seen
from ronde.model.check import Json
from ronde.model.errors import InputError
from ronde.model.lanes import lanes_text
from ronde.model.plan import JobPlan, Occurrence, Order, digest, job_json, plan_json
from ronde.model.records import Scope
from ronde.model.run import JobEvent, JobState, RunState, job_sources

_ADD_RUN = insert(runs)
_ADD_JOBS = insert(jobs)


class SqlOrders(Part):
    """See `ronde.ports.Orders`."""

    def claim_occurrence(self, order: Order, now: datetime) -> str | None:
        occurrence = order.occurrence
        if occurrence is None:
            raise InputError("the order answers no due instant")
        run = new_id()
        rows = _rows(order, run, now)
        with self._db.write() as connection:
            if not self._decide(connection, occurrence, now, run=run):
                return None
            _store(connection, rows)
        return run

    def miss_occurrence(
        self, occurrence: Occurrence, reason: str, now: datetime, count: int = 1, after: datetime | None = None
    ) -> bool:
        with self._db.write() as connection:
            if after is not None and self._newest_decided(connection, occurrence) not in {None, after}:
                return False
            if not self._decide(connection, occurrence, now, reason=reason, instants=count):
                return False
            data: dict[str, Json] = {"due": occurrence.due.isoformat(), "reason": reason, "count": count}
            line = event(now, occurrence.client, "occurrence.miss", occurrence.schedule, data=data)
            tell(connection, line)
        return True

    def _decide(
        self, connection: Connection, occurrence: Occurrence, now: datetime, *, run: str | None = None, **more: Any
    ) -> bool:
        key = {"client": occurrence.client, "schedule": occurrence.schedule}
        row = {"due": occurrence.due, "decided_at": now, "run_id": run, "reason": "", "instants": 1, **key, **more}
        if not self._db.add_if_new(connection, occurrences, row):
            return False
        seen = self._db.insert(schedules_seen)
        remember = seen.on_conflict_do_update(
            index_elements=["client", "schedule"],
            set_={
                "decided_until": self._later(
                    func.coalesce(schedules_seen.c.decided_until, seen.excluded.decided_until),
                    seen.excluded.decided_until,
                )
            },
        )
        connection.execute(remember, {"first_seen": now, "definition": "", "decided_until": occurrence.due, **key})
        return True

    def _newest_decided(self, connection: Connection, of: Occurrence) -> datetime | None:
        """What the next decision starts from; the row stays locked until the transaction ends."""
        row = connection.execute(
            select(schedules_seen.c.first_seen, schedules_seen.c.decided_until)
            .where(schedules_seen.c.client == of.client, schedules_seen.c.schedule == of.schedule)
            .with_for_update()
        ).first()
        return None if row is None else max(row.first_seen, row.decided_until or row.first_seen)

    def _later(self, one: Any, other: Any) -> Any:
        """The later of two instants, neither of them NULL, in SQL."""
        later = func.max if self._db.sqlite else func.greatest
        return later(one, other, type_=schedules_seen.c.first_seen.type)

    def decided_until(self, scope: Scope, keys: Collection[tuple[str, str]]) -> Mapping[tuple[str, str], datetime]:
        columns = (schedules_seen.c.client, schedules_seen.c.schedule)
        first = schedules_seen.c.first_seen
        newest = self._later(func.coalesce(schedules_seen.c.decided_until, first), first)
        wanted = set(keys)
        with self._db.read() as connection:
            found = connection.execute(select(*columns, newest).where(within(schedules_seen.c.client, scope)))
            return {(client, name): at for client, name, at in found if (client, name) in wanted}

    def see_schedules(self, definitions: Mapping[tuple[str, str], str], now: datetime) -> None:
        clients = sorted({client for client, _ in definitions})
        columns = (schedules_seen.c.client, schedules_seen.c.schedule, schedules_seen.c.definition)
        known = select(*columns).where(schedules_seen.c.client.in_(clients))
        with self._db.read() as connection:
            seen = {(client, name): definition for client, name, definition in connection.execute(known)}
        rows = [
            {"client": client, "schedule": name, "definition": definition, "first_seen": now}
            for (client, name), definition in sorted(definitions.items())
            if seen.get((client, name)) != definition
        ]
        if not rows:
            return  # the usual case: a roll call takes no write lock for it
        add = self._db.insert(schedules_seen)
        new = {"first_seen": add.excluded.first_seen, "definition": add.excluded.definition}
        other = schedules_seen.c.definition != add.excluded.definition  # somebody else may have been first
        with self._db.write() as connection:
            keys = ["client", "schedule"]
            connection.execute(add.on_conflict_do_update(index_elements=keys, set_=new, where=other), rows)

    def create_run(self, order: Order, now: datetime) -> str:
        run = new_id()
        rows = _rows(order, run, now)
        with self._db.write() as connection:
            _store(connection, rows)
        return run

    def cancel_run(self, scope: Scope, run: str, who: str, now: datetime) -> bool:
        wanted = (
            select(*COLUMNS)
            .where(jobs.c.run_id == run, within(jobs.c.client, scope))
            .where(among(jobs.c.state, job_sources(JobEvent.CANCEL)))
            .order_by(jobs.c.id)
            .with_for_update()  # in one order everywhere, so that two writers never wait for each other
        )
        with self._db.write() as connection:
            found = connection.execute(wanted).all()
            end(connection, [row for row in found if row.state != JobState.RUNNING], JobEvent.CANCEL, now, who)
            running = [row for row in found if row.state == JobState.RUNNING]
            if running:
                ids = [row.id for row in running]
                connection.execute(update(jobs).where(jobs.c.id.in_(ids)).values(cancel_by=who))
                lines = [event(now, row.client, "job.ask_cancel", row.id, actor=who, run=run) for row in running]
                tell(connection, *lines)
        return bool(found)


def _rows(order: Order, run: str, now: datetime) -> tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]:
    """The run's row, its jobs' rows, and its events' rows: one for each client, who may see no other's."""
    if not order.jobs:
        raise InputError("the order has no job")
    counts: dict[str, int] = defaultdict(int)
    for job in order.jobs:
        counts[job.target.client] += 1
    asked: dict[str, Json] = {
        "playbook": order.playbook,
        "digest": order.digest,
        "plan": digest(plan_json(order)),
        "reason": order.reason,
    }
    lines = [
        event(now, client, "run.order", run, actor=order.requested_by, run=run, data={**asked, "jobs": count})
        for client, count in sorted(counts.items())
    ]
    return _run_row(order, run, now), [_job_row(job, run, at, now) for at, job in enumerate(order.jobs)], lines


def _store(connection: Connection, rows: tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]) -> None:
    run, added, lines = rows
    connection.execute(_ADD_RUN, run)
    connection.execute(_ADD_JOBS, added)
    tell(connection, *lines)


def _run_row(order: Order, run: str, now: datetime) -> dict[str, Any]:
    return {
        "id": run,
        "playbook": order.playbook,
        "digest": order.digest,
        "state": RunState.QUEUED.value,
        "trigger": order.trigger.value,
        "requested_by": order.requested_by,
        "reason": order.reason,
        "created_at": now,
        "schedule": order.occurrence.schedule if order.occurrence else None,
        "due": order.occurrence.due if order.occurrence else None,
    }


def _job_row(job: JobPlan, run: str, position: int, now: datetime) -> dict[str, Any]:
    return {
        "id": new_id(),
        "run_id": run,
        "position": position,
        "client": job.target.client,
        "kind": job.target.kind.value,
        "target": job.target.name,
        "playbook": job.playbook,
        "policy": job.policy.value,
        "attempts_most": job.retry.attempts,
        "plan": job_json(job),
        "lanes": lanes_text(job.lanes),
        "state": JobState.QUEUED.value,
        "attempt": 1,
        "worker": "",
        "sends": 0,
        "wake_at": max(now, job.not_before) if job.not_before else now,
        "not_before": job.not_before,
        "not_after": job.not_after,
        "created_at": now,
    }
