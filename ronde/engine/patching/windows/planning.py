"""What a run would install on a Windows host: frozen, and held against what is offered just before."""

from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Final

from ronde.engine.patching.course import Course
from ronde.engine.patching.planning import Planned, frozen, note_plan
from ronde.engine.patching.proving import probes_before
from ronde.engine.patching.tools import Wanted
from ronde.engine.patching.windows.asking import failing_probes, looked, searched
from ronde.facts.patch.windows import Result, Update, simulation_of
from ronde.model.check import Finding
from ronde.model.patch.before import unfit
from ronde.model.patch.packages import Kept, KeptReason, Package, Simulation, Transaction
from ronde.model.patch.policy import Policy, compare_plans, plan_findings, select
from ronde.model.patch.reboot import reboot_needed
from ronde.model.patch.stored import health_json
from ronde.model.patch.thresholds import info
from ronde.model.patch.transaction import PatchEvent
from ronde.model.patch.words import updates_words

LABEL: Final = info(
    "patch-windows-unverified",
    "This way to patch Windows was never verified on a real Windows. There is no counterpart there of a package "
    "database, its lock and its repair, and of a load average: what Windows offers before and after is compared.",
)


def auditing(course: Course) -> PatchEvent:
    """`AUDITING`: nothing to do, a frozen plan, or the reason why there is none."""
    return frozen(course, look_and_plan(course))


def look_and_plan(course: Course) -> Planned | tuple[Finding, ...]:
    """The run that would be made now, noted for the record; the finding that stands in its way otherwise.

    Raises:
        As `Line.ask`.
    """
    course.tell(LABEL)
    result = searched(course, "plan")
    if isinstance(result, Finding):
        return (result,)
    simulation = simulation_of(result)
    if isinstance(simulation, Finding):
        return (simulation,)
    planned = plan_of(result, simulation, course.options.policy)
    course.note(manager="windows", titles={update.id: update.called for update in result.updates})
    note_plan(course, planned, reboot_needed([result.reboot]))
    return planned


def plan_of(result: Result, simulation: Simulation, policy: Policy) -> Planned:
    """The exact updates, each by identity and revision, that the policy takes of what is offered."""
    titles = {update.id: update.called for update in result.updates}
    excluded = [Kept(one.id, KeptReason.EXCLUDED) for one in result.updates if _excluded(one, policy.exclude)]
    chosen = select(replace(simulation, kept=(*simulation.kept, *excluded)), policy)
    updates = tuple(Package(one.name, one.arch, one.candidate) for one in chosen.wanted)
    security = tuple(one.name for one in chosen.wanted if one.security)
    others = [titles[one.name] for one in chosen.wanted if not one.security]
    return Planned(
        wanted=Wanted(updates),
        plan=Transaction(install=updates),
        security=security,
        left=tuple(replace(one, name=titles.get(one.name, one.name)) for one in chosen.left),
        said=updates_words([titles[name] for name in security], others),
    )


def _excluded(update: Update, globs: tuple[str, ...]) -> bool:
    """By article (`KB5070001`) or by title (`*Silverlight*`), in whatever case."""
    names = [name.casefold() for name in (*update.kb, update.title)]
    return any(fnmatchcase(name, glob.casefold()) for name in names for glob in globs)


def guarding(course: Course) -> PatchEvent:
    """`GUARDING`: Windows still offers exactly what was planned."""
    result = searched(course, "guard")
    simulation = result if isinstance(result, Finding) else simulation_of(result)
    if isinstance(simulation, Finding):
        course.tell(simulation)
        return PatchEvent.REFUSE
    meant = {package.name for package in course.plan.install}
    present = Transaction(install=tuple(one for one in simulation.transaction.install if one.name in meant))
    found = [named(course, one) for one in plan_findings(compare_plans(course.plan, present))]
    course.tell(*found)
    return PatchEvent.REFUSE if found else PatchEvent.PASS


def named(course: Course, finding: Finding) -> Finding:
    """A finding with the titles of updates in place of their numbers."""
    message = finding.message
    for number, title in course.journal["titles"].items():
        message = message.replace(number, title)
    return replace(finding, message=message)


def prechecking(course: Course) -> PatchEvent:
    """`PRECHECKING`: how the host is before anything is done, on record; it must have room."""
    look = looked(course)
    found = (look,) if isinstance(look, Finding) else unfit(look.health)
    course.tell(*found)
    if found or isinstance(look, Finding):
        return PatchEvent.REFUSE
    pending = course.journal["pending_reboot"]
    if pending["needed"]:
        words = f"A restart was pending before the run, and Windows may refuse updates for it: {pending['reason']}"
        course.tell(info("patch-reboot-pending", words))
    course.note(
        health=health_json(look.health),
        boot_before=look.boot.isoformat(),
        looked=look.at.isoformat(),
        failing_probes=dict(probes_before(course, failing_probes)),
    )
    return PatchEvent.PASS
