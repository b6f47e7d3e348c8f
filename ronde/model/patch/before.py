"""Whether a host is fit to be patched now: room on its disks, no run in the way, a whole package database."""

from collections.abc import Iterator

from ronde.model.check import Finding
from ronde.model.patch.audit import Audit, Integrity, Metadata
from ronde.model.patch.health import Health, Mount
from ronde.model.patch.packages import Database
from ronde.model.patch.thresholds import critical, unknown

# Bytes that must be free where packages are downloaded, unpacked and booted from. Figures are ours: a point release of
# Debian downloads about 300 MB, and a kernel with its initial file system takes some 100 MB in /boot.
# A cumulative update of Windows is kept beside the one that it replaces until it is cleaned up.
MB = 1_000_000
SYSTEM_DRIVE = "%SystemDrive%"
ROOM = {"/": 500 * MB, "/usr": 500 * MB, "/var": 500 * MB, "/boot": 150 * MB, SYSTEM_DRIVE: 5000 * MB}


def unfit(health: Health) -> tuple[Finding, ...]:
    """What keeps a host from being patched, in a look at it; what could not be measured does not."""
    mounts = health.mounts if isinstance(health.mounts, tuple) else ()
    return tuple(_short_of_room(mounts))


def _short_of_room(mounts: tuple[Mount, ...]) -> Iterator[Finding]:
    for mount in mounts:
        least = ROOM.get(mount.place)
        if least is not None and mount.free is not None and mount.free < least:
            message = f"{mount.place} has {mount.free // MB} MB free; a run needs {least // MB} MB."
            yield critical("patch-no-room", message, place=mount.place, free=mount.free, least=least)


def unknown_in(audit: Audit) -> tuple[Finding, ...]:
    """What was not learnt in a look at the packages, and without which no run can be planned.

    A repository that was not read in full makes every plan one of yesterday.
    """
    found = [piece for piece in (audit.manager, audit.simulation, audit.database) if isinstance(piece, Finding)]
    metadata = audit.metadata
    if isinstance(metadata, Metadata):
        for fault in metadata.faults:
            rule = "patch-release-changed" if fault.release_changed else "patch-repository-failed"
            found.append(unknown(rule, f"{fault.name or 'A repository'} was not read: {fault.why}", name=fault.name))
        if not metadata.repositories:
            found.append(unknown("patch-no-repository", "No repository is defined."))
    else:
        found.append(metadata or unknown("patch-not-read", "The repositories were not read."))
    return tuple(one for place, one in enumerate(found) if one not in found[:place])


def broken_in(database: Database, integrity: Integrity) -> tuple[str, ...]:
    """What an earlier run left half done, in words; empty when the database is whole."""
    journal = [f"the journal of a run that was cut off ({name})" for name in integrity.journal]
    halves = [f"{entry.package.label} ({entry.mark or entry.state})" for entry in database.broken]
    unmet = [f"unmet: {line}" for line in integrity.unmet]
    return (*journal, *halves, *unmet)
