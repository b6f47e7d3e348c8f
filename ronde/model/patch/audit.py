"""What one look at a host's patch state learnt. Each piece is the fact, a finding (why it is not), or None: not asked.

A parser returns either its fact or the finding that stands in its place, so nothing that was not understood can be
mistaken for a fact. What such a system does not have at all is `Absent`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from ronde.model.check import Finding
from ronde.model.patch.absent import Absent
from ronde.model.patch.packages import Database, Simulation
from ronde.model.patch.reboot import Signal


@dataclass(frozen=True, slots=True, order=True)
class Manager:
    """A package manager and its version, comparable: `Manager("apt", (2, 6, 1))`."""

    name: str
    version: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.name} {'.'.join(map(str, self.version))}"


@dataclass(frozen=True, slots=True)
class Release:
    """The operating system's release.

    Attributes:
        id: `ID` of os-release (`debian`, `rocky`); `version` its `VERSION_ID`, `name` its `PRETTY_NAME`.
        end_of_life: the last day with security fixes from the vendor, for everyone; None when we have no date.
        source: where that date comes from.
    """

    id: str
    version: str
    name: str
    end_of_life: date | None = None
    source: str = ""


@dataclass(frozen=True, slots=True, order=True)
class RepositoryFault:
    """A repository that could not be read, in the manager's words.

    Attributes:
        release_changed: it answered, but as another release than before; a person decides.
    """

    name: str
    why: str
    release_changed: bool = False


@dataclass(frozen=True, slots=True)
class Metadata:
    """What the host knows of its repositories.

    Attributes:
        repositories: how many are defined and switched on; 0 makes every "nothing pending" meaningless.
        refreshed: when the oldest of them was last read in full (UTC); None when that cannot be told.
        faults: those that could not be read this time.
    """

    repositories: int
    refreshed: datetime | None
    faults: tuple[RepositoryFault, ...] = ()


@dataclass(frozen=True, slots=True)
class Integrity:
    """Whether the package database is whole.

    Attributes:
        journal: entries of a run that was cut off (`updates/0000`); empty when none was.
        audit: what the manager's own check complains about, one line each.
        unmet: dependencies that are not met, one line each.
    """

    journal: tuple[str, ...] = ()
    audit: tuple[str, ...] = ()
    unmet: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OldServices:
    """Programs that run on files which were replaced.

    Attributes:
        services: units that can be restarted; `others` processes and sessions that belong to none.
    """

    services: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Leftovers:
    """Configuration files of which a new version was put beside the old one."""

    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Audit:
    """All that one look learnt; see the module for what None and a finding mean.

    Attributes:
        reboot: what every source said; a finding where one could not be read. Empty is `unknown`.
    """

    manager: Manager | Finding | None = None
    release: Release | Finding | None = None
    metadata: Metadata | Finding | None = None
    simulation: Simulation | Finding | None = None
    database: Database | Absent | Finding | None = None
    integrity: Integrity | Absent | Finding | None = None
    reboot: tuple[Signal | Finding, ...] = ()
    services: OldServices | Absent | Finding | None = None
    leftovers: Leftovers | Absent | Finding | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    """What earlier looks remember.

    Attributes:
        security_since: by `label installed-version`: since when a security update has been waiting for it.
        reboot_since: since when a reboot has been pending.
    """

    security_since: Mapping[str, datetime] = field(default_factory=dict)
    reboot_since: datetime | None = None
