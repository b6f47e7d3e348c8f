"""A vCenter in memory: healthy machines, and what a test changes about them.

It keeps the contract of the real adapter (tests/contract/vcenter runs one suite over both), and remembers in `asked`
every question it was given.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from ronde.model.errors import InputError, SessionExpired, VCenterError, VCenterFault, VCenterUnreachable
from ronde.model.inventory import Client
from ronde.model.vsphere.changes.orders import Change, RebootGuest, RemoveSnapshot, RevertToSnapshot, ShutDownGuest
from ronde.model.vsphere.objects import ManagedObject, Plain, Question
from ronde.ports import Signal, VCenterChanges
from tests.doubles.shell import NeverStop
from tests.doubles.vm_tasks import OPERATIONS, Properties, Work, Works, find, grow_layout, grow_tree, running_tools

GIB = 1024**3
_KINDS = {"VirtualMachine", "Datastore", "CustomFieldsManager", "Task", "HostSystem"}


@dataclass
class FakeObject:
    """One object: its properties by path, and the paths that may not be read with the fault that says so."""

    properties: Properties
    missing: dict[str, str] = field(default_factory=dict)


@dataclass
class FakeVCenter:
    """Fulfils `ronde.ports.VCenterChanges`.

    Attributes:
        objects: (kind, moId) → object, in the order in which they are listed.
        time: what its clock shows; None = the real time.
        fail: raised by the next fetch.
        before: called before each answer with the question's number, for what happens in between.
        started: every change that it took on.
        task_seconds: how long tasks run.
        task_faults: the next tasks end with these faults, having changed nothing; "" = as they should.
        refusals: the next calls are refused with these faults at once; "" = not.
        lost: what becomes of the next calls: "call" = it never arrives, "reply" = it is done, "" = as it should.
        denied: privileges that the user does not have.
    """

    instance_uuid: str = "5f0d6c4e-0000-4000-8000-000000000001"
    version: str = "VMware vCenter Server 8.0.3 build-1"
    objects: dict[tuple[str, str], FakeObject] = field(default_factory=dict)
    time: datetime | None = None
    signal: Signal = field(default_factory=NeverStop)
    fail: VCenterError | None = None
    before: Callable[[int], None] = lambda _number: None
    asked: list[Question] = field(default_factory=list)
    started: list[Change] = field(default_factory=list)
    task_seconds: float = 0.0
    task_faults: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    denied: set[str] = field(default_factory=set)
    works: Works = field(default_factory=Works)
    _made: int = 0

    def _now(self) -> datetime:
        return self.time or datetime.now(UTC)

    def now(self) -> datetime:
        self.signal.check()
        self.works.settle(self._now())
        return self._now()

    def fetch(self, questions: Sequence[Question]) -> Sequence[ManagedObject]:
        self.signal.check()
        self.works.settle(self._now())
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

    # --------------------------------------------------------------- changes

    def lacking(self, machine: str, privileges: Sequence[str]) -> Sequence[str]:
        self.signal.check()
        return [name for name in privileges if name in self.denied]

    def start(self, change: Change) -> str:
        self.signal.check()
        self.works.settle(self._now())
        if self.refusals and (fault := self.refusals.pop(0)):
            raise self._refused(fault)
        lost = self.lost.pop(0) if self.lost else ""
        if lost == "call":
            raise VCenterUnreachable("vc1 broke the connection.")
        task = self._begin(change)
        self.started.append(change)
        self.works.settle(self._now())
        if lost == "reply":
            raise VCenterUnreachable("vc1 broke the connection.")
        return task

    @staticmethod
    def _refused(fault: str) -> VCenterError:
        if fault == "NotAuthenticated":
            return SessionExpired("vc1 has ended our session.")
        return VCenterFault(f"vc1 answered with the fault {fault}.", fault=fault)

    def _begin(self, change: Change) -> str:
        machine = self._machine_of(change)
        if isinstance(change, ShutDownGuest | RebootGuest):
            if not running_tools(machine):
                raise self._refused("ToolsUnavailable")
            self.works.apply(change, machine, self._now())
            return ""
        self._made += 1
        moid, now = f"task-{self._made}", self._now()
        task: dict[str, Plain] = {
            "info.state": "running", "info.descriptionId": OPERATIONS[type(change)], "info.queueTime": now,
            "info.progress": 0,
        }  # fmt: skip
        self.objects["Task", moid] = FakeObject(task)
        machine["recentTask"] = [*machine["recentTask"], moid]
        fault = self.task_faults.pop(0) if self.task_faults else ""
        if any(work.machine is machine for work in self.works.open):
            fault = "TaskInProgress"  # a machine takes one task at a time
        self.works.open.append(Work(task, change, machine, now + timedelta(seconds=self.task_seconds), fault))
        return moid

    def _machine_of(self, change: Change) -> Properties:
        for (kind, moid), each in self.objects.items():
            if kind != "VirtualMachine":
                continue
            if isinstance(change, RemoveSnapshot | RevertToSnapshot):
                if find(each.properties, change.snapshot) is not None:
                    return each.properties
            elif moid == change.machine:
                return each.properties
        raise self._refused("ManagedObjectNotFound")

    def forget_tasks(self, name: str) -> None:
        """Drop the tasks of a machine that have ended, as a vCenter does some time later."""
        under_way = {id(work.task) for work in self.works.open}
        ended = {
            moid
            for (kind, moid), each in self.objects.items()
            if kind == "Task" and id(each.properties) not in under_way
        }
        for moid in ended:
            del self.objects["Task", moid]
        machine: Properties = self.vm(name).properties
        machine["recentTask"] = [moid for moid in machine["recentTask"] if moid not in ended]

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

    def add_snapshot(self, name: str, title: str, age: timedelta, *, size: int = GIB, description: str = "") -> str:
        """A snapshot upon the current one, with its node and its files."""
        found = self.vm(name)
        moid = f"snapshot-{len(self.objects)}-{title}"
        node = {
            "snapshot": moid, "name": title, "description": description, "createTime": self._now() - age,
            "state": "poweredOff", "quiesced": False,
        }  # fmt: skip
        grow_tree(found.properties, node)
        grow_layout(found.properties, moid, size)
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
        "disabledMethod": [],
        "summary.runtime.bootTime": datetime(2026, 11, 1, 6, 0, tzinfo=UTC),
    }  # fmt: skip


@dataclass
class FakeVCenters:
    """Fulfils `ronde.ports.VCenters`: the vCenters of a client by name; `open_sessions` counts who has not left."""

    vcenters: dict[str, FakeVCenter]
    refuse: VCenterError | None = None
    open_sessions: int = 0

    @contextmanager
    def open(self, client: Client, vcenter: str, signal: Signal) -> Iterator[VCenterChanges]:
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
