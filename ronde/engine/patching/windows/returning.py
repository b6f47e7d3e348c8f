"""The way back of a Windows host: its machine to the snapshot, and the host as it was."""

from typing import Final

from ronde.engine.patching import safety
from ronde.engine.patching.course import Course
from ronde.engine.patching.windows.asking import looked, searched, tidy
from ronde.facts.patch.windows import simulation_of
from ronde.facts.patch.windows_look import Look
from ronde.model.check import Finding
from ronde.model.errors import RemoteError
from ronde.model.patch.thresholds import critical, unknown
from ronde.model.patch.transaction import PatchEvent

LOOK_EVERY: Final = 5.0


def revert_due(course: Course) -> PatchEvent:
    """`REVERT_DUE`: back by policy alone; everything else is for a person to decide."""
    tidy(course)
    return safety.revert_due(course)


def reverting(course: Course) -> PatchEvent:
    """`REVERTING`: the machine goes back, once, and the host must offer again what was installed.

    Raises:
        VCenterError: the vCenter is still at it, or cannot be asked; another attempt goes on.
    """
    return safety.taken_back(course) or _as_before(course)


def _as_before(course: Course) -> PatchEvent:
    look = _answers(course)
    if isinstance(look, str):
        course.tell(unknown("patch-outcome-unknown", f"The machine was taken back, and does not answer: {look}"))
        return PatchEvent.FAIL
    course.note(boot_reverted=look.boot.isoformat())
    result = searched(course, "reverted")
    simulation = result if isinstance(result, Finding) else simulation_of(result)
    if isinstance(simulation, Finding):
        course.tell(simulation)
        return PatchEvent.FAIL
    if not set(course.plan.install) <= set(simulation.transaction.install):
        words = "The machine was taken back, and Windows does not offer again what was installed: is it this host's?"
        course.tell(critical("patch-outcome-unknown", words))
        return PatchEvent.FAIL
    return PatchEvent.SUCCEED


def _answers(course: Course) -> Look | str:
    """How the host stands, once it answers; why it does not, when its time is over."""
    clock = course.stage.job.engine.clock
    ends = clock.now() + safety.BACK_WITHIN
    while True:
        try:
            look = looked(course)
        except RemoteError as error:
            look = unknown("patch-not-read", str(error))
        if isinstance(look, Look):
            return look
        if clock.now() >= ends:
            return look.message
        course.pause(LOOK_EVERY)
