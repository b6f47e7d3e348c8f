"""Patching a Windows host: its phases under the same table of states as everywhere. Not verified on Windows.

What a package manager is elsewhere is here a task of SYSTEM that leaves its result in a file. Searching and installing
are such tasks; everything else an administrator's session may do itself. Windows has no counterpart of the package
database, its lock and its repair: what a search offers before and after stands in their place.
"""

from collections.abc import Callable, Mapping
from typing import Final

from ronde.engine.patching.applying import patch_due
from ronde.engine.patching.course import Course
from ronde.engine.patching.planning import approving
from ronde.engine.patching.safety import snapshot_due, snapshotting
from ronde.engine.patching.windows.applying import patching
from ronde.engine.patching.windows.booting import reboot_due, rebooting
from ronde.engine.patching.windows.planning import auditing, guarding, look_and_plan, prechecking
from ronde.engine.patching.windows.proving import checking, probing
from ronde.engine.patching.windows.returning import revert_due, reverting
from ronde.model.patch.transaction import PatchEvent, PatchState

__all__ = ["PHASES", "look_and_plan"]

PHASES: Final[Mapping[PatchState, Callable[[Course], PatchEvent]]] = {
    PatchState.AUDITING: auditing,
    PatchState.PLANNED: approving,
    PatchState.GUARDING: guarding,
    PatchState.PRECHECKING: prechecking,
    PatchState.SNAPSHOT_DUE: snapshot_due,
    PatchState.SNAPSHOTTING: snapshotting,
    PatchState.PATCH_DUE: patch_due,
    PatchState.PATCHING: patching,
    PatchState.REBOOT_DUE: reboot_due,
    PatchState.REBOOTING: rebooting,
    PatchState.CHECKING: checking,
    PatchState.PROBING: probing,
    PatchState.REVERT_DUE: revert_due,
    PatchState.REVERTING: reverting,
}
