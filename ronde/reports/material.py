"""What a report is made from: records of one client, already read within that client's scope."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ronde.model.records import CheckRecord, JobRecord, OccurrenceRecord, RunRecord


@dataclass(frozen=True, slots=True)
class Period:
    """The span a report speaks of.

    Attributes:
        since, until: aware instants; what was recorded in between belongs to the report.
        key: the span's name in idempotency keys and Message-IDs; equal for every attempt at the same report.
    """

    since: datetime
    until: datetime
    key: str

    def __post_init__(self) -> None:
        if self.since.tzinfo is None or self.until.tzinfo is None or self.since >= self.until:
            raise ValueError("a period runs from one aware instant to a later one")


@dataclass(frozen=True, slots=True)
class NightMaterial:
    """The evidence of one night.

    Attributes:
        checks: the newest check of each subject in the period.
        jobs: jobs of the period and of the hours before it, so that every check's own job is among them. A check
            whose job is missing, or did not succeed, is not believed.
        occurrences: what was due in the period and what became of it.
        earlier: checks before the period, newest first: the older and stronger proofs, and the last trial restore.
        runs: whole, those that acted or were to act: in the period, still open, or left to a person some days ago.
        next_night: when the next check is due, if any schedule says so.
    """

    period: Period
    checks: Sequence[CheckRecord] = ()
    jobs: Sequence[JobRecord] = ()
    occurrences: Sequence[OccurrenceRecord] = ()
    earlier: Sequence[CheckRecord] = ()
    runs: Sequence[RunRecord] = ()
    next_night: datetime | None = None
