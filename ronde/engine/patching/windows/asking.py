"""How a run asks a Windows host: over one line that outlives links, for searches and for looks."""

from contextlib import suppress
from typing import Final

from ronde.engine.patches.windows_task import Line, search, task_id
from ronde.engine.patching.course import Course
from ronde.engine.steps import line_to
from ronde.facts.patch.windows import Result, delete_question
from ronde.facts.patch.windows_look import Look, look_question, parse_look, parse_probes, probes_question
from ronde.facts.reading import Unreadable
from ronde.model.check import Finding
from ronde.model.errors import RemoteError
from ronde.model.patch.health import Health

AWAY: Final = 300.0  # seconds for which a host that went away is waited for within one attempt
MOST_TRIES: Final = 2  # an update that failed is tried once more; what loops is not tried for ever
_INSTALLS: Final = tuple(f"install-{turn}" for turn in range(1, MOST_TRIES + 1))


def line_of(course: Course, *, grace: float = AWAY) -> Line:
    """The way to the host; what is asked goes to the step's evidence."""
    return line_to(course.stage.job, grace=grace, exchanges=course.stage.asked)


def task_of(course: Course, part: str) -> str:
    """The name of a task of this step, on every attempt the same."""
    return task_id(course.stage.job.claim.job, course.stage.step.id, part)


def searched(course: Course, part: str) -> Result | Finding:
    """What Windows offers now; raises as `Line.ask`."""
    return search(line_of(course), task_of(course, part), anew=True)


def looked(course: Course) -> Look | Finding:
    """How the host stands now; raises as `Line.ask`."""
    return parse_look(line_of(course).ask(look_question()))


def health_of(course: Course) -> Health:
    """One look at the host, for `proving.checking`."""
    look = looked(course)
    return Health(look, look, look, look) if isinstance(look, Finding) else look.health


def failing_probes(course: Course) -> dict[str, str]:
    """The probes of the host that are not so now, in words, each with why; all of them are looked at.

    Raises:
        Unreadable: the host does not tell.
    """
    probes = course.host.probes
    if not probes:
        return {}
    found = parse_probes(line_of(course).ask(probes_question(probes)), probes)
    if isinstance(found, Finding):
        raise Unreadable(f"the probes could not be looked at: {found.message}")
    return {words: why for words, why in found.items() if why}


def tidy(course: Course) -> None:
    """Take away the tasks that installed, once what they came to is on record; what stays is in nobody's way."""
    line = line_of(course, grace=0)
    with suppress(RemoteError):
        for part in _INSTALLS:
            line.ask(delete_question(task_of(course, part)))
