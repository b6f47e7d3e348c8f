"""What the engine asks of the outside world, as narrow protocols. Adapters fulfil them, tests double them."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from ronde.model.command import Answer, Command
from ronde.model.inventory import Client, Inventory
from ronde.model.outbox import Mail, MailResult, Posted
from ronde.model.plan import JobPlan, Occurrence, Order
from ronde.model.records import (
    CheckRecord,
    EvidenceRecord,
    Health,
    JobOutcome,
    JobRecord,
    MailRecord,
    OccurrenceRecord,
    Pruned,
    RunRecord,
    Scope,
)
from ronde.model.vsphere.objects import ManagedObject, Question


class Clock(Protocol):
    """The time. Leases and due instants use the ledger's clock, so that workers with skewed clocks agree."""

    def now(self) -> datetime:
        """This instant, aware, in UTC."""


class Secrets(Protocol):
    """Reads secrets at the last moment, where the worker runs."""

    def read(self, reference: str) -> bytes:
        """The secret behind `age://`, `file:///`, `cred://` or `env://`, without a trailing newline.

        Raises:
            SecretError: it does not exist, cannot be opened or decrypted, or is shorter than six characters.
        """


class Signal(Protocol):
    """Whether the work in hand should stop; polled by everything that waits."""

    def check(self) -> None:
        """Return if the work may go on.

        Raises:
            Fenced: this worker no longer holds the job.
            Cancelled: a person asked for the job to stop.
        """


class Shell(Protocol):
    """One connection to one host, for all steps of a job."""

    def run(self, command: Command) -> Answer:
        """Run a command to its end; any exit status is an answer, not an error.

        Raises:
            CommandTimeout: the total or idle limit passed; the connection is closed.
            ConnectionLost: the link broke while it ran.
            Fenced, Cancelled: the signal said stop.
        """

    def close(self) -> None:
        """End the connection; never raises and never blocks longer than a few seconds."""


class Shells(Protocol):
    """Opens connections to the hosts of a client, through their jump hosts."""

    def open(self, client: Client, host: str, signal: Signal) -> AbstractContextManager[Shell]:
        """A connection that is closed on leaving the context.

        Raises:
            Unreachable, HostKeyChanged, HostKeyMissing, AuthRefused, ProtocolFault, SecretError: each names the host
                (the jump host, when that is where it stopped).
        """


class VCenter(Protocol):
    """One read-only session on one vCenter; every call is bounded in time."""

    @property
    def instance_uuid(self) -> str:
        """The server's own identity; part of every key."""

    @property
    def version(self) -> str:
        """Product name, version and build."""

    def now(self) -> datetime:
        """The vCenter's clock, aware, in UTC."""

    def fetch(self, questions: Sequence[Question]) -> Sequence[ManagedObject]:
        """Answer several questions at once, in pages; an object that vanished meanwhile is left out.

        Raises:
            VCenterUnreachable, SessionExpired, VCenterFault: see `ronde.model.errors`.
            Fenced, Cancelled: the signal said stop.
        """


class VCenters(Protocol):
    def open(self, client: Client, vcenter: str, signal: Signal) -> AbstractContextManager[VCenter]:
        """A session that is logged out on leaving the context, whatever happened.

        Raises:
            VCenterUnreachable, CertificateChanged, LoginRefused, SecretError: each names the vCenter.
        """


class Inventories(Protocol):
    """The inventory in force: the last one that was valid, reloaded when its files change."""

    def current(self) -> Inventory:
        """The inventory in force.

        Raises:
            InventoryError: there has never been a valid one in this process.
        """


@dataclass(frozen=True, slots=True)
class Hint:
    """What a message carries: a wake-up for one attempt at one job. The ledger is the truth."""

    job: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Claim:
    """A job held by this worker until its lease ends.

    Attributes:
        token: the fence; every later write of this attempt names it, and fails once somebody else holds the job.
        attempt: counts from 1.
        claimed_at: by the ledger's clock, as everything that is compared with leases.
    """

    job: str
    run: str
    attempt: int
    token: str
    plan: JobPlan
    claimed_at: datetime
    lease_until: datetime
    requested_by: str
    due: datetime | None
    worker: str = ""


