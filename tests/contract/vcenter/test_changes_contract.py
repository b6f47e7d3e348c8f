"""One suite over both vCenters for changes: the double in memory, and the real adapter against the simulator."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from lab.process import wait_until
from lab.vcenter import VCenterServer
from ronde.adapters.vsphere import PyVmomiVCenters
from ronde.facts import vsphere_changes as questions
from ronde.model.errors import Cancelled, SessionExpired, VCenterFault, VCenterUnreachable
from ronde.model.inventory import Client
from ronde.model.inventory import VCenter as Entry
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
from ronde.model.vsphere.changes.tasks import Stage, Task
from ronde.model.vsphere.objects import Question
from ronde.ports import Signal, VCenterChanges, VCenters
from tests.doubles.shell import NeverStop, WallClock
from tests.doubles.vcenter import FakeVCenter, FakeVCenters
from tests.doubles.vm_tasks import nodes

METHODS: dict[type, str] = {CreateSnapshot: "CreateSnapshot_Task", PowerOff: "PowerOffVM_Task"}
PRIVILEGES = ["VirtualMachine.State.CreateSnapshot", "VirtualMachine.Interact.PowerOn"]
NUMBERS = count(1)


class Password:
    def __init__(self, password: str) -> None:
        self._password = password

    def read(self, reference: str) -> bytes:
        return self._password.encode()


@dataclass
class World:
    """A vCenter, one healthy machine of it that no other test touches, and the levers that both have."""

    vcenters: VCenters
    client: Client
    name: str
    moid: str
    task_time: Callable[[float], None]
    task_fault: Callable[[str, str], None]
    lose: Callable[[str], None]
    refuse: Callable[[str, str], None]
    forget_tasks: Callable[[], None]
    need_consolidation: Callable[[], None]

    def open(self, signal: Signal | None = None) -> AbstractContextManager[VCenterChanges]:
        return self.vcenters.open(self.client, "vc1", signal or NeverStop())

    def create(self, vcenter: VCenterChanges, name: str = "before") -> str:
        """Take a snapshot; its moId."""
        done = ended(vcenter, vcenter.start(CreateSnapshot(self.moid, name, "why", quiesce=False)))
        assert done.stage is Stage.SUCCESS
        assert done.result is not None
        return done.result


def _client(address: str, port: int, user: str) -> Client:
    entry = Entry(address=address, port=port, user=user, password="age://acme/vc1", certificate="certificate.pem")
    return Client(client="acme", name="Acme", vcenters={"vc1": entry})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VCenterServer]:
    with VCenterServer(tmp_path_factory.mktemp("vcenter"), vms=["idle"]) as running:
        yield running


@pytest.fixture(params=["double", "real"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    name = f"vm-of-test-{next(NUMBERS)}"
    yield _double(name) if request.param == "double" else _real(name, request.getfixturevalue("server"))
    if request.param == "real":
        request.getfixturevalue("server").mend()


def _double(name: str) -> World:
    fake = FakeVCenter()
    fake.add_datastore()
    fake.add_vm("idle")
    moid = fake.add_vm(name)

    def task_time(seconds: float) -> None:
        fake.task_seconds = seconds

    def need() -> None:
        fake.vm(name).properties["runtime.consolidationNeeded"] = True

    return World(
        vcenters=FakeVCenters({"vc1": fake}),
        client=_client("192.0.2.1", 443, "ronde"),
        name=name,
        moid=moid,
        task_time=task_time,
        task_fault=lambda _method, fault: fake.task_faults.append(fault),
        lose=lambda _method: fake.lost.append("reply"),
        refuse=lambda _method, fault: fake.refusals.append(fault),
        forget_tasks=lambda: fake.forget_tasks(name),
        need_consolidation=need,
    )


def _real(name: str, server: VCenterServer) -> World:
    server.add_vm(name)
    return World(
        vcenters=PyVmomiVCenters(Password(server.password), WallClock(), Path(server.directory)),
        client=_client(server.address, server.port, server.user),
        name=name,
        moid=server.machines()[name],
        task_time=server.task_time,
        task_fault=server.task_fault,
        lose=lambda method: server.fault(method, "lost"),
        refuse=server.fault,
        forget_tasks=lambda: server.forget_tasks(name),
        need_consolidation=lambda: server.consolidation_needed(name),
    )


def task_of(vcenter: VCenterChanges, reference: str) -> Task | None:
    answers = vcenter.fetch([questions.tasks([reference])])
    return questions.task(answers[0]) if answers else None


def ended(vcenter: VCenterChanges, reference: str) -> Task:
    found: list[Task] = []

    def over() -> bool:
        task = task_of(vcenter, reference)
        found[:] = [task] if task is not None else []
        return bool(found) and found[0].ended

    assert wait_until(over, 20)
    return found[0]


def state(vcenter: VCenterChanges, moid: str) -> dict[str, Any]:
    paths = ["snapshot", "runtime.powerState", "runtime.consolidationNeeded", "recentTask", "layoutEx"]
    return dict(vcenter.fetch([Question("VirtualMachine", paths, [moid])])[0].properties)


def test_a_snapshot_is_created_and_its_task_names_it(world: World) -> None:
    with world.open() as vcenter:
        before = vcenter.now()
        reference = vcenter.start(CreateSnapshot(world.moid, "ronde-x", "ronde/1 é <&>", quiesce=True))
        task = ended(vcenter, reference)
        found = state(vcenter, world.moid)
    (node,) = nodes(found)
    assert (task.stage, task.result, task.fault) == (Stage.SUCCESS, node["snapshot"], None)
    assert task.operation == "VirtualMachine.createSnapshot"
    assert task.queued is not None
    assert task.queued >= before - timedelta(seconds=1)
    assert (node["name"], node["description"], node["quiesced"]) == ("ronde-x", "ronde/1 é <&>", True)
    assert node["state"] == "poweredOff", "without memory"
    assert found["snapshot"]["currentSnapshot"] == node["snapshot"]
    assert isinstance(node["id"], int)
    assert reference in found["recentTask"]
    assert len(found["layoutEx"]["disk"][0]["chain"]) == 2


def test_a_removal_keeps_the_children(world: World) -> None:
    with world.open() as vcenter:
        below, middle, above = (world.create(vcenter, name) for name in ("below", "middle", "above"))
        assert ended(vcenter, vcenter.start(RemoveSnapshot(middle))).stage is Stage.SUCCESS
        found = state(vcenter, world.moid)
        assert [node["snapshot"] for node in nodes(found)] == [below, above]
        assert found["snapshot"]["currentSnapshot"] == above
        assert len(found["layoutEx"]["disk"][0]["chain"]) == 3
        for snapshot in (above, below):
            assert ended(vcenter, vcenter.start(RemoveSnapshot(snapshot))).stage is Stage.SUCCESS
        found = state(vcenter, world.moid)
    assert "snapshot" not in found
    assert len(found["layoutEx"]["disk"][0]["chain"]) == 1


def test_a_revert_moves_the_machine_and_leaves_it_off(world: World) -> None:
    with world.open() as vcenter:
        first = world.create(vcenter, "first")
        world.create(vcenter, "second")
        task = ended(vcenter, vcenter.start(RevertToSnapshot(first)))
        found = state(vcenter, world.moid)
    assert (task.stage, task.operation) == (Stage.SUCCESS, "vm.Snapshot.revert")
    assert found["snapshot"]["currentSnapshot"] == first
    assert found["runtime.powerState"] == "poweredOff"
    assert len(nodes(found)) == 2


def test_power(world: World) -> None:
    with world.open() as vcenter:
        assert ended(vcenter, vcenter.start(PowerOff(world.moid))).stage is Stage.SUCCESS
        assert state(vcenter, world.moid)["runtime.powerState"] == "poweredOff"
        again = ended(vcenter, vcenter.start(PowerOff(world.moid)))
        assert again.stage is Stage.ERROR
        assert again.fault is not None
        assert again.fault.name == "InvalidPowerState"
        assert ended(vcenter, vcenter.start(PowerOn(world.moid))).stage is Stage.SUCCESS
        assert state(vcenter, world.moid)["runtime.powerState"] == "poweredOn"


@pytest.mark.parametrize(("change", "power"), [(ShutDownGuest, "poweredOff"), (RebootGuest, "poweredOn")])
def test_what_is_asked_of_a_guest_has_no_task(
    world: World, change: type[ShutDownGuest | RebootGuest], power: str
) -> None:
    with world.open() as vcenter:
        assert vcenter.start(change(world.moid)) == ""
        assert state(vcenter, world.moid)["runtime.powerState"] == power


def test_a_consolidation(world: World) -> None:
    world.need_consolidation()
    with world.open() as vcenter:
        assert ended(vcenter, vcenter.start(ConsolidateDisks(world.moid))).stage is Stage.SUCCESS
        assert state(vcenter, world.moid)["runtime.consolidationNeeded"] is False


def test_a_task_runs_before_it_ends(world: World) -> None:
    world.task_time(1.0)
    with world.open() as vcenter:
        reference = vcenter.start(CreateSnapshot(world.moid, "slow", "", quiesce=False))
        first = task_of(vcenter, reference)
        assert first is not None
        assert (first.stage, first.completed) == (Stage.RUNNING, None)
        assert "snapshot" not in state(vcenter, world.moid)
        last = ended(vcenter, reference)
        assert last.completed is not None
        assert len(nodes(state(vcenter, world.moid))) == 1


def test_a_fault_of_a_task_has_its_name(world: World) -> None:
    world.task_fault("CreateSnapshot_Task", "ApplicationQuiesceFault")
    with world.open() as vcenter:
        task = ended(vcenter, vcenter.start(CreateSnapshot(world.moid, "x", "", quiesce=True)))
        assert task.fault is not None
        assert (task.stage, task.fault.name) == (Stage.ERROR, "ApplicationQuiesceFault")
        assert task.fault.message
        assert "snapshot" not in state(vcenter, world.moid)


def test_a_forgotten_task_is_none(world: World) -> None:
    with world.open() as vcenter:
        reference = vcenter.start(PowerOff(world.moid))
        ended(vcenter, reference)
        world.forget_tasks()
        assert task_of(vcenter, reference) is None
        assert reference not in state(vcenter, world.moid).get("recentTask", [])


UNKNOWN: list[Change] = [
    CreateSnapshot("vm-9999", "x", "", quiesce=False), PowerOn("vm-9999"), RemoveSnapshot("snapshot-9999"),
    RevertToSnapshot("snapshot-9999"),
]  # fmt: skip


@pytest.mark.parametrize("change", UNKNOWN, ids=lambda change: type(change).__name__)
def test_what_is_not_there_is_refused(world: World, change: Change) -> None:
    with world.open() as vcenter, pytest.raises(VCenterFault) as caught:
        vcenter.start(change)
    assert caught.value.fault == "ManagedObjectNotFound"


def test_a_call_that_is_refused_has_done_nothing(world: World) -> None:
    world.refuse("CreateSnapshot_Task", "NoPermission")
    with world.open() as vcenter:
        with pytest.raises(VCenterFault) as caught:
            vcenter.start(CreateSnapshot(world.moid, "x", "", quiesce=False))
        assert caught.value.fault == "NoPermission"
        assert "snapshot" not in state(vcenter, world.moid)


def test_a_change_is_never_asked_for_twice_when_its_reply_is_lost(world: World) -> None:
    world.lose("CreateSnapshot_Task")
    with world.open() as vcenter:
        with pytest.raises(VCenterUnreachable):
            vcenter.start(CreateSnapshot(world.moid, "x", "", quiesce=False))
        assert len(nodes(state(vcenter, world.moid))) == 1


def test_an_expired_session_refuses_a_change_and_the_next_read_renews_it(world: World) -> None:
    world.refuse("CreateSnapshot_Task", "NotAuthenticated")
    with world.open() as vcenter:
        with pytest.raises(SessionExpired):
            vcenter.start(CreateSnapshot(world.moid, "x", "", quiesce=False))
        assert "snapshot" not in state(vcenter, world.moid)
        world.create(vcenter)


class Stopped:
    stopped = False

    def check(self) -> None:
        if self.stopped:
            raise Cancelled("stop")


def test_work_that_is_stopped_changes_nothing_more(world: World) -> None:
    signal = Stopped()
    with world.open(signal) as vcenter:
        signal.stopped = True
        with pytest.raises(Cancelled):
            vcenter.start(PowerOff(world.moid))
    with world.open() as vcenter:
        assert state(vcenter, world.moid)["runtime.powerState"] == "poweredOn"


def test_privileges_are_told(world: World) -> None:
    """The simulator grants everything; what is denied is the double's alone to show."""
    with world.open() as vcenter:
        assert list(vcenter.lacking(world.moid, PRIVILEGES)) == []
        if isinstance(vcenter, FakeVCenter):
            vcenter.denied = {PRIVILEGES[1]}
            assert list(vcenter.lacking(world.moid, PRIVILEGES)) == [PRIVILEGES[1]]


def test_everything_a_decision_needs_comes_in_one_call(world: World) -> None:
    with world.open() as vcenter:
        answers = vcenter.fetch(questions.state_of(world.moid))
    found = next(answer for answer in answers if answer.kind == "VirtualMachine")
    assert found.missing == {}
    assert questions.disabled(found) == frozenset()
    booted = questions.booted(found)
    assert booted is not None
    assert booted.tzinfo is UTC
    assert booted <= datetime.now(UTC)
