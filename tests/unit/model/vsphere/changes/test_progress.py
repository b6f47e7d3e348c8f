"""The next thing to do about a change, for anything that can be remembered and seen."""

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ronde.model.check import Finding
from ronde.model.vsphere.changes.caps import CALLS, SETTLE
from ronde.model.vsphere.changes.guards import refused
from ronde.model.vsphere.changes.orders import Change, PowerOn
from ronde.model.vsphere.changes.progress import (
    Adopt,
    Call,
    Done,
    Failed,
    Forget,
    Memory,
    Refused,
    Unclear,
    Wait,
    next_action,
    refusal,
)
from ronde.model.vsphere.changes.sight import Sight
from ronde.model.vsphere.changes.tasks import Fault, Remedy, Stage, Task, remedy
from tests.doubles.machines import NOW, machine

SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Plain:
    """A goal that is what a test says it is."""

    is_reached: bool = False
    strange: str = ""
    against: tuple[Finding, ...] = ()
    unsure: str = ""
    settle: timedelta = SETTLE
    operations: frozenset[str] = frozenset({"poweron"})

    def change(self) -> Change:
        return PowerOn("vm-1")

    def reached(self, sight: Sight, task: Task | None) -> bool:
        return self.is_reached

    def conflict(self, sight: Sight, task: Task | None) -> str:
        return self.strange

    def objections(self, sight: Sight) -> tuple[Finding, ...]:
        return self.against

    def doubt(self, sight: Sight, memory: Memory) -> str:
        return self.unsure


def task(moid: str = "task-1", **changes: object) -> Task:
    made = Task(moid, Stage.RUNNING, "VirtualMachine.powerOn", queued=NOW - 10 * SECOND)
    return replace(made, **changes)  # type: ignore[arg-type] # whatever the test wants


def sight(*tasks: Task) -> Sight:
    return Sight(NOW, machine(), {each.id: each for each in tasks})


CALLED = Memory(called=NOW - 20 * SECOND, calls=1)
LONG_AGO = Memory(called=NOW - SETTLE, calls=1)
ANSWERED = replace(CALLED, task="task-1")


def test_it_is_asked_for_when_nothing_speaks_against_it() -> None:
    assert next_action(Plain(), Memory(), sight()) == Call(PowerOn("vm-1"))


def test_it_is_not_asked_for_when_it_is_so_already() -> None:
    assert next_action(Plain(is_reached=True), Memory(), sight()) == Done(changed=False)


def test_it_was_us_once_a_call_was_about_to_be_made() -> None:
    assert next_action(Plain(is_reached=True), CALLED, sight()) == Done(changed=True)


def test_another_task_is_waited_for() -> None:
    action = next_action(Plain(), Memory(), sight(task(operation="VirtualMachine.migrate")))
    assert isinstance(action, Wait)


def test_a_task_that_may_not_be_read_has_not_ended() -> None:
    assert isinstance(next_action(Plain(), Memory(), sight(task(stage=None))), Wait)


def test_ours_is_waited_for_even_when_the_machine_is_as_wanted() -> None:
    """A snapshot is out of the tree long before its removal has ended."""
    assert isinstance(next_action(Plain(is_reached=True), ANSWERED, sight(task())), Wait)


def test_a_task_that_our_call_may_have_started_is_adopted() -> None:
    assert next_action(Plain(), CALLED, sight(task())) == Adopt("task-1")
    assert next_action(Plain(is_reached=True), CALLED, sight(task())) == Adopt("task-1")


@pytest.mark.parametrize(
    "other",
    [task(queued=NOW - 21 * SECOND), task(operation="VirtualMachine.powerOff"), task(queued=None)],
)
def test_a_task_that_our_call_cannot_have_started_is_not(other: Task) -> None:
    assert isinstance(next_action(Plain(), CALLED, sight(other)), Wait)


def test_nothing_is_adopted_before_we_called() -> None:
    assert isinstance(next_action(Plain(), Memory(), sight(task())), Wait)


def test_a_task_that_came_to_nothing_is_not_adopted_again() -> None:
    memory = replace(LONG_AGO, past=frozenset({"task-1"}))
    ended = task(stage=Stage.SUCCESS, queued=NOW - 5 * SECOND)
    assert next_action(Plain(), memory, sight(ended)) == Call(PowerOn("vm-1"))


def test_a_call_may_be_on_its_way_for_a_while() -> None:
    assert isinstance(next_action(Plain(), CALLED, sight()), Wait)
    assert next_action(Plain(), LONG_AGO, sight()) == Call(PowerOn("vm-1"))


def test_what_cannot_be_told_is_for_a_human() -> None:
    action = next_action(Plain(unsure="who knows"), LONG_AGO, sight())
    assert isinstance(action, Unclear)
    assert action.reason == "who knows"
    assert action.evidence["calls"] == 1


def test_it_is_not_asked_for_for_ever() -> None:
    assert isinstance(next_action(Plain(), replace(LONG_AGO, calls=CALLS), sight()), Unclear)


def test_a_task_that_was_named_and_has_vanished_is_not_on_its_way() -> None:
    assert isinstance(next_action(Plain(), ANSWERED, sight()), Call)
    assert isinstance(next_action(Plain(unsure="who knows"), ANSWERED, sight()), Unclear)