class Refusal(StrEnum):
    """Why a claim was not granted; each is a normal answer to a doubled, late or early message."""

    GONE = "gone"  # not queued under this attempt any more: claimed, finished, or never existed
    EARLY = "early"  # its not_before has not come
    EXPIRED = "expired"  # its not_after has passed; it is now recorded as expired
    NO_ROOM = "no_room"  # a lane is full; it is sent again when a place becomes free


@dataclass(frozen=True, slots=True)
class Renewal:
    """The ledger's answer to a heartbeat: tokens that no longer hold their job, and those asked to stop."""

    fenced: frozenset[str]
    cancelled: frozenset[str]


class Orders(Protocol):
    """Runs come into being here, and nowhere else."""

    def claim_occurrence(self, order: Order, now: datetime) -> str | None:
        """Record the order's due instant as fired together with its run and jobs, in one transaction.

        Returns:
            The run's id, or None when that instant was decided before (fired or missed): the unique key
            (client, schedule, due) makes two beats, a restart or a doubled message harmless.

        Raises:
            InputError: the order has no job, or no occurrence; what has no target is missed, with the reason.
        """

    def miss_occurrence(
        self, occurrence: Occurrence, reason: str, now: datetime, count: int = 1, after: datetime | None = None
    ) -> bool:
        """Record a due instant as missed (`count` instants, the newest of which is named); False if decided before.

        With `after`, only while that still is the newest decided instant (or the first sighting): two deciders that
        sum up different numbers of missed instants must not both be believed.
        """

    def decided_until(self, scope: Scope, keys: Collection[tuple[str, str]]) -> Mapping[tuple[str, str], datetime]:
        """For each known (client, schedule) its newest decided instant, or the first sighting as defined, if later."""

    def see_schedules(self, definitions: Mapping[tuple[str, str], str], now: datetime) -> None:
        """Remember when each (client, schedule) was first seen as it is now defined.

        A schedule that is new, or whose definition (`ronde.model.schedule.definition`) changed, never fires for the
        past, and the time it was another one, or switched off, is not missed.
        """

    def create_run(self, order: Order, now: datetime) -> str:
        """Record an order by a person; the run's id.

        Raises:
            InputError: the order has no job.
        """

    def cancel_run(self, scope: Scope, run: str, who: str, now: datetime) -> bool:
        """Cancel what is queued at once and ask what runs to stop; False when nothing was open."""


class Jobs(Protocol):
    """The life of a job. Each method is one transaction that looks at the row count."""

    def to_send(
        self, now: datetime, *, resend_after: float, limit: int = 500, run: str | None = None
    ) -> Sequence[Hint]:
        """Queued jobs that are due and whose lanes have room, never sent or not claimed within `resend_after` s.

        Marks them as sent. Lanes count what runs and what was sent and may still be claimed.
        """

    def claim(self, hint: Hint, worker: str, now: datetime, lease: float) -> Claim | Refusal:
        """Take a job: one conditional update, with a fresh fence token, if the lanes have room."""

    def renew(self, worker: str, tokens: Collection[str], now: datetime, lease: float) -> Renewal:
        """One heartbeat for all that a process holds; also keeps the worker's own row alive."""

    def record(self, claim: Claim, outcome: JobOutcome, now: datetime) -> bool:
        """Store checks, evidence, state and events of one attempt; False when the fence no longer holds the job.

        Raises:
            LedgerError: nothing was stored; the caller may try again while its lease lasts.
        """

    def reap(self, now: datetime) -> Sequence[str]:
        """Jobs whose lease ran out go back to the queue, are lost, or need a human; expired ones are closed.

        Returns:
            Ids of runs that may have something to do next.
        """

    def advance(self, run: str, now: datetime) -> bool:
        """Bring a run's own state and verdict up to date with its jobs, under a row lock; True when it just ended."""

    def unfinished(self, now: datetime) -> Sequence[str]:
        """Ids of open runs all of whose jobs have ended: their `advance` was lost."""


