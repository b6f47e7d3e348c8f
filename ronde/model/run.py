"""The states of runs, jobs and messages to clients, and every legal change between them.

One table each. The ledger stores a state, this module decides the next one, and the ledger's conditional updates take
their `WHERE state IN …` from `sources()`, so there is no second opinion in SQL.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from ronde.model.verdict import Verdict, worst


class IllegalChange(Exception):
    """An event that the state does not allow; a programming error, never a user's."""


class JobState(StrEnum):
    """Where one job stands. `SUCCEEDED` means examined and recorded; what was found is its verdict."""

    HELD = "held"  # it waits for a second technician
    WAITING = "waiting"  # it waits until its ring says that it may begin
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"  # the target could not be examined or did not do what was asked; the error says why
    CRASHED = "crashed"  # our own machinery broke while it ran
    LOST = "lost"  # its worker vanished more often than it may be tried again
    CANCELLED = "cancelled"
    EXPIRED = "expired"  # it was not started while that was still useful
    SKIPPED = "skipped"  # a guard, or what became of others, did not let it start; nothing was done on the target
    NEEDS_HUMAN = "needs_human"  # an at-most-once step began and its outcome cannot be established


class JobEvent(StrEnum):
    RELEASE = "release"  # a second technician agreed
    LINE_UP = "line_up"  # a second technician agreed, and its ring says when
    ADMIT = "admit"  # its ring says that it may begin
    RECALL = "recall"  # the run was paused before it had begun
    CLAIM = "claim"
    SUCCEED = "succeed"
    FAIL = "fail"
    SKIP = "skip"
    CRASH = "crash"
    DEFER = "defer"  # a passing trouble: back to the queue, with a later start and the next attempt number
    LAPSE = "lapse"  # the lease ran out; it may be tried again
    LOSE = "lose"  # the lease ran out; it may not be tried again
    ESCALATE = "escalate"  # what a step that must not happen twice came to cannot be established
    CANCEL = "cancel"
    EXPIRE = "expire"


class RunState(StrEnum):
    PENDING_APPROVAL = "pending_approval"  # every job waits for a second technician
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"  # every job was examined; its verdict says what was found
    FAILED = "failed"  # at least one job did not come to a result
    CANCELLED = "cancelled"


class MailState(StrEnum):
    """Where one message stands. `UNKNOWN`: handed over, the answer was lost."""

    QUEUED = "queued"
    LEASED = "leased"
    ACCEPTED = "accepted"
    RETRY = "retry"
    DEAD = "dead"
    UNKNOWN = "unknown"


class MailEvent(StrEnum):
    LEASE = "lease"
    ACCEPT = "accept"
    DELAY = "delay"
    GIVE_UP = "give_up"
    LOSE_ANSWER = "lose_answer"
    REQUEUE = "requeue"  # a person's word: try it once more, now


JOB_CHANGES: Mapping[tuple[JobState, JobEvent], JobState] = {
    (JobState.HELD, JobEvent.RELEASE): JobState.QUEUED,
    (JobState.HELD, JobEvent.LINE_UP): JobState.WAITING,
    (JobState.HELD, JobEvent.CANCEL): JobState.CANCELLED,
    (JobState.HELD, JobEvent.EXPIRE): JobState.EXPIRED,
    (JobState.WAITING, JobEvent.ADMIT): JobState.QUEUED,
    (JobState.WAITING, JobEvent.SKIP): JobState.SKIPPED,
    (JobState.WAITING, JobEvent.CANCEL): JobState.CANCELLED,
    (JobState.QUEUED, JobEvent.CLAIM): JobState.RUNNING,
    (JobState.QUEUED, JobEvent.RECALL): JobState.WAITING,
    (JobState.QUEUED, JobEvent.SKIP): JobState.SKIPPED,
    (JobState.QUEUED, JobEvent.CANCEL): JobState.CANCELLED,
    (JobState.QUEUED, JobEvent.EXPIRE): JobState.EXPIRED,
    (JobState.RUNNING, JobEvent.SUCCEED): JobState.SUCCEEDED,
    (JobState.RUNNING, JobEvent.FAIL): JobState.FAILED,
    (JobState.RUNNING, JobEvent.SKIP): JobState.SKIPPED,
    (JobState.RUNNING, JobEvent.CRASH): JobState.CRASHED,
    (JobState.RUNNING, JobEvent.DEFER): JobState.QUEUED,
    (JobState.RUNNING, JobEvent.LAPSE): JobState.QUEUED,
    (JobState.RUNNING, JobEvent.LOSE): JobState.LOST,
    (JobState.RUNNING, JobEvent.ESCALATE): JobState.NEEDS_HUMAN,
    (JobState.RUNNING, JobEvent.CANCEL): JobState.CANCELLED,
}

