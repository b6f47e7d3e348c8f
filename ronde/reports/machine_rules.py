"""The sentences for the rules about virtual machines and vCenters."""

from collections.abc import Mapping

from ronde.reports.meanings import Figure, Meaning
from ronde.reports.phrases import message

_SNAPSHOTS: Mapping[str, Meaning] = {
    "snap-age": Meaning(
        message("It has an old snapshot."),
        message("Its oldest snapshot is {age} old."),
        {"age": ("figure", Figure.SECONDS)},
    ),
    "snap-count": Meaning(
        message("It has too many snapshots."),
        message("It has too many snapshots: {count}."),
        {"count": ("figure", Figure.COUNT)},
    ),
    "snap-depth": Meaning(
        message("Its snapshots are stacked too deep."),
        message("Its snapshots are stacked too deep: {count} levels."),
        {"count": ("figure", Figure.COUNT)},
    ),
    "snap-size": Meaning(
        message("Its snapshots occupy much space."),
        message("Its snapshots occupy {size}."),
        {"size": ("figure", Figure.BYTES)},
    ),
    "snap-share": Meaning(
        message("Its snapshots are large for its disks."),
        message("Its snapshots occupy {share} of the size of its disks."),
        {"share": ("figure", Figure.PERCENT)},
    ),
    "snap-growth": Meaning(
        message("At the pace of its snapshots the storage will soon be full."),
        message("At the pace of its snapshots the storage will be full in {left}."),
        {"left": ("figure", Figure.SECONDS)},
    ),
    "ds-free": Meaning(
        message("The storage is nearly full."),
        message("The storage is nearly full: {share} free."),
        {"share": ("figure", Figure.PERCENT)},
    ),
    "backup-leftover": Meaning(
        message("A backup has left a snapshot behind."),
        message("A backup has left a snapshot behind, {age} ago."),
        {"age": ("figure", Figure.SECONDS)},
    ),
    "consolidate-helper": Meaning(message("A clean-up of its snapshots was left unfinished.")),
    "consolidation-needed": Meaning(message("Its disks need a clean-up after removed snapshots.")),
    "chain-orphan": Meaning(message("Its disks hold remains of snapshots that appear in no list and keep growing.")),
    "not-quiesced": Meaning(message("Our snapshot was taken without pausing its applications.")),
    "ours-expired": Meaning(message("A snapshot of ours should have been removed.")),
    "mark-unverified": Meaning(message("A snapshot claims to be ours and cannot be recognised as such.")),
    "memory-snapshot": Meaning(message("A snapshot was taken together with its memory.")),
    "off-with-snapshot": Meaning(
        message("It has been switched off for a long time and still has snapshots."),
        message("It has been switched off for {age} and still has snapshots."),
        {"age": ("figure", Figure.SECONDS)},
    ),
    "template-with-snapshot": Meaning(message("The template has snapshots.")),
    "snapshot-unsupported": Meaning(message("Snapshots of it are not supported.")),
    "stale-layout": Meaning(message("The figures on its snapshots are more than a day old.")),
    "big-disk": Meaning(message("A large disk will make the removal of its snapshot slow.")),
}

_MACHINES: Mapping[str, Meaning] = {
    "hotadd-leftover": Meaning(message("A backup has left a disk of another machine attached to it.")),
    "coverage-gap": Meaning(message("Snapshots and image backups leave out some of its disks.")),
    "cbt-off": Meaning(message("Its backups are slower than they need to be.")),
    "tools": Meaning(message("Its VMware Tools do not run as they should.")),
    "question": Meaning(message("It stands still and waits for an answer.")),
    "no-machine-seen": Meaning(message("The virtualisation platform shows us no machine at all."), gap=True),
    "vm-gone": Meaning(message("Machines that were there before are no longer shown to us.")),
    "vm-renamed": Meaning(message("It has been renamed.")),
    "vm-replaced": Meaning(message("Another machine bore this name until lately.")),
    "vm-unreachable": Meaning(message("The virtualisation platform has no connection to it."), gap=True),
    "vm-not-readable": Meaning(message("We are not allowed to read all of its settings."), gap=True),
    "backup-stale": Meaning(
        message("Its last backup is too old."),
        message("Its last backup is {age} old."),
        {"age": ("figure", Figure.SECONDS)},
    ),
}

_CHANGES: Mapping[str, Meaning] = {
    "snapshot-blocked": Meaning(message("It could not be protected by a snapshot.")),
    "change-refused": Meaning(message("A change of it was refused because it was not safe.")),
    "change-failed": Meaning(message("The virtualisation platform could not carry out a change of it.")),
    "change-running": Meaning(message("A change of it is not finished yet."), gap=True),
    "change-unclear": Meaning(
        message("Whether a change of it was carried out is not known: we look into it."), gap=True
    ),
}

_COVERAGE: Mapping[str, Meaning] = {
    "vm-uncovered": Meaning(
        message("No backup covers it."),
        decision=message("Say whether machine “{subject}” needs a backup: none covers it."),
        decisions=message("Say whether machines {subjects} need a backup: none covers them."),
    ),
    "exemption-expired": Meaning(
        message("Its exemption from backup has ended."),
        message("Its exemption from backup ended on {until}."),
        {"until": ("until", Figure.DAY)},
    ),
    "vm-exempt": Meaning(message("It needs no backup, as agreed.")),
    "vm-of-vsphere": Meaning(message("The virtualisation platform looks after it by itself.")),
    "vm-name-ambiguous": Meaning(
        message("Several machines bear this name; which of them is backed up cannot be told."), gap=True
    ),
    "backup-vm-missing": Meaning(message("A backup is declared for this machine, and no machine bears the name.")),
    "exempt-vm-missing": Meaning(message("It is exempt from backup, and no machine bears the name.")),
}

MACHINE_MEANINGS: Mapping[str, Meaning] = {**_SNAPSHOTS, **_MACHINES, **_CHANGES, **_COVERAGE}