class Archive(Protocol):
    """Everything that reads clients' data. Each method takes a scope; there is no unscoped query."""

    def run(self, scope: Scope, reference: str) -> RunRecord:
        """One run with its jobs and checks, by id or unambiguous beginning of it.

        Raises:
            InputError: no run, or several, begin so within the scope.
        """

    def runs(self, scope: Scope, *, since: datetime, limit: int = 50, open_only: bool = False) -> Sequence[RunRecord]:
        """Runs created since then, newest first, with their jobs (limited to the scope) but without checks."""

    def latest_checks(self, scope: Scope, *, since: datetime, until: datetime) -> Sequence[CheckRecord]:
        """The newest check of each (client, host, kind, subject) recorded in the span."""

    def history(
        self, scope: Scope, host: str, kinds: Collection[str], *, before: datetime, limit: int = 30
    ) -> Sequence[CheckRecord]:
        """Earlier checks on one host or vCenter, newest first, at most `limit` for each subject."""

    def jobs(self, scope: Scope, *, since: datetime, until: datetime) -> Sequence[JobRecord]:
        """Jobs created in the span, oldest first, without checks: what ran, and what came to no result."""

    def occurrences(self, scope: Scope, *, since: datetime, until: datetime) -> Sequence[OccurrenceRecord]:
        """What was due in the span and what became of it, oldest first."""

    def evidence(self, scope: Scope, job: str) -> Sequence[EvidenceRecord]:
        """The exchanges behind a job's checks, with their redacted output, in order."""

    def mails(self, scope: Scope, *, since: datetime) -> Sequence[MailRecord]:
        """Messages queued since then, newest first, without their bodies."""


class Outbox(Protocol):
    """Messages to people: stored first, sent afterwards, never lost."""

    def post(self, mails: Sequence[Mail], now: datetime) -> Sequence[str]:
        """Queue frozen messages; one whose idempotency key is known is not queued twice. Ids of the new."""

    def lease_mail(self, now: datetime, *, lease: float, limit: int = 20) -> Sequence[Posted]:
        """Take messages that are due, and those whose sender died on the way (their outcome is `unknown`)."""

    def settle_mail(self, posted: Posted, result: MailResult, now: datetime) -> bool:
        """Store what the relay said and when to try next; False when the lease was lost."""

    def requeue_mail(self, scope: Scope, mail: str, who: str, now: datetime) -> bool:
        """Make a message that waits, was given up or is in doubt due at once; False when there is none such."""


class Vitals(Protocol):
    """The health of the machinery itself; holds nothing of any client."""

    def worker_seen(self, worker: str, queues: Sequence[str], version: str, now: datetime) -> None:
        """A worker is alive."""

    def beat_seen(self, beat: str, now: datetime) -> None:
        """A beat sent a roll call."""

    def health(self, now: datetime) -> Health:
        """Beats and workers seen lately, the oldest queued job, unsent mail, overdue leases."""

    def ping(self) -> str:
        """Engine and schema revision, if the ledger can be read and written.

        Raises:
            LedgerError: it cannot, and why.
        """


class Retention(Protocol):
    """Forgetting on purpose. Events and digests stay; they say that there was something."""

    def prune(self, *, before_raw: datetime, before_all: datetime, now: datetime) -> Pruned:
        """Remove raw outputs of jobs that ended before `before_raw`, and all of runs that ended before `before_all`.

        Open runs are never touched. Messages go with `before_all` once they are accepted or dead.
        """


class Ledger(Orders, Jobs, Archive, Outbox, Vitals, Retention, Protocol):
    """The one truth about what was ordered, what happened and what was found."""


class Queue(Protocol):
    """Wakes workers. Losing a message loses nothing: the roll call sends again what nobody claimed."""

    def wake(self, hints: Sequence[Hint]) -> None:
        """Send one message for each job.

        Raises:
            QueueError: the broker cannot be reached; nothing needs undoing.
        """

    def advance(self, run: str) -> None:
        """Ask for a run to be moved on."""

    def deliver(self) -> None:
        """Ask for due mail to be sent."""


class Mailer(Protocol):
    def send(self, posted: Posted) -> str:
        """Hand one message to the relay; its answer (with the queue id, if it gave one).

        Raises:
            MailError: it was refused, for now or for good; MailUncertain: nobody knows.
        """
