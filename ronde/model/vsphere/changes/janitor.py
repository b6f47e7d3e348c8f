"""Which snapshots of ours have outlived their time: only those whose marker can be believed."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from ronde.model.vsphere.changes.caps import LONGEST_LIFETIME
from ronde.model.vsphere.changes.sight import marker_of
from ronde.model.vsphere.machine import Machine, SnapshotNode
from ronde.model.vsphere.marker import Marker


@dataclass(frozen=True, slots=True)
class Expired:
    """A snapshot that must go."""

    machine: Machine
    node: SnapshotNode
    marker: Marker


def expired(machines: Iterable[Machine], key: bytes, now: datetime) -> tuple[Expired, ...]:
    """Ours, believed, and past the end that they name or the longest life that any may have; oldest first.

    Args:
        machines: all of a vCenter.
        key: the one that signs markers.
        now: by the vCenter's clock.
    """
    found = (
        Expired(machine, node, marker)
        for machine in machines
        for node in machine.snapshots
        if (marker := marker_of(node, machine, key)) is not None
        and (marker.expires <= now or node.created + LONGEST_LIFETIME <= now)
    )
    return tuple(sorted(found, key=lambda each: (each.node.created, each.machine.id, each.node.id)))
