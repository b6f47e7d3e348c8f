"""What a run would do on a host: looked at, put together by the policy, frozen, and held against what was approved."""

from dataclasses import dataclass, field
from typing import Final

from ronde.engine.backups.asking import Interview
from ronde.engine.patches import LOOKS
from ronde.engine.patches.look import Means
from ronde.engine.patching.course import TOOLS, Course, wanted_json
from ronde.engine.patching.repairing import repaired, state_of
from ronde.engine.patching.tools import Tool, Wanted
from ronde.facts.patch.apt_run import targets_of
from ronde.facts.patch.manager import Tier, choose, parse_probe, probe_question
from ronde.facts.question import Question
from ronde.model.check import Finding
from ronde.model.command import Command
from ronde.model.errors import InputError
from ronde.model.patch.audit import Audit
from ronde.model.patch.before import broken_in, unknown_in
from ronde.model.patch.packages import (
    Database,
    Kept,
    Simulation,
    Transaction,
    transaction_from_json,
    transaction_json,
)
from ronde.model.patch.policy import compare_plans, objections, plan_findings, select
from ronde.model.patch.reboot import Reboot, Signal, reboot_needed
from ronde.model.patch.thresholds import critical, unknown
from ronde.model.patch.transaction import PatchEvent
from ronde.model.patch.words import left_words, plan_words
from ronde.model.records import Scope

_UID: Final = Question(Command(("id", "-u"), timeout=10), "id -u")


@dataclass(frozen=True, slots=True)
class Surveyed:
    """What one look at a host's packages learnt.

    Attributes:
        trouble: what keeps a run from being planned; empty when nothing does.
    """

    audit: Audit
    trouble: tuple[Finding, ...] = ()

    @property
    def database(self) -> Database:
        assert isinstance(self.audit.database, Database)  # noqa: S101 - nothing troubles a look without one
        return self.audit.database

    @property
    def simulation(self) -> Simulation:
        assert isinstance(self.audit.simulation, Simulation)  # noqa: S101 - the same
        return self.audit.simulation

    @property
    def reboot(self) -> Reboot:
        return reboot_needed(said for said in self.audit.reboot if isinstance(said, Signal))


@dataclass(frozen=True, slots=True)
class Planned:
    """The run that a policy makes of what waits.

    Attributes:
        plan: the exact transaction; empty when nothing is wanted.
        security: labels of its updates that mend a security hole.
        left: what waits and is not touched, each with the reason.
        trouble: why no plan can be made; None when there is one.
        said: the plan in words, where names and versions alone would tell nobody anything.
    """

    wanted: Wanted = field(default_factory=lambda: Wanted(()))
    plan: Transaction = field(default_factory=Transaction)
    security: tuple[str, ...] = ()
    left: tuple[Kept, ...] = ()
    trouble: Finding | None = None
    said: str = ""

    @property
    def words(self) -> str:
        return self.said or plan_words(self.plan, self.security)


def manager_of(course: Course) -> Finding | None:
    """Note which manager keeps the host up to date, and whether we are root; why no run is made when that is so.

    Raises:
        RemoteError, Fenced, Cancelled: as `Shell.run`.
    """
    probe, who = course.ask(probe_question(), _UID)
    found = parse_probe(probe)
    choice = found if isinstance(found, Finding) else choose(found)
    if isinstance(choice, Finding):
        return choice
    course.note(manager=choice.name, root=who.text.strip() == "0", documented=choice.tier is Tier.DOCUMENTED)
    if course.caveat:
        course.stage.say(course.caveat)
    if choice.name in TOOLS:
        return None
    return unknown("patch-tool-missing", f"{choice.name} is looked at, and nothing is changed by it.")


def whole(course: Course, *, mend: bool) -> Finding | None:
    """Why the package database is not whole, once it has been mended where it may be; None when it is."""
    tool = course.tool
    if (held := unlocked(course, tool)) is not None:
        return held
    state = state_of(tool)
    if mend and not isinstance(state, Finding):
        state = repaired(course, tool, state, "before")
    if isinstance(state, Finding):
        return state
    broken = broken_in(*state)
    words = f"The package database is not whole: {', '.join(broken)}."
    return critical("patch-interrupted", words, broken=list(broken)) if broken else None


def survey(course: Course) -> Surveyed:
    """Look at what waits, the repositories read anew; raises as `manager_of`, which comes first."""
    engine = course.stage.job.engine
    interview = Interview(course.stage.shell, engine.clock)
    look = LOOKS[course.journal["manager"]](interview, Means(refresh=True, pause=course.pause), Audit())
    try:
        look.run()
    finally:
        course.stage.asked += interview.exchanges
    unread = (look.unrefreshed,) if look.unrefreshed is not None else ()
    return Surveyed(look.audit, (*unread, *unknown_in(look.audit)))


