"""Snapshots and power through the real adapter against the simulator: lost replies, deaths, refusals, silence.

The simulator cannot quiesce a guest, stun a machine, or grow a real delta: what depends on that is tried with the
double, in tests/unit/engine/vmchanges.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from lab.vcenter import VCenterServer
from ronde.adapters.vsphere import PyVmomiVCenters, VCenterLimits
from ronde.engine.vmchanges import (
    Access,
    CreateRequest,
    PowerRequest,
    RemoveRequest,
    RevertRequest,
    Wanted,
    create_snapshot,
    remove_snapshot,
    revert_snapshot,
    set_power,
    sweep_expired,
)
from ronde.model.check import Json
from ronde.model.errors import VCenterUnreachable
from ronde.model.inventory import Client
from ronde.model.inventory import VCenter as Entry
from ronde.model.vsphere.changes.guards import Revert, Taken
from ronde.model.vsphere.changes.orders import Change
from ronde.model.vsphere.changes.result import Outcome, Result
from ronde.model.vsphere.marker import read
from ronde.model.vsphere.objects import Question
from ronde.ports import Journal, VCenterChanges
from tests.doubles.changing import KEY, Died, Fate, FreeTurns, MortalVCenter, Timekeeper
from tests.doubles.journal import MemoryJournal
from tests.doubles.shell import NeverStop, WallClock
from tests.doubles.vm_tasks import nodes

NUMBERS = count(1)
SHORT = VCenterLimits(connect=0.6, silence=0.6, call=1.2, farewell=0.6)
SOON = 15.0  # seconds; far more than SHORT adds up to, for a busy machine, and far less than the limits in use
POINTS = ("intent", "looked", "calling", "called", "waiting")


class Password:
    def __init__(self, password: str) -> None:
        self._password = password

    def read(self, reference: str) -> bytes:
        return self._password.encode()


@dataclass
class Lab:
    """A vCenter, one machine of it that no other test touches, and time that passes only when somebody waits."""

    server: VCenterServer
    name: str
    keeper: Timekeeper = field(default_factory=Timekeeper)
    limits: VCenterLimits = field(default_factory=VCenterLimits)
    passed: float = 0.0

    def __post_init__(self) -> None:
        self.keeper.follow = self._pass

    def _pass(self, seconds: float) -> None:
        self.passed += seconds
        self.server.skew(self.passed)

    @contextmanager
    def session(self) -> Iterator[VCenterChanges]:
        entry = Entry(
            address=self.server.address, port=self.server.port, user=self.server.user, password="age://acme/vc1",
            certificate="certificate.pem",
        )  # fmt: skip
        client = Client(client="acme", name="Acme", vcenters={"vc1": entry})
        vcenters = PyVmomiVCenters(Password(self.server.password), WallClock(), self.server.directory, self.limits)
        with vcenters.open(client, "vc1", NeverStop()) as vcenter:
            yield vcenter

    @contextmanager
    def access(self, point: str = "") -> Iterator[Access]:
        with self.session() as vcenter:
            mortal: VCenterChanges = DiesAfterCall(vcenter, Fate()) if point == "called" else vcenter
            yield Access(mortal, "vc1", self.keeper, NeverStop(), self.keeper.pause, FreeTurns(), KEY)

    # ------------------------------------------------------------ the changes

    def create(self, journal: Journal | None = None, point: str = "", **changes: Any) -> Result:
        request = CreateRequest(**{"vm": self.name, "run": "run-1", "step": "step-1", "purpose": "patch", **changes})
        with self.access(point) as reach:
            return create_snapshot(reach, request, journal or MemoryJournal())

    def remove(self, taken: Taken, journal: Journal | None = None, point: str = "") -> Result:
        with self.access(point) as reach:
            return remove_snapshot(reach, RemoveRequest(self.name, taken), journal or MemoryJournal())

    def revert(self, taken: Taken, journal: Journal | None = None, point: str = "") -> Result:
        request = RevertRequest(self.name, Revert(taken, "ops"))
        with self.access(point) as reach:
            return revert_snapshot(reach, request, journal or MemoryJournal())

    def power(self, wanted: Wanted) -> Result:
        with self.access() as reach:
            return set_power(reach, PowerRequest(self.name, wanted), MemoryJournal())

    def look(self) -> dict[str, Any]:
        paths = ["snapshot", "runtime.powerState", "config.instanceUuid"]
        with self.session() as vcenter:
            return dict(
                vcenter.fetch([Question("VirtualMachine", paths, [self.server.machines()[self.name]])])[0].properties
            )

    def tree(self) -> list[dict[str, Any]]:
        return nodes(self.look())

    def calls(self, method: str) -> int:
        return self.server.calls().get(method, 0)


class DiesAfterCall(MortalVCenter):
    def start(self, change: Change) -> str:
        self.vcenter.start(change)
        raise Died


@dataclass
class DoomedJournal:
    """Dies at one of the points between two things that must not be torn apart."""

    journal: Journal
    point: str

    def stored(self) -> Mapping[str, Json]:
        return self.journal.stored()

    def keep(self, values: Mapping[str, Json]) -> None:
        pages = [page for page in values.values() if isinstance(page, Mapping)]
        calling = any(page.get("called") and not page.get("task") for page in pages)
        waiting = any(page.get("task") for page in pages)
        if self.point == "looked" and calling:
            raise Died
        self.journal.keep(values)
        intent = not {"name", "node", "before"}.isdisjoint(values)
        if {"intent": intent, "calling": calling, "waiting": waiting}.get(self.point, False):
            raise Died


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VCenterServer]:
    with VCenterServer(tmp_path_factory.mktemp("vcenter"), vms=["idle"]) as running:
        yield running


@pytest.fixture
def lab(server: VCenterServer) -> Iterator[Lab]:
    name = f"machine-{next(NUMBERS)}"
    server.add_vm(name)
    server.forget_calls()
    yield Lab(server, name)
    server.mend()
    server.remove_vm(name)


@pytest.fixture
def taken(lab: Lab) -> Taken:
    found = Taken.of(lab.create().facts)
    lab.server.forget_calls()
    return found


def test_a_snapshot_is_verified_by_its_marker_in_the_tree(lab: Lab) -> None:
    result = lab.create()
    (node,) = lab.tree()
    assert (result.outcome, result.findings) == (Outcome.CHANGED, ())
    marker = read(node["description"], KEY, lab.look()["config.instanceUuid"])
    assert marker is not None
    assert (marker.run, marker.step) == ("run-1", "step-1")
    assert result.facts["snapshot"] == node["snapshot"]
    assert result.facts["chain_grew"] is True


@pytest.mark.parametrize("seconds", [0.0, 0.5])
def test_a_lost_reply_leaves_exactly_one_snapshot(lab: Lab, seconds: float) -> None:
    lab.server.task_time(seconds)
    lab.server.fault("CreateSnapshot_Task", "lost")
    assert lab.create().outcome is Outcome.CHANGED
    assert len(lab.tree()) == 1
    assert lab.calls("CreateSnapshot_Task") == 1


def test_a_call_that_never_arrived_is_made_again(lab: Lab) -> None:
    lab.server.fault("CreateSnapshot_Task", "refuse")
    assert lab.create().outcome is Outcome.CHANGED
    assert len(lab.tree()) == 1
    assert lab.calls("CreateSnapshot_Task") == 2


@pytest.mark.parametrize("fault", ["NotAuthenticated", "TaskInProgress"])
def test_a_call_that_is_refused_for_now_is_made_again(lab: Lab, fault: str) -> None:
    lab.server.fault("CreateSnapshot_Task", fault)
    assert lab.create().outcome is Outcome.CHANGED
    assert len(lab.tree()) == 1


def test_a_session_that_expires_on_the_way_is_no_second_snapshot(lab: Lab) -> None:
    lab.server.task_time(0.5)
    original = lab.keeper.follow

    def expire(seconds: float) -> None:
        original(seconds)
        lab.server.expire_sessions()

    lab.keeper.follow = expire
    assert lab.create().outcome is Outcome.CHANGED
    assert lab.calls("CreateSnapshot_Task") == 1


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("forgets", [False, True])
def test_a_creation_that_dies_leaves_exactly_one_snapshot(lab: Lab, point: str, forgets: bool) -> None:  # noqa: FBT001 - a lever
    journal = MemoryJournal()
    lab.server.task_time(0.3)
    with pytest.raises(Died):
        lab.create(DoomedJournal(journal, point), point)
    if forgets:
        lab.server.task_time(0)
        _wait_for_tasks(lab)
        lab.server.forget_tasks(lab.name)
    result = lab.create(journal)
    assert result.outcome is Outcome.CHANGED
    assert [node["snapshot"] for node in lab.tree()] == [result.facts["snapshot"]]
    assert lab.calls("CreateSnapshot_Task") == 1


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("forgets", [False, True])
def test_a_removal_that_dies_leaves_none(lab: Lab, taken: Taken, point: str, forgets: bool) -> None:  # noqa: FBT001 - a lever
    journal = MemoryJournal()
    lab.server.task_time(0.3)
    with pytest.raises(Died):
        lab.remove(taken, DoomedJournal(journal, point), point)
    if forgets:
        _wait_for_tasks(lab)
        lab.server.forget_tasks(lab.name)
    assert lab.remove(taken, journal).outcome is Outcome.CHANGED
    assert lab.tree() == []
    assert lab.calls("RemoveSnapshot_Task") == 1


@pytest.mark.parametrize("point", POINTS)
def test_a_revert_that_dies_is_done_once(lab: Lab, taken: Taken, point: str) -> None:
    journal = MemoryJournal()
    lab.server.task_time(0.3)
    with pytest.raises(Died):
        lab.revert(taken, DoomedJournal(journal, point), point)
    result = lab.revert(taken, journal)
    assert result.outcome is Outcome.CHANGED
    assert lab.look()["runtime.powerState"] == "poweredOn"
    assert [node["snapshot"] for node in lab.tree()] == [taken.id]
    assert lab.calls("RevertToSnapshot_Task") == 1


def _wait_for_tasks(lab: Lab) -> None:
    """Until no task of the machine runs."""
    deadline = time.monotonic() + SOON
    while time.monotonic() < deadline:
        with lab.session() as vcenter:
            found = vcenter.fetch([Question("VirtualMachine", ["recentTask"], [lab.server.machines()[lab.name]])])
            ids = [str(moid) for moid in found[0].properties.get("recentTask", ())]  # type: ignore[union-attr] # a list
            states = [task.properties["info.state"] for task in vcenter.fetch([Question("Task", ["info.state"], ids)])]
        if not {"running", "queued"} & {str(state) for state in states}:
            return
    raise AssertionError("a task does not end")


def test_a_snapshot_of_somebody_else_is_not_removed(lab: Lab, taken: Taken) -> None:
    lab.server.add_snapshot(lab.name, "theirs", timedelta(hours=1))
    theirs = next(node for node in lab.tree() if node["name"] == "theirs")
    result = lab.remove(Taken(theirs["snapshot"], None, "theirs", taken.created, "step-1x", "run-1"))
    assert result.outcome is Outcome.REFUSED
    assert lab.calls("RemoveSnapshot_Task") == 0


def test_a_marker_that_was_tampered_with_is_not_believed(lab: Lab, taken: Taken) -> None:
    (node,) = lab.tree()
    lab.remove(taken)
    late = node["description"].replace("consistency=crash", "consistency=off")
    lab.server.add_snapshot(lab.name, node["name"], timedelta(hours=1), description=late)
    lab.server.forget_calls()
    assert lab.remove(taken).outcome is Outcome.REFUSED
    with lab.access() as reach:
        lab.keeper.pause(80 * 3600)
        assert list(sweep_expired(reach, lambda _step: MemoryJournal())) == []
    assert lab.calls("RemoveSnapshot_Task") == 0
    assert len(lab.tree()) == 1


def test_the_janitor_removes_what_has_had_its_time(lab: Lab, taken: Taken) -> None:
    with lab.access() as reach:
        assert list(sweep_expired(reach, lambda _step: MemoryJournal())) == []
        lab.keeper.pause(25 * 3600)
        ((expired, result),) = sweep_expired(reach, lambda _step: MemoryJournal())
    assert (expired.node.id, result.outcome) == (taken.id, Outcome.CHANGED)
    assert lab.tree() == []


def test_a_revert_refuses_once_another_snapshot_was_taken(lab: Lab, taken: Taken) -> None:
    lab.server.add_snapshot(lab.name, "theirs", timedelta())
    assert lab.revert(taken).outcome is Outcome.REFUSED
    assert lab.calls("RevertToSnapshot_Task") == 0


def test_disks_that_need_it_are_consolidated_after_a_removal(lab: Lab, taken: Taken) -> None:
    lab.server.consolidation_needed(lab.name)
    result = lab.remove(taken)
    assert (result.outcome, result.findings, result.facts["consolidated"]) == (Outcome.CHANGED, (), True)
    assert lab.calls("ConsolidateVMDisks_Task") == 1


def test_power_that_is_so_already_is_told(lab: Lab) -> None:
    result = lab.power(Wanted.ON)
    assert (result.outcome, result.reason) == (Outcome.UNCHANGED, "The machine was powered on already.")
    assert lab.calls("PowerOnVM_Task") == 0
    assert lab.power(Wanted.SHUT_DOWN).outcome is Outcome.CHANGED
    assert lab.power(Wanted.OFF).outcome is Outcome.UNCHANGED
    assert lab.power(Wanted.ON).outcome is Outcome.CHANGED


def test_faults_of_a_task_are_told_by_name(lab: Lab) -> None:
    lab.server.task_fault("CreateSnapshot_Task", "TooManySnapshotLevels")
    result = lab.create()
    assert result.outcome is Outcome.FAILED
    assert "TooManySnapshotLevels" in result.reason
    assert lab.tree() == []


@pytest.mark.parametrize("method", ["RetrievePropertiesEx", "CurrentTime", "HasPrivilegeOnEntities"])
def test_a_vcenter_that_never_answers_does_not_hold_us(lab: Lab, method: str) -> None:
    lab.limits = SHORT
    lab.server.fault(method, "hang", times=-1)
    started = time.monotonic()
    with pytest.raises(VCenterUnreachable):
        lab.create()
    assert time.monotonic() - started < SOON
    assert lab.calls("CreateSnapshot_Task") == 0


@pytest.mark.parametrize("kind", ["hang", "drip"])
def test_a_call_without_an_answer_is_looked_after(lab: Lab, kind: str) -> None:
    """Hanging it was never done, dripping it was: a look tells them apart."""
    lab.limits = SHORT
    lab.server.fault("CreateSnapshot_Task", kind)
    started = time.monotonic()
    assert lab.create().outcome is Outcome.CHANGED
    assert time.monotonic() - started < SOON
    assert lab.calls("CreateSnapshot_Task") == (2 if kind == "hang" else 1)
    assert len(lab.tree()) == 1


def test_a_vcenter_that_falls_silent_after_the_call_is_found_as_it_is_later(lab: Lab) -> None:
    lab.limits, journal = SHORT, MemoryJournal()

    def silence(_seconds: float) -> None:
        lab.server.fault("RetrievePropertiesEx", "hang", times=-1)

    lab.server.task_time(0.5)
    lab.keeper.follow = silence
    with pytest.raises(VCenterUnreachable):
        lab.create(journal)
    lab.server.mend()
    lab.keeper.follow = lambda _seconds: None
    assert lab.create(journal).outcome is Outcome.CHANGED
    assert lab.calls("CreateSnapshot_Task") == 1
