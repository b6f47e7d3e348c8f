"""Packages as every package manager can tell them: installed, waiting, kept back, and what a run would do to them.

Names and versions are the manager's own words (`1:9.2p1-2+deb12u6`, `5.14.0-503.el9`); nothing here orders versions,
since each manager has its own rules: whatever needs an order is decided where the manager is known. A manager without
architectures in its answers leaves `arch` empty.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum

from ronde.model.check import Json
from ronde.model.plan import digest


@dataclass(frozen=True, slots=True, order=True)
class Package:
    """One package in one version, installed or meant to be."""

    name: str
    arch: str
    version: str

    @property
    def label(self) -> str:
        """Name and architecture as people write them: `libc6:amd64`, or the bare name."""
        return f"{self.name}:{self.arch}" if self.arch else self.name


@dataclass(frozen=True, slots=True)
class Pending:
    """An installed package for which the repositories offer another version.

    Attributes:
        installed: the version on the host; `candidate` the one offered.
        security: whether the offer mends a security hole; None when the repositories do not say (never "no").
        origins: where the candidate comes from, in the manager's words: `Debian-Security:12/stable-security`.
        advisories, cves: identifiers, if the repositories carry them.
        severity: the worst severity of its advisories, in the vendor's word (`Important`); empty when not told.
        title: what people call it, where its name is only a number; empty where the name says it.
        series: what its age is counted by, where each offer has a name of its own; empty where the name is the same.
    """

    name: str
    arch: str
    installed: str
    candidate: str
    security: bool | None
    origins: tuple[str, ...] = ()
    advisories: tuple[str, ...] = ()
    cves: tuple[str, ...] = ()
    severity: str = ""
    title: str = ""
    series: str = ""

    @property
    def label(self) -> str:
        return f"{self.name}:{self.arch}" if self.arch else self.name

    @property
    def called(self) -> str:
        """What it is called before people."""
        return self.title or self.label


class KeptReason(StrEnum):
    """Why a package with a newer version stays as it is."""

    HELD = "held"  # somebody on the host said so (apt-mark hold, versionlock)
    PHASED = "phased"  # the vendor rolls it out by and by; this host's turn has not come. Deferred, not missing
    NEEDS_NEW = "needs-new"  # only together with a package that is not installed
    NEEDS_REMOVAL = "needs-removal"  # only if another package goes
    PINNED = "pinned"  # the host's preferences or excludes choose another version
    BROKEN = "broken"  # its dependencies cannot be had
    EXCLUDED = "excluded"  # our own policy leaves it out
    NOT_SECURITY = "not-security"  # our own policy only takes security updates
    UNKNOWN = "unknown"  # the manager keeps it back and does not say why


@dataclass(frozen=True, slots=True, order=True)
class Kept:
    """A package that stays behind, and why; `detail` in the manager's words, or what it would need."""

    name: str
    reason: KeptReason
    detail: str = ""


class State(StrEnum):
    """What the host's package database says about one package."""

    INSTALLED = "installed"  # unpacked and configured, nothing left to do
    BROKEN = "broken"  # anything in between: half installed, unpacked, half configured, triggers waiting


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """One line of the package database.

    Attributes:
        mark: the database's own word for the state (`ii`, `iF`), for messages.
        held: whether the host holds it at this version.
    """

    package: Package
    state: State = State.INSTALLED
    mark: str = ""
    held: bool = False


@dataclass(frozen=True, slots=True)
class Database:
    """Everything installed at one instant. Several versions of one name may be installed at once (rpm's kernels)."""

    entries: tuple[Entry, ...]

    @property
    def packages(self) -> frozenset[Package]:
        return frozenset(entry.package for entry in self.entries)

    @property
    def healthy(self) -> frozenset[Package]:
        """What is installed in full."""
        return frozenset(entry.package for entry in self.entries if entry.state is State.INSTALLED)

    @property
    def broken(self) -> tuple[Entry, ...]:
        return tuple(sorted(entry for entry in self.entries if entry.state is State.BROKEN))

    @property
    def holds(self) -> frozenset[str]:
        """Labels of the packages that the host holds."""
        return frozenset(entry.package.label for entry in self.entries if entry.held)

    def of(self, name: str, arch: str) -> tuple[Entry, ...]:
        """Every installed version of one package."""
        return tuple(entry for entry in self.entries if (entry.package.name, entry.package.arch) == (name, arch))


@dataclass(frozen=True, slots=True, order=True)
class Change:
    """A package that goes from one version to another."""

    name: str
    arch: str
    before: str
    after: str

    @property
    def target(self) -> Package:
        return Package(self.name, self.arch, self.after)

    @property
    def source(self) -> Package:
        return Package(self.name, self.arch, self.before)


@dataclass(frozen=True, slots=True)
class Transaction:
    """What one run of the package manager does, in one canonical order whatever order it was told in.

    Attributes:
        install: new packages that were asked for; `new_dependencies` those that an upgrade brings along.
        remove: packages that go, with the version that goes.
    """

    install: tuple[Package, ...] = ()
    upgrade: tuple[Change, ...] = ()
    remove: tuple[Package, ...] = ()
    new_dependencies: tuple[Package, ...] = ()
    downgrade: tuple[Change, ...] = ()

    def __post_init__(self) -> None:
        for part in fields(self):
            object.__setattr__(self, part.name, _sorted(getattr(self, part.name)))

    @property
    def empty(self) -> bool:
        return not any(getattr(self, part.name) for part in fields(self))

    @property
    def targets(self) -> frozenset[Package]:
        """Every package in the version that must be installed afterwards."""
        changed = (change.target for change in (*self.upgrade, *self.downgrade))
        return frozenset((*self.install, *self.new_dependencies, *changed))

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical form: the same for the same work, and only then."""
        return digest(transaction_json(self))


def _sorted(values: Iterable[Package | Change]) -> tuple[Package | Change, ...]:
    return tuple(sorted(set(values), key=lambda value: (value.name, value.arch, repr(value))))


def transaction_json(transaction: Transaction) -> dict[str, Json]:
    """The canonical form: lists of `[name, arch, version]` and `[name, arch, before, after]`, sorted."""
    return {
        "install": [[p.name, p.arch, p.version] for p in transaction.install],
        "upgrade": [[c.name, c.arch, c.before, c.after] for c in transaction.upgrade],
        "remove": [[p.name, p.arch, p.version] for p in transaction.remove],
        "new_dependencies": [[p.name, p.arch, p.version] for p in transaction.new_dependencies],
        "downgrade": [[c.name, c.arch, c.before, c.after] for c in transaction.downgrade],
    }


def transaction_from_json(value: Mapping[str, list[list[str]]]) -> Transaction:
    """The inverse of `transaction_json`, for values that it made."""
    return Transaction(
        install=tuple(Package(*words) for words in value["install"]),
        upgrade=tuple(Change(*words) for words in value["upgrade"]),
        remove=tuple(Package(*words) for words in value["remove"]),
        new_dependencies=tuple(Package(*words) for words in value["new_dependencies"]),
        downgrade=tuple(Change(*words) for words in value["downgrade"]),
    )


@dataclass(frozen=True, slots=True)
class Simulation:
    """What the manager says it would do, and what it would leave, before any policy of ours.

    Attributes:
        pending: every package with a newer version, also those that are kept back.
        kept: those that the manager would leave, each with its reason.
        transaction: what it would do.
    """

    transaction: Transaction = field(default_factory=Transaction)
    pending: tuple[Pending, ...] = ()
    kept: tuple[Kept, ...] = ()
