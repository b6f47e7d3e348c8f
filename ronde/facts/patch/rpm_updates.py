"""From what an rpm manager offers to `Pending` and `Kept`: shared by dnf 4, dnf5 and zypper."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from ronde.model.patch.evr import evr_key
from ronde.model.patch.packages import Database, Kept, KeptReason, Package, Pending, Simulation, Transaction

_SEVERITIES = ("critical", "important", "moderate", "low")  # worst first, the words of Red Hat and SUSE


@dataclass(frozen=True, slots=True)
class Offer:
    """A newer version of an installed package, and the repository it comes from."""

    package: Package
    repository: str


@dataclass(frozen=True, slots=True)
class Advisory:
    """A vendor's notice: what it mends and where.

    Attributes:
        packages: names, with `.arch` where the vendor gives one, that it concerns on this host.
    """

    id: str
    security: bool
    severity: str = ""
    cves: tuple[str, ...] = ()
    packages: frozenset[str] = frozenset()

    def concerns(self, package: Package) -> bool:
        return bool(self.packages & {package.name, f"{package.name}.{package.arch}"})


@dataclass(frozen=True, slots=True)
class Reasons:
    """What is known of why a package may stay behind, all by label or bare name.

    Attributes:
        held: the host's own locks (versionlock, `zypper addlock`), which may be globs.
        pinned: hidden by `exclude=` in the host's configuration.
        broken: what the manager skips because a dependency cannot be had, with its words.
    """

    held: Collection[str] = ()
    pinned: Collection[str] = ()
    broken: Mapping[str, str] | None = None


def make_simulation(
    offers: Iterable[Offer],
    advisories: Collection[Advisory],
    advised: Collection[str],
    database: Database,
    planned: tuple[Transaction, Reasons],
) -> Simulation:
    """All that waits, with what the vendor says of it, and why some of it stays.

    An advisory is matched by name and architecture, not by version: it speaks of a version newer than the installed
    one, and the newest offer mends everything that an offer before it mended. Of a package whose repository carries no
    advisories (`advised`: those that do) nobody knows whether it is a security update. An offer for another
    architecture than the installed one's (`noarch` became `x86_64`) is one all the same.
    """
    transaction, reasons = planned
    pending = []
    for offer in sorted(offers, key=lambda one: one.package):
        installed = _installed(database, offer.package)
        if offer.package.version not in installed:
            newest = max(installed, key=evr_key, default="")
            pending.append(_pending(offer, newest, advisories, offer.repository in advised))
    taken = {(package.name, package.arch) for package in transaction.targets}
    gone = {(package.name, package.arch) for package in transaction.remove}
    kept = [_kept(one, reasons) for one in pending if (one.name, one.arch) not in taken | gone]
    return Simulation(transaction, tuple(pending), tuple(kept))


def _installed(database: Database, package: Package) -> list[str]:
    same = [entry.package.version for entry in database.of(package.name, package.arch)]
    return same or [entry.package.version for entry in database.entries if entry.package.name == package.name]


def _pending(offer: Offer, installed: str, advisories: Collection[Advisory], advised: bool) -> Pending:  # noqa: FBT001 - one call, by position
    package = offer.package
    mine = sorted((one for one in advisories if one.concerns(package)), key=lambda one: one.id)
    secure = [one for one in mine if one.security]
    return Pending(
        name=package.name,
        arch=package.arch,
        installed=installed,
        candidate=package.version,
        security=bool(secure) if secure or advised else None,
        origins=(offer.repository,),
        advisories=tuple(one.id for one in mine),
        cves=tuple(sorted({cve for one in mine for cve in one.cves})),
        severity=_worst(one.severity for one in secure),
    )


def _worst(severities: Iterable[str]) -> str:
    said = [severity for severity in severities if severity.lower() in _SEVERITIES]
    return min(said, key=lambda severity: _SEVERITIES.index(severity.lower()), default="")


def _kept(pending: Pending, reasons: Reasons) -> Kept:
    broken = reasons.broken or {}
    names = (pending.label, pending.name)
    if any(fnmatchcase(name, lock) for name in names for lock in reasons.held):
        return Kept(pending.label, KeptReason.HELD)
    if any(name in reasons.pinned for name in names):
        return Kept(pending.label, KeptReason.PINNED, "excluded by the host's configuration")
    for name in names:
        if name in broken:
            return Kept(pending.label, KeptReason.BROKEN, broken[name])
    return Kept(pending.label, KeptReason.UNKNOWN)
