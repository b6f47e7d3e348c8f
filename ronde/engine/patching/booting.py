"""The reboot of a run: only if it is needed and wanted, ordered once, and believed by the boot id."""

from collections.abc import Callable

from ronde.engine.patching.course import Course
from ronde.engine.procedure.reboots import ORDER, Arrival, away_and_back
from ronde.engine.procedure.showing import reboot_command
from ronde.facts.boot import boot_question, parse_boot
from ronde.facts.reading import Unreadable
from ronde.model.check import Finding
from ronde.model.detached import Key, Launch
from ronde.model.errors import CannotDetach
from ronde.model.patch.options import RebootPolicy
from ronde.model.patch.reboot import Reboot, Signal, reboot_needed
from ronde.model.patch.thresholds import critical, unknown, warning
from ronde.model.patch.transaction import PatchEvent
from ronde.model.patch.words import brings_kernel


def reboot_due(course: Course) -> PatchEvent:
    """`REBOOT_DUE`: whether to reboot, from what the host says now and what the run is told."""
    return decided(course, _needed(course), _ready)


def decided(course: Course, needed: Reboot, ready: Callable[[Course], PatchEvent]) -> PatchEvent:
    """Whether a reboot follows from the need and the policy; `ready` notes what is to prove it."""
    course.note(reboot={"needed": needed.needed, "reason": needed.reason})
    policy = course.options.reboot
    if policy is RebootPolicy.ALWAYS or (policy is RebootPolicy.IF_NEEDED and needed.needed):
        return ready(course)
    if needed.needed:
        course.tell(warning("patch-reboot-pending", f"A reboot is needed and was not wanted: {needed.reason}"))
    elif needed.needed is None:
        course.tell(unknown("patch-reboot-unknown", f"Whether a reboot is needed cannot be told: {needed.reason}"))
    return PatchEvent.SKIP


def _needed(course: Course) -> Reboot:
    signals = course.tool.reboot_signals()
    course.tell(*(said for said in signals if isinstance(said, Finding) and said.rule != "patch-tool-missing"))
    told = [said for said in signals if isinstance(said, Signal)]
    found = reboot_needed(told)
    if found.needed is None and brings_kernel(course.plan):
        return Reboot(needed=True, reason="A kernel was installed.", signals=found.signals)
    return found


def _ready(course: Course) -> PatchEvent:
    """The boot that the host is in now, on record before the order; without it nothing could prove the reboot."""
    try:
        boot = parse_boot(course.ask(boot_question())[0])
    except Unreadable as error:
        course.tell(critical("patch-reboot-failed", f"Not rebooted, since nothing could prove it: {error}"))
        return PatchEvent.SKIP
    course.note(boot_before=boot.id, kernel_before=boot.kernel)
    return PatchEvent.BEGIN


def rebooting(course: Course) -> PatchEvent:
    """`REBOOTING`: ordered once, then waited for; a later attempt finds the host in another boot, or waits on.

    Raises:
        Fenced, CommandTimeout: as `Signal.check`.
    """
    stage = course.stage
    key = Key(stage.job.claim.job, f"{stage.step.id}.reboot", stage.job.claim.attempt)
    launch = Launch(key, reboot_command(become=not course.root), limit=ORDER, sudo=not course.root)
    try:
        passage = away_and_back(stage, str(course.journal["boot_before"]), course.options.within, launch)
    except CannotDetach as error:
        course.tell(critical("patch-reboot-failed", f"The reboot could not be ordered: {error.message}"))
        return PatchEvent.NOT_BEGUN
    if passage.end is Arrival.BACK and passage.boot is not None:
        course.note(boot_now=passage.boot.id, kernel_now=passage.boot.kernel)
        stage.say(passage.words)
        return PatchEvent.SUCCEED
    if passage.end is Arrival.AWAY:
        course.note(back=False)
    course.tell(critical("patch-reboot-failed", f"After the reboot was ordered: {passage.words}."))
    ends = {Arrival.REFUSED: PatchEvent.NOT_BEGUN, Arrival.UNTOLD: PatchEvent.LOSE}
    return ends.get(passage.end, PatchEvent.FAIL)
