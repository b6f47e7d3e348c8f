"""A vCenter in memory: healthy machines, and what a test changes about them.

It keeps the contract of the real adapter (tests/contract/vcenter runs one suite over both), and remembers in `asked`
every question it was given.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from ronde.model.errors import InputError, VCenterError, VCenterFault
from ronde.model.inventory import Client
from ronde.model.vsphere.objects import ManagedObject, Plain, Question
from ronde.ports import Signal, VCenter
from tests.doubles.shell import NeverStop

GIB = 1024**3
_KINDS = {"VirtualMachine", "Datastore", "CustomFieldsManager", "Task", "HostSystem"}


@dataclass
class FakeObject:
    """One object: its properties by path, and the paths that may not be read with the fault that says so."""

    properties: dict[str, Plain]
    missing: dict[str, str] = field(default_factory=dict)


@dataclass
class FakeVCenter:
    """Fulfils `ronde.ports.VCenter`.

    Attributes:
        objects: (kind, moId) → object, in the order in which they are listed.
        time: what its clock shows; None = the real time.
        fail: raised by the next fetch.
        before: called before each answer with the question's number, for what happens in between.
    """

    instance_uuid: str = "5f0d6c4e-0000-4000-8000-000000000001"
    version: str = "VMware vCenter Server 8.0.3 build-1"
    objects: dict[tuple[str, str], FakeObject] = field(default_factory=dict)
    time: datetime | None = None
    signal: Signal = field(default_factory=NeverStop)
    fail: VCenterError | None = None
    before: Callable[[int], None] = lambda _number: None
    asked: list[Question] = field(default_factory=list)
    _made: int = 0

    def now(self) -> datetime:
        self.signal.check()
        return self.time or datetime.now(UTC)

    def fetch(self, questions: Sequence[Question]) -> Sequence[ManagedObject]:
        self.signal.check()
        if self.fail is not None:
            error, self.fail = self.fail, None
            raise error
        answers: list[ManagedObject] = []
        for question in questions:
            self.before(len(self.asked))
            self.asked.append(question)
            answers += self._answers(question)
        return answers

    def _answers(self, question: Question) -> Iterator[ManagedObject]:
        if question.kind not in _KINDS:
            raise VCenterFault(f'"{question.kind}" is no kind of object of the vSphere API.')
        for (kind, moid), found in list(self.objects.items()):
            if kind == question.kind and (question.ids is None or moid in question.ids):
                yield ManagedObject(
                    kind,
                    moid,
                    {path: found.properties[path] for path in question.paths if path in found.properties},
                    {path: fault for path, fault in found.missing.items() if path in question.paths},
                )

    # ------------------------------------------------------------- the world

    def add_vm(self, name: str, **changes: Plain) -> str:
        """A healthy machine, and its moId; `changes` are paths with `__` for the dot, None takes a property away."""
        self._made += 1  # a vCenter never gives a moId twice
        moid = f"vm-{self._made}"
        properties = healthy(name, moid)
        for path, value in changes.items():
            self._change(properties, path.replace("__", "."), value)
        self.objects["VirtualMachine", moid] = FakeObject(properties)
        return moid

    @staticmethod
    def _change(properties: dict[str, Plain], path: str, value: Plain) -> None:
        if value is None:
            properties.pop(path, None)
        else:
            properties[path] = value

    def vm(self, name: str) -> FakeObject:
        return next(
            o for (kind, _), o in self.objects.items() if kind == "VirtualMachine" and o.properties["name"] == name
        )

    def hide(self, name: str, path: str) -> None:
        """Refuse to show a property of a machine."""
        found = self.vm(name)
        found.properties.pop(path, None)
        found.missing[path] = "NoPermission"

    def remove_vm(self, name: str) -> None:
        moid = next(key for key, o in self.objects.items() if o.properties.get("name") == name)
        del self.objects[moid]

    def add_datastore(self, name: str = "ds1", *, free: int = 600 * GIB, capacity: int = 1000 * GIB) -> str:
        found: dict[str, Plain] = {
            "summary.name": name, "summary.freeSpace": free, "summary.capacity": capacity, "summary.accessible": True,
        }  # fmt: skip
        self.objects["Datastore", f"datastore-{name}"] = FakeObject(found)
        return f"datastore-{name}"

    def add_snapshot(self, name: str, title: str, age: timedelta, *, size: int = GIB) -> str:
        """A snapshot upon the current one, with its node and its files."""
        found = self.vm(name)
        moid = f"snapshot-{len(self.objects)}-{title}"
        _grow_tree(found.properties, moid, title, (self.time or datetime.now(UTC)) - age)
        _grow_layout(found.properties, moid, size)
        return moid


def healthy(name: str, moid: str) -> dict[str, Plain]:
    """All properties of a machine about which no rule has anything to say."""
    home = f"[ds1] {name}/"
    backing = {"_type": "VirtualDiskFlatVer2BackingInfo", "fileName": f"{home}{name}.vmdk", "diskMode": "persistent"}
    disk: dict[str, Plain] = {
        "_type": "VirtualDisk", "key": 2000, "deviceInfo": {"label": "Hard disk 1"}, "capacityInKB": 40 * GIB // 1024,
        "backing": backing,
    }  # fmt: skip
    files: list[Plain] = [
        {"key": 1, "name": f"{home}{name}.vmx", "type": "config", "size": 3000},
        {"key": 2, "name": f"{home}{name}.vmdk", "type": "diskDescriptor", "size": 500},
        {"key": 3, "name": f"{home}{name}-flat.vmdk", "type": "diskExtent", "size": 12 * GIB},
    ]
    return {
        "name": name,
        "config.instanceUuid": f"50000000-0000-4000-8000-{int(moid.rpartition('-')[2]):012d}",
        "config.template": False,
        "config.changeTrackingEnabled": True,
        "config.files.vmPathName": f"{home}{name}.vmx",
        "runtime.powerState": "poweredOn",
        "runtime.connectionState": "connected",
        "runtime.consolidationNeeded": False,
        "runtime.faultToleranceState": "notConfigured",
        "guest.toolsRunningStatus": "guestToolsRunning",
        "guest.toolsVersionStatus2": "guestToolsUnmanaged",
        "summary.storage.committed": 12 * GIB,
        "datastore": ["datastore-ds1"],
        "customValue": [],
        "layoutEx": {
            "file": files, "disk": [{"key": 2000, "chain": [{"fileKey": [2, 3]}]}], "timestamp": datetime.now(UTC),
        },
        "config.hardware.device": [disk],
        "recentTask": [],
    }  # fmt: skip


def _grow_tree(properties: dict[str, Plain], moid: str, title: str, created: datetime) -> None:
    node: dict[str, Plain] = {
        "snapshot": moid, "name": title, "description": "", "createTime": created, "state": "poweredOff",
        "quiesced": False,
    }  # fmt: skip
    kept = properties.get("snapshot")
    if not isinstance(kept, dict):
        properties["snapshot"] = {"currentSnapshot": moid, "rootSnapshotList": [node]}
        return
    leaf = kept["rootSnapshotList"][0]
    while "childSnapshotList" in leaf:
        leaf = leaf["childSnapshotList"][0]
    leaf["childSnapshotList"] = [node]
    kept["currentSnapshot"] = moid


def _grow_layout(properties: dict[str, Plain], moid: str, size: int) -> None:
    layout = properties["layoutEx"]
    assert isinstance(layout, dict)
    files, chain = layout["file"], layout["disk"][0]["chain"]
    key = len(files) + 1
    home = str(properties["config.files.vmPathName"]).rpartition("/")[0]
    files += [
        {"key": key, "name": f"{home}/{key:06d}.vmsn", "type": "snapshotData", "size": 0},
        {"key": key + 1, "name": f"{home}/{key:06d}.vmdk", "type": "diskDescriptor", "size": 0},
        {"key": key + 2, "name": f"{home}/{key:06d}-delta.vmdk", "type": "diskExtent", "size": size},
    ]
    frozen = {"key": moid, "dataKey": key, "memoryKey": -1, "disk": [{"key": 2000, "chain": list(chain)}]}
    layout.setdefault("snapshot", []).append(frozen)
    chain.append({"fileKey": [key + 1, key + 2]})


@dataclass
class FakeVCenters:
    """Fulfils `ronde.ports.VCenters`: the vCenters of a client by name; `open_sessions` counts who has not left."""

    vcenters: dict[str, FakeVCenter]
    refuse: VCenterError | None = None
    open_sessions: int = 0

    @contextmanager
    def open(self, client: Client, vcenter: str, signal: Signal) -> Iterator[VCenter]:
        if vcenter not in client.vcenters or vcenter not in self.vcenters:
            raise InputError(f'Client {client.client} has no vCenter named "{vcenter}".')
        signal.check()
        if self.refuse is not None:
            raise self.refuse
        session = self.vcenters[vcenter]
        session.signal = signal
        self.open_sessions += 1
        try:
            yield session
        finally:
            self.open_sessions -= 1
