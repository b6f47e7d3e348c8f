"""What a worker holds of a job, and what it is told about it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ronde.model.plan import JobPlan


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
        attempt: counts from 1; `most` is the last one that may be made.
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
    most: int = 1


class Refusal(StrEnum):
    """Why a claim was not granted; each is a normal answer to a doubled, late or early message."""

    GONE = "gone"  # not queued under this attempt any more: claimed, finished, or never existed
    EARLY = "early"  # its not_before has not come
    EXPIRED = "expired"  # its not_after has passed; it is now recorded as expired
    NO_ROOM = "no_room"  # a lane is full; it is sent again when a place becomes free
    LOCKED = "locked"  # another job is changing the same target; it is sent again when that has ended
    STOPPED = "stopped"  # its run goes in rings, and was paused or has met too much trouble; it is not begun


@dataclass(frozen=True, slots=True)
class Renewal:
    """The ledger's answer to a heartbeat: tokens that no longer hold their job, and those asked to stop.

    Attributes:
        at_once: those of `cancelled` whose step in hand is to be ended as well.
    """

    fenced: frozenset[str]
    cancelled: frozenset[str]
    at_once: frozenset[str] = frozenset()
