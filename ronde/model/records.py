"""What the ledger gives back: plain values, already limited to a scope."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ronde.model.check import Check, Finding, Json
from ronde.model.errors import RondeError, with_advice
from ronde.model.plan import JobPlan, Target
from ronde.model.procedure import StepRecord
from ronde.model.run import IllegalChange, JobEvent, JobState, MailState, RunState
from ronde.model.verdict import Level, Verdict


@dataclass(frozen=True, slots=True)
class Scope:
    """The clients whose data may be read. An empty scope sees nothing."""

    clients: frozenset[str]

    @classmethod
    def of(cls, *clients: str) -> "Scope":
        return cls(frozenset(clients))

    def holds(self, client: str) -> bool:
        return client in self.clients


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a job came to no result.

    Attributes:
        code: the error's stable identifier (`unreachable`, `host-key-changed`, `crashed`, …).
        message: one sentence with the figures; free of secrets.
        advice: what to do next.
        permanent: whether trying again could not help.
    """

    code: str
    message: str
    advice: str = ""
    permanent: bool = False

    def __str__(self) -> str:
        return with_advice(self.message, self.advice)

    @classmethod
    def of(cls, error: RondeError) -> "Trouble":
        return cls(error.code, error.message, error.advice, error.permanent)


@dataclass(frozen=True, slots=True)
class JobOutcome:
    """What one attempt came to.

    Attributes:
        state: `SUCCEEDED`, `FAILED`, `SKIPPED`, `CRASHED`, `CANCELLED`, `NEEDS_HUMAN`, or `QUEUED` for a passing
            trouble that is tried again.
        not_before: with `QUEUED`, when.
        waits: with `QUEUED`, that nothing was begun, so that the end of its usefulness still holds.
    """

    state: JobState
    checks: tuple[Check, ...] = ()
    trouble: Trouble | None = None
    not_before: datetime | None = None
    waits: bool = False

    @property
    def event(self) -> JobEvent:
        """What this outcome does to the running job.

        Raises:
            IllegalChange: no attempt ends in that state.
        """
        try:
            return _EVENT_OF[self.state]
        except KeyError:
            raise IllegalChange(f"an attempt cannot come to {self.state}") from None


_EVENT_OF = {
    JobState.SUCCEEDED: JobEvent.SUCCEED,
    JobState.FAILED: JobEvent.FAIL,
    JobState.SKIPPED: JobEvent.SKIP,
    JobState.NEEDS_HUMAN: JobEvent.ESCALATE,
    JobState.CRASHED: JobEvent.CRASH,
    JobState.CANCELLED: JobEvent.CANCEL,
    JobState.QUEUED: JobEvent.DEFER,
}


def trouble_of_ending(
    event: JobEvent, worker: str = "", who: str = "", state: JobState = JobState.RUNNING
) -> Trouble | None:
    """Why a job stands where the ledger itself put it; None for events that say nothing by themselves."""
    if event is JobEvent.EXPIRE and state is JobState.HELD:
        return Trouble("not-approved", "nobody approved it while an approval was possible", "Order it again.")
    match event:
        case JobEvent.LAPSE | JobEvent.LOSE:
            again = event is JobEvent.LAPSE
            advice = "" if again else "Look at the worker's log, then order the check again."
            return Trouble("lost", f"its worker {worker} vanished in mid-job", advice)
        case JobEvent.ESCALATE:
            message = f"its worker {worker} vanished during work that must not happen twice"
            advice = "Look at the target: what was begun may be half done."
            return Trouble("needs-human", message, advice, permanent=True)
        case JobEvent.EXPIRE:
            message = "no worker took it while a start was still useful"
            return Trouble("expired", message, "Check that workers run and can reach the broker: `ronde doctor`.")
        case JobEvent.CANCEL:
            return Trouble("cancelled", f"{who} cancelled it", permanent=True)
        case _:
            return None


