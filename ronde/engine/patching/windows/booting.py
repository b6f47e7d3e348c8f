"""The restart of a Windows host: only if it is needed and wanted, and believed by the instant of its last start.

The order names the start that it is to end, so it may be given again after whatever went wrong. A host whose sshd comes
and goes is still in the start of before, and is waited for.
"""

from datetime import datetime
from typing import Final

from ronde.engine.patching.booting import decided
from ronde.engine.patching.course import Course
from ronde.engine.patching.windows.asking import line_of, looked, tidy
from ronde.facts.patch.windows_look import Look, look_question, parse_look, parse_reboot, reboot_question, started_since
from ronde.model.check import Finding
from ronde.model.errors import CommandTimeout, ConnectionLost, HostKeyChanged, HostKeyMissing, RemoteError, Unreachable
from ronde.model.patch.health import Health
from ronde.model.patch.reboot import Signal, reboot_needed
from ronde.model.patch.thresholds import critical
from ronde.model.patch.transaction import PatchEvent
from ronde.model.units import format_duration

LOOK_EVERY: Final = 10.0


def reboot_due(course: Course) -> PatchEvent:
    """`REBOOT_DUE`: whether to restart, from what Windows said after the installation and what the run is told."""
    tidy(course)
    kept = course.journal["restart"]
    signal = Signal("windows", kept["needed"], kept["reason"], kept["evidence"])
    return decided(course, reboot_needed([signal]), _ready)


def _ready(course: Course) -> PatchEvent:
    """The start that the host is in now, on record before the order; without it nothing could prove the restart."""
    look = looked(course)
    if isinstance(look, Finding):
        course.tell(critical("patch-reboot-failed", f"Not restarted, since nothing could prove it: {look.message}"))
        return PatchEvent.SKIP
    course.note(boot_before=look.boot.isoformat(), looked=look.at.isoformat())
    return PatchEvent.BEGIN


def rebooting(course: Course) -> PatchEvent:
    """`REBOOTING`: ordered, then waited for until the host is in another start.

    Raises:
        Fenced, Cancelled, CommandTimeout: as `Signal.check`.
    """
    kept = course.journal
    before = Look(datetime.fromisoformat(kept["boot_before"]), datetime.fromisoformat(kept["looked"]), Health())
    refusal = _ordered(course, before)
    if refusal is not None:
        course.tell(critical("patch-reboot-failed", f"The restart could not be ordered: {refusal.message}"))
        return PatchEvent.NOT_BEGUN
    try:
        found = _awaited(course, before)
    except (HostKeyChanged, HostKeyMissing) as error:
        found = f"it came back as another: {error}"
    if isinstance(found, str):
        course.tell(critical("patch-reboot-failed", f"After the restart was ordered: {found}."))
        return PatchEvent.FAIL
    course.note(boot_now=found.boot.isoformat())
    course.stage.say(f"started {before.boot:%Y-%m-%d %H:%M} UTC before, {found.boot:%Y-%m-%d %H:%M} UTC now")
    return PatchEvent.SUCCEED


def _ordered(course: Course, before: Look) -> Finding | None:
    """Why the host did not take the order, in its own words; None when it may have, whatever became of the answer."""
    course.stage.say("restarting")
    try:
        found = parse_reboot(line_of(course).ask(reboot_question(before.boot)))
    except (CommandTimeout, ConnectionLost, Unreachable):
        course.stage.gate.check()  # the job's own limit looks like the command's
        return None
    return found if found is not None and "code" in found.evidence else None


def _awaited(course: Course, before: Look) -> Look | str:
    """The first look at the host in another start; what was seen instead when its time is over."""
    job = course.stage.job
    within = course.options.within
    ends = job.engine.clock.now() + within
    while True:
        seen = _seen(course)
        if isinstance(seen, Look) and started_since(before, seen):
            return seen
        if job.engine.clock.now() >= ends:
            break
        course.pause(LOOK_EVERY)
    if not isinstance(seen, Look):
        course.note(back=False)
    words = f"it still is in its start of {seen.boot:%Y-%m-%d %H:%M} UTC" if isinstance(seen, Look) else seen
    return f"it is not back within {format_duration(within)}: {words}"


def _seen(course: Course) -> Look | str:
    """One look over a new connection, or why there is none yet."""
    line = line_of(course, grace=0)
    line.shell = line.reopen
    try:
        look = parse_look(line.ask(look_question()))
    except (HostKeyChanged, HostKeyMissing):
        raise
    except RemoteError as error:
        course.stage.gate.check()
        return str(error)
    return look.message if isinstance(look, Finding) else look
