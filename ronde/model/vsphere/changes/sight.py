"""One look at one machine: everything that a decision about a change needs, read at one instant."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ronde.model.vsphere.changes.tasks import Task
from ronde.model.vsphere.machine import Datastore, Machine, SnapshotNode
from ronde.model.vsphere.marker import Marker, read


@dataclass(frozen=True, slots=True)
class Sight:
    """What was seen.

    Attributes:
        at: by the vCenter's clock, which also stamps snapshots and tasks.
        machine: with its detail.
        tasks: those of the machine's recent ones, and the one that was asked for, that still exist; by moId.
        datastores: by moId.
        disabled: methods that the vCenter does not offer for this machine now.
        booted: when the machine was last switched on; None when it is off, or not told.
    """

    at: datetime
    machine: Machine
    tasks: Mapping[str, Task] = field(default_factory=dict)
    datastores: Mapping[str, Datastore] = field(default_factory=dict)
    disabled: frozenset[str] = frozenset()
    booted: datetime | None = None

    @property
    def unfinished(self) -> tuple[Task, ...]:
        """Tasks that have not ended, or may not be read."""
        return tuple(task for task in self.tasks.values() if not task.ended)

    def node(self, moid: str) -> SnapshotNode | None:
        return next((node for node in self.machine.snapshots if node.id == moid), None)


def marker_of(node: SnapshotNode, machine: Machine, key: bytes | None) -> Marker | None:
    """A snapshot's marker, when it can be believed."""
    return read(node.description, key, machine.instance_uuid)


def ours(machine: Machine, key: bytes | None, step: str) -> tuple[SnapshotNode, ...]:
    """The snapshots that a step of ours has taken: one, or none; more than one is an accident."""
    found = ((node, marker_of(node, machine, key)) for node in machine.snapshots)
    return tuple(node for node, marker in found if marker is not None and marker.step == step)
