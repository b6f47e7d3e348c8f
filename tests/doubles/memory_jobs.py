"""The life of a job in memory; see `ronde.ports.Jobs`."""

import secrets
from collections import Counter, defaultdict, deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from ronde.model.check import Check
from ronde.model.lanes import Group, allot, has_room, held_places, lanes_text
from ronde.model.plan import Lane, TargetKind
from ronde.model.procedure import StepRecord
from ronde.model.records import CheckRecord, EvidenceRecord, JobOutcome, evidence_digest, trouble_of_ending
from ronde.model.run import (
    JOB_OPEN,
    RUN_OPEN,
    JobEvent,
    JobState,
    RunState,
    change_job,
    job_sources,
    job_verdict,
    lapse_event,
    run_state,
    run_verdict,
)
from ronde.ports import Claim, Hint, Refusal, Renewal
from tests.doubles.memory_store import JobRow, LockRow, aware, progress_of
from tests.doubles.memory_waves import MemoryWaves


class MemoryJobs(MemoryWaves):
    def to_send(
        self, now: datetime, *, resend_after: float, limit: int = 500, run: str | None = None
    ) -> Sequence[Hint]:
        with self._all_or_nothing():
            under_way = [job for job in self._t.jobs.values() if _under_way(job, now)]
            queues: dict[Group, deque[JobRow]] = defaultdict(deque)
            for job in sorted(self._t.jobs.values(), key=lambda job: (job.wake_at, job.created_at, job.position)):
                if _is_due(job, now) and run in {None, job.run}:
                    queues[Group(job.client, lanes_text(job.plan.lanes))].append(job)
            waiting = {group: len(queue) for group, queue in queues.items()}
            chosen = [queues[group].popleft() for group in allot(waiting, _held(under_way), limit)]
            for job in chosen:
                self._put(job, sends=job.sends + 1, wake_at=now + timedelta(seconds=resend_after))
            return [Hint(job.id, job.attempt) for job in chosen]

    def claim(self, hint: Hint, worker: str, now: datetime, lease: float) -> Claim | Refusal:
        with self._all_or_nothing():
            job = self._t.jobs.get(hint.job)
            if job is None or job.attempt != hint.attempt or job.state not in job_sources(JobEvent.CLAIM):
                return Refusal.GONE
            return self._refusal(job, now) or self._take(job, worker, now, now + timedelta(seconds=lease))

    def _refusal(self, job: JobRow, now: datetime) -> Refusal | None:
        if job.not_after is not None and job.not_after < now:
            self._end(job, JobEvent.EXPIRE, now)
            return Refusal.EXPIRED
        if job.not_before is not None and now < job.not_before:
            self._put(job, wake_at=job.not_before)
            return Refusal.EARLY
        running = [other for other in self._t.jobs.values() if other.state is JobState.RUNNING]
        if not has_room(lanes_text(job.plan.lanes), _held(running)):
            self._put(job, wake_at=now)
            return Refusal.NO_ROOM
        if job.started_at is None and not self._may_begin(job):
            self._put(job, wake_at=now + timedelta(seconds=5))
            return Refusal.STOPPED
        if not self._lock_target(job, now):
            self._put(job, wake_at=now + timedelta(seconds=5))
            return Refusal.LOCKED
        return None

    def _lock_target(self, job: JobRow, now: datetime) -> bool:
        if not job.plan.is_change or job.plan.target.kind is not TargetKind.HOST:
            return True
        key = (job.client, job.plan.target.name)
        held = self._t.locks.get(key)
        if held is not None and held.job != job.id and held.expires_at > now:
            return False
        until = now + job.plan.limit + timedelta(minutes=5)
        by = self._t.runs[job.run].order.requested_by
        mine = held is not None and held.job == job.id
        since = held.since if held is not None and mine else now
        self._t.locks[key] = LockRow(job.id, job.run, by, since, until)
        return True

    def _take(self, job: JobRow, worker: str, now: datetime, until: datetime) -> Claim:
        token = secrets.token_hex(16)
        state = change_job(job.state, JobEvent.CLAIM)
        self._put(job, state=state, token=token, worker=worker, started_at=now, lease_until=until)
        run = self._t.runs[job.run]
        if run.state is RunState.QUEUED:
            self._t.runs[run.id] = replace(run, state=RunState.RUNNING)
        self._tell(now, job.client, "job.claim", job.id, actor=worker, run=job.run, data={"attempt": job.attempt})
        due = run.order.occurrence.due if run.order.occurrence else None
        by = run.order.requested_by
        return Claim(job.id, job.run, job.attempt, token, job.plan, now, until, by, due, worker, job.most)

    def renew(self, worker: str, tokens: Collection[str], now: datetime, lease: float) -> Renewal:
        with self._lock:
            held = {job.token: job for job in self._t.jobs.values() if job.token in tokens and job.token}
            for job in held.values():
                self._put(job, lease_until=now + timedelta(seconds=lease))
            _, queues = self._t.workers.get(worker, (now, ()))
            self._t.workers[worker] = (now, queues)
            asked = frozenset(token for token, job in held.items() if token and job.cancel_by is not None)
            at_once = frozenset(token for token, job in held.items() if token in asked and token and job.cancel_now)
            return Renewal(frozenset(tokens) - held.keys(), asked, at_once)

    def record(self, claim: Claim, outcome: JobOutcome, now: datetime) -> bool:
        what = outcome.event
        with self._all_or_nothing():
            job = self._t.jobs.get(claim.job)
            if job is None or job.token != claim.token or job.state not in job_sources(what):
                return False
            for check in outcome.checks:
                self._add_check(claim, check, now)
            data = {"attempt": claim.attempt, "checks": len(outcome.checks)}
            self._tell(now, job.client, f"job.{what}", job.id, actor=claim.worker, run=job.run, data=data)
            if what is JobEvent.DEFER:
                start = outcome.not_before or now
                procedure = job.plan.procedure
                waits = outcome.waits and procedure is not None
                self._requeue(job, what, start, start, procedure.wait_until if waits and procedure else None)
                self._put(job, most=job.most + int(waits))
                self._put(job, trouble=outcome.trouble)
                if job.cancel_by is not None:
                    self._end(self._t.jobs[job.id], JobEvent.CANCEL, now, job.cancel_by)
                return True
            state = change_job(job.state, what)
            verdict = job_verdict(state, tuple(check.verdict for check in self._checks_of(job.id)))
            self._put(job, state=state, verdict=verdict, finished_at=now, token=None, lease_until=None)
            self._put(job, trouble=outcome.trouble)
            self._release(job.id, state, now)
            return True

    def steps(self, claim: Claim) -> Sequence[StepRecord]:
        with self._lock:
            order = [step.id for section in claim.plan.sections().values() for step in section]
            found = {step: record for (job, step), record in self._t.steps.items() if job == claim.job}
            return sorted(found.values(), key=lambda record: order.index(record.step))

    def take_places(self, claim: Claim, lanes: Sequence[Lane], now: datetime) -> bool:
        with self._all_or_nothing():
            job = self._t.jobs.get(claim.job)
            if job is None or job.token != claim.token or job.state is not JobState.RUNNING:
                return False
            self._t.places = {key: until for key, until in self._t.places.items() if until > now}
            others = Counter(lane for lane, holder in self._t.places if holder != claim.job)
            if any(others[lane.name] >= lane.places for lane in lanes):
                return False
            until = now + claim.plan.limit + timedelta(minutes=5)
            self._t.places = {(lane.name, claim.job): until for lane in lanes} | self._t.places
            return True

    def leave_places(self, claim: Claim) -> None:
        with self._all_or_nothing():
            self._t.places = {key: until for key, until in self._t.places.items() if key[1] != claim.job}

    def keep_step(self, claim: Claim, record: StepRecord, now: datetime, check: Check | None = None) -> bool:
        with self._all_or_nothing():
            job = self._t.jobs.get(claim.job)
            if job is None or job.token != claim.token or job.state is not JobState.RUNNING:
                return False
            every = [step for section in claim.plan.sections().values() for step in section]
            terms = next(step.terms for step in every if step.id == record.step)
            self._t.steps[claim.job, record.step] = record
            if terms is not None and terms.changes:
                data = {"step": record.step, "attempt": record.attempt, "changed": record.changed}
                self._tell(now, job.client, f"step.{record.state}", job.id, actor=claim.worker, run=job.run, data=data)
            if check is not None:
                self._add_check(claim, check, now)
            return True

    def _add_check(self, claim: Claim, check: Check, now: datetime) -> None:
        client = claim.plan.target.client
        self._t.checks.append(
            CheckRecord(
                secrets.token_hex(12),
                claim.run,
                claim.job,
                client,
                check.host,
                check.subject,
                check.kind,
                check.verdict,
                check.level,
                check.evidence_at,
                aware(now),
                check.findings,
                check.facts,
                check.objective,
            )
        )
        for one in check.exchanges:
            output, errors = one.output[: self._cap], one.errors[: self._cap]
            cut = one.truncated or len(one.output) > self._cap or len(one.errors) > self._cap
            times, status = (one.started, one.ended), one.exit_status
            digest = evidence_digest(output, errors)
            kept = EvidenceRecord(
                claim.job, check.subject, one.question, one.tool, *times, status, output, errors, cut, digest
            )
            self._t.evidence.append((client, kept))

    def reap(self, now: datetime) -> Sequence[str]:
        touched = []
        with self._all_or_nothing():
            for job in list(self._t.jobs.values()):
                if job.state is JobState.RUNNING and job.lease_until is not None and job.lease_until <= now:
                    self._lapse(job, now)
                    touched.append(job.run)
                elif job.state in job_sources(JobEvent.EXPIRE) and job.not_after is not None and job.not_after < now:
                    self._end(job, JobEvent.EXPIRE, now)
                    touched.append(job.run)
        return list(dict.fromkeys(touched))

    def _lapse(self, job: JobRow, now: datetime) -> None:
        what = lapse_event(job.plan.policy, job.attempt, job.most)
        if what is not JobEvent.LAPSE:
            self._end(job, what, now)
        elif job.cancel_by is not None:
            self._end(job, JobEvent.CANCEL, now)
        else:
            self._requeue(job, what, now, None)
            self._put(job, trouble=trouble_of_ending(what, job.worker))
            self._tell(now, job.client, f"job.{what}", job.id, run=job.run, data={"attempt": job.attempt})

    def advance(self, run: str, now: datetime) -> bool:
        with self._all_or_nothing():
            found = self._t.runs.get(run)
            if found is None or found.state not in RUN_OPEN:
                return False
            self._move_on(run, now)
            progress = progress_of(self._jobs_of(run))
            state = run_state(progress)
            if state in RUN_OPEN:
                self._t.runs[run] = replace(found, state=state)
                return False
            self._t.runs[run] = replace(found, state=state, verdict=run_verdict(progress), finished_at=now)
            for client in {job.client for job in self._jobs_of(run)}:
                own = progress_of([job for job in self._jobs_of(run) if job.client == client])
                data = {"state": run_state(own).value, "verdict": run_verdict(own).value}
                self._tell(now, client, "run.end", run, run=run, data=data)
            return True

    def unfinished(self, now: datetime) -> Sequence[str]:
        with self._lock:
            open_jobs = {job.run for job in self._t.jobs.values() if job.state in JOB_OPEN}
            runs = sorted(self._t.runs.values(), key=lambda run: run.created_at)
            known = [run for run in runs if run.state in RUN_OPEN and run.created_at <= now]
            return [run.id for run in known if run.pace is not None or run.id not in open_jobs]


def _under_way(job: JobRow, now: datetime) -> bool:
    return job.state is JobState.RUNNING or (job.state is JobState.QUEUED and job.sends > 0 and job.wake_at > now)


def _is_due(job: JobRow, now: datetime) -> bool:
    useful = job.not_after is None or job.not_after >= now
    return job.state in job_sources(JobEvent.CLAIM) and job.wake_at <= now and useful


def _held(jobs: Iterable[JobRow]) -> Counter[str]:
    return held_places((lanes_text(job.plan.lanes), 1) for job in jobs)
