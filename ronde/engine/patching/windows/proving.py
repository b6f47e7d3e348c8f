"""How a Windows host stands after a run: its health, what it still offers, and whether its services answer."""

from ronde.engine.patching import proving
from ronde.engine.patching.course import Course
from ronde.engine.patching.windows.asking import failing_probes, health_of, searched
from ronde.facts.patch.windows import Result, simulation_of
from ronde.model.check import Finding
from ronde.model.patch.packages import Simulation
from ronde.model.patch.thresholds import critical, unknown, warning
from ronde.model.patch.transaction import PatchEvent


def checking(course: Course) -> PatchEvent:
    """`CHECKING`: the same look as before, compared; then a search, which decides whether the updates are there."""
    event = proving.checking(course, health_of)
    if event is not PatchEvent.PASS:
        return event
    result = searched(course, "after")
    if isinstance(result, Finding):
        return _untold(course, result)
    simulation = simulation_of(result)
    if isinstance(simulation, Finding):
        return _untold(course, simulation)
    return _offered(course, result, simulation)


def _untold(course: Course, why: Finding) -> PatchEvent:
    course.tell(unknown("patch-outcome-unknown", f"Whether the updates are in place cannot be told: {why.message}"))
    return PatchEvent.LOSE


def _offered(course: Course, result: Result, simulation: Simulation) -> PatchEvent:
    """An update that is offered again is not there, unless a restart that was put off is what it waits for."""
    planned = set(course.plan.install)
    again = [package.name for package in simulation.transaction.install if package in planned]
    if result.reboot.needed and course.way.reboot_done:
        course.tell(warning("patch-reboot-pending", f"A restart is needed after the restart: {result.reboot.reason}"))
    if not again or (result.reboot.needed and not course.way.reboot_done):
        return PatchEvent.PASS
    titles = course.journal["titles"]
    course.tell(
        *(
            critical("patch-package-failed", f"{titles[name]}: called installed, and offered again.", package=name)
            for name in again
        )
    )
    gone = [row for row in course.journal["done"] if row[0] not in again]
    course.note(done=gone, failed=[*course.journal["failed"], *([titles[name], "", "offered again"] for name in again)])
    return PatchEvent.WORSE


def probing(course: Course) -> PatchEvent:
    """`PROBING`: every service that answered before answers now."""
    return proving.probing(course, failing_probes)
