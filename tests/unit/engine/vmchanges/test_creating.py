"""A safety net is taken once, verified, and told; or not taken, and told why."""

from datetime import timedelta
from typing import Any

import pytest

from ronde.engine.vmchanges import CreateRequest, create_snapshot
from ronde.model.errors import Cancelled, InputError, VCenterUnreachable
from ronde.model.verdict import Severity
from ronde.model.vsphere.changes.orders import CreateSnapshot
from ronde.model.vsphere.changes.precheck import Policy, Quiesce
from ronde.model.vsphere.changes.result import Outcome, Result
from ronde.model.vsphere.marker import read
from tests.doubles.changing import KEY, NOW, Timekeeper, access, vcenter_with
from tests.doubles.journal import MemoryJournal
from tests.doubles.vcenter import GIB, FakeVCenter
from tests.doubles.vm_tasks import nodes

RUN, STEP = "1a2b3c4d-run", "step-1"


@pytest.fixture
def stage() -> tuple[FakeVCenter, Timekeeper]:
    return vcenter_with("web", "db")


def create(stage: tuple[FakeVCenter, Timekeeper], journal: MemoryJournal | None = None, **changes: Any) -> Result:
    request = CreateRequest(**{"vm": "web", "run": RUN, "step": STEP, "purpose": "patch", **changes})
    return create_snapshot(access(*stage), request, journal or MemoryJournal())


def taken(fake: FakeVCenter, name: str = "web") -> list[dict[str, Any]]:
    return nodes(fake.vm(name).properties)


def obstacles_in(result: Result) -> set[object]:
    return {finding.evidence["obstacle"] for finding in result.findings}


def test_a_snapshot_is_taken_and_known_by_its_marker(stage: tuple[FakeVCenter, Timekeeper]) -> None:
    fake, _ = stage
    result = create(stage)
    (node,) = taken(fake)
    assert result.outcome is Outcome.CHANGED
    assert node["name"] == "ronde-1a2b3c4d-patch"
    marker = read(node["description"], KEY, str(fake.vm("web").properties["config.instanceUuid"]))
    assert marker is not None
    assert (marker.run, marker.step, marker.created, marker.expires) == (RUN, STEP, NOW, NOW + timedelta(hours=24))
    assert result.facts["snapshot"] == node["snapshot"]
    assert (result.facts["consistency"], result.facts["chain_grew"]) == ("crash", True)
    assert str(result.facts["task"]).startswith("task-")
    assert result.findings == ()
    assert any(exchange.question.startswith("CreateSnapshot") for exchange in result.exchanges)
    assert taken(fake, "db") == []


def test_the_machine_can_be_meant_by_its_identity_or_its_id(stage: tuple[FakeVCenter, Timekeeper]) -> None:
    fake, _ = stage
    uuid = str(fake.vm("web").properties["config.instanceUuid"])
    assert create(stage, vm=uuid.upper()).facts["vm_name"] == "web"
    moid = next(key for (_, key), each in fake.objects.items() if each is fake.vm("db"))
    assert create(stage, vm=moid, step="step-2").facts["vm_name"] == "db"


def test_an_ambiguous_or_unknown_name_is_an_input_error(stage: tuple[FakeVCenter, Timekeeper]) -> None:
    fake, _ = stage
    fake.add_vm("WEB")
    with pytest.raises(InputError, match=r"web \(vm-1\), WEB \(vm-3\)"):
        create(stage)
    with pytest.raises(InputError, match='did you mean "db"'):
        create(stage, vm="db1")
    with pytest.raises(InputError):
        create(stage, vm="")
    assert fake.started == []


def test_a_resumed_step_keeps_to_its_machine_when_names_move(stage: tuple[FakeVCenter, Timekeeper]) -> None:
    fake, _ = stage
    journal = MemoryJournal()
    fake.task_seconds = 3600
    assert create(stage, journal).outcome is Outcome.RUNNING
    fake.vm("web").properties["name"] = "old"
    fake.vm("db").properties["name"] = "web"
    assert fake.time is not None
    fake.time += timedelta(hours=1)
    assert create(stage, journal).facts["vm_name"] == "old"
    assert len(fake.started) == 1


def test_a_long_task_is_waited_for(stage: tuple[FakeVCenter, Timekeeper]) -> None:
    fake, keeper = stage
    fake.task_seconds = 90
    assert create(stage).outcome is Outcome.CHANGED
    assert 90 <= sum(keeper.waited) < 105


def test_a_task_that_outlasts_all_patience_is_still_running(stage: tuple[FakeVCenter, Timekeeper]) -> None:
    fake, _ = stage
    fake.task_seconds, journal = 3600, MemoryJournal()
    result = create(stage, journal, patience=timedelta(minutes=1))
    assert (result.outcome, result.done) == (Outcome.RUNNING, False)
    assert result.findings[0].severity is Severity.UNKNOWN
    assert fake.time is not None
    fake.time += timedelta(hours=1)
    assert create(stage, journal).outcome is Outcome.CHANGED
    assert len(fake.started) == 1


