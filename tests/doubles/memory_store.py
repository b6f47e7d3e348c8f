"""The rows of the ledger in memory, and what all its parts do with them."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from ronde.model.approvals import Approval
from ronde.model.outbox import Mail, Posted
from ronde.model.pace import Pace
from ronde.model.plan import JobPlan, Order
from ronde.model.procedure import StepRecord
from ronde.model.records import CheckRecord, EventRecord, EvidenceRecord, OccurrenceRecord, Trouble, trouble_of_ending
from ronde.model.run import JobEvent, JobState, MailState, Progress, RunState, change_job, job_verdict
from ronde.model.verdict import Verdict


@dataclass(frozen=True, slots=True)
class JobRow:
    id: str
    run: str
    position: int
    plan: JobPlan
    created_at: datetime
    wake_at: datetime
    not_before: datetime | None
    not_after: datetime | None
    state: JobState = JobState.QUEUED
    verdict: Verdict | None = None
    attempt: int = 1
    sends: int = 0
    token: str | None = None
    worker: str = ""
    lease_until: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    cancel_by: str | None = None
    cancel_now: bool = False
    most: int = 0  # the last attempt that may be made
    trouble: Trouble | None = None

    @property
    def client(self) -> str:
        return self.plan.target.client


@dataclass(frozen=True, slots=True)
class RunRow:
    id: str
    order: Order
    created_at: datetime
    state: RunState = RunState.QUEUED
    verdict: Verdict | None = None
    finished_at: datetime | None = None
    paused_by: str = ""

    @property
    def pace(self) -> Pace | None:
        return self.order.pace if self.order.goes_in_rings else None


@dataclass(frozen=True, slots=True)
class MailRow:
    id: str
    mail: Mail
    created_at: datetime
    state: MailState = MailState.QUEUED
    attempts: int = 0
    unknowns: int = 0
    token: str | None = None
    lease_until: datetime | None = None
    next_attempt_at: datetime | None = None
    accepted_at: datetime | None = None
    answer: str = ""

    def posted(self) -> Posted:
        raw, sender, recipient = self.mail.raw, self.mail.sender, self.mail.recipient
        return Posted(self.id, self.token or "", sender, recipient, raw, self.attempts, self.unknowns, self.created_at)


@dataclass(frozen=True, slots=True)
class EventRow:
    client: str
    run: str | None
    record: EventRecord


@dataclass(frozen=True, slots=True)
class LockRow:
    job: str
    run: str
    owner: str
    since: datetime
    expires_at: datetime


@dataclass(slots=True)
class Tables:
    runs: dict[str, RunRow] = field(default_factory=dict)
    jobs: dict[str, JobRow] = field(default_factory=dict)
    checks: list[CheckRecord] = field(default_factory=list)
    evidence: list[tuple[str, EvidenceRecord]] = field(default_factory=list)  # with the client
    occurrences: dict[tuple[str, str, datetime], OccurrenceRecord] = field(default_factory=dict)
    seen: dict[tuple[str, str], tuple[str, datetime]] = field(default_factory=dict)  # definition, since when
    decided: dict[tuple[str, str], datetime] = field(default_factory=dict)
    mails: dict[str, MailRow] = field(default_factory=dict)
    events: list[EventRow] = field(default_factory=list)
    steps: dict[tuple[str, str], StepRecord] = field(default_factory=dict)  # by job and step
    locks: dict[tuple[str, str], LockRow] = field(default_factory=dict)  # by client and host
    places: dict[tuple[str, str], datetime] = field(default_factory=dict)  # by lane and job: until when
    approvals: dict[str, Approval] = field(default_factory=dict)  # by run
    workers: dict[str, tuple[datetime, tuple[str, ...]]] = field(default_factory=dict)
    beats: dict[str, datetime] = field(default_factory=dict)


def aware(instant: datetime) -> datetime:
    """Refuses what the real ledger refuses."""
    if instant.tzinfo is None:
        raise ValueError(f"a naive datetime reached the ledger: {instant!r}")
    return instant.astimezone(UTC)


def progress_of(jobs: Iterable[JobRow]) -> Progress:
    known = tuple(jobs)
    return Progress(tuple(job.state for job in known), tuple(job.verdict or Verdict.UNKNOWN for job in known))


class Store:
    """One lock around everything; rows are replaced whole, and a method that raises changes nothing."""

    def __init__(self, output_cap: int) -> None:
        self._lock = threading.RLock()
        self._t = Tables()
        self._cap = output_cap

    @contextmanager
    def _all_or_nothing(self) -> Iterator[None]:
        with self._lock:
            before = Tables(*(copy(getattr(self._t, each.name)) for each in fields(Tables)))
            try:
                yield
            except BaseException:
                self._t = before
                raise

    def _tell(self, at: datetime, client: str, action: str, subject: str, **more: Any) -> None:
        record = EventRecord(at, more.get("actor", "ronde"), action, subject, more.get("data", {}))
        self._t.events.append(EventRow(client, more.get("run"), record))

    def _jobs_of(self, run: str) -> list[JobRow]:
        return [job for job in self._t.jobs.values() if job.run == run]

    def _put(self, job: JobRow, **changes: Any) -> None:
        self._t.jobs[job.id] = replace(self._t.jobs[job.id], **changes)

    def _end(
        self, job: JobRow, what: JobEvent, now: datetime, who: str = "ronde", trouble: Trouble | None = None
    ) -> None:
        state = change_job(job.state, what)
        why = trouble or trouble_of_ending(what, job.worker, job.cancel_by or who, job.state)
        self._release(job.id, state, now)
        verdict = job_verdict(state, tuple(check.verdict for check in self._checks_of(job.id)))
        self._put(job, state=state, verdict=verdict, finished_at=now, token=None, lease_until=None, trouble=why)
        self._tell(now, job.client, f"job.{what}", job.id, actor=who, run=job.run, data={"attempt": job.attempt})

    def _release(self, job: str, state: JobState, now: datetime) -> None:
        """What an ended job had to itself; after an unclear end its target is kept for a day."""
        self._t.places = {key: until for key, until in self._t.places.items() if key[1] != job}
        for key, lock in list(self._t.locks.items()):
            if lock.job == job and state is JobState.NEEDS_HUMAN:
                self._t.locks[key] = replace(lock, expires_at=now + timedelta(hours=24))
            elif lock.job == job:
                del self._t.locks[key]

    def _requeue(
        self,
        job: JobRow,
        what: JobEvent,
        wake_at: datetime,
        not_before: datetime | None,
        not_after: datetime | None = None,
    ) -> None:
        state = change_job(job.state, what)
        self._put(job, state=state, attempt=job.attempt + 1, sends=0, token=None, lease_until=None)
        self._put(job, not_after=not_after)
        self._put(job, wake_at=wake_at, not_before=not_before)

    def _checks_of(self, job: str) -> list[CheckRecord]:
        """The newest check of each subject, over the attempts of a job."""
        newest = {(check.host, check.kind, check.subject): check for check in self._t.checks if check.job == job}
        return list(newest.values())
