"""What is asked of a vCenter about its machines, and how the answers are read.

All paths exist since vSphere API 5.0. Reading never guesses: a field of an unexpected kind counts as not told.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import unquote

from ronde.model.vsphere.layout import NO_MEMORY, Chain, File, Frozen, Layout, folder_of
from ronde.model.vsphere.machine import POWERED_ON, Datastore, Detail, Machine, SnapshotNode, VirtualDisk
from ronde.model.vsphere.objects import ManagedObject, Plain, Question

MACHINE, DATASTORE, FIELDS, TASK = "VirtualMachine", "Datastore", "CustomFieldsManager", "Task"

SLIM_PATHS = (
    "name",
    "config.instanceUuid",
    "config.template",
    "config.changeTrackingEnabled",
    "config.files.vmPathName",
    "config.managedBy",
    "runtime.powerState",
    "runtime.connectionState",
    "runtime.consolidationNeeded",
    "runtime.question",
    "runtime.faultToleranceState",
    "guest.toolsRunningStatus",
    "guest.toolsVersionStatus2",
    "summary.storage.committed",
    "datastore",
    "snapshot",
    "customValue",
)
DETAIL_PATHS = ("layoutEx", "config.hardware.device", "recentTask")
DATASTORE_PATHS = ("summary.name", "summary.freeSpace", "summary.capacity", "summary.accessible")
FIELD_PATHS = ("field",)
TASK_PATHS = ("info.state",)

FIRST_PASS = (
    Question(MACHINE, SLIM_PATHS),
    Question(DATASTORE, DATASTORE_PATHS),
    Question(FIELDS, FIELD_PATHS),
)
"""Everything that is cheap, of everything there is, in one call."""

_PHYSICAL = "physicalMode"
_SHARED = "sharingMultiWriter"
_NO_BUS_SHARING = "noSharing"
_UNFINISHED = frozenset({"queued", "running"})


def second_pass(ids: Sequence[str]) -> Question:
    """The files and the hardware of some machines."""
    return Question(MACHINE, DETAIL_PATHS, ids)


def task_states(ids: Sequence[str]) -> Question:
    return Question(TASK, TASK_PATHS, ids)


def is_running(task: ManagedObject) -> bool | None:
    """Whether a task has not ended yet; None when it may not be read."""
    state = _text(task.properties.get("info.state"))
    return state in _UNFINISHED if state else None


def field_names(answer: ManagedObject) -> dict[int, str]:
    """The names of custom attributes by their keys."""
    fields = (_mapping(field) for field in _sequence(answer.properties.get("field")))
    return {key: _text(f.get("name")) or "" for f in fields if (key := _integer(f.get("key"))) is not None}


def datastore(answer: ManagedObject) -> Datastore:
    found = answer.properties
    return Datastore(
        id=answer.id,
        name=_text(found.get("summary.name")),
        free=_integer(found.get("summary.freeSpace")),
        capacity=_integer(found.get("summary.capacity")),
        accessible=_flag(found.get("summary.accessible")),
    )


def machine(answer: ManagedObject, vcenter_uuid: str, fields: Mapping[int, str]) -> Machine:
    """A machine from the first pass.

    Args:
        answer: its slim properties.
        vcenter_uuid: the vCenter's identity, the first part of the machine's key.
        fields: names of the custom attributes.
    """
    found = answer.properties
    nodes, missing = tuple(_nodes(found.get("snapshot"))), dict(answer.missing)
    if any(node is None for node in nodes):
        missing["snapshot"] = "not understood"
    path = _text(found.get("config.files.vmPathName"))
    return Machine(
        key=f"{vcenter_uuid}/{MACHINE}/{answer.id}",
        id=answer.id,
        name=unquote(_text(found.get("name")) or answer.id),  # the API writes / \ % of a name as %2f %5c %25
        instance_uuid=_text(found.get("config.instanceUuid")),
        template=_flag(found.get("config.template")),
        power=_text(found.get("runtime.powerState")),
        connection=_text(found.get("runtime.connectionState")),
        consolidation_needed=_flag(found.get("runtime.consolidationNeeded")),
        change_tracking=_flag(found.get("config.changeTrackingEnabled")),
        question=_question(found.get("runtime.question")),
        fault_tolerance=_text(found.get("runtime.faultToleranceState")),
        tools_running=_text(found.get("guest.toolsRunningStatus")),
        tools_version=_text(found.get("guest.toolsVersionStatus2")),
        folder=folder_of(path) if path else None,
        managed_by=_text(_mapping(found.get("config.managedBy")).get("extensionKey")) or "",
        committed=_integer(found.get("summary.storage.committed")),
        datastores=tuple(str(moid) for moid in _sequence(found.get("datastore"))),
        snapshots=tuple(node for node in nodes if node is not None),
        current=_text(_mapping(found.get("snapshot")).get("currentSnapshot")),
        attributes=_attributes(found.get("customValue"), fields),
        missing=missing,
    )


def detail(answer: ManagedObject) -> Detail:
    """The files and the hardware from the second pass."""
    found = answer.properties
    devices = [_mapping(device) for device in _sequence(found.get("config.hardware.device"))]
    layout = _mapping(found.get("layoutEx"))
    return Detail(
        layout=_layout(layout) if layout else None,
        disks=tuple(_disks(devices)) if "config.hardware.device" in found else None,
        shared_buses=tuple(
            _label(d) for d in devices if (_text(d.get("sharedBus")) or _NO_BUS_SHARING) != _NO_BUS_SHARING
        ),
        passthrough=tuple(_label(d) for d in devices if d.get("_type") == "VirtualPCIPassthrough"),
        tasks=tuple(str(moid) for moid in _sequence(found.get("recentTask"))),
    )


def with_detail(found: Machine, answer: ManagedObject) -> Machine:
    """The machine with the answer to the second, wider question."""
    return replace(found, detail=detail(answer), missing={**found.missing, **answer.missing})


# ------------------------------------------------------------------ the parts


def _question(value: Plain) -> str | None:
    asked = _mapping(value)
    return (_text(asked.get("text")) or "(without a text)") if asked else None


def _attributes(value: Plain, fields: Mapping[int, str]) -> dict[str, str]:
    pairs = (_mapping(entry) for entry in _sequence(value))
    return {
        fields[key]: _text(pair.get("value")) or ""
        for pair in pairs
        if (key := _integer(pair.get("key"))) is not None and key in fields
    }


def _nodes(value: Plain) -> Iterator[SnapshotNode | None]:
    """The snapshots of a tree, parents first; None for one that cannot be understood."""
    queue = [(tree, 1, None) for tree in map(_mapping, _sequence(_mapping(value).get("rootSnapshotList")))]
    waiting: list[tuple[Mapping[str, Plain], int, str | None]] = list(queue)
    while waiting:
        tree, depth, parent = waiting.pop(0)
        moid, created = _text(tree.get("snapshot")), tree.get("createTime")
        if moid is None or not isinstance(created, datetime):
            yield None
            continue
        yield SnapshotNode(
            id=moid,
            name=unquote(_text(tree.get("name")) or ""),
            description=_text(tree.get("description")) or "",
            created=created.astimezone(UTC),
            powered_on=_text(tree.get("state")) == POWERED_ON,
            quiesced=_flag(tree.get("quiesced")) is True,
            depth=depth,
            parent=parent,
            number=_integer(tree.get("id")),
        )
        waiting += [(child, depth + 1, moid) for child in map(_mapping, _sequence(tree.get("childSnapshotList")))]


def _layout(value: Mapping[str, Plain]) -> Layout:
    files = [_mapping(file) for file in _sequence(value.get("file"))]
    updated = value.get("timestamp")
    return Layout(
        files={
            key: File(key, _text(f.get("name")) or "", _text(f.get("type")) or "", _integer(f.get("size")) or 0)
            for f in files
            if (key := _integer(f.get("key"))) is not None
        },
        chains=_chains(value.get("disk")),
        frozen={
            moid: Frozen(
                _chains(snapshot.get("disk")),
                _known(_integer(snapshot.get("dataKey"))),
                _known(_integer(snapshot.get("memoryKey"))),
            )
            for snapshot in map(_mapping, _sequence(value.get("snapshot")))
            if (moid := _text(snapshot.get("key"))) is not None
        },
        updated=updated.astimezone(UTC) if isinstance(updated, datetime) else None,
    )


def _known(key: int | None) -> int:
    return NO_MEMORY if key is None else key


def _chains(value: Plain) -> dict[int, Chain]:
    disks = (_mapping(disk) for disk in _sequence(value))
    return {
        key: tuple(
            tuple(part for part in map(_integer, _sequence(_mapping(unit).get("fileKey"))) if part is not None)
            for unit in _sequence(disk.get("chain"))
        )
        for disk in disks
        if (key := _integer(disk.get("key"))) is not None
    }


def _disks(devices: Sequence[Mapping[str, Plain]]) -> Iterator[VirtualDisk]:
    for device in devices:
        key = _integer(device.get("key"))
        if device.get("_type") != "VirtualDisk" or key is None:
            continue
        backing = _mapping(device.get("backing"))
        kilobytes = _integer(device.get("capacityInKB"))
        capacity = _integer(device.get("capacityInBytes")) or (kilobytes * 1024 if kilobytes is not None else None)
        yield VirtualDisk(
            key=key,
            label=_label(device),
            file=_text(backing.get("fileName")) or "",
            mode=_text(backing.get("diskMode")) or "",
            physical=_text(backing.get("compatibilityMode")) == _PHYSICAL,
            capacity=capacity,
            shared=_text(backing.get("sharing")) == _SHARED,
        )


def _label(device: Mapping[str, Plain]) -> str:
    return _text(_mapping(device.get("deviceInfo")).get("label")) or f"device {device.get('key')}"


# ------------------------------------------------------------------ the kinds


def _text(value: Plain) -> str | None:
    return value if isinstance(value, str) and value else None


def _flag(value: Plain) -> bool | None:
    return value if isinstance(value, bool) else None


def _integer(value: Plain) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _mapping(value: Plain) -> Mapping[str, Plain]:
    return value if isinstance(value, Mapping) else {}


def _sequence(value: Plain) -> Sequence[Plain]:
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()
