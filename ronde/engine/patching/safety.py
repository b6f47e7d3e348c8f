"""The safety net of a run: a snapshot of the host's machine before it, and the way back to it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ronde.engine.patching.course import Course
from ronde.engine.patching.repairing import state_of
from ronde.engine.procedure.journal import StepJournal
from ronde.engine.procedure.machines import access_to, mark_of, patience_of
from ronde.engine.vmchanges import (
    CreateRequest,
    RevertRequest,
    create_snapshot,
    machines_meant,
    revert_snapshot,
)
from ronde.facts.boot import Boot, boot_question, parse_boot
from ronde.facts.question import Question
from ronde.facts.reading import Unreadable
from ronde.model.check import Finding
from ronde.model.command import Command
from ronde.model.errors import Cancelled, Fenced, InputError, RemoteError, VCenterError
from ronde.model.patch.options import RevertPolicy, SnapshotPolicy
from ronde.model.patch.thresholds import critical, info, unknown
from ronde.model.patch.transaction import PatchEvent
from ronde.model.vsphere.changes.guards import Revert, Taken
from ronde.model.vsphere.changes.result import Outcome, Result

PURPOSE: Final = "patch"
# A snapshot without memory is what a power cut would leave: what the guest holds goes to its disk first. Seen on the
# lab's machine, whose lists of packages were torn after the way back.
FLUSH: Final = Question(Command(("timeout", "60", "sync"), timeout=90.0), "sync")
BACK_WITHIN: Final = timedelta(minutes=10)  # for a machine that was taken back to answer again
LOOK_EVERY: Final = 5.0


@dataclass(frozen=True, slots=True)
class Home:
    """Where a host's machine lives; `reference` is its instanceUuid, or its id where it has none."""

    vcenter: str
    reference: str
    name: str


def snapshot_due(course: Course) -> PatchEvent:
    """`SNAPSHOT_DUE`: whether there is a machine to take one of. That there is none is told, and no obstacle."""
    if course.options.snapshot is SnapshotPolicy.NEVER:
        return _without(course, "the run was told to take none")
    if not course.stage.job.client.vcenters:
        return _without(course, "the client has no vCenter that we know of")
    try:
        home = home_of(course)
    except InputError as error:
        course.tell(critical("patch-no-snapshot", f"No snapshot can be taken: {error.message}"))
        return PatchEvent.REFUSE
    if home is not None:
        course.note(home={"vcenter": home.vcenter, "reference": home.reference, "name": home.name})
        return PatchEvent.BEGIN
    if course.host.vm is not None:
        words = f"The inventory names the machine {course.host.vm}, and none of the client's vCenters has it."
        course.tell(critical("patch-no-snapshot", words))
        return PatchEvent.REFUSE
    return _without(course, "it is a physical host, or its machine is on none of the client's vCenters")


def _without(course: Course, why: str) -> PatchEvent:
    course.tell(info("patch-no-snapshot", f"Patched without a snapshot: {why}."))
    return PatchEvent.SKIP


def home_of(course: Course) -> Home | None:
    """The host's machine on one of the client's vCenters; None when none has it.

    Raises:
        InputError: several machines bear the name. VCenterError, SecretError: one of the vCenters cannot be asked, so
            that nobody knows whether it has the machine.
    """
    job = course.stage.job
    wanted = course.host.vm or job.target.name
    found = []
    for vcenter in job.client.vcenters:
        with access_to(course.stage, vcenter) as access:
            found += [
                Home(vcenter, each.instance_uuid or each.id, each.name) for each in machines_meant(access, wanted)
            ]
    if len(found) > 1:
        raise InputError(
            f'"{wanted}" is the name of {len(found)} machines: {", ".join(each.vcenter for each in found)}.'
        )
    return found[0] if found else None


