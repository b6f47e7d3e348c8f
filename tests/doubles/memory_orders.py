"""Runs in memory; see `ronde.ports.Orders`."""

import secrets
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime

from ronde.model.approvals import Approval, ApprovalEvent, ApprovalRequest, ApprovalState
from ronde.model.errors import InputError
from ronde.model.plan import Occurrence, Order
from ronde.model.records import OccurrenceRecord, Scope, Trouble
from ronde.model.run import JOB_OPEN, JobEvent, JobState, RunState
from tests.doubles.memory_store import JobRow, RunRow, aware
from tests.doubles.memory_waves import MemoryWaves


class MemoryOrders(MemoryWaves):
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
        held = order.approval
        state = RunState.PENDING_APPROVAL if held else RunState.QUEUED
        self._t.runs[run] = RunRow(run, order, aware(now), state)
        if held:
            clients = frozenset(plan.target.client for plan in order.jobs)
            request = ApprovalRequest(run, order.plan, order.requested_by, now, held.expires_at, clients)
            self._t.approvals[run] = Approval(request)
        for position, plan in enumerate(order.jobs):
            job = secrets.token_hex(12)
            wake_at = max(now, plan.not_before) if plan.not_before else now
            row = JobRow(job, run, position, plan, now, wake_at, plan.not_before, plan.not_after)
            self._t.jobs[job] = replace(row, most=plan.retry.attempts)
            if held:
                self._put(row, state=JobState.HELD, not_after=held.expires_at)
            elif plan.waits_its_turn:
                self._put(row, state=JobState.WAITING)
        for client, count in Counter(plan.target.client for plan in order.jobs).items():
            data = {"playbook": order.playbook, "reason": order.reason, "jobs": count}
            self._tell(now, client, "run.order", run, actor=order.requested_by, run=run, data=data)
        self._move_on(run, now)
        return run

    def approval(self, scope: Scope, run: str) -> Approval | None:
        with self._lock:
            found = self._t.approvals.get(run)
            return found if found is not None and found.request.clients & scope.clients else None

    def decide_run(self, approval: Approval, now: datetime) -> bool:
        decision = approval.decision
        if decision is None or approval.state not in (ApprovalState.APPROVED, ApprovalState.REFUSED):
            raise ValueError("nothing was decided")
        with self._all_or_nothing():
            run = approval.request.run
            known = self._t.approvals.get(run)
            if known is None or known.state is not ApprovalState.PENDING or known.request.expires_at <= now:
                return False
            if known.request.plan_digest != decision.answer.plan_digest:
                return False
            agreed = approval.state is ApprovalState.APPROVED
            state = ApprovalState.USED if agreed else ApprovalState.REFUSED
            self._t.approvals[run] = replace(approval, state=state)
            for job in self._jobs_of(run):
                if job.state is JobState.HELD and agreed:
                    start = max(now, job.plan.not_before) if job.plan.not_before else now
                    released = JobState.WAITING if job.plan.waits_its_turn else JobState.QUEUED
                    self._put(job, state=released, wake_at=start, not_after=job.plan.not_after)
                elif job.state is JobState.HELD:
                    reason = decision.answer.reason
                    words = f"{decision.by} refused it" + (f": {reason}" if reason else "")
                    trouble = Trouble("refused", words, permanent=True)
                    self._end(job, JobEvent.CANCEL, now, decision.by, trouble)
            what = ApprovalEvent.APPROVE if agreed else ApprovalEvent.REFUSE
            data = {"plan": decision.answer.plan_digest, "reason": decision.answer.reason}
            for client in sorted(approval.request.clients):
                self._tell(now, client, f"run.{what}", run, actor=decision.by, run=run, data=data)
            if agreed:
                self._t.runs[run] = replace(self._t.runs[run], state=RunState.QUEUED)
                self._move_on(run, now)
            return True

    def cancel_run(self, scope: Scope, run: str, who: str, now: datetime, *, at_once: bool = False) -> bool:
        with self._all_or_nothing():
            found = [job for job in self._jobs_of(run) if scope.holds(job.client) and job.state in JOB_OPEN]
            for job in found:
                if job.state is not JobState.RUNNING:
                    self._end(job, JobEvent.CANCEL, now, who)
                else:
                    self._put(job, cancel_by=who, cancel_now=at_once)
                    data = {"at_once": at_once}
                    self._tell(now, job.client, "job.ask_cancel", job.id, actor=who, run=run, data=data)
            return bool(found)