def make_plan(course: Course, tool: Tool, seen: Surveyed) -> Planned:
    """The run that the policy makes of what waits, as the manager itself would do it."""
    policy, simulation = course.options.policy, seen.simulation
    chosen = select(simulation, policy)
    freed = {kept.name: gone for kept in chosen.left if (gone := tool.removals_for(kept, policy, seen.database))}
    wanted = [*chosen.wanted, *(one for one in simulation.pending if one.label in freed)]
    left = tuple(kept for kept in chosen.left if kept.name not in freed)
    if not wanted:
        return Planned(left=left)
    removals = tuple(dict.fromkeys(package for gone in freed.values() for package in gone))
    asked = Wanted(targets_of(wanted), removals)
    plan = tool.preview(asked, seen.database)
    if isinstance(plan, Finding):
        return Planned(asked, left=left, trouble=plan)
    security = tuple(sorted(one.label for one in wanted if one.security))
    return Planned(asked, plan, security, left)


def auditing(course: Course) -> PatchEvent:
    """`AUDITING`: nothing to do, a frozen plan, or the reason why there is none. What was cut off is mended first."""
    return frozen(course, look_and_plan(course, mend=True))


def frozen(course: Course, found: Planned | tuple[Finding, ...]) -> PatchEvent:
    """What a look came to, told; its plan is frozen with the event."""
    if isinstance(found, tuple):
        course.tell(*found)
        return PatchEvent.REFUSE
    said = left_words(found.left)
    what = found.words if not found.plan.empty else "nothing to install"
    course.stage.say(f"{what}; plan {found.plan.digest[:8]}" + (f"; {said}" if said else ""))
    return PatchEvent.NOTHING if found.plan.empty else PatchEvent.PLAN


def look_and_plan(course: Course, *, mend: bool) -> Planned | tuple[Finding, ...]:
    """The run that would be made now, noted for the record; the findings that stand in its way otherwise.

    `mend`: whether a run that was cut off may be brought to its end; a preview changes nothing.
    """
    why = manager_of(course) or whole(course, mend=mend)
    if why is not None:
        return (why,)
    seen = survey(course)
    if seen.trouble:
        return seen.trouble
    planned = make_plan(course, course.tool, seen)
    if planned.trouble is not None:
        return (planned.trouble,)
    note_plan(course, planned, seen.reboot)
    return planned


def note_plan(course: Course, planned: Planned, reboot: Reboot) -> None:
    """The plan goes on record; it is what runs from here on. `reboot` is what was pending before it."""
    course.note(
        plan=transaction_json(planned.plan),
        digest=planned.plan.digest,
        wanted=wanted_json(planned.wanted),
        security=list(planned.security),
        left=[[kept.name, kept.reason.value, kept.detail] for kept in planned.left],
        pending_reboot={"needed": reboot.needed, "reason": reboot.reason},
        said=planned.said,
    )


def beyond(course: Course) -> tuple[Finding, ...]:
    """What about the plan needs somebody who has looked at exactly this one; empty when nothing does, or he has."""
    if not course.options.approved:
        return objections(course.plan, course.options.policy)
    found = approved_plan(course, course.options.approved)
    return (found,) if isinstance(found, Finding) else plan_findings(compare_plans(found, course.plan))


def approving(course: Course) -> PatchEvent:
    """`PLANNED`: what goes beyond the policy stops the host until somebody has looked at exactly this plan."""
    differences = beyond(course)
    course.tell(*differences)
    return PatchEvent.REFUSE if differences else PatchEvent.APPROVE


def approved_plan(course: Course, run: str) -> Transaction | Finding:
    """The plan for this host that a run has put on record: a dry run, or one that stopped before it."""
    job = course.stage.job
    try:
        record = job.engine.ledger.run(Scope.of(job.client.client), run)
    except InputError as error:
        return critical("patch-plan-differs", f"What was approved is not on record: {error.message}", run=run)
    for other in record.jobs:
        plans = [step.facts.get("plan") for step in other.steps if other.target == job.target]
        found = next((plan for plan in plans if isinstance(plan, dict)), None)
        if found is not None:
            return transaction_from_json(found)
    words = f"Run {run[:8]} holds no plan for {job.target.name}, so that nothing was approved for it."
    return critical("patch-plan-differs", words, run=run)


def guarding(course: Course) -> PatchEvent:
    """`GUARDING`: the lock is free, the database is known, and the host would still do what was planned."""
    tool = course.tool
    if (held := unlocked(course, tool)) is not None:
        course.tell(held)
        return PatchEvent.REFUSE
    database = tool.database()
    if isinstance(database, Finding):
        course.tell(database)
        return PatchEvent.REFUSE
    present = tool.preview(course.wanted, database)
    found = (present,) if isinstance(present, Finding) else plan_findings(compare_plans(course.plan, present))
    course.tell(*found)
    return PatchEvent.REFUSE if found else PatchEvent.PASS


LOCK_PATIENCE: Final = 900.0  # seconds; an unattended upgrade may take that long
LOCK_LOOK: Final = 10.0


def unlocked(course: Course, tool: Tool) -> Finding | None:
    """Wait until nobody holds the manager's locks; the finding that names the holder when somebody still does."""
    clock = course.stage.job.engine.clock
    began, said = clock.now(), ""
    while True:
        holders = tool.holders()
        if isinstance(holders, Finding):
            return holders
        if not holders:
            return None
        if holders[0] != said:
            said = holders[0]
            course.stage.say(f"waiting for {said}, which holds the package manager's lock")
        if (clock.now() - began).total_seconds() >= LOCK_PATIENCE:
            return unknown("patch-locked", f"Packages are being worked on by {said}.", holders=list(holders))
        course.pause(LOCK_LOOK)
