"""What changes do to a machine in the vCenter in memory, and the tasks they run as."""

from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any

from ronde.model.vsphere.changes.orders import (
    Change,
    ConsolidateDisks,
    CreateSnapshot,
    PowerOff,
    PowerOn,
    RebootGuest,
    RemoveSnapshot,
    RevertToSnapshot,
    ShutDownGuest,
)

OPERATIONS: dict[type, str] = {
    CreateSnapshot: "VirtualMachine.createSnapshot",
    RemoveSnapshot: "vm.Snapshot.remove",
    RevertToSnapshot: "vm.Snapshot.revert",
    PowerOn: "VirtualMachine.powerOn",
    PowerOff: "VirtualMachine.powerOff",
    ConsolidateDisks: "VirtualMachine.consolidateDisks",
}
Properties = dict[str, Any]


class Fault(Exception):
    """A task ends in this fault, having changed nothing."""


@dataclass
class Work:
    """One task that has not ended yet."""

    task: Properties
    change: Change
    machine: Properties
    due: datetime
    fault: str = ""


@dataclass
class Works:
    """All tasks under way, and the effects they have when they end."""

    open: list[Work] = field(default_factory=list)
    numbers: Any = field(default_factory=lambda: count(1))

    def settle(self, now: datetime) -> None:
        """End every task whose time has come, in order."""
        for work in [work for work in self.open if work.due <= now]:
            self.open.remove(work)
            self._end(work)

    def _end(self, work: Work) -> None:
        work.task["info.completeTime"] = work.due
        try:
            result = self._outcome(work)
        except Fault as fault:
            work.task["info.state"] = "error"
            work.task["info.error"] = {"fault": {"_type": str(fault)}, "localizedMessage": f"{fault} in the double"}
        else:
            work.task["info.state"], work.task["info.progress"] = "success", 100
            if result:
                work.task["info.result"] = result

    def _outcome(self, work: Work) -> str:
        if work.fault:
            raise Fault(work.fault)
        return self.apply(work.change, work.machine, work.due)

    def apply(self, change: Change, machine: Properties, now: datetime) -> str:
        """Change the machine; the moId of what was made, or ""."""
        match change:
            case CreateSnapshot():
                return self._create(change, machine, now)
            case RemoveSnapshot():
                _remove(machine, change.snapshot)
            case RevertToSnapshot():
                self._revert(machine, change.snapshot)
            case PowerOn():
                _switch(machine, "poweredOn", now)
            case PowerOff():
                _switch(machine, "poweredOff", now)
            case ShutDownGuest():
                _switch(machine, "poweredOff", now)
            case RebootGuest():
                pass
            case ConsolidateDisks():
                machine["runtime.consolidationNeeded"] = False
        return ""

    def _create(self, change: CreateSnapshot, machine: Properties, now: datetime) -> str:
        number = next(self.numbers)
        moid = f"snapshot-{number}"
        node = {
            "snapshot": moid, "id": number, "name": change.name, "description": change.description, "createTime": now,
            "state": "poweredOff", "quiesced": change.quiesce and running_tools(machine),
        }  # fmt: skip
        grow_tree(machine, node)
        grow_layout(machine, moid, 1)
        return moid

    def _revert(self, machine: Properties, snapshot: str) -> None:
        node = find(machine, snapshot)
        if node is None:
            raise Fault("NotFound")
        machine["snapshot"]["currentSnapshot"] = snapshot
        _set_power(machine, node["state"], None)
        layout = machine["layoutEx"]
        frozen = next(each for each in layout["snapshot"] if each["key"] == snapshot)
        layout["disk"] = [{**disk, "chain": list(disk["chain"])} for disk in frozen["disk"]]
        add_unit(machine, 0)


def running_tools(machine: Properties) -> bool:
    return bool(machine["guest.toolsRunningStatus"] == "guestToolsRunning")


