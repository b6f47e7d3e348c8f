"""Machines and layouts as values, healthy unless a test says otherwise."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from ronde.model.vsphere.history import PastMachine
from ronde.model.vsphere.layout import NO_MEMORY, Chain, File, Frozen, Layout
from ronde.model.vsphere.machine import Datastore, Detail, Machine, SnapshotNode, VirtualDisk
from ronde.model.vsphere.rules import Scene, Subject, occupied_by
from ronde.model.vsphere.thresholds import Overrides, read_thresholds

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
HOME = "[ds1] web/"
GIB = 1024**3
DISK = 2000


def node(moid: str, age: timedelta, **changes: Any) -> SnapshotNode:
    """A root snapshot of that age."""
    made = SnapshotNode(
        id=moid, name=moid, description="", created=NOW - age, powered_on=False, quiesced=False, depth=1, parent=None
    )
    return replace(made, **changes)


def disk(key: int = DISK, **changes: Any) -> VirtualDisk:
    made = VirtualDisk(
        key=key, label=f"Hard disk {key - DISK + 1}", file=f"{HOME}web.vmdk", mode="persistent", physical=False,
        capacity=40 * GIB, shared=False,
    )  # fmt: skip
    return replace(made, **changes)


def unit(number: int) -> tuple[int, int]:
    """A descriptor and its extent: files 10n and 10n+1."""
    return 10 * number, 10 * number + 1


def chain(*numbers: int) -> Chain:
    return tuple(unit(number) for number in numbers)


def layout(
    now: Mapping[int, Chain],
    frozen: Mapping[str, Mapping[int, Chain]] | None = None,
    *,
    sizes: Mapping[int, int] | None = None,
    folders: Mapping[int, str] | None = None,
    memory: Mapping[str, int] | None = None,
) -> Layout:
    """A layout whose files follow from its chains.

    Args:
        now: current chain of each disk; frozen: chains of each disk at each snapshot.
        sizes: bytes of each unit's extent, 100 when left out; descriptors have 1 byte.
        folders: folder of each unit, the machine's own when left out.
        memory: bytes of memory of the snapshots that have some; their data file has 10 bytes, as each one's.
    """
    frozen = frozen or {}
    chains = [*now.values(), *(value for states in frozen.values() for value in states.values())]
    files: dict[int, File] = {}
    for descriptor, extent in {part for value in chains for part in value}:
        number = descriptor // 10
        home = (folders or {}).get(number, HOME)
        files[descriptor] = File(descriptor, f"{home}{number}.vmdk", "diskDescriptor", 1)
        files[extent] = File(extent, f"{home}{number}-delta.vmdk", "diskExtent", (sizes or {}).get(number, 100))
    states = {}
    for index, (moid, held) in enumerate(frozen.items()):
        data, kept = 9000 + 2 * index, 9001 + 2 * index
        files[data] = File(data, f"{HOME}{moid}.vmsn", "snapshotData", 10)
        if moid in (memory or {}):
            files[kept] = File(kept, f"{HOME}{moid}.vmem", "snapshotMemory", (memory or {})[moid])
        states[moid] = Frozen(dict(held), data, kept if moid in (memory or {}) else NO_MEMORY)
    return Layout(files, dict(now), states, NOW - timedelta(minutes=5))


PLAIN_DETAIL = Detail(layout=layout({DISK: chain(1)}), disks=(disk(),))

_HEALTHY = Machine(
    key="uuid-1/VirtualMachine/vm-1", id="vm-1", name="web", instance_uuid="5000", template=False, power="poweredOn",
    connection="connected", consolidation_needed=False, change_tracking=True, question=None,
    fault_tolerance="notConfigured", tools_running="guestToolsRunning", tools_version="guestToolsUnmanaged",
    folder=HOME, managed_by="", committed=12 * GIB, datastores=("datastore-1",), snapshots=(), current=None,
    attributes={}, missing={}, detail=PLAIN_DETAIL,
)  # fmt: skip


def machine(**changes: Any) -> Machine:
    return replace(_HEALTHY, **changes)


def with_snapshots(*nodes: SnapshotNode, **changes: Any) -> Machine:
    """A machine running upon the last of the snapshots, each upon the one before, with the layout that goes with it."""
    stacked = [
        replace(found, depth=depth + 1, parent=nodes[depth - 1].id if depth else None)
        for depth, found in enumerate(nodes)
    ]
    frozen = {found.id: {DISK: chain(*range(1, depth + 2))} for depth, found in enumerate(stacked)}
    files = layout({DISK: chain(*range(1, len(nodes) + 2))}, frozen)
    made = machine(
        snapshots=tuple(stacked), current=stacked[-1].id if stacked else None, detail=Detail(files, (disk(),))
    )
    return replace(made, **changes)


def subject(
    found: Machine,
    *others: Machine,
    past: tuple[PastMachine, ...] = (),
    overrides: Overrides | None = None,
    store: Datastore | None = None,
    key: bytes | None = None,
) -> Subject:
    """A machine on stage, alone or with others."""
    stores = store or Datastore("datastore-1", "ds1", 600 * GIB, 1000 * GIB, accessible=True)
    scene = Scene(
        now=NOW,
        zone=ZoneInfo("Europe/Paris"),
        thresholds=read_thresholds(overrides or {}),
        datastores={stores.id: stores},
        homes={each.folder: each for each in (found, *others) if each.folder is not None},
        key=key,
    )
    return Subject(found, scene, occupied_by(found), past)
