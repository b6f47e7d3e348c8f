"""`patch`: one host's way through a patch run, from phase to phase until it has come to an end.

The phases and what follows from each stand in one table (`ronde.model.patch.transaction`). Each event is on record
before the next phase begins, and an act's beginning before the act: a later attempt goes on where this one was cut off.
"""

from collections.abc import Callable, Mapping
from typing import Final

from ronde.engine.patching import windows
from ronde.engine.patching.applying import patch_due, patching, prechecking
from ronde.engine.patching.booting import reboot_due, rebooting
from ronde.engine.patching.course import Course
from ronde.engine.patching.planning import approving, auditing, guarding
from ronde.engine.patching.proving import checking, probing
from ronde.engine.patching.safety import revert_due, reverting, snapshot_due, snapshotting
from ronde.engine.patching.telling import facts_of, told
from ronde.engine.procedure.result import Result, failed, unclear
from ronde.engine.procedure.stage import Stage
from ronde.facts.reading import Unreadable
from ronde.model.errors import CommandTimeout, InputError, RemoteError, RondeError, SecretError, VCenterError
from ronde.model.patch.transaction import FINAL, UNTOUCHED, PatchEvent, PatchState

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


def _phases(course: Course) -> Mapping[PatchState, Callable[[Course], PatchEvent]]:
    """What the states mean on such a host; the table of what follows from what is the same for all."""
    return windows.PHASES if course.on_windows else PHASES


def patch(stage: Stage) -> Result:
    """Take the host through, or on.

    Raises:
        RemoteError, VCenterError: the host or a vCenter is away; another attempt goes on.
        Fenced, LedgerError, Cancelled: the work must stop.
    """
    course = Course.of(stage)
    try:
        while (state := course.state) not in FINAL:
            course.record(_called_off(course, state) or _phases(course)[state](course))
    except (RemoteError, VCenterError, SecretError, InputError, Unreadable) as error:
        return _broken_off(course, error)
    return told(course)


def _called_off(course: Course, state: PatchState) -> PatchEvent | None:
    """A person's word to stop counts between two phases, as long as nothing has been touched."""
    course.stage.gate.check()
    return PatchEvent.STOP if course.stage.gate.cancelled and state in UNTOUCHED else None


def _broken_off(course: Course, error: RondeError | Unreadable) -> Result:
    """A phase that came to no event: tried again while it may be, and told for what it is when not.

    Raises:
        RemoteError, VCenterError, SecretError: another attempt goes on.
    """
    claim = course.stage.job.claim
    passing = isinstance(error, RondeError) and not error.permanent and not isinstance(error, CommandTimeout)
    if passing and claim.attempt < claim.most:
        raise error
    if course.state in UNTOUCHED:
        return failed(f"nothing was done: {error}", facts_of(course))
    return unclear(f"in the middle of {course.state}: {error}", facts_of(course))
