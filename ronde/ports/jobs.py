"""The ledger's jobs."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

from ronde.model.check import Check
from ronde.model.plan import Lane
from ronde.model.procedure import StepRecord
from ronde.model.records import (
    JobOutcome,
)
from ronde.ports.claims import Claim, Hint, Refusal, Renewal


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

    def steps(self, claim: Claim) -> Sequence[StepRecord]:
        """What is on record of the steps of a claimed job's procedure, whichever attempt wrote it, in their order."""

    def keep_step(self, claim: Claim, record: StepRecord, now: datetime, check: Check | None = None) -> bool:
        """Store how far one step came, with what an ended one found; False when the fence no longer holds the job.

        For a step that changes something it is durable when this returns: the intent is on record before it acts.

        Raises:
            LedgerError: nothing was stored.
        """

    def take_places(self, claim: Claim, lanes: Sequence[Lane], now: datetime) -> bool:
        """Take a place in each of these lanes for a claimed job, or none; those that it has already are kept.

        False when one of them is full, or the fence no longer holds the job. The places are free again once the job
        has left them or ended, and at the latest some minutes after its own limit.
        """

    def leave_places(self, claim: Claim) -> None:
        """Give back what `take_places` took."""

    def reap(self, now: datetime) -> Sequence[str]:
        """Requeue or end jobs whose lease ran out, and close expired ones; ids of runs that may go on."""

    def advance(self, run: str, now: datetime) -> bool:
        """Do what a run's rings say next, and bring its state up to date, under a row lock; True when it just ended."""

    def unfinished(self, now: datetime) -> Sequence[str]:
        """Ids of open runs all of whose jobs have ended (their `advance` was lost), and of all that go in rings."""
