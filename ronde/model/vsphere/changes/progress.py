"""What to do next about one change, whatever was cut off before: a function of what is remembered and what is seen.

A change is asked for once these are sure, in this order: no task of ours is at it; it is not done already; and
no call of ours can still be on its way. Whoever carries it out commits each step to a journal first, so that an attempt
that dies anywhere leaves the next one with enough to know.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from ronde.model.check import Finding, Json
from ronde.model.vsphere.changes.caps import CALLS, RETRY_AFTER, SETTLE
from ronde.model.vsphere.changes.orders import Change
from ronde.model.vsphere.changes.sight import Sight
from ronde.model.vsphere.changes.tasks import Fault, Remedy, Stage, Task


@dataclass(frozen=True, slots=True)
class Memory:
    """What the journal holds about one change.

    Attributes:
        called: when the last call was about to be made, by the vCenter's clock; None when none was made, or the last
            one was refused.
        task: the task that answered it; None when no answer is known.
        adopted: the task was not named by an answer of ours: it was found, and may be somebody else's.
        calls: how often the change was asked for.
        past: tasks that ended without having done it.
    """

    called: datetime | None = None
    task: str | None = None
    adopted: bool = False
    calls: int = 0
    past: frozenset[str] = frozenset()


class Goal(Protocol):
    """One change, as the algorithm needs to know it."""

    @property
    def operations(self) -> frozenset[str]:
        """How the `descriptionId` of its task may end, in lower case."""

    @property
    def settle(self) -> timedelta:
        """How long after a call without an answer it may still come to pass."""

    def change(self) -> Change:
        """What to ask for."""

    def reached(self, sight: Sight, task: Task | None) -> bool:
        """Whether it is done, by what the machine shows; `task` is the one that was asked for, when it is known."""

    def conflict(self, sight: Sight, task: Task | None) -> str:
        """Why what is seen cannot be, so that a person must look; empty when it can."""

    def objections(self, sight: Sight) -> tuple[Finding, ...]:
        """Why it must not be asked for now."""

    def doubt(self, sight: Sight, memory: Memory) -> str:
        """Why it must not be asked for again, after a call that left no trace; empty when it may."""


@dataclass(frozen=True, slots=True)
class Call:
    change: Change


@dataclass(frozen=True, slots=True)
class Adopt:
    """A task was found that must be ours: remember it."""

    task: str


@dataclass(frozen=True, slots=True)
class Forget:
    """A task ended without having done it: another try follows after `pause` seconds."""

    task: str
    pause: float


@dataclass(frozen=True, slots=True)
class Wait:
    why: str


@dataclass(frozen=True, slots=True)
class Done:
    """It is as wanted; `changed` tells whether by us."""

    changed: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing was done, for these reasons."""

    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Failed:
    """The vCenter could not do it, and it is not done."""

    fault: Fault


@dataclass(frozen=True, slots=True)
class Unclear:
    """Nobody can tell from here; a person must look."""

    reason: str
    evidence: Mapping[str, Json] = field(default_factory=dict)


Action = Call | Adopt | Forget | Wait | Done | Refused | Failed | Unclear


def next_action(goal: Goal, memory: Memory, sight: Sight) -> Action:
    """The next thing to do. It never asks for what is done, or may still be being done."""
    task = sight.tasks.get(memory.task) if memory.task is not None else None
    conflict = goal.conflict(sight, None if memory.adopted else task)
    if conflict:
        return Unclear(conflict, traces(memory, sight))
    found = _found(goal, memory, sight) if task is None else None
    if found is not None:
        return Adopt(found)
    if task is not None and not task.ended:
        return Wait(f"task {task.id} is at it")
    if goal.reached(sight, task):
        return Done(changed=memory.called is not None)
    return _ended_in_vain(task, memory, sight) if task is not None else _call(goal, memory, sight)


def refusal(memory: Memory, fault: Fault) -> Wait | Failed:
    """What a call comes to that the vCenter refused at once: it was not done."""
    if fault.remedy is Remedy.RETRY and memory.calls < CALLS:
        return Wait(f"the vCenter refused it for now ({fault.name})")
    return Failed(fault)


def _ended_in_vain(task: Task, memory: Memory, sight: Sight) -> Action:
    """A task has ended and the machine is not as wanted."""
    if memory.adopted:
        return Forget(task.id, 0.0)
    if task.stage is Stage.ERROR:
        fault = task.fault or Fault("unknown fault")
        again = fault.remedy is Remedy.RETRY and memory.calls < CALLS
        return Forget(task.id, RETRY_AFTER) if again else Failed(fault)
    if task.completed is not None and sight.at - task.completed < SETTLE:
        return Wait(f"task {task.id} has ended, and the machine does not show it yet")
    return Unclear("The task succeeded, and the machine does not show it.", traces(memory, sight))


def _found(goal: Goal, memory: Memory, sight: Sight) -> str | None:
    """A task that a call of ours without an answer may have started: of this kind, and not older than the call."""
    if memory.called is None:
        return None
    for task in sight.tasks.values():
        fits = task.operation.casefold().endswith(tuple(goal.operations))
        if fits and task.id not in memory.past and task.queued is not None and task.queued >= memory.called:
            return task.id
    return None


def _call(goal: Goal, memory: Memory, sight: Sight) -> Action:
    if sight.unfinished:
        return Wait(f"another task ({sight.unfinished[0].operation or 'unnamed'}) is at work on the machine")
    if memory.called is not None:
        lost = memory.task is not None  # an answer named a task, and the vCenter has dropped it since
        if not lost and sight.at - memory.called < goal.settle:
            return Wait("the last call may still be on its way")
        doubt = goal.doubt(sight, memory)
        if not doubt and memory.calls >= CALLS:
            doubt = f"It was asked for {memory.calls} times and left no trace."
        if doubt:
            return Unclear(doubt, traces(memory, sight))
    objections = goal.objections(sight)
    return Refused(objections) if objections else Call(goal.change())


def traces(memory: Memory, sight: Sight) -> dict[str, Json]:
    """What was remembered and seen, for the person who must look."""
    return {
        "at": sight.at.isoformat(),
        "called": memory.called.isoformat() if memory.called is not None else None,
        "calls": memory.calls,
        "task": memory.task,
        "machine": sight.machine.id,
        "power": sight.machine.power,
        "current": sight.machine.current,
        "snapshots": [{"id": node.id, "name": node.name} for node in sight.machine.snapshots],
        "tasks": [f"{task.id} {task.operation} {task.stage or 'unreadable'}" for task in sight.tasks.values()],
    }