def test_another_task_on_the_machine_is_waited_for_and_not_for_ever(stage: tuple[FakeVCenter, Timekeeper]) -> None:
    fake, _ = stage
    fake.task_seconds = 120
    fake.start(CreateSnapshot("vm-1", "VEEAM", "", quiesce=False))
    busy = create(stage, patience=timedelta(seconds=30), policy=Policy(backup_window=timedelta()))
    assert busy.outcome is Outcome.REFUSED
    assert len(fake.started) == 1
    assert create(stage, policy=Policy(backup_window=timedelta())).outcome is Outcome.CHANGED


# -------------------------------------------------------------- the precheck

BLOCKED: list[tuple[str, dict[str, Any]]] = [
    ("connection", {"runtime.connectionState": "disconnected"}),
    ("template", {"config.template": True}),
    ("power", {"runtime.powerState": "suspended"}),
    ("question", {"runtime.question": {"text": "moved or copied?"}}),
    ("consolidation", {"runtime.consolidationNeeded": True}),
    ("disabled", {"disabledMethod": ["RemoveSnapshot_Task"]}),
    ("unsupported", {"runtime.faultToleranceState": "running"}),
]


@pytest.mark.parametrize(("obstacle", "properties"), BLOCKED)
def test_what_stands_in_the_way(
    stage: tuple[FakeVCenter, Timekeeper], obstacle: str, properties: dict[str, Any]
) -> None:
    fake, _ = stage
    fake.vm("web").properties.update(properties)
    result = create(stage)
    assert result.outcome is Outcome.REFUSED
    assert obstacles_in(result) == {obstacle}
    assert fake.started == []


@pytest.mark.parametrize(
    ("obstacle", "path"),
    [
        ("template", "config.template"),
        ("consolidation", "runtime.consolidationNeeded"),
        ("hardware", "config.hardware.device"),
        ("space", "datastore"),
    ],
)
def test_what_is_not_told_stands_in_the_way(stage: tuple[FakeVCenter, Timekeeper], obstacle: str, path: str) -> None:
    fake, _ = stage
    del fake.vm("web").properties[path]
    result = create(stage)
    assert obstacle in obstacles_in(result)
    assert {finding.severity for finding in result.findings} == {Severity.UNKNOWN}
    assert fake.started == []


def test_what_is_hidden_stands_in_the_way(stage: tuple[FakeVCenter, Timekeeper]) -> None:
    stage[0].hide("web", "runtime.question")
    assert obstacles_in(create(stage)) == {"hidden"}


def test_a_backup_at_work_stands_in_the_way(stage: tuple[FakeVCenter, Timekeeper]) -> None:
    stage[0].add_snapshot("web", "VEEAM BACKUP TEMPORARY SNAPSHOT", timedelta(hours=2))
    assert obstacles_in(create(stage)) == {"backup"}
    assert create(stage, policy=Policy(backup_window=timedelta(hours=1))).outcome is Outcome.CHANGED


def test_too_many_snapshots_stand_in_the_way(stage: tuple[FakeVCenter, Timekeeper]) -> None:
    for index in range(3):
        stage[0].add_snapshot("web", f"s{index}", timedelta(hours=2))
    assert obstacles_in(create(stage)) == {"count"}
    assert obstacles_in(create(stage, policy=Policy(most=9, deepest=3))) == {"depth"}


def test_a_full_datastore_stands_in_the_way(stage: tuple[FakeVCenter, Timekeeper]) -> None:
    stage[0].add_datastore("ds1", free=149 * GIB, capacity=1000 * GIB)
    assert obstacles_in(create(stage)) == {"space"}
    stage[0].add_datastore("ds1", free=151 * GIB, capacity=1000 * GIB)
    assert obstacles_in(create(stage, policy=Policy(growth=100 * GIB))) == {"space"}
    assert create(stage).outcome is Outcome.CHANGED


def test_a_disk_that_is_left_out_must_be_accepted_by_its_name(stage: tuple[FakeVCenter, Timekeeper]) -> None:
    (disk,) = stage[0].vm("web").properties["config.hardware.device"]
    disk["backing"]["diskMode"] = "independent_persistent"
    assert obstacles_in(create(stage, policy=Policy(left_out=frozenset({"Hard disk 2"})))) == {"coverage"}
    assert create(stage, policy=Policy(left_out=frozenset({"Hard disk 1"}))).outcome is Outcome.CHANGED


