"""One suite over both vCenters: the double in memory, and the real adapter against the simulator."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lab.vcenter import VCenterServer
from ronde.adapters.vsphere import PyVmomiVCenters, VCenterLimits
from ronde.model.errors import Cancelled, InputError, VCenterFault
from ronde.model.inventory import Client
from ronde.model.inventory import VCenter as Entry
from ronde.model.vsphere.objects import ManagedObject, Question
from ronde.ports import VCenter, VCenters
from tests.doubles.shell import NeverStop, WallClock
from tests.doubles.vcenter import FakeVCenter, FakeVCenters

NAMES = Question("VirtualMachine", ["name"])


@dataclass
class World:
    """A vCenter with the machines web, db and mail, and the levers that both have."""

    vcenters: VCenters
    client: Client
    hide: Callable[[str, str], None]
    add_snapshot: Callable[[str, str, timedelta], object]
    remove_vm: Callable[[str], None]
    sessions: Callable[[], int]

    def open(self) -> AbstractContextManager[VCenter]:
        return self.vcenters.open(self.client, "vc1", NeverStop())


def _client(address: str, port: int, user: str) -> Client:
    entry = Entry(address=address, port=port, user=user, password="age://acme/vc1", certificate="certificate.pem")
    return Client(client="acme", name="Acme", vcenters={"vc1": entry})


class Password:
    def __init__(self, password: str) -> None:
        self._password = password

    def read(self, reference: str) -> bytes:
        return self._password.encode()


@pytest.fixture(params=["double", "real"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    if request.param == "double":
        fake = FakeVCenter()
        fake.add_datastore()
        for name in ("web", "db", "mail"):
            fake.add_vm(name)
        vcenters = FakeVCenters({"vc1": fake})
        client = _client("192.0.2.1", 443, "ronde")
        yield World(vcenters, client, fake.hide, fake.add_snapshot, fake.remove_vm, lambda: vcenters.open_sessions)
        return
    with VCenterServer(tmp_path, vms=["web", "db", "mail"]) as server:
        real = PyVmomiVCenters(Password(server.password), WallClock(), tmp_path, VCenterLimits(page=2))
        client = _client(server.address, server.port, server.user)
        yield World(real, client, server.hide, server.add_snapshot, server.remove_vm, server.sessions)


def _named(answers: object) -> dict[str, ManagedObject]:
    return {str(answer.properties["name"]): answer for answer in answers}  # type: ignore[attr-defined] # a sequence


def test_all_objects_of_a_kind(world: World) -> None:
    with world.open() as vcenter:
        answers = vcenter.fetch([NAMES])
    assert _named(answers).keys() == {"web", "db", "mail"}
    assert {answer.kind for answer in answers} == {"VirtualMachine"}
    assert len({answer.id for answer in answers}) == 3


def test_some_objects_by_their_ids(world: World) -> None:
    with world.open() as vcenter:
        machines = _named(vcenter.fetch([NAMES]))
        wanted = [machines["db"].id, machines["mail"].id]
        again = vcenter.fetch([Question("VirtualMachine", ["name", "runtime.powerState"], wanted)])
    assert _named(again).keys() == {"db", "mail"}
    assert all(answer.properties["runtime.powerState"] == "poweredOn" for answer in again)


def test_no_ids_are_no_objects(world: World) -> None:
    with world.open() as vcenter:
        assert list(vcenter.fetch([Question("VirtualMachine", ["name"], [])])) == []


def test_several_questions_in_one_answer(world: World) -> None:
    with world.open() as vcenter:
        answers = vcenter.fetch([NAMES, Question("Datastore", ["summary.capacity"])])
    assert sorted(answer.kind for answer in answers) == ["Datastore", *["VirtualMachine"] * 3]
    capacity = next(answer.properties["summary.capacity"] for answer in answers if answer.kind == "Datastore")
    assert isinstance(capacity, int)
    assert capacity > 0


def test_an_unset_property_is_absent(world: World) -> None:
    with world.open() as vcenter:
        answers = vcenter.fetch([Question("VirtualMachine", ["name", "snapshot"])])
    assert all("snapshot" not in answer.properties and not answer.missing for answer in answers)


def test_a_hidden_property_is_missing_with_its_fault(world: World) -> None:
    world.hide("db", "runtime.powerState")
    with world.open() as vcenter:
        found = _named(vcenter.fetch([Question("VirtualMachine", ["name", "runtime.powerState"])]))
    assert found["db"].missing == {"runtime.powerState": "NoPermission"}
    assert "runtime.powerState" not in found["db"].properties
    assert found["web"].missing == {}


def test_snapshots_come_as_plain_values(world: World) -> None:
    world.add_snapshot("web", "before the update", timedelta(days=3))
    with world.open() as vcenter:
        question = Question("VirtualMachine", ["name", "snapshot", "layoutEx", "config.hardware.device"])
        found = _named(vcenter.fetch([question]))["web"]
        now = vcenter.now()
    tree = found.properties["snapshot"]
    assert isinstance(tree, dict)
    root = tree["rootSnapshotList"][0]
    assert root["name"] == "before the update"
    assert tree["currentSnapshot"] == root["snapshot"]
    assert timedelta(days=2, hours=23) < now - root["createTime"] < timedelta(days=3, hours=1)
    _assert_plain(found.properties)


def _assert_plain(value: object) -> None:
    kinds = {type(None), bool, int, float, str, datetime, list, dict}
    assert type(value) in kinds, f"{type(value)} is no plain type"
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in inner:
        _assert_plain(part)


def test_devices_carry_their_type(world: World) -> None:
    with world.open() as vcenter:
        found = vcenter.fetch([Question("VirtualMachine", ["config.hardware.device"])])[0]
    devices = found.properties["config.hardware.device"]
    assert isinstance(devices, list)
    disks = [device for device in devices if device["_type"] == "VirtualDisk"]
    assert disks[0]["backing"]["_type"] == "VirtualDiskFlatVer2BackingInfo"
    assert disks[0]["backing"]["fileName"].startswith("[")


def test_an_object_that_vanished_is_left_out(world: World) -> None:
    with world.open() as vcenter:
        machines = _named(vcenter.fetch([NAMES]))
        world.remove_vm("db")
        again = vcenter.fetch([Question("VirtualMachine", ["name"], [found.id for found in machines.values()])])
    assert _named(again).keys() == {"web", "mail"}


def test_an_unknown_kind_is_refused(world: World) -> None:
    with world.open() as vcenter, pytest.raises(VCenterFault):
        vcenter.fetch([Question("VirtualMachin", ["name"])])


def test_the_clock_is_aware_and_in_utc(world: World) -> None:
    with world.open() as vcenter:
        now = vcenter.now()
    assert now.tzinfo is UTC
    assert abs(now - datetime.now(UTC)) < timedelta(minutes=1)


def test_a_vcenter_has_an_identity_and_a_version(world: World) -> None:
    with world.open() as vcenter:
        assert vcenter.instance_uuid
        assert "vCenter" in vcenter.version


def test_the_session_ends_with_the_context(world: World) -> None:
    with world.open():
        assert world.sessions() == 1
    assert world.sessions() == 0


def test_the_session_ends_when_the_work_fails(world: World) -> None:
    with pytest.raises(ZeroDivisionError), world.open():
        raise ZeroDivisionError
    assert world.sessions() == 0


def test_an_unknown_vcenter_is_an_input_error(world: World) -> None:
    with pytest.raises(InputError, match="vc9"), world.vcenters.open(world.client, "vc9", NeverStop()):
        pass


class StopLater:
    """A signal that says go on until it is told otherwise."""

    stopped = False

    def check(self) -> None:
        if self.stopped:
            raise Cancelled("stop")


def test_work_that_is_stopped_asks_nothing_more(world: World) -> None:
    signal = StopLater()
    with world.vcenters.open(world.client, "vc1", signal) as vcenter:
        signal.stopped = True
        with pytest.raises(Cancelled):
            vcenter.fetch([NAMES])
    assert world.sessions() == 0
