"""Runs in memory; see `ronde.ports.Orders`."""

import secrets
from collections import Counter
from collections.abc import Collection, Mapping
from datetime import datetime

from ronde.model.errors import InputError
from ronde.model.plan import Occurrence, Order
from ronde.model.records import OccurrenceRecord, Scope
from ronde.model.run import JOB_OPEN, JobEvent, JobState
from tests.doubles.memory_store import JobRow, RunRow, Store, aware


class MemoryOrders(Store):
    def claim_occurrence(self, order: Order, now: datetime) -> str | None:
        if order.occurrence is None:
            raise InputError("the order answers no due instant")
        with self._all_or_nothing():
            run = self._create(order, now)
            if self._decide(order.occurrence, now, run, "", 1):
                return run
            self._undo(run)
            return None

    def _undo(self, run: str) -> None:
        del self._t.runs[run]
        self._t.jobs = {job.id: job for job in self._t.jobs.values() if job.run != run}
        self._t.events = [line for line in self._t.events if line.run != run]

    def miss_occurrence(
        self, occurrence: Occurrence, reason: str, now: datetime, count: int = 1, after: datetime | None = None
    ) -> bool:
        with self._all_or_nothing():
            if after is not None and self._newest_decided(occurrence) not in {None, after}:
                return False
            if not self._decide(occurrence, now, None, reason, count):
                return False
            data = {"due": aware(occurrence.due).isoformat(), "reason": reason, "count": count}
            self._tell(now, occurrence.client, "occurrence.miss", occurrence.schedule, data=data)
            return True

    def _newest_decided(self, of: Occurrence) -> datetime | None:
        name = (of.client, of.schedule)
        if name not in self._t.seen:
            return None
        first = self._t.seen[name][1]
        return max(first, self._t.decided.get(name, first))

    def _decide(self, one: Occurrence, now: datetime, run: str | None, reason: str, count: int) -> bool:
        key, name = (one.client, one.schedule, aware(one.due)), (one.client, one.schedule)
        if key in self._t.occurrences:
            return False
        self._t.occurrences[key] = OccurrenceRecord(*key, now, run, reason, count)
        self._t.seen.setdefault(name, ("", now))
        self._t.decided[name] = max(one.due, self._t.decided.get(name, one.due))
        return True

    def decided_until(self, scope: Scope, keys: Collection[tuple[str, str]]) -> Mapping[tuple[str, str], datetime]:
        with self._lock:
            known = {key: max(first, self._t.decided.get(key, first)) for key, (_, first) in self._t.seen.items()}
            return {key: known[key] for key in keys if key in known and scope.holds(key[0])}

    def see_schedules(self, definitions: Mapping[tuple[str, str], str], now: datetime) -> None:
        with self._lock:
            for key, definition in definitions.items():
                if self._t.seen.get(key, (None,))[0] != definition:
                    self._t.seen[key] = (definition, aware(now))

    def create_run(self, order: Order, now: datetime) -> str:
        with self._all_or_nothing():
            return self._create(order, now)

    def _create(self, order: Order, now: datetime) -> str:
        if not order.jobs:
            raise InputError("the order has no job")
        run = secrets.token_hex(12)
        self._t.runs[run] = RunRow(run, order, aware(now))
        for position, plan in enumerate(order.jobs):
            job = secrets.token_hex(12)
            wake_at = max(now, plan.not_before) if plan.not_before else now
            self._t.jobs[job] = JobRow(job, run, position, plan, now, wake_at, plan.not_before, plan.not_after)
        for client, count in Counter(plan.target.client for plan in order.jobs).items():
            data = {"playbook": order.playbook, "reason": order.reason, "jobs": count}
            self._tell(now, client, "run.order", run, actor=order.requested_by, run=run, data=data)
        return run

    def cancel_run(self, scope: Scope, run: str, who: str, now: datetime) -> bool:
        with self._all_or_nothing():
            found = [job for job in self._jobs_of(run) if scope.holds(job.client) and job.state in JOB_OPEN]
            for job in found:
                if job.state is JobState.QUEUED:
                    self._end(job, JobEvent.CANCEL, now, who)
                else:
                    self._put(job, cancel_by=who)
                    self._tell(now, job.client, "job.ask_cancel", job.id, actor=who, run=run)
            return bool(found)
