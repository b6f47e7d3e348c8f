"""Tasks of a vCenter, and what to do about the faults they end with."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Stage(StrEnum):
    """The API's own words."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCESS = "success"
    ERROR = "error"


class Remedy(StrEnum):
    """What a fault asks for."""

    RETRY = "retry"  # something is in the way for a while
    FALL_BACK = "fall-back"  # the guest could not be quiesced; the snapshot itself may still work
    STOP = "stop"  # trying again cannot help before somebody has changed something


_PASSING = frozenset({
    "ConcurrentAccess", "FileLocked", "HostCommunication", "NotAuthenticated", "ResourceInUse", "SnapshotLocked",
    "TaskInProgress", "Timedout", "VmToolsUpgradeFault",
})  # fmt: skip
_QUIESCING = frozenset({"ApplicationQuiesceFault", "FilesystemQuiesceFault"})


def remedy(fault: str) -> Remedy:
    """What to do about a fault, by the API's name for it.

    Everything that is not known to pass by itself is for a person: `TooManySnapshotLevels`, `SnapshotDisabled`,
    `SnapshotIncompatibleDeviceInVm`, `MethodDisabled`, `NoDiskSpace`, `NoPermission`, `RestrictedVersion` (no licence),
    and all that we have not met yet.
    """
    if fault in _PASSING:
        return Remedy.RETRY
    return Remedy.FALL_BACK if fault in _QUIESCING else Remedy.STOP


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault: the API's name of its kind, and the server's own words."""

    name: str
    message: str = ""

    @property
    def remedy(self) -> Remedy:
        return remedy(self.name)

    def __str__(self) -> str:
        return f"{self.name}: {self.message}" if self.message else self.name


@dataclass(frozen=True, slots=True)
class Task:
    """One task, as the vCenter tells it.

    Attributes:
        id: moId of the task; gone some ten minutes after its end.
        stage: None when it may not be read.
        operation: `descriptionId`, which names the method: `VirtualMachine.createSnapshot`.
        queued, completed: by the vCenter's clock.
        progress: per cent; None when not told.
        result: moId of what it made, if anything.
        fault: why it failed.
    """

    id: str
    stage: Stage | None
    operation: str = ""
    queued: datetime | None = None
    completed: datetime | None = None
    progress: int | None = None
    result: str | None = None
    fault: Fault | None = None

    @property
    def ended(self) -> bool:
        return self.stage in (Stage.SUCCESS, Stage.ERROR)
