"""The changes as goals: how each is recognised when it is done, and when it must not be asked for."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ronde.model.check import Finding
from ronde.model.vsphere.changes.caps import SETTLE
from ronde.model.vsphere.changes.guards import Revert, refused, removal_objections, revert_objections
from ronde.model.vsphere.changes.orders import (
    Change,
    ConsolidateDisks,
    CreateSnapshot,
    PowerOff,
    PowerOn,
    RemoveSnapshot,
    RevertToSnapshot,
    ShutDownGuest,
)
from ronde.model.vsphere.changes.precheck import Plan, Policy, obstacles
from ronde.model.vsphere.changes.progress import Memory
from ronde.model.vsphere.changes.sight import Sight, ours
from ronde.model.vsphere.changes.tasks import Stage, Task
from ronde.model.vsphere.machine import POWERED_OFF, POWERED_ON
from ronde.model.vsphere.marker import Marker


@dataclass(frozen=True, slots=True)
class Creation:
    """One snapshot with this marker; the tree tells, whatever became of the task."""

    order: CreateSnapshot
    marker: Marker
    key: bytes = field(repr=False)
    policy: Policy
    lacking: tuple[str, ...] = ()
    settle: timedelta = SETTLE
    operations: frozenset[str] = frozenset({"createsnapshot"})

    def change(self) -> Change:
        return self.order

    def reached(self, sight: Sight, task: Task | None) -> bool:  # noqa: ARG002 - the tree is the truth
        return bool(ours(sight.machine, self.key, self.marker.step))

    def conflict(self, sight: Sight, task: Task | None) -> str:
        count = len(ours(sight.machine, self.key, self.marker.step))
        if count > 1:
            return f"There are {count} snapshots with the marker of this one step."
        if count and task is not None and task.stage is Stage.ERROR:
            return f"The vCenter says that the snapshot failed ({task.fault}), and it is there."
        return ""

    def objections(self, sight: Sight) -> tuple[Finding, ...]:
        return obstacles(Plan(sight, self.policy, self.marker.expires, self.lacking))

    def doubt(self, sight: Sight, memory: Memory) -> str:  # noqa: ARG002 - a snapshot that was taken shows
        return ""


@dataclass(frozen=True, slots=True)
class Removal:
    """The snapshot with this marker is gone.

    Attributes:
        node: moId it had when it was looked up by its marker.
    """

    node: str
    step: str
    key: bytes = field(repr=False)
    settle: timedelta = SETTLE
    operations: frozenset[str] = frozenset({"snapshot.remove", "removesnapshot"})

    def change(self) -> Change:
        return RemoveSnapshot(self.node)

    def reached(self, sight: Sight, task: Task | None) -> bool:  # noqa: ARG002 - a failed task may have removed it
        return sight.node(self.node) is None

    def conflict(self, sight: Sight, task: Task | None) -> str:  # noqa: ARG002 - none is conceivable
        return ""

    def objections(self, sight: Sight) -> tuple[Finding, ...]:
        return removal_objections(sight, self.node, self.step, self.key)

    def doubt(self, sight: Sight, memory: Memory) -> str:  # noqa: ARG002 - a snapshot that is there was not removed
        return ""


@dataclass(frozen=True, slots=True)
class Reversion:
    """The machine was taken back to the snapshot once. Nothing in the tree shows it: only the task does.

    Attributes:
        booted: when the machine had been switched on last, as it was found before the first call.
    """

    revert: Revert
    key: bytes = field(repr=False)
    booted: datetime | None
    settle: timedelta = SETTLE
    operations: frozenset[str] = frozenset({"snapshot.revert", "reverttosnapshot"})

    def change(self) -> Change:
        return RevertToSnapshot(self.revert.taken.id)

    def reached(self, sight: Sight, task: Task | None) -> bool:
        done = task is not None and task.stage is Stage.SUCCESS
        return done and sight.machine.current == self.revert.taken.id

    def conflict(self, sight: Sight, task: Task | None) -> str:  # noqa: ARG002 - none is conceivable
        return ""

    def objections(self, sight: Sight) -> tuple[Finding, ...]:
        return revert_objections(sight, self.revert, self.key)

    def doubt(self, sight: Sight, memory: Memory) -> str:  # noqa: ARG002 - what the machine shows decides
        """A revert leaves the machine off. Off, nothing is lost by another; on since before, there was none yet."""
        if sight.machine.power == POWERED_OFF or (sight.booted is not None and sight.booted == self.booted):
            return ""
        return "Whether the machine was taken back already cannot be told: it was switched on since it was asked for."


@dataclass(frozen=True, slots=True)
class Consolidation:
    """No deltas of removed snapshots are left; asked for once."""

    machine: str
    settle: timedelta = SETTLE
    operations: frozenset[str] = frozenset({"consolidatedisks", "consolidatevmdisks"})

    def change(self) -> Change:
        return ConsolidateDisks(self.machine)

    def reached(self, sight: Sight, task: Task | None) -> bool:  # noqa: ARG002 - the flag tells
        return sight.machine.consolidation_needed is False

    def conflict(self, sight: Sight, task: Task | None) -> str:  # noqa: ARG002 - none is conceivable
        return ""

    def objections(self, sight: Sight) -> tuple[Finding, ...]:  # noqa: ARG002 - none
        return ()

    def doubt(self, sight: Sight, memory: Memory) -> str:  # noqa: ARG002 - it is never asked for twice
        return "The consolidation was asked for before, and the disks still need it."


@dataclass(frozen=True, slots=True)
class Power:
    """The machine is on, or off.

    Attributes:
        order: what brings it there.
        wanted: `poweredOn` or `poweredOff`.
    """

    order: PowerOn | PowerOff | ShutDownGuest
    wanted: str
    settle: timedelta = SETTLE

    @property
    def operations(self) -> frozenset[str]:
        return _POWER_OPERATIONS[type(self.order)]

    def change(self) -> Change:
        return self.order

    def reached(self, sight: Sight, task: Task | None) -> bool:  # noqa: ARG002 - the state tells
        return sight.machine.power == self.wanted

    def conflict(self, sight: Sight, task: Task | None) -> str:  # noqa: ARG002 - none is conceivable
        return ""

    def objections(self, sight: Sight) -> tuple[Finding, ...]:
        if sight.machine.power in (POWERED_ON, POWERED_OFF) and not sight.machine.template:
            return ()
        state = "a template" if sight.machine.template else sight.machine.power or "in a state that is not told"
        return (refused(f"The machine is {state}: it is not switched on or off."),)

    def doubt(self, sight: Sight, memory: Memory) -> str:  # noqa: ARG002 - the state tells
        if isinstance(self.order, ShutDownGuest):
            return "The guest was asked to shut down, and has not."
        return ""


_POWER_OPERATIONS: dict[type, frozenset[str]] = {
    PowerOn: frozenset({"poweron", "poweronvm"}),
    PowerOff: frozenset({"poweroff", "poweroffvm"}),
    ShutDownGuest: frozenset({"shutdownguest"}),
}