def snapshotting(course: Course) -> PatchEvent:
    """`SNAPSHOTTING`: one snapshot that serves, or the run ends before it has touched anything.

    Raises:
        VCenterError: the vCenter is still at it, or cannot be asked; another attempt goes on.
    """
    home, claim = _home(course), course.stage.job.claim
    request = CreateRequest(
        vm=home.reference,
        run=claim.run,
        step=mark_of(course.stage),
        purpose=PURPOSE,
        lifetime=course.options.bake,
        patience=patience_of(course.stage) / 3,
    )
    course.stage.say(f"taking a snapshot of {home.name}")
    if not course.on_windows:
        course.ask(FLUSH)  # it fails or not: the snapshot's own word tells how consistent it is
    with access_to(course.stage, home.vcenter) as access:
        result = create_snapshot(access, request, StepJournal(course.stage, "snapshot"))
    course.tell(*result.findings)
    course.stage.asked += result.exchanges
    if result.done:
        course.note(taken=dict(result.facts))
        course.stage.say(result.reason)
        return PatchEvent.SUCCEED
    return _not_done(course, result)


def _not_done(course: Course, result: Result) -> PatchEvent:
    claim = course.stage.job.claim
    if result.outcome is Outcome.RUNNING and claim.attempt < claim.most:
        raise VCenterError(result.reason)
    lost = result.outcome in (Outcome.RUNNING, Outcome.NEEDS_HUMAN)
    return PatchEvent.LOSE if lost else PatchEvent.FAIL


def revert_due(course: Course) -> PatchEvent:
    """`REVERT_DUE`: back by policy alone; everything else is for a person to decide."""
    if (why := _not_back(course)) is not None:
        advice = "" if not course.way.snapshot else " The snapshot is kept until it expires: a technician can go back."
        course.tell(critical("patch-not-reverted", f"The host was not taken back: {why}.{advice}"))
        return PatchEvent.DECLINE
    return PatchEvent.BEGIN


def _not_back(course: Course) -> str | None:
    if not course.way.snapshot:
        return "there is no snapshot from before the run"
    if course.host.no_revert:
        return "the inventory says no_revert of it"
    if course.options.revert is not RevertPolicy.ON_FAILURE:
        return "the run was told to leave that to a person"
    return None


def reverting(course: Course) -> PatchEvent:
    """`REVERTING`: the machine goes back, once, and the host must be there as it was before; raises as `taken_back`."""
    return taken_back(course) or _as_before(course)


def taken_back(course: Course) -> PatchEvent | None:
    """Take the machine back; None when it is, and only the host itself is left to be looked at.

    Raises:
        VCenterError: the vCenter is still at it, or cannot be asked; another attempt goes on.
    """
    home, by = _home(course), course.stage.job.claim.requested_by
    taken = Taken.of(course.journal["taken"])
    request = RevertRequest(home.reference, Revert(taken, f"policy revert on-failure, ordered by {by}"))
    course.stage.say(f"taking {home.name} back to {taken.name}")
    with access_to(course.stage, home.vcenter) as access:
        result = revert_snapshot(access, request, StepJournal(course.stage, "revert"))
    course.tell(*result.findings)
    course.stage.asked += result.exchanges
    if not result.done:
        return _not_done(course, result)
    course.tell(
        critical("patch-reverted", f"{result.reason} Whatever was written since {_since(taken.created)} is lost.")
    )
    return None


def _since(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"


def _as_before(course: Course) -> PatchEvent:
    """Whether the host answers, and its packages are those from before the run."""
    boot = _answers(course)
    if isinstance(boot, str):
        course.tell(unknown("patch-outcome-unknown", f"The machine was taken back, and does not answer: {boot}"))
        return PatchEvent.FAIL
    course.note(boot_reverted=boot.id, back=True)
    state = state_of(course.tool)
    if isinstance(state, Finding):
        course.tell(state)
        return PatchEvent.FAIL
    if state[0] != course.before:
        words = "The machine was taken back, and its packages are not those from before the run: is it this host's?"
        course.tell(critical("patch-outcome-unknown", words))
        return PatchEvent.FAIL
    return PatchEvent.SUCCEED


def _answers(course: Course) -> Boot | str:
    """The boot that the host is in, once it answers; why it does not, when its time is over."""
    job = course.stage.job
    ends = job.engine.clock.now() + BACK_WITHIN
    while True:
        try:
            boot = parse_boot(job.reopen(job.signal).run(boot_question().command))
            if boot.is_up:
                return boot
            seen = f"it is {boot.state}"
        except (Fenced, Cancelled):
            raise
        except (RemoteError, Unreadable) as error:
            seen = str(error)
        if job.engine.clock.now() >= ends:
            return seen
        course.pause(LOOK_EVERY)


def _home(course: Course) -> Home:
    return Home(**course.journal["home"])
