"""What a rule may look at."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo

from ronde.model.check import Finding, Json
from ronde.model.verdict import Severity
from ronde.model.vsphere.history import PastMachine
from ronde.model.vsphere.layout import Branch, Occupation, occupation
from ronde.model.vsphere.machine import Datastore, Machine, SnapshotNode
from ronde.model.vsphere.marker import Marker, read
from ronde.model.vsphere.thresholds import Thresholds

CLOCK_TOLERANCE = timedelta(seconds=60)  # a snapshot this far in the future is taken as new


@dataclass(frozen=True, slots=True)
class Scene:
    """What the machines of one vCenter have in common while they are examined.

    Attributes:
        now: the vCenter's own clock, by which it dates snapshots.
        zone: the client's, for dates that backup products wrote without one.
        datastores: by moId.
        homes: folder of a configuration file → the machine it belongs to; folders of several machines are left out.
        key: verifies the markers of our own snapshots; None = not known here, and none is believed.
    """

    now: datetime
    zone: tzinfo
    thresholds: Thresholds
    datastores: Mapping[str, Datastore]
    homes: Mapping[str, Machine]
    key: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Subject:
    """One machine with what was worked out for it.

    Attributes:
        occupied: what its snapshots occupy; None when the files are not known.
        past: earlier nights, newest first.
    """

    machine: Machine
    scene: Scene
    occupied: Occupation | None
    past: tuple[PastMachine, ...] = field(default=())

    def age(self, node: SnapshotNode) -> timedelta:
        """How old a snapshot is by the vCenter's clock."""
        return self.scene.now - node.created

    def marker(self, node: SnapshotNode) -> Marker | None:
        """A snapshot's marker, when it can be believed."""
        return read(node.description, self.scene.key, self.machine.instance_uuid)

    def graded(self, rule: str, figure: float, message: str, evidence: Mapping[str, Json]) -> Iterator[Finding]:
        """A finding when the figure passes a limit of the rule; `{limit}` in the message becomes that limit."""
        threshold = self.scene.thresholds[rule]
        severity = threshold.severity(figure)
        if severity is not None:
            limits = threshold.objective()
            text = message.replace("{limit}", threshold.limit(severity))
            yield Finding(rule, severity, text, {**evidence, "figure": figure, "limits": limits})


def occupied_by(machine: Machine) -> Occupation | None:
    """What a machine's snapshots occupy, when its files are known."""
    if machine.detail is None or machine.detail.layout is None or machine.folder is None:
        return None
    tree = [Branch(node.id, node.parent) for node in machine.snapshots]
    return occupation(machine.detail.layout, tree, machine.current, machine.folder)


def unknown(rule: str, message: str, evidence: Mapping[str, Json] | None = None) -> Finding:
    return Finding(rule, Severity.UNKNOWN, message, evidence or {})