def test_a_lack_of_privileges_stands_in_the_way(stage: tuple[FakeVCenter, Timekeeper]) -> None:
    stage[0].denied = {"VirtualMachine.State.RevertToSnapshot"}
    result = create(stage)
    assert obstacles_in(result) == {"privileges"}
    assert "RevertToSnapshot" in result.reason


@pytest.mark.parametrize("lifetime", [timedelta(hours=73), timedelta(), timedelta(hours=-1)])
def test_no_snapshot_lives_longer_than_three_days(stage: tuple[FakeVCenter, Timekeeper], lifetime: timedelta) -> None:
    with pytest.raises(InputError, match="72 hours"):
        create(stage, lifetime=lifetime)


# ------------------------------------------------------------------ faults


@pytest.mark.parametrize("fault", ["TooManySnapshotLevels", "NoDiskSpace", "SomethingNew"])
def test_a_fault_that_will_not_pass_is_a_failure(stage: tuple[FakeVCenter, Timekeeper], fault: str) -> None:
    stage[0].task_faults = [fault]
    result = create(stage)
    assert result.outcome is Outcome.FAILED
    assert fault in result.reason
    assert (taken(stage[0]), len(stage[0].started)) == ([], 1)


def test_a_fault_that_passes_is_tried_again_and_not_for_ever(stage: tuple[FakeVCenter, Timekeeper]) -> None:
    stage[0].task_faults = ["TaskInProgress", "FileLocked"]
    assert create(stage).outcome is Outcome.CHANGED
    stage[0].task_faults = ["TaskInProgress"] * 9
    assert create(stage, step="step-2").outcome is Outcome.FAILED
    assert len(stage[0].task_faults) == 6


@pytest.mark.parametrize("fault", ["TaskInProgress", "NotAuthenticated"])
def test_a_call_that_is_refused_for_now_is_made_again(stage: tuple[FakeVCenter, Timekeeper], fault: str) -> None:
    stage[0].refusals = [fault]
    assert create(stage).outcome is Outcome.CHANGED
    stage[0].refusals = [fault] * 9
    assert create(stage, step="step-2").outcome is Outcome.FAILED
    assert len(stage[0].refusals) == 6


def test_a_call_that_is_refused_for_good_is_a_failure(stage: tuple[FakeVCenter, Timekeeper]) -> None:
    stage[0].refusals = ["NoPermission"]
    assert create(stage).outcome is Outcome.FAILED


def test_a_lost_reply_is_not_a_second_snapshot(stage: tuple[FakeVCenter, Timekeeper]) -> None:
    stage[0].lost = ["reply"]
    assert create(stage).outcome is Outcome.CHANGED
    assert (len(taken(stage[0])), len(stage[0].started)) == (1, 1)


def test_a_lost_reply_of_a_long_task_is_not_a_second_snapshot(stage: tuple[FakeVCenter, Timekeeper]) -> None:
    stage[0].lost, stage[0].task_seconds = ["reply"], 120
    result = create(stage)
    assert (result.outcome, result.facts["task"]) == (Outcome.CHANGED, "task-3")
    assert (len(taken(stage[0])), len(stage[0].started)) == (1, 1)


def test_a_call_that_never_arrived_is_made_again_when_it_can_no_longer_arrive(
    stage: tuple[FakeVCenter, Timekeeper],
) -> None:
    fake, keeper = stage
    fake.lost = ["call"]
    assert create(stage).outcome is Outcome.CHANGED
    assert sum(keeper.waited) >= 30
    assert len(fake.started) == 1


def test_calls_that_never_arrive_end(stage: tuple[FakeVCenter, Timekeeper]) -> None:
    stage[0].lost = ["call"] * 9
    result = create(stage)
    assert result.outcome is Outcome.NEEDS_HUMAN
    assert len(stage[0].lost) == 6


def test_a_vcenter_that_is_gone_is_not_asked_for_ever(stage: tuple[FakeVCenter, Timekeeper]) -> None:
    stage[0].fail = VCenterUnreachable("vc1 is gone")
    with pytest.raises(VCenterUnreachable):
        create(stage)


def test_a_stop_is_heeded_while_waiting(stage: tuple[FakeVCenter, Timekeeper]) -> None:
    fake, keeper = stage
    fake.task_seconds = 3600

    class StopAfter:
        def check(self) -> None:
            if sum(keeper.waited) > 20:
                raise Cancelled("stop")

    request, journal = CreateRequest("web", RUN, STEP, "patch"), MemoryJournal()
    with pytest.raises(Cancelled):
        create_snapshot(access(fake, keeper, signal=StopAfter()), request, journal)
    assert fake.time is not None
    fake.time += timedelta(hours=1)
    assert create(stage, journal).outcome is Outcome.CHANGED
    assert len(fake.started) == 1


# ----------------------------------------------------------------- quiescing

QUIET = Policy(quiesce=Quiesce.FALL_BACK)
STRICT = Policy(quiesce=Quiesce.STRICT)


