"""Rules about files and disks: sizes, growth, chains, and what a snapshot does not cover."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from ronde.model.check import Finding, Json
from ronde.model.verdict import Severity
from ronde.model.vsphere.history import PastMachine, growth
from ronde.model.vsphere.layout import folder_of
from ronde.model.vsphere.machine import Datastore, Detail, Machine, VirtualDisk
from ronde.model.vsphere.marks import made_by_backup
from ronde.model.vsphere.rules.subject import Subject, unknown
from ronde.model.vsphere.thresholds import Thresholds
from ronde.model.vsphere.words import size, span

_STALE_LAYOUT = timedelta(hours=24)  # ours: the nightly question finds figures of the same day
_BIG_DISK = 2 * 1024**4  # vSphere documentation, snapshot limitations: beyond 2 TB they take significantly longer


def layout_known(subject: Subject) -> Iterator[Finding]:
    """The figures of the other rules are only as good as the list of files."""
    machine, occupied = subject.machine, subject.occupied
    if machine.detail is None:
        if machine.snapshots or machine.consolidation_needed:
            yield unknown(
                "snap-size", "The machine's files were not read: it vanished while we looked, or was not asked."
            )
        return
    if occupied is None:
        yield unknown("snap-size", "The vCenter does not list the machine's files: neither sizes nor chains are known.")
        return
    if occupied.unlisted or occupied.unlaid:
        text = "The list of the machine's files does not match its snapshots: sizes and chains are not known exactly."
        evidence: dict[str, Json] = {"files": sorted(occupied.unlisted), "snapshots": sorted(occupied.unlaid)}
        yield unknown("snap-size", text, evidence)


def snapshot_size(subject: Subject) -> Iterator[Finding]:
    machine, occupied = subject.machine, subject.occupied
    if occupied is None or not occupied.total:
        return
    evidence: dict[str, Json] = {"bytes": occupied.total, "by_snapshot": dict(occupied.since)}
    text = f"The machine's snapshots occupy {size(occupied.total)}; the limit is {{limit}}."
    yield from subject.graded("snap-size", occupied.total, text, evidence)
    disks = machine.detail.disks if machine.detail is not None else None
    capacity = sum(disk.capacity or 0 for disk in disks or ())
    if capacity:
        share = round(100 * occupied.total / capacity, 1)
        text = f"The machine's snapshots occupy {share:g} % of the size of its disks; the limit is {{limit}}."
        yield from subject.graded("snap-share", share, text, {**evidence, "capacity": capacity})


def snapshot_growth(subject: Subject) -> Iterator[Finding]:
    if subject.occupied is None or not subject.machine.snapshots:
        return
    today = PastMachine(
        at=subject.scene.now,
        snapshots=frozenset(node.id for node in subject.machine.snapshots),
        snapshot_bytes=subject.occupied.total,
    )
    speed = growth(subject.past, today)
    stores = [store for store in holding(subject) if store.free is not None]
    if speed is None or speed <= 0 or not stores:
        return
    tightest = min(stores, key=lambda store: store.free or 0)
    left = min((tightest.free or 0) / speed, timedelta(days=3650).total_seconds())
    text = (
        f"The snapshots grow by {size(int(speed * 86400))} a day; at this pace datastore {tightest.name} is full in "
        f"{span(timedelta(seconds=left))}, which is less than {{limit}}."
    )
    yield from subject.graded("snap-growth", left, text, {"bytes_per_s": round(speed, 1), "free": tightest.free})


def holding(subject: Subject) -> list[Datastore]:
    """The datastores that hold deltas of the machine. Names are unique within a datacenter only: its own are asked."""
    names = subject.occupied.datastores if subject.occupied is not None else frozenset()
    mine = (subject.scene.datastores.get(moid) for moid in subject.machine.datastores)
    return [store for store in mine if store is not None and store.name in names]


def _stranger(subject: Subject, disk: VirtualDisk) -> Machine | None:
    """The machine whose folder a disk's file lies in, when that is another one than this."""
    owner = subject.scene.homes.get(folder_of(disk.file)) if disk.file else None
    return owner if owner is not None and owner.key != subject.machine.key else None


def _disks(subject: Subject) -> tuple[VirtualDisk, ...]:
    detail = subject.machine.detail
    return detail.disks or () if detail is not None else ()


