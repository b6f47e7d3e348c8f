"""A machine is taken back once, only to what provably is ours, and is started again."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ronde.engine.vmchanges import CreateRequest, RevertRequest, create_snapshot, revert_snapshot
from ronde.model.verdict import Severity
from ronde.model.vsphere.changes.guards import Revert, Taken
from ronde.model.vsphere.changes.orders import PowerOn, RevertToSnapshot
from ronde.model.vsphere.changes.result import Outcome, Result
from tests.doubles.changing import Timekeeper, access, vcenter_with
from tests.doubles.journal import MemoryJournal
from tests.doubles.vcenter import FakeVCenter
from tests.doubles.vm_tasks import nodes

Stage = tuple[FakeVCenter, Timekeeper]


@pytest.fixture
def stage() -> Stage:
    return vcenter_with("web", "db")


@pytest.fixture
def taken(stage: Stage) -> Taken:
    result = create_snapshot(access(*stage), CreateRequest("web", "run-1", "step-1", "patch"), MemoryJournal())
    stage[0].started.clear()
    return Taken.of(result.facts)


def revert(stage: Stage, taken: Taken, journal: MemoryJournal | None = None, **changes: Any) -> Result:
    order = Revert(taken, **{"confirmed_by": "ops", **changes})
    return revert_snapshot(access(*stage), RevertRequest("web", order), journal or MemoryJournal())


def web(stage: Stage) -> dict[str, Any]:
    return stage[0].vm("web").properties


def test_the_machine_is_taken_back_and_started_again(stage: Stage, taken: Taken) -> None:
    result = revert(stage, taken)
    assert result.outcome is Outcome.CHANGED
    assert stage[0].started == [RevertToSnapshot(taken.id), PowerOn("vm-1")]
    assert web(stage)["runtime.powerState"] == "poweredOn"
    assert result.facts["tools"] is True
    assert [node["snapshot"] for node in nodes(web(stage))] == [taken.id], "the snapshot stays"


def test_a_machine_that_was_off_stays_off(stage: Stage, taken: Taken) -> None:
    web(stage)["runtime.powerState"] = "poweredOff"
    assert revert(stage, taken).outcome is Outcome.CHANGED
    assert stage[0].started == [RevertToSnapshot(taken.id)]


def test_tools_that_do_not_come_back_are_told(stage: Stage, taken: Taken) -> None:
    journal, order = MemoryJournal(), RevertRequest("web", Revert(taken, "ops"))

    def hide(_number: int) -> None:
        web(stage)["guest.toolsRunningStatus"] = "guestToolsNotRunning" if stage[0].started else "guestToolsRunning"

    stage[0].before = hide
    result = revert_snapshot(access(*stage), order, journal)
    assert result.outcome is Outcome.CHANGED
    assert [(finding.rule, finding.severity) for finding in result.findings] == [("tools", Severity.CRITICAL)]


def test_a_start_that_fails_is_no_success(stage: Stage, taken: Taken) -> None:
    stage[0].task_faults = ["", "InsufficientResourcesFault"]
    result = revert(stage, taken)
    assert result.outcome is Outcome.FAILED
    assert "was taken back" in result.reason


GUARDS: list[tuple[str, dict[str, Any]]] = [
    ("Nobody has confirmed", {"confirmed_by": " "}),
    ("domain controller", {"domain_controller": True}),
    ("stand upon", {"clones": ("pra-web",)}),
]


@pytest.mark.parametrize(("reason", "changes"), GUARDS)
def test_what_nobody_answers_for_is_not_taken_back(
    stage: Stage, taken: Taken, reason: str, changes: dict[str, Any]
) -> None:
    result = revert(stage, taken, **changes)
    assert result.outcome is Outcome.REFUSED
    assert reason in result.reason
    assert stage[0].started == []


def test_a_domain_controller_can_be_allowed(stage: Stage, taken: Taken) -> None:
    assert revert(stage, taken, domain_controller=True, allow_domain_controller=True).changed


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "ronde-other"},
        {"number": 99},
        {"step": "step-2"},
        {"id": "snapshot-99"},
    ],
)
def test_another_snapshot_than_the_one_that_was_taken_is_not_gone_back_to(
    stage: Stage, taken: Taken, changes: dict[str, Any]
) -> None:
    assert revert(stage, replace(taken, **changes)).outcome is Outcome.REFUSED
    assert revert(stage, replace(taken, created=taken.created + timedelta(seconds=1))).outcome is Outcome.REFUSED
    assert stage[0].started == []


def test_an_edited_marker_is_not_believed(stage: Stage, taken: Taken) -> None:
    (node,) = nodes(web(stage))
    node["description"] += "x"
    assert revert(stage, taken).outcome is Outcome.REFUSED


def test_once_somebody_has_taken_another_snapshot_a_human_decides(stage: Stage, taken: Taken) -> None:
    stage[0].add_snapshot("web", "theirs", timedelta())
    result = revert(stage, taken)
    assert result.outcome is Outcome.REFUSED
    assert "no longer runs upon" in result.reason


def test_a_snapshot_with_memory_is_none_of_ours(stage: Stage, taken: Taken) -> None:
    nodes(web(stage))[0]["state"] = "poweredOn"
    assert revert(stage, taken).outcome is Outcome.REFUSED


@pytest.mark.parametrize("seconds", [0, 120])
def test_a_lost_reply_is_not_a_second_revert(stage: Stage, taken: Taken, seconds: int) -> None:
    stage[0].lost, stage[0].task_seconds = ["reply"], seconds
    assert revert(stage, taken).changed
    assert stage[0].started == [RevertToSnapshot(taken.id), PowerOn("vm-1")]


def test_a_call_that_never_arrived_is_made_again(stage: Stage, taken: Taken) -> None:
    stage[0].lost = ["call"]
    assert revert(stage, taken).changed
    assert stage[0].started == [RevertToSnapshot(taken.id), PowerOn("vm-1")]


def test_what_nobody_can_tell_needs_a_human(stage: Stage, taken: Taken) -> None:
    """The reply was lost, the tasks are forgotten, and somebody has switched the machine on since."""
    journal = MemoryJournal()
    order = RevertRequest("web", Revert(taken, "ops"))

    def forget(number: int) -> None:
        if stage[0].started:
            stage[0].forget_tasks("web")
            web(stage)["runtime.powerState"] = "poweredOn"
            web(stage)["summary.runtime.bootTime"] = stage[0].time

    stage[0].lost, stage[0].before = ["reply"], forget
    result = revert_snapshot(access(*stage), order, journal)
    assert result.outcome is Outcome.NEEDS_HUMAN
    assert "switched on since" in result.reason
    assert stage[0].started == [RevertToSnapshot(taken.id)]


def test_a_finished_revert_is_not_done_again_for_the_sake_of_the_start(stage: Stage, taken: Taken) -> None:
    journal = MemoryJournal()
    stage[0].task_faults = ["", "InsufficientResourcesFault"]
    revert(stage, taken, journal)
    stage[0].forget_tasks("web")
    revert(stage, taken, journal)
    assert [change for change in stage[0].started if isinstance(change, RevertToSnapshot)] == [
        RevertToSnapshot(taken.id)
    ]
