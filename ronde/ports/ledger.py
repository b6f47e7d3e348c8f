"""The ledger, as the sum of the narrow parts that its callers name."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from ronde.model.check import Json
from ronde.model.outbox import Mail, MailResult, Posted
from ronde.model.records import (
    CheckRecord,
    EvidenceRecord,
    Health,
    JobRecord,
    LockRecord,
    MailRecord,
    OccurrenceRecord,
    Pruned,
    RunRecord,
    Scope,
)
from ronde.ports.jobs import Jobs
from ronde.ports.orders import Orders


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

    def gone_wrong(self, scope: Scope, run: str) -> Sequence[JobRecord]:
        """The jobs of a run that were to change something and came to no good end, in the order of its plan."""

    def occurrences(self, scope: Scope, *, since: datetime, until: datetime) -> Sequence[OccurrenceRecord]:
        """What was due in the span and what became of it, oldest first."""

    def last_facts(self, scope: Scope, playbook: str, target: str) -> Mapping[str, Mapping[str, Json]]:
        """The facts of each step, by id, of the newest job of a playbook on a target that succeeded; empty for none."""

    def durations(self, scope: Scope, playbook: str, target: str | None, *, limit: int = 50) -> Sequence[float]:
        """How long the newest succeeded jobs of a playbook took, in seconds; on one target, or on all of the scope."""

    def lock_on(self, scope: Scope, host: str, now: datetime) -> LockRecord | None:
        """The change that holds a host; None when none does, or its time has passed."""

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