def chain_orphan(subject: Subject) -> Iterator[Finding]:
    if subject.occupied is None or subject.occupied.unlaid:
        return
    strangers = {disk.key for disk in _disks(subject) if _stranger(subject, disk)}
    surplus = {disk: count for disk, count in subject.occupied.surplus.items() if disk not in strangers}
    if surplus:
        count = sum(surplus.values())
        names = {disk.key: disk.label for disk in _disks(subject)}
        where = ", ".join(names.get(disk, f"disk {disk}") for disk in surplus)
        text = f"{count} delta files under {where} belong to no snapshot: they grow, and no snapshot list shows them."
        yield Finding("chain-orphan", Severity.CRITICAL, text, {"surplus": {str(k): v for k, v in surplus.items()}})


def hotadd_leftover(subject: Subject) -> Iterator[Finding]:
    """A backup proxy attaches disks of others while it reads them; afterwards they must be gone."""
    for disk in _disks(subject):
        owner = _stranger(subject, disk)
        if owner is None or disk.shared:
            continue
        limit = subject.scene.thresholds["backup-leftover"]
        young = [node for node in owner.snapshots if made_by_backup(node.name)]
        running = any(limit.severity(subject.age(node).total_seconds()) is None for node in young)
        text = f'{disk.label} of this machine is a disk of "{owner.name}"'
        evidence = {"file": disk.file, "owner": owner.name}
        if running:
            yield Finding("hotadd-leftover", Severity.INFO, f"{text}; a backup of it seems to run.", evidence)
        else:
            text += ", and no backup of it runs: its snapshots can neither be removed nor consolidated."
            yield Finding("hotadd-leftover", Severity.CRITICAL, text, evidence)


def coverage_gap(subject: Subject) -> Iterator[Finding]:
    detail = subject.machine.detail
    bare = left_out(detail) if detail is not None else ()
    if bare:
        names = ", ".join(disk.label for disk in bare)
        text = f"Snapshots of this machine leave out {names}: neither a revert nor an image backup covers it."
        disks: list[Json] = [{"label": d.label, "mode": d.mode, "physical": d.physical} for d in bare]
        yield Finding("coverage-gap", Severity.WARNING, text, {"disks": disks})


def left_out(detail: Detail) -> tuple[VirtualDisk, ...]:
    """By the vSphere documentation no snapshot holds independent disks and raw mappings in physical mode."""
    return tuple(disk for disk in detail.disks or () if disk.physical or disk.mode.startswith("independent"))


def big_disk(subject: Subject) -> Iterator[Finding]:
    big = [disk for disk in _disks(subject) if disk.capacity is not None and disk.capacity > _BIG_DISK]
    if big and subject.machine.snapshots:
        text = f"{big[0].label} has more than 2 TB and a snapshot: its removal takes significantly longer."
        yield Finding("big-disk", Severity.INFO, text, {"capacity": big[0].capacity})


def stale_layout(subject: Subject) -> Iterator[Finding]:
    detail = subject.machine.detail
    updated = detail.layout.updated if detail is not None and detail.layout is not None else None
    if updated is None or not subject.machine.snapshots:
        return
    age = subject.scene.now - updated
    if age > _STALE_LAYOUT:
        text = f"The vCenter last looked at the machine's files {span(age)} ago: the sizes are those of then."
        yield Finding("stale-layout", Severity.INFO, text, {"updated": updated.isoformat()})


def hardware_known(subject: Subject) -> Iterator[Finding]:
    detail = subject.machine.detail
    if detail is not None and detail.disks is None:
        yield unknown(
            "coverage-gap", "The machine's hardware could not be read: what snapshots leave out is not known."
        )


def datastore_findings(subjects: Sequence[Subject], thresholds: Thresholds) -> Iterator[Finding]:
    """How full the datastores that hold deltas are: a full one stops every machine that has a delta on it."""
    stores = {store.id: store for subject in subjects for store in holding(subject)}
    for store in stores.values():
        if store.free is None or not store.capacity:
            yield unknown("ds-free", f"How full datastore {store.name} is, is not known; snapshots grow on it.")
            continue
        share = round(100 * store.free / store.capacity, 1)
        severity = thresholds["ds-free"].severity(share)
        if severity is not None:
            text = (
                f"Datastore {store.name} holds snapshots and has {share:g} % free ({size(store.free)}); "
                f"the limit is {thresholds['ds-free'].limit(severity)}."
            )
            evidence = {"datastore": store.name, "free": store.free, "capacity": store.capacity, "figure": share}
            yield Finding("ds-free", severity, text, evidence)