@dataclass(frozen=True, slots=True)
class CheckRecord:
    """One check as it was recorded; see `ronde.model.check.Check` for the fields of the same name."""

    id: str
    run: str
    job: str
    client: str
    host: str
    subject: str
    kind: str
    verdict: Verdict
    level: Level | None
    evidence_at: datetime | None
    recorded_at: datetime
    findings: tuple[Finding, ...] = ()
    facts: Mapping[str, Json] = field(default_factory=dict)
    objective: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JobRecord:
    """One job as it stands.

    Attributes:
        attempt: the current or last attempt, from 1.
        sends: how many wake-up messages were sent for the current attempt.
        not_before, not_after: the span in which it may be started, as it stands now.
        ring: where its target stands in a change that goes in rings; None in any other.
    """

    id: str
    run: str
    target: Target
    playbook: str
    state: JobState
    verdict: Verdict | None
    attempt: int
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    worker: str = ""
    sends: int = 0
    not_before: datetime | None = None
    not_after: datetime | None = None
    trouble: Trouble | None = None
    plan: JobPlan | None = None
    checks: tuple[CheckRecord, ...] = ()
    steps: tuple[StepRecord, ...] = ()
    ring: int | None = None


@dataclass(frozen=True, slots=True)
class LockRecord:
    """A job that has a host to itself: of which run, ordered by whom, since when, and until when at the latest."""

    run: str
    job: str
    owner: str
    since: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class EventRecord:
    """One line of the append-only record: a state change or an act of a person."""

    at: datetime
    actor: str
    action: str
    subject: str
    data: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run as it stands, with those of its jobs that the scope may see.

    Attributes:
        plan: the digest of its frozen plan; `request`: what was asked for, to ask for it again.
        paused_by: who asked that nothing more be begun for now; empty when nobody did.
    """

    id: str
    playbook: str
    digest: str
    state: RunState
    verdict: Verdict | None
    trigger: str
    requested_by: str
    reason: str
    created_at: datetime
    finished_at: datetime | None = None
    schedule: str | None = None
    due: datetime | None = None
    plan: str = ""
    request: Mapping[str, Json] = field(default_factory=dict)
    jobs: tuple[JobRecord, ...] = ()
    events: tuple[EventRecord, ...] = field(default=(), repr=False)
    paused_by: str = ""


@dataclass(frozen=True, slots=True)
class OccurrenceRecord:
    """A due instant and what became of it: `run` is None when it was missed, and `reason` says why."""

    client: str
    schedule: str
    due: datetime
    decided_at: datetime
    run: str | None
    reason: str = ""
    count: int = 1


@dataclass(frozen=True, slots=True)
class EvidenceRecord:
    """One exchange as it was kept: redacted, and with the digest of what was kept.

    Attributes:
        discarded: whether retention has removed output and errors since; the digest still tells what they were.
    """

    job: str
    subject: str
    question: str
    tool: str
    started: datetime
    ended: datetime
    exit_status: int | None
    output: bytes
    errors: bytes
    truncated: bool
    digest: str
    discarded: bool = False


def evidence_digest(output: bytes, errors: bytes) -> str:
    """SHA-256 over the SHA-256 of both, so that no byte can move from one to the other unseen; hexadecimal."""
    return hashlib.sha256(hashlib.sha256(output).digest() + hashlib.sha256(errors).digest()).hexdigest()


@dataclass(frozen=True, slots=True)
class Pruned:
    """What retention removed: raw outputs of jobs, and whole runs with all they hold."""

    outputs: int
    runs: int
    mails: int


@dataclass(frozen=True, slots=True)
class MailRecord:
    """One message as it stands, without its body."""

    id: str
    client: str
    kind: str
    recipient: str
    subject: str
    state: MailState
    attempts: int
    created_at: datetime
    next_attempt_at: datetime | None = None
    accepted_at: datetime | None = None
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Health:
    """The machinery: who was seen when, and what is waiting. Ages in seconds; None = nothing of the kind."""

    beats: Mapping[str, datetime]
    workers: Mapping[str, tuple[datetime, tuple[str, ...]]]
    oldest_queued_s: float | None
    unsent_mails: int
    oldest_unsent_s: float | None
    overdue_leases: int
    last_roll_call: datetime | None