def test_objections_are_heard_before_each_call() -> None:
    against = (refused("no"),)
    assert next_action(Plain(against=against), Memory(), sight()) == Refused(against)
    assert next_action(Plain(against=against), LONG_AGO, sight()) == Refused(against)
    assert next_action(Plain(against=against, is_reached=True), Memory(), sight()) == Done(changed=False)


@pytest.mark.parametrize(
    ("fault", "calls", "kind"),
    [("TaskInProgress", 1, Forget), ("TaskInProgress", CALLS, Failed), ("NoDiskSpace", 1, Failed), (None, 1, Failed)],
)
def test_a_task_that_failed(fault: str | None, calls: int, kind: type) -> None:
    failed = task(stage=Stage.ERROR, fault=Fault(fault) if fault else None)
    assert isinstance(next_action(Plain(), replace(ANSWERED, calls=calls), sight(failed)), kind)


def test_an_adopted_task_that_ended_in_vain_was_somebody_elses() -> None:
    memory = replace(ANSWERED, adopted=True)
    for stage in (Stage.ERROR, Stage.SUCCESS):
        assert next_action(Plain(), memory, sight(task(stage=stage))) == Forget("task-1", 0.0)


def test_a_machine_that_does_not_show_what_succeeded() -> None:
    just = task(stage=Stage.SUCCESS, completed=NOW - SECOND)
    assert isinstance(next_action(Plain(), ANSWERED, sight(just)), Wait)
    longer = task(stage=Stage.SUCCESS, completed=NOW - SETTLE)
    assert isinstance(next_action(Plain(), ANSWERED, sight(longer)), Unclear)


def test_what_cannot_be_stops_everything() -> None:
    assert isinstance(next_action(Plain(strange="two of them"), ANSWERED, sight(task())), Unclear)


def test_a_refused_call() -> None:
    assert isinstance(refusal(Memory(calls=1), Fault("TaskInProgress")), Wait)
    assert isinstance(refusal(Memory(calls=CALLS), Fault("TaskInProgress")), Failed)
    assert isinstance(refusal(Memory(calls=1), Fault("NoPermission")), Failed)


@pytest.mark.parametrize(
    ("fault", "wanted"),
    [
        ("TaskInProgress", Remedy.RETRY),
        ("SnapshotLocked", Remedy.RETRY),
        ("ConcurrentAccess", Remedy.RETRY),
        ("FileLocked", Remedy.RETRY),
        ("ApplicationQuiesceFault", Remedy.FALL_BACK),
        ("FilesystemQuiesceFault", Remedy.FALL_BACK),
        ("MemorySnapshotOnIndependentDisk", Remedy.STOP),
        ("SnapshotIncompatibleDeviceInVm", Remedy.STOP),
        ("TooManySnapshotLevels", Remedy.STOP),
        ("SnapshotDisabled", Remedy.STOP),
        ("SnapshotNoChange", Remedy.STOP),
        ("MethodDisabled", Remedy.STOP),
        ("NoDiskSpace", Remedy.STOP),
        ("RestrictedVersion", Remedy.STOP),
        ("", Remedy.STOP),
    ],
)
def test_remedies(fault: str, wanted: Remedy) -> None:
    assert remedy(fault) is wanted


tasks = st.builds(
    Task,
    st.sampled_from(["task-1", "task-2", "task-3"]),
    st.sampled_from([*Stage, None]),
    st.sampled_from(["VirtualMachine.powerOn", "VirtualMachine.migrate", ""]),
    st.none() | st.integers(-90, 5).map(lambda s: NOW + timedelta(seconds=s)),
    st.none() | st.integers(-90, 0).map(lambda s: NOW + timedelta(seconds=s)),
    fault=st.none() | st.sampled_from(["TaskInProgress", "NoDiskSpace", "FilesystemQuiesceFault"]).map(Fault),
)
memories = st.builds(
    Memory,
    st.none() | st.integers(-90, 0).map(lambda s: NOW + timedelta(seconds=s)),
    st.none() | st.sampled_from(["task-1", "task-2", "task-9"]),
    st.booleans(),
    st.integers(0, 4),
    st.frozensets(st.sampled_from(["task-1", "task-2", "task-3"])),
)
goals = st.builds(
    Plain, st.booleans(), st.sampled_from(["", "strange"]), st.sampled_from([(), (refused("no"),)]),
    st.sampled_from(["", "unsure"]),
)  # fmt: skip


@given(goals, memories, st.lists(tasks, max_size=3))
def test_it_is_never_asked_for_while_anything_speaks_against_it(goal: Plain, memory: Memory, told: list[Task]) -> None:
    seen = sight(*told)
    if not isinstance(next_action(goal, memory, seen), Call):
        return
    assert not goal.is_reached
    assert not goal.against
    assert not goal.strange
    assert seen.unfinished == ()
    assert memory.task not in seen.tasks
    if memory.called is not None:
        assert not goal.unsure
        assert memory.calls < CALLS
        assert memory.task is not None or NOW - memory.called >= SETTLE


@given(goals, memories, st.lists(tasks, max_size=3))
def test_it_is_called_done_only_when_it_is(goal: Plain, memory: Memory, told: list[Task]) -> None:
    action = next_action(goal, memory, sight(*told))
    if isinstance(action, Done):
        assert goal.is_reached
        assert action.changed is (memory.called is not None)
