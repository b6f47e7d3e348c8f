"""A run that was cut off, brought to its end: twice at most, then a person is needed. What was found is told."""

from ronde.engine.patching.course import Course
from ronde.engine.patching.running import run_fed
from ronde.engine.patching.tools import Tool
from ronde.facts.patch.apt_run import MOST_RECOVERIES
from ronde.model.check import Finding
from ronde.model.patch.audit import Integrity
from ronde.model.patch.before import broken_in
from ronde.model.patch.packages import Database
from ronde.model.patch.thresholds import warning

State = tuple[Database, Integrity]


def state_of(tool: Tool) -> State | Finding:
    """The package database and whether it is whole; the finding in their place when they could not be read."""
    database, integrity = tool.database(), tool.whole()
    if isinstance(database, Finding):
        return database
    return integrity if isinstance(integrity, Finding) else (database, integrity)


def repaired(course: Course, tool: Tool, state: State, when: str) -> State | Finding:
    """The state after the repair of what is broken in it; the same when nothing is, or nothing can be done.

    `when` keeps the repairs before a run apart from those after it (`before`, `after`). Each try is on record before
    it acts; one that a dead worker had begun is taken up, and not counted twice.
    """
    begun, ended = f"repair_{when}_begun", f"repair_{when}_ended"
    while broken := broken_in(*state):
        tries = int(course.journal.get(begun, 0))
        under_way = tries > int(course.journal.get(ended, 0))
        commands = tool.recovery(*state)
        if not commands or (tries >= MOST_RECOVERIES and not under_way):
            return state
        if not under_way:
            tries += 1
            course.tell(_told(broken, tries))
            course.keep(**{begun: tries})
        course.stage.say(f"repairing, try {tries}: {', '.join(broken)}")
        for number, command in enumerate(commands):
            run_fed(course, command, f"repair-{when}-{tries}.{number}")
        course.keep(**{ended: tries})
        found = state_of(tool)
        if isinstance(found, Finding):
            return found
        state = found
    return state


def _told(broken: tuple[str, ...], tries: int) -> Finding:
    message = f"The package database was not whole ({', '.join(broken)}); it was repaired, try {tries}."
    return warning("patch-repaired", message, broken=list(broken), tries=tries)
