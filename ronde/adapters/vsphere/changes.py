"""The changes as calls of the API: one each, never repeated."""

from typing import Any

from pyVmomi import vim

from ronde.adapters.vsphere.wire import Stub
from ronde.model.vsphere.changes.orders import (
    Change,
    ConsolidateDisks,
    CreateSnapshot,
    PowerOff,
    PowerOn,
    RebootGuest,
    RemoveSnapshot,
    RevertToSnapshot,
    ShutDownGuest,
)


def begin(change: Change, stub: Stub) -> str:
    """Make the call; the moId of its task, or "" where the API makes none.

    Raises:
        VCenterError, Fenced, Cancelled: as `ronde.ports.VCenterChanges.start`.
    """
    task = _snapshot_call(change, stub) or _power_call(change, stub)
    return "" if task is None else str(task._moId)  # noqa: SLF001 - pyVmomi offers no public name for it


def _snapshot_call(change: Change, stub: Stub) -> Any:
    match change:
        case CreateSnapshot():
            machine = _machine(change.machine, stub)
            return machine.CreateSnapshot_Task(change.name, change.description, memory=False, quiesce=change.quiesce)
        case RemoveSnapshot():
            return _snapshot(change.snapshot, stub).RemoveSnapshot_Task(removeChildren=False, consolidate=True)
        case RevertToSnapshot():
            # Left out, it would start the machine where the snapshot holds memory, on a host of the vCenter's choice.
            return _snapshot(change.snapshot, stub).RevertToSnapshot_Task(suppressPowerOn=True)
        case ConsolidateDisks():
            return _machine(change.machine, stub).ConsolidateVMDisks_Task()
    return None


def _power_call(change: Change, stub: Stub) -> Any:
    match change:
        case PowerOn():
            return _machine(change.machine, stub).PowerOnVM_Task()
        case PowerOff():
            return _machine(change.machine, stub).PowerOffVM_Task()
        case ShutDownGuest():
            return _machine(change.machine, stub).ShutdownGuest()
        case RebootGuest():
            return _machine(change.machine, stub).RebootGuest()
    return None


def _machine(moid: str, stub: Stub) -> Any:
    return vim.VirtualMachine(moid, stub)  # type: ignore[no-untyped-call] # pyVmomi


def _snapshot(moid: str, stub: Stub) -> Any:
    return vim.vm.Snapshot(moid, stub)  # type: ignore[no-untyped-call] # pyVmomi
