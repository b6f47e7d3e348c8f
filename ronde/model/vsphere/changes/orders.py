"""The changes that we ask of a vCenter, as values: what a plan holds is what is sent.

There is none that removes a snapshot together with its children, none that removes all of them, and none that keeps
the machine's memory.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CreateSnapshot:
    """Without memory: a revert finds the machine off.

    Attributes:
        machine: moId.
        quiesce: the vCenter ignores it, without a word, when the machine is off or its Tools do not run.
    """

    machine: str
    name: str
    description: str
    quiesce: bool


@dataclass(frozen=True, slots=True)
class RemoveSnapshot:
    """Its children stay, and its deltas are merged."""

    snapshot: str


@dataclass(frozen=True, slots=True)
class RevertToSnapshot:
    """What was written since is lost; the machine is never started by it."""

    snapshot: str


@dataclass(frozen=True, slots=True)
class PowerOn:
    machine: str


@dataclass(frozen=True, slots=True)
class PowerOff:
    """At once, as by pulling the plug."""

    machine: str


@dataclass(frozen=True, slots=True)
class ShutDownGuest:
    """Asks the guest, by its Tools; there is no task to wait for."""

    machine: str


@dataclass(frozen=True, slots=True)
class RebootGuest:
    """Asks the guest, by its Tools; there is no task to wait for."""

    machine: str


@dataclass(frozen=True, slots=True)
class ConsolidateDisks:
    """Merges deltas that belong to no snapshot any more; can take hours and cannot be cancelled."""

    machine: str


Change = (
    CreateSnapshot
    | RemoveSnapshot
    | RevertToSnapshot
    | PowerOn
    | PowerOff
    | ShutDownGuest
    | RebootGuest
    | ConsolidateDisks
)


def shown(change: Change) -> str:
    """The change as evidence names it: `CreateSnapshot vm-42 ronde-1a2b3c4d-patch (quiesce)`."""
    name = type(change).__name__
    if isinstance(change, CreateSnapshot):
        return f"{name} {change.machine} {change.name}{' (quiesce)' if change.quiesce else ''}"
    if isinstance(change, RemoveSnapshot | RevertToSnapshot):
        return f"{name} {change.snapshot}"
    return f"{name} {change.machine}"
