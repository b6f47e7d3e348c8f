"""A virtual machine as a vCenter described it at one instant."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ronde.model.vsphere.layout import Layout

POWERED_ON, POWERED_OFF = "poweredOn", "poweredOff"


@dataclass(frozen=True, slots=True)
class SnapshotNode:
    """One snapshot in a machine's tree.

    Attributes:
        id: moId of the snapshot object; `parent` that of the one it was taken upon, None for a root.
        created: by the server's clock.
        powered_on: whether it holds the machine's memory, so that a revert finds it running.
        quiesced: whether quiescing was asked for; the server does not say whether it worked.
        depth: 1 for a root.
        number: the API's own count of it within the machine; None when not told.
    """

    id: str
    name: str
    description: str
    created: datetime
    powered_on: bool
    quiesced: bool
    depth: int
    parent: str | None
    number: int | None = None


@dataclass(frozen=True, slots=True)
class VirtualDisk:
    """One disk of a machine.

    Attributes:
        key: the device key, as layouts name it; `label` what the client calls it: `Hard disk 1`.
        file: the leaf of its chain, `[datastore] folder/name.vmdk`; empty when it has no file.
        mode: `persistent`, `independent_persistent`, …; empty when unknown.
        physical: whether it is a raw mapping in physical mode.
        capacity: bytes; None when not told.
        shared: whether several machines may write to it by design.
    """

    key: int
    label: str
    file: str
    mode: str
    physical: bool
    capacity: int | None
    shared: bool


@dataclass(frozen=True, slots=True)
class Detail:
    """What the second, wider question told.

    Attributes:
        layout: the files; None when the server has none for this machine.
        disks: its virtual disks; None when the hardware could not be read.
        shared_buses: labels of the controllers with bus sharing.
        passthrough: labels of the PCI devices that are passed through.
        tasks: moIds of recent tasks, running or not.
    """

    layout: Layout | None
    disks: tuple[VirtualDisk, ...] | None
    shared_buses: tuple[str, ...] = ()
    passthrough: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Machine:
    """Everything the rules look at. None always means: the server did not tell.

    Attributes:
        key: `vc_uuid/VirtualMachine/vm-42`; a moId alone is unique only within one vCenter.
        instance_uuid: survives a re-registration, which gives a new moId.
        folder: the directory of its configuration file, `[datastore] folder/`.
        managed_by: key of the extension that looks after it, empty for none; vSphere's own helpers have one.
        current: moId of the snapshot that the machine runs upon.
        attributes: custom attributes by name.
        missing: property path → why it could not be read.
        detail: None when it was not asked for, or the machine was gone by then.
        busy: whether a task runs on it; None when not asked.
    """

    key: str
    id: str
    name: str
    instance_uuid: str | None
    template: bool | None
    power: str | None
    connection: str | None
    consolidation_needed: bool | None
    change_tracking: bool | None
    question: str | None
    fault_tolerance: str | None
    tools_running: str | None
    tools_version: str | None
    folder: str | None
    managed_by: str
    committed: int | None
    datastores: tuple[str, ...]
    snapshots: tuple[SnapshotNode, ...]
    current: str | None
    attributes: Mapping[str, str]
    missing: Mapping[str, str]
    detail: Detail | None = None
    busy: bool | None = None

    @property
    def depth(self) -> int:
        """The deepest path of the snapshot tree; 0 without snapshots."""
        return max((node.depth for node in self.snapshots), default=0)

    @property
    def current_depth(self) -> int:
        """How many snapshots the running state stands upon."""
        return next((node.depth for node in self.snapshots if node.id == self.current), 0)


@dataclass(frozen=True, slots=True)
class Datastore:
    """A datastore's figures in bytes; None when not told."""

    id: str
    name: str | None
    free: int | None
    capacity: int | None
    accessible: bool | None
