"""Power: what is so already is told, what a guest does not do is told or forced, and a restart is asked for once."""

from datetime import timedelta
from typing import Any

import pytest

from ronde.engine.vmchanges import PowerRequest, Wanted, set_power
from ronde.model.vsphere.changes.orders import PowerOff, PowerOn, RebootGuest, ShutDownGuest
from ronde.model.vsphere.changes.result import Outcome, Result
from tests.doubles.changing import Timekeeper, access, vcenter_with
from tests.doubles.journal import MemoryJournal
from tests.doubles.vcenter import FakeVCenter

Stage = tuple[FakeVCenter, Timekeeper]


@pytest.fixture
def stage() -> Stage:
    return vcenter_with("web")


def power(stage: Stage, wanted: Wanted, journal: MemoryJournal | None = None, **changes: Any) -> Result:
    return set_power(access(*stage), PowerRequest("web", wanted, **changes), journal or MemoryJournal())


def web(stage: Stage) -> dict[str, Any]:
    return stage[0].vm("web").properties


@pytest.mark.parametrize(("first", "word"), [(Wanted.ON, "on"), (Wanted.OFF, "off")])
def test_what_is_so_already_is_told(stage: Stage, first: Wanted, word: str) -> None:
    power(stage, first)
    count = len(stage[0].started)
    result = power(stage, first)
    assert result.outcome is Outcome.UNCHANGED
    assert result.reason == f"The machine was powered {word} already."
    assert len(stage[0].started) == count


def test_off_and_on_again(stage: Stage) -> None:
    assert power(stage, Wanted.OFF).outcome is Outcome.CHANGED
    assert power(stage, Wanted.ON).outcome is Outcome.CHANGED
    assert stage[0].started == [PowerOff("vm-1"), PowerOn("vm-1")]


def test_a_guest_is_asked_to_shut_down(stage: Stage) -> None:
    assert power(stage, Wanted.SHUT_DOWN).outcome is Outcome.CHANGED
    assert stage[0].started == [ShutDownGuest("vm-1")]
    assert power(stage, Wanted.SHUT_DOWN).outcome is Outcome.UNCHANGED


@pytest.mark.parametrize("force", [True, False])
def test_a_guest_without_tools_cannot_be_asked(stage: Stage, force: bool) -> None:  # noqa: FBT001 - a lever
    web(stage)["guest.toolsRunningStatus"] = "guestToolsNotRunning"
    result = power(stage, Wanted.SHUT_DOWN, force=force)
    assert result.outcome is (Outcome.CHANGED if force else Outcome.FAILED)
    assert "ToolsUnavailable" in result.reason
    assert stage[0].started == ([PowerOff("vm-1")] if force else [])


@pytest.mark.parametrize("force", [True, False])
def test_a_guest_that_does_not_shut_down(stage: Stage, force: bool) -> None:  # noqa: FBT001 - a lever
    apply = stage[0].works.apply
    stage[0].works.apply = lambda change, *rest: "" if isinstance(change, ShutDownGuest) else apply(change, *rest)  # type: ignore[method-assign] # a guest that stays
    result = power(stage, Wanted.SHUT_DOWN, force=force, grace=timedelta(minutes=2))
    assert result.outcome is (Outcome.CHANGED if force else Outcome.NEEDS_HUMAN)
    assert stage[0].started == [ShutDownGuest("vm-1"), *([PowerOff("vm-1")] if force else [])]
    assert sum(stage[1].waited) >= 120


def test_a_template_is_not_switched_on(stage: Stage) -> None:
    web(stage).update({"config.template": True, "runtime.powerState": "poweredOff"})
    assert power(stage, Wanted.ON).outcome is Outcome.REFUSED


def test_a_suspended_machine_is_not_switched_off(stage: Stage) -> None:
    web(stage)["runtime.powerState"] = "suspended"
    assert power(stage, Wanted.OFF).outcome is Outcome.REFUSED


def test_a_lost_reply_is_not_a_second_call(stage: Stage) -> None:
    stage[0].lost, stage[0].task_seconds = ["reply"], 60
    assert power(stage, Wanted.OFF).outcome is Outcome.CHANGED
    assert stage[0].started == [PowerOff("vm-1")]


def test_what_somebody_else_did_after_our_task_had_failed_is_not_ours(stage: Stage) -> None:
    fake, keeper = stage
    power(stage, Wanted.OFF)
    fake.task_faults = ["TaskInProgress"]
    passing = keeper.follow

    def switched_on(seconds: float) -> None:
        passing(seconds)
        web(stage)["runtime.powerState"] = "poweredOn"

    keeper.follow = switched_on
    assert power(stage, Wanted.ON).outcome is Outcome.UNCHANGED


# --------------------------------------------------------------- the restart


def _goes_and_comes_back(stage: Stage) -> None:
    """Tools stop for a while after the guest was asked."""
    looks = iter(["guestToolsRunning", "guestToolsNotRunning", "guestToolsNotRunning"])

    def tools(_number: int) -> None:
        if stage[0].started:
            web(stage)["guest.toolsRunningStatus"] = next(looks, "guestToolsRunning")

    stage[0].before = tools


def test_a_restart_is_seen_by_the_guests_tools(stage: Stage) -> None:
    _goes_and_comes_back(stage)
    result = power(stage, Wanted.RESTART)
    assert (result.outcome, stage[0].started) == (Outcome.CHANGED, [RebootGuest("vm-1")])


def test_a_restart_that_is_not_seen_is_not_believed(stage: Stage) -> None:
    result = power(stage, Wanted.RESTART)
    assert (result.outcome, stage[0].started) == (Outcome.NEEDS_HUMAN, [RebootGuest("vm-1")])


def test_a_restart_is_never_asked_for_twice(stage: Stage) -> None:
    journal = MemoryJournal()
    power(stage, Wanted.RESTART, journal)
    assert power(stage, Wanted.RESTART, journal).outcome is Outcome.NEEDS_HUMAN
    assert stage[0].started == [RebootGuest("vm-1")]


def test_a_machine_that_is_off_is_not_restarted(stage: Stage) -> None:
    power(stage, Wanted.OFF)
    assert power(stage, Wanted.RESTART).outcome is Outcome.REFUSED


def test_a_restart_that_is_refused_has_failed(stage: Stage) -> None:
    stage[0].refusals = ["NoPermission", "TaskInProgress"]
    assert power(stage, Wanted.RESTART).outcome is Outcome.FAILED
    assert power(stage, Wanted.RESTART).outcome is Outcome.FAILED
    assert stage[0].started == []
