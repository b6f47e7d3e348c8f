"""Changing commands of a run, started detached on the host and adopted after a worker's death."""

from typing import Final

from ronde.engine.patching.course import Course
from ronde.engine.procedure.programs import carry
from ronde.facts.patch.feeding import Fed
from ronde.model.check import Exchange
from ronde.model.detached import Carried, Key, Launch, Standing
from ronde.model.errors import Cancelled, ConnectionLost, Fenced

_MARGIN: Final = 20.0  # seconds left to collect what a program said, before the job's own limit
_SHARE: Final = 2 / 3  # of the step's time; the rest is for the reboot, the proof, and the way back


def run_fed(course: Course, order: Fed, part: str) -> Carried:
    """Have a command carried to its end, whatever that is; `part` names it among the commands of the step.

    Raises:
        ConnectionLost: the host cannot be reached to see what became of it; another attempt takes it up.
        CannotDetach: the host lacks what it takes, nothing was started. Fenced, Cancelled: as `carry`.
    """
    launch = launch_for(course, order, part)
    found = carry(course.stage, launch)
    course.stage.asked.append(_evidence(course, order, found))
    if found.standing is Standing.FENCED:
        raise Fenced(found.why)
    if found.cancelled:
        raise Cancelled("it was ended because a person asked for it at once" if found.stopped else "a person asked")
    if found.standing is Standing.UNKNOWN:
        raise ConnectionLost(f"{course.stage.job.target.name}: {found.why}")
    return found


def launch_for(course: Course, order: Fed, part: str) -> Launch:
    """What is ordered of the host. For sudo the limit is the same on every attempt, since it stands in sudoers."""
    stage = course.stage
    limit = limit_for(order, stage.terms.timeout)
    if course.root:
        limit = max(1, int(min(limit, stage.gate.seconds_left() - _MARGIN)))
    key = Key(stage.job.claim.job, f"{stage.step.id}.{part}", stage.job.claim.attempt)
    argv = order.line(sudo=not course.root)
    return Launch(key, argv, stdin=order.stdin, limit=limit, env=order.env, sudo=not course.root)


def limit_for(order: Fed, timeout: float) -> int:
    """Seconds that a command may take in a step of so many."""
    return max(1, int(min(order.limit, timeout * _SHARE)))


def said_by(found: Carried) -> str:
    """Everything a command said."""
    return f"{found.stdout.decode('utf-8', 'replace')}\n{found.stderr.decode('utf-8', 'replace')}"


def _evidence(course: Course, order: Fed, found: Carried) -> Exchange:
    now = course.stage.job.engine.clock.now()
    return Exchange(
        question=order.command.display,
        started=found.started or now,
        ended=found.ended or now,
        exit_status=found.exit_status,
        output=found.stdout,
        errors=found.stderr or found.why.encode(),
        tool="detached",
        truncated=found.truncated,
    )
