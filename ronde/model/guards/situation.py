"""What guards are asked, what they look at, and what they answer."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from ronde.model.verdict import Verdict
from ronde.model.windows.calendar import Calendar
from ronde.model.windows.declared import Mark


class Guard(StrEnum):
    """A condition that a playbook can ask for before it changes a host; in the order in which people are told."""

    WINDOW = "window"  # a maintenance window is open
    FINISH = "finish"  # the run will be over before it closes
    BACKUP = "backup"  # every backup of the host was verified and is fresh
    MAINTENANCE = "maintenance"  # nobody has declared that they work there
    LOCK = "lock"  # no other change holds the host


@dataclass(frozen=True, slots=True)
class BackupProof:
    """A declared backup of the host, and what its newest check proved; None for what is not known.

    Attributes:
        max_age: its objective: how old the newest restore point may be.
        newest: the instant of the newest restore point that the check saw.
        checked_at: the instant of which that check speaks.
    """

    name: str
    max_age: timedelta
    verdict: Verdict | None = None
    newest: datetime | None = None
    checked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class HostLock:
    """A change that holds the host; `since` and `expires` are aware, and from `expires` on it holds no more."""

    run: str
    who: str
    since: datetime
    expires: datetime


@dataclass(frozen=True, slots=True)
class PastRuns:
    """How long runs of this playbook took that succeeded.

    Attributes:
        limit: the playbook's own; a run is cut off at it, so none takes longer.
    """

    limit: timedelta
    on_host: tuple[timedelta, ...] = ()
    on_client: tuple[timedelta, ...] = ()


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known about a host before a change; None means that nobody looked, which blocks.

    An empty tuple is an answer (no backup is declared, nobody holds the host); None is silence.

    Attributes:
        run: the run that asks; its own lock does not stand in its way.
    """

    now: datetime
    run: str = ""
    calendar: Calendar | None = None
    past: PastRuns | None = None
    backups: tuple[BackupProof, ...] | None = None
    marks: tuple[Mark, ...] | None = None
    locks: tuple[HostLock, ...] | None = None

    @property
    def zone(self) -> ZoneInfo:
        """The clock that reasons are told by."""
        return self.calendar.zone if self.calendar is not None else ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class Ruling:
    """One guard's answer.

    Attributes:
        passed: what the facts say, overridden or not.
        reason: one English clause with the figures, to stand after a colon.
        override: why a person lets the run begin all the same; empty when nobody does, or when it passed.
        until: when waiting would help; None when it would not, or nobody can tell.
    """

    guard: Guard
    passed: bool
    reason: str
    override: str = ""
    until: datetime | None = None

    @property
    def overridden(self) -> bool:
        return bool(self.override)

    @property
    def blocks(self) -> bool:
        return not self.passed and not self.overridden