def _switch(machine: Properties, state: str, now: datetime) -> None:
    if machine["runtime.powerState"] == state:
        raise Fault("InvalidPowerState")
    _set_power(machine, state, now)


def _set_power(machine: Properties, state: str, now: datetime | None) -> None:
    on = state == "poweredOn"
    machine["runtime.powerState"] = state
    machine["guest.toolsRunningStatus"] = "guestToolsRunning" if on else "guestToolsNotRunning"
    machine.pop("summary.runtime.bootTime", None)
    if on and now is not None:
        machine["summary.runtime.bootTime"] = now


# ------------------------------------------------------------------ the tree


def nodes(machine: Properties) -> list[Properties]:
    """All snapshots of a machine, parents first."""
    found: list[Properties] = []
    waiting = list((machine.get("snapshot") or {}).get("rootSnapshotList", []))
    while waiting:
        node = waiting.pop(0)
        found.append(node)
        waiting += node.get("childSnapshotList", [])
    return found


def find(machine: Properties, snapshot: str) -> Properties | None:
    return next((node for node in nodes(machine) if node["snapshot"] == snapshot), None)


def grow_tree(machine: Properties, node: Properties) -> None:
    """Add a snapshot upon the current one."""
    kept = machine.setdefault("snapshot", {"rootSnapshotList": []})
    parent = find(machine, kept.get("currentSnapshot", ""))
    siblings = kept["rootSnapshotList"] if parent is None else parent.setdefault("childSnapshotList", [])
    siblings.append(node)
    kept["currentSnapshot"] = node["snapshot"]


def _remove(machine: Properties, snapshot: str) -> None:
    """Take one snapshot out; its children take its place, and what was written after it is merged below."""
    node = find(machine, snapshot)
    if node is None:
        raise Fault("NotFound")
    kept = machine["snapshot"]
    parent = next((each for each in nodes(machine) if node in each.get("childSnapshotList", [])), None)
    siblings = kept["rootSnapshotList"] if parent is None else parent["childSnapshotList"]
    place = siblings.index(node)
    siblings[place : place + 1] = node.get("childSnapshotList", [])
    if kept.get("currentSnapshot") == snapshot:
        kept["currentSnapshot"] = parent["snapshot"] if parent is not None else None
    _shrink(machine, snapshot)
    if not kept["rootSnapshotList"]:
        del machine["snapshot"]


# ------------------------------------------------------------------ the files


def grow_layout(machine: Properties, moid: str, size: int) -> None:
    """Freeze the chains for a snapshot, and begin a delta upon it."""
    layout = machine["layoutEx"]
    key = _add_file(machine, "vmsn", "snapshotData", 0)
    disks = [{**disk, "chain": list(disk["chain"])} for disk in layout["disk"]]
    layout.setdefault("snapshot", []).append({"key": moid, "dataKey": key, "memoryKey": -1, "disk": disks})
    add_unit(machine, size)


def add_unit(machine: Properties, size: int) -> None:
    for disk in machine["layoutEx"]["disk"]:
        keys = [_add_file(machine, "vmdk", "diskDescriptor", 0), _add_file(machine, "delta", "diskExtent", size)]
        disk["chain"].append({"fileKey": keys})


def _add_file(machine: Properties, ending: str, kind: str, size: int) -> int:
    files = machine["layoutEx"]["file"]
    key = len(files) + 1
    home = str(machine["config.files.vmPathName"]).rpartition("/")[0]
    files.append({"key": key, "name": f"{home}/{key:06d}.{ending}", "type": kind, "size": size})
    return key


def _shrink(machine: Properties, snapshot: str) -> None:
    layout = machine["layoutEx"]
    gone = next(each for each in layout["snapshot"] if each["key"] == snapshot)
    layout["snapshot"].remove(gone)
    for disk in gone["disk"]:
        place = len(disk["chain"])
        for state in [layout, *layout["snapshot"]]:
            for each in state["disk"]:
                if each["key"] == disk["key"] and len(each["chain"]) > place:
                    del each["chain"][place]
