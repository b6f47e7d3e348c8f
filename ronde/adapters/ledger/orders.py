"""Runs come into being: claimed due instants, orders by people, and their cancelling."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from ronde.adapters.ledger.endings import COLUMNS, end
from ronde.adapters.ledger.part import Part, among, event, new_id, tell, within
from ronde.adapters.ledger.tables import approvals, jobs, occurrences, runs, schedules_seen
from ronde.adapters.ledger.waves import move_on
from ronde.model.approvals import ApprovalState
from ronde.model.check import Json
from ronde.model.errors import InputError
from ronde.model.lanes import lanes_text
from ronde.model.pace import pace_json, place_json
from ronde.model.plan import AwaitedApproval, JobPlan, Occurrence, Order, job_json
from ronde.model.records import Scope
from ronde.model.run import JobEvent, JobState, RunState, job_sources

_ADD_RUN = insert(runs)
_ADD_JOBS = insert(jobs)
_ADD_APPROVAL = insert(approvals)


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
            _store(connection, rows, now)
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
            _store(connection, rows, now)
        return run

    def cancel_run(self, scope: Scope, run: str, who: str, now: datetime, *, at_once: bool = False) -> bool:
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
                asked = {"cancel_by": who, "cancel_now": at_once}
                connection.execute(update(jobs).where(jobs.c.id.in_(ids)).values(asked))
                data: dict[str, Json] = {"at_once": at_once}
                lines = [
                    event(now, row.client, "job.ask_cancel", row.id, actor=who, run=run, data=data) for row in running
                ]
                tell(connection, *lines)
        return bool(found)


@dataclass(frozen=True, slots=True)
class OrderRows:
    """What an order becomes: its run, its jobs, the approval it waits for, and one event for each client."""

    run: dict[str, Any]
    jobs: list[dict[str, Any]]
    lines: list[dict[str, Any]]
    approval: dict[str, Any] | None


def _rows(order: Order, run: str, now: datetime) -> OrderRows:
    """Each client gets a line of its own in the record, and may see no other's."""
    if not order.jobs:
        raise InputError("the order has no job")
    counts: dict[str, int] = defaultdict(int)
    for job in order.jobs:
        counts[job.target.client] += 1
    asked: dict[str, Json] = {
        "playbook": order.playbook,
        "digest": order.digest,
        "plan": order.plan,
        "reason": order.reason,
    }
    if order.approval is not None:
        asked["waits_for"] = order.approval.why
    lines = [
        event(now, client, "run.order", run, actor=order.requested_by, run=run, data={**asked, "jobs": count})
        for client, count in sorted(counts.items())
    ]
    held = order.approval
    return OrderRows(
        run=_run_row(order, run, now),
        jobs=[_job_row(job, run, at, now, held) for at, job in enumerate(order.jobs)],
        lines=lines,
        approval=None if held is None else _approval_row(order, held, run, now),
    )


def _approval_row(order: Order, awaited: AwaitedApproval, run: str, now: datetime) -> dict[str, Any]:
    return {
        "run_id": run,
        "plan": order.plan,
        "why": awaited.why,
        "requested_by": order.requested_by,
        "requested_at": now,
        "expires_at": awaited.expires_at,
        "state": ApprovalState.PENDING.value,
        "reason": "",
    }


def _store(connection: Connection, rows: OrderRows, now: datetime) -> None:
    connection.execute(_ADD_RUN, rows.run)
    connection.execute(_ADD_JOBS, rows.jobs)
    if rows.approval is not None:
        connection.execute(_ADD_APPROVAL, rows.approval)
    tell(connection, *rows.lines)
    if rows.run["pace"] is not None:
        move_on(connection, rows.run["id"], now)  # the first of its canaries may begin


def _run_row(order: Order, run: str, now: datetime) -> dict[str, Any]:
    return {
        "id": run,
        "playbook": order.playbook,
        "digest": order.digest,
        "state": (RunState.PENDING_APPROVAL if order.approval else RunState.QUEUED).value,
        "trigger": order.trigger.value,
        "requested_by": order.requested_by,
        "reason": order.reason,
        "created_at": now,
        "schedule": order.occurrence.schedule if order.occurrence else None,
        "due": order.occurrence.due if order.occurrence else None,
        "plan": order.plan,
        "request": order.request,
        "pace": pace_json(order.pace) if order.pace and order.goes_in_rings else None,
    }


def _job_row(job: JobPlan, run: str, position: int, now: datetime, held: AwaitedApproval | None) -> dict[str, Any]:
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
        "place": place_json(job.place) if job.place else None,
        "state": _first_state(job, held).value,
        "attempt": 1,
        "worker": "",
        "sends": 0,
        "wake_at": max(now, job.not_before) if job.not_before else now,
        "not_before": job.not_before,
        "not_after": held.expires_at if held else job.not_after,  # its own limit counts from the approval on
        "created_at": now,
        "cancel_now": False,
    }


def _first_state(job: JobPlan, held: AwaitedApproval | None) -> JobState:
    if held is not None:
        return JobState.HELD
    return JobState.WAITING if job.waits_its_turn else JobState.QUEUED