def test_a_quiet_snapshot(stage: tuple[FakeVCenter, Timekeeper]) -> None:
    result = create(stage, policy=QUIET)
    assert (result.facts["consistency"], result.findings) == ("filesystem", ())


@pytest.mark.parametrize("fault", ["ApplicationQuiesceFault", "FilesystemQuiesceFault"])
def test_a_guest_that_is_not_quiet_is_asked_once_more(stage: tuple[FakeVCenter, Timekeeper], fault: str) -> None:
    fake, keeper = stage
    fake.task_faults = [fault]
    assert create(stage, policy=STRICT).facts["consistency"] == "filesystem"
    assert 60.0 in keeper.waited


def test_then_no_snapshot_or_one_that_is_not_quiet(stage: tuple[FakeVCenter, Timekeeper]) -> None:
    fake, _ = stage
    fake.task_faults = ["FilesystemQuiesceFault"] * 2
    assert create(stage, policy=STRICT).outcome is Outcome.FAILED
    assert taken(fake) == []
    fake.task_faults = ["FilesystemQuiesceFault"] * 2
    result = create(stage, policy=QUIET, step="step-2")
    assert (result.outcome, result.facts["consistency"]) == (Outcome.CHANGED, "crash")
    assert [finding.rule for finding in result.findings] == ["not-quiesced"]
    marker = read(taken(fake)[0]["description"], KEY, str(fake.vm("web").properties["config.instanceUuid"]))
    assert marker is not None
    assert not marker.quiesced


def test_without_tools_nothing_is_quiet(stage: tuple[FakeVCenter, Timekeeper]) -> None:
    stage[0].vm("web").properties["guest.toolsRunningStatus"] = "guestToolsNotRunning"
    assert obstacles_in(create(stage, policy=STRICT)) == {"tools"}
    result = create(stage, policy=QUIET)
    assert (result.facts["consistency"], [finding.rule for finding in result.findings]) == ("crash", ["not-quiesced"])


def test_a_machine_that_is_off_is_quiet(stage: tuple[FakeVCenter, Timekeeper]) -> None:
    stage[0].vm("web").properties["runtime.powerState"] = "poweredOff"
    result = create(stage, policy=QUIET)
    assert (result.facts["consistency"], result.findings) == ("off", ())


# -------------------------------------------------------------- verification


def test_a_snapshot_that_another_was_taken_upon_at_once_is_not_relied_on(
    stage: tuple[FakeVCenter, Timekeeper],
) -> None:
    fake, journal = stage[0], MemoryJournal()
    create(stage, journal)
    fake.add_snapshot("web", "somebody else's", timedelta())
    result = create(stage, journal)
    assert result.outcome is Outcome.NEEDS_HUMAN
    assert "another was taken" in result.reason
    assert len(fake.started) == 1


def test_disks_that_need_consolidation_afterwards_are_told(stage: tuple[FakeVCenter, Timekeeper]) -> None:
    fake, journal = stage[0], MemoryJournal()
    create(stage, journal)
    fake.vm("web").properties["runtime.consolidationNeeded"] = True
    result = create(stage, journal)
    assert result.outcome is Outcome.NEEDS_HUMAN
    assert [finding.rule for finding in result.findings] == ["consolidation-needed"]


def test_two_snapshots_of_one_step_need_a_human(stage: tuple[FakeVCenter, Timekeeper]) -> None:
    fake, journal = stage[0], MemoryJournal()
    create(stage, journal)
    (node,) = taken(fake)
    fake.add_snapshot("web", "again", timedelta(), description=node["description"])
    result = create(stage, journal)
    assert result.outcome is Outcome.NEEDS_HUMAN
    assert "2 snapshots" in result.reason


def test_a_snapshot_that_is_there_without_a_journal_is_adopted(stage: tuple[FakeVCenter, Timekeeper]) -> None:
    create(stage)
    result = create(stage)
    assert result.outcome is Outcome.UNCHANGED
    assert "there already" in result.reason
    assert len(stage[0].started) == 1


def test_somebody_elses_snapshot_of_the_same_name_is_not_adopted(stage: tuple[FakeVCenter, Timekeeper]) -> None:
    fake, _ = stage
    fake.add_snapshot("web", "ronde-1a2b3c4d-patch", timedelta(hours=1), description="ronde/1 run=x")
    assert create(stage).outcome is Outcome.CHANGED
    assert len(taken(fake)) == 2


def test_a_short_key_signs_nothing(stage: tuple[FakeVCenter, Timekeeper]) -> None:
    request = CreateRequest("web", RUN, STEP, "patch")
    with pytest.raises(InputError, match="16 bytes"):
        create_snapshot(access(*stage, key=b"short"), request, MemoryJournal())
    assert stage[0].started == []