MAIL_CHANGES: Mapping[tuple[MailState, MailEvent], MailState] = {
    (MailState.QUEUED, MailEvent.LEASE): MailState.LEASED,
    (MailState.RETRY, MailEvent.LEASE): MailState.LEASED,
    (MailState.UNKNOWN, MailEvent.LEASE): MailState.LEASED,  # a report is sent once more, under the same Message-ID
    (MailState.LEASED, MailEvent.ACCEPT): MailState.ACCEPTED,
    (MailState.LEASED, MailEvent.DELAY): MailState.RETRY,
    (MailState.LEASED, MailEvent.GIVE_UP): MailState.DEAD,
    (MailState.LEASED, MailEvent.LOSE_ANSWER): MailState.UNKNOWN,
    (MailState.RETRY, MailEvent.REQUEUE): MailState.QUEUED,
    (MailState.DEAD, MailEvent.REQUEUE): MailState.QUEUED,
    (MailState.UNKNOWN, MailEvent.REQUEUE): MailState.QUEUED,
}

JOB_UNBEGUN = frozenset({JobState.HELD, JobState.WAITING, JobState.QUEUED})
JOB_OPEN = JOB_UNBEGUN | {JobState.RUNNING}
JOB_GONE_WRONG = frozenset({JobState.FAILED, JobState.CRASHED, JobState.LOST, JobState.NEEDS_HUMAN})
RUN_OPEN = frozenset({RunState.PENDING_APPROVAL, RunState.QUEUED, RunState.RUNNING})


class Policy(StrEnum):
    """What becomes of a job whose worker died: it is repeated, or resumed where it stood; never both."""

    RETRY_SAFE = "retry_safe"
    AT_MOST_ONCE = "at_most_once"


def change_job(state: JobState, event: JobEvent) -> JobState:
    """The state after an event.

    Raises:
        IllegalChange: the table has no such change.
    """
    try:
        return JOB_CHANGES[state, event]
    except KeyError:
        raise IllegalChange(f"a {state} job cannot {event}") from None


def job_sources(event: JobEvent) -> frozenset[JobState]:
    """The states in which a job may meet an event; what a conditional update compares with."""
    return frozenset(state for state, allowed in JOB_CHANGES if allowed is event)


def change_mail(state: MailState, event: MailEvent) -> MailState:
    """The state after an event.

    Raises:
        IllegalChange: the table has no such change.
    """
    try:
        return MAIL_CHANGES[state, event]
    except KeyError:
        raise IllegalChange(f"a {state} message cannot {event}") from None


def mail_sources(event: MailEvent) -> frozenset[MailState]:
    return frozenset(state for state, allowed in MAIL_CHANGES if allowed is event)


def lapse_event(policy: Policy, attempt: int, most: int) -> JobEvent:
    """What a lease that ran out means: take it up again, give up, or ask a person.

    A job that changes something is taken up by a worker that looks at the target first; when that has failed as often
    as it may, nobody knows how far it came.

    Attributes of the decision: `attempt` counts from 1, `most` is how often the job may be tried in all.
    """
    if attempt < most:
        return JobEvent.LAPSE
    return JobEvent.ESCALATE if policy is Policy.AT_MOST_ONCE else JobEvent.LOSE


@dataclass(frozen=True, slots=True)
class Progress:
    """The jobs of a run, as far as its own state depends on them."""

    states: tuple[JobState, ...]
    verdicts: tuple[Verdict, ...]


def run_state(progress: Progress) -> RunState:
    """The state of a run whose jobs stand so; a run without jobs is `FAILED`, it did nothing."""
    states = set(progress.states)
    if not states:
        return RunState.FAILED
    if states == {JobState.HELD}:
        return RunState.PENDING_APPROVAL
    if states & JOB_OPEN:
        return RunState.QUEUED if states <= JOB_UNBEGUN else RunState.RUNNING
    if states == {JobState.CANCELLED}:
        return RunState.CANCELLED
    return RunState.SUCCEEDED if states == {JobState.SUCCEEDED} else RunState.FAILED


def run_verdict(progress: Progress) -> Verdict:
    """The worst verdict of the jobs; a job that came to no result counts as `UNKNOWN`."""
    return worst(progress.verdicts)


def job_verdict(state: JobState, checks: tuple[Verdict, ...]) -> Verdict:
    """The verdict of a job: the worst of its checks, and never better than `UNKNOWN` unless it was fully examined."""
    if state is JobState.SUCCEEDED:
        return worst(checks)
    return worst([Verdict.UNKNOWN, *checks])
