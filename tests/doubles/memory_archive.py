"""Reading in memory, and forgetting; see `ronde.ports.Archive`, `Vitals` and `Retention`."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from ronde.adapters.ledger.rows import standing
from ronde.model.check import Json
from ronde.model.errors import InputError
from ronde.model.procedure import StepRecord
from ronde.model.records import (
    CheckRecord,
    EvidenceRecord,
    Health,
    JobRecord,
    LockRecord,
    OccurrenceRecord,
    Pruned,
    RunRecord,
    Scope,
)
from ronde.model.run import JOB_GONE_WRONG, RUN_OPEN, JobState, MailState, Policy
from tests.doubles.memory_store import JobRow, RunRow, Store


class MemoryArchive(Store):
    def run(self, scope: Scope, reference: str) -> RunRecord:
        start = reference.strip().lower()
        with self._lock:
            found = [run for run in self._t.runs.values() if start and run.id.startswith(start)]
            seen = [run for run in found if any(scope.holds(job.client) for job in self._jobs_of(run.id))]
            if len(seen) != 1:
                raise InputError(f'{len(seen)} runs begin with "{reference}"')
            lines = [e.record for e in self._t.events if e.run == seen[0].id and scope.holds(e.client)]
            return replace(self._run_record(seen[0], scope, whole=True), events=tuple(lines))

    def _run_record(self, run: RunRow, scope: Scope, *, whole: bool = False) -> RunRecord:
        all_jobs = self._jobs_of(run.id)
        jobs = [self._job_record(job, whole=whole, plan=whole) for job in all_jobs if scope.holds(job.client)]
        state, verdict, finished_at = run.state, run.verdict, run.finished_at
        if len(jobs) < len(all_jobs):
            state, verdict = standing(jobs)
            ends = [job.finished_at for job in jobs if job.finished_at]
            finished_at = max(ends, default=None) if verdict else None
        order, occurrence = run.order, run.order.occurrence
        return RunRecord(
            id=run.id,
            playbook=order.playbook,
            digest=order.digest,
            state=state,
            verdict=verdict,
            trigger=order.trigger.value,
            requested_by=order.requested_by,
            reason=order.reason,
            created_at=run.created_at,
            finished_at=finished_at,
            schedule=occurrence.schedule if occurrence else None,
            due=occurrence.due if occurrence else None,
            plan=order.plan,
            request={} if len(jobs) < len(all_jobs) else dict(order.request),
            jobs=tuple(jobs),
            paused_by=run.paused_by,
        )

    def _job_record(self, job: JobRow, *, whole: bool, plan: bool) -> JobRecord:
        return JobRecord(
            id=job.id,
            run=job.run,
            target=job.plan.target,
            playbook=job.plan.playbook,
            state=job.state,
            verdict=job.verdict,
            attempt=job.attempt,
            created_at=job.created_at,
            started_at=job.started_at,
            finished_at=job.finished_at,
            worker=job.worker,
            sends=job.sends,
            not_before=job.not_before,
            not_after=job.not_after,
            trouble=job.trouble,
            plan=job.plan if plan else None,
            checks=tuple(self._checks_of(job.id)) if whole else (),
            steps=tuple(self._steps_of(job)) if whole else (),
            ring=job.plan.place.ring if job.plan.place else None,
        )

    def gone_wrong(self, scope: Scope, run: str) -> Sequence[JobRecord]:
        with self._lock:
            return [
                self._job_record(job, whole=False, plan=False)
                for job in self._jobs_of(run)
                if scope.holds(job.client) and job.plan.policy is Policy.AT_MOST_ONCE and job.state in JOB_GONE_WRONG
            ]

    def _steps_of(self, job: JobRow) -> list[StepRecord]:
        order = [step.id for section in job.plan.sections().values() for step in section]
        found = [record for (of, _), record in self._t.steps.items() if of == job.id]
        return sorted(found, key=lambda record: order.index(record.step))

    def _succeeded(self, scope: Scope, playbook: str, target: str | None) -> list[JobRow]:
        found = [
            job
            for job in self._t.jobs.values()
            if scope.holds(job.client)
            and job.plan.playbook == playbook
            and job.state is JobState.SUCCEEDED
            and target in (None, job.plan.target.name)
        ]
        return sorted(found, key=lambda job: (job.finished_at or job.created_at, job.id), reverse=True)

    def last_facts(self, scope: Scope, playbook: str, target: str) -> Mapping[str, Mapping[str, Json]]:
        with self._lock:
            for job in self._succeeded(scope, playbook, target)[:1]:
                return {record.step: record.facts for record in self._steps_of(job)}
            return {}

    def durations(self, scope: Scope, playbook: str, target: str | None, *, limit: int = 50) -> Sequence[float]:
        with self._lock:
            spans = [(job.started_at, job.finished_at) for job in self._succeeded(scope, playbook, target)[:limit]]
            return [(end - start).total_seconds() for start, end in spans if start and end]

    def lock_on(self, scope: Scope, host: str, now: datetime) -> LockRecord | None:
        with self._lock:
            for (client, name), lock in self._t.locks.items():
                if scope.holds(client) and name == host and lock.expires_at > now:
                    return LockRecord(lock.run, lock.job, lock.owner, lock.since, lock.expires_at)
            return None

    def runs(self, scope: Scope, *, since: datetime, limit: int = 50, open_only: bool = False) -> Sequence[RunRecord]:
        with self._lock:
            recent = [self._run_record(run, scope) for run in self._t.runs.values() if run.created_at >= since]
            seen = [run for run in recent if run.jobs and (not open_only or run.state in RUN_OPEN)]
            return sorted(seen, key=lambda run: (run.created_at, run.id), reverse=True)[:limit]

    def latest_checks(self, scope: Scope, *, since: datetime, until: datetime) -> Sequence[CheckRecord]:
        newest: dict[tuple[str, str, str, str], CheckRecord] = {}
        with self._lock:
            for check in sorted(self._t.checks, key=lambda check: check.recorded_at):
                if scope.holds(check.client) and since <= check.recorded_at < until:
                    newest[check.client, check.host, check.kind, check.subject] = check
        return [newest[key] for key in sorted(newest)]

    def history(
        self, scope: Scope, host: str, kinds: Collection[str], *, before: datetime, limit: int = 30
    ) -> Sequence[CheckRecord]:
        found: list[CheckRecord] = []
        counts: Counter[tuple[str, str, str]] = Counter()
        with self._lock:
            newest_first = self._t.checks[::-1]
            newest_first.sort(key=lambda check: check.recorded_at, reverse=True)  # stable: later attempts stay first
            for check in newest_first:
                subject = (check.client, check.kind, check.subject)
                fits = scope.holds(check.client) and check.host == host and check.kind in kinds
                if fits and check.recorded_at < before and counts[subject] < limit:
                    counts[subject] += 1
                    found.append(check)
        return found

    def jobs(self, scope: Scope, *, since: datetime, until: datetime) -> Sequence[JobRecord]:
        with self._lock:
            found = [
                job for job in self._t.jobs.values() if scope.holds(job.client) and since <= job.created_at < until
            ]
            ordered = sorted(found, key=lambda job: (job.created_at, job.run, job.position))
            return [self._job_record(job, whole=False, plan=True) for job in ordered]

    def occurrences(self, scope: Scope, *, since: datetime, until: datetime) -> Sequence[OccurrenceRecord]:
        with self._lock:
            found = [
                one for one in self._t.occurrences.values() if scope.holds(one.client) and since <= one.due < until
            ]
            return sorted(found, key=lambda one: (one.due, one.client, one.schedule))

    def evidence(self, scope: Scope, job: str) -> Sequence[EvidenceRecord]:
        with self._lock:
            return [kept for client, kept in self._t.evidence if kept.job == job and scope.holds(client)]

    def worker_seen(self, worker: str, queues: Sequence[str], version: str, now: datetime) -> None:
        with self._lock:
            self._t.workers[worker] = (now, tuple(queues))

    def beat_seen(self, beat: str, now: datetime) -> None:
        with self._lock:
            self._t.beats[beat] = now

    def health(self, now: datetime) -> Health:
        lately = now - timedelta(days=1)
        with self._lock:
            queued = [
                start
                for job in self._t.jobs.values()
                if job.state is JobState.QUEUED and (start := job.not_before or job.created_at) <= now
            ]
            running = [job for job in self._t.jobs.values() if job.state is JobState.RUNNING]
            open_states = {MailState.QUEUED, MailState.LEASED, MailState.RETRY, MailState.UNKNOWN}
            unsent = [mail.created_at for mail in self._t.mails.values() if mail.state in open_states]
            return Health(
                beats={name: at for name, at in self._t.beats.items() if at > lately},
                workers={name: seen for name, seen in self._t.workers.items() if seen[0] > lately},
                oldest_queued_s=(now - min(queued)).total_seconds() if queued else None,
                unsent_mails=len(unsent),
                oldest_unsent_s=(now - min(unsent)).total_seconds() if unsent else None,
                overdue_leases=sum(job.lease_until is not None and job.lease_until <= now for job in running),
                last_roll_call=max(self._t.beats.values(), default=None),
            )

    def ping(self) -> str:
        return "memory"

    def prune(self, *, before_raw: datetime, before_all: datetime, now: datetime) -> Pruned:
        with self._all_or_nothing():
            outputs = self._discard(before_raw)
            old = {r.id for r in self._t.runs.values() if r.finished_at is not None and r.finished_at < before_all}
            gone = {job.id for job in self._t.jobs.values() if job.run in old}
            settled = {MailState.ACCEPTED, MailState.DEAD}
            mails = [m.id for m in self._t.mails.values() if m.state in settled and m.created_at < before_all]
            self._t.runs = {key: run for key, run in self._t.runs.items() if key not in old}
            self._t.jobs = {key: job for key, job in self._t.jobs.items() if key not in gone}
            self._t.checks = [check for check in self._t.checks if check.job not in gone]
            self._t.evidence = [pair for pair in self._t.evidence if pair[1].job not in gone]
            self._t.mails = {key: mail for key, mail in self._t.mails.items() if key not in mails}
            self._t.occurrences = {
                key: one
                for key, one in self._t.occurrences.items()
                if one.run not in old and not (one.run is None and one.due < before_all)
            }
            return Pruned(outputs, len(old), len(mails))

    def _discard(self, before: datetime) -> int:
        done = {j.id for j in self._t.jobs.values() if j.finished_at is not None and j.finished_at < before}
        gone = {(kept.job, kept.digest) for _, kept in self._t.evidence if kept.job in done and not kept.discarded}
        self._t.evidence = [
            (client, replace(kept, output=b"", errors=b"", discarded=True) if kept.job in done else kept)
            for client, kept in self._t.evidence
        ]
        return len(gone)
