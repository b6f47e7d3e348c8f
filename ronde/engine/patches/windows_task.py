"""A job on a Windows host: started once as a task of SYSTEM, followed to its end, cleared away.

Every question is safe to ask again (the scripts see to that), so a call that hangs is given up and asked once more over
a new connection, and an attempt that takes over finds the job that an earlier one started.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from ronde.engine.backups.asking import Interview
from ronde.facts.patch.windows import (
    NEVER_RUN,
    Progress,
    Result,
    State,
    delete_question,
    parse_progress,
    poll_question,
    search_question,
)
from ronde.facts.question import Question
from ronde.model.check import Exchange, Finding
from ronde.model.command import Answer
from ronde.model.errors import CommandTimeout, ConnectionLost, Unreachable
from ronde.model.patch.thresholds import unknown
from ronde.ports import Clock, Shell

POLL_EVERY: Final = 15.0  # seconds; a search takes minutes, an installation up to hours
SEARCH_PATIENCE: Final = 3000.0  # seconds until a search is given up; Windows itself ends it after an hour
MOST_HANGS: Final = 3  # calls in a row that may hang
AGAIN_EVERY: Final = 5.0  # seconds between two tries to reach a host that went away


@dataclass(slots=True)
class Line:
    """The way to one host's PowerShell, over whatever connections it takes.

    Attributes:
        shell: the connection in hand; `reopen` a new one in its place.
        pause: waits so many seconds, or raises what ends the work.
        grace: seconds for which a host that is away is waited for; 0 leaves that to another attempt.
        exchanges: everything asked, as evidence.
    """

    shell: Callable[[], Shell]
    reopen: Callable[[], Shell]
    pause: Callable[[float], None]
    clock: Clock
    grace: float = 0.0
    exchanges: list[Exchange] = field(default_factory=list)

    def ask(self, question: Question) -> Answer:
        """The answer to a question that may be asked again.

        Raises:
            CommandTimeout: it hung several times. ConnectionLost, Unreachable: the host is away for longer than the
                grace. RemoteError, Fenced, Cancelled: as `Shell.run` and `pause`.
        """
        began, hangs, open_ = self.clock.now(), 0, self.shell
        while True:
            try:
                return self._once(open_, question)
            except CommandTimeout:
                hangs += 1
                if hangs >= MOST_HANGS:
                    raise
                self.pause(0)
            except (ConnectionLost, Unreachable):
                if (self.clock.now() - began).total_seconds() >= self.grace:
                    raise
                self.pause(AGAIN_EVERY)
            open_ = self.reopen

    def _once(self, open_: Callable[[], Shell], question: Question) -> Answer:
        interview = Interview(open_(), self.clock)
        try:
            return interview.ask(question)
        finally:
            self.exchanges += interview.exchanges


def task_id(job: str, step: str, part: str) -> str:
    """The name of a task: the same on every attempt at the same part of a step, and of no other."""
    return f"{job[:36]}-{hashlib.sha256(step.encode()).hexdigest()[:8]}-{part}"


def carry(line: Line, task: str, start: Question, patience: float) -> Progress | Finding:
    """Start a job, or take up the one that is there, and follow it; raises as `Line.ask`."""
    begun = parse_progress(line.ask(start), task)
    return begun if isinstance(begun, Finding) else follow(line, task, patience)


def follow(line: Line, task: str, patience: float) -> Progress | Finding:
    """Where a job is once it has ended, or still running when its time is over; raises as `Line.ask`."""
    ends = line.clock.now().timestamp() + patience
    while True:
        progress = where(line, task)
        over = line.clock.now().timestamp() >= ends
        if isinstance(progress, Finding) or progress.state is not State.RUNNING or over:
            return progress
        line.pause(POLL_EVERY)


def where(line: Line, task: str) -> Progress | Finding:
    """Where a job is now; raises as `Line.ask`."""
    return parse_progress(line.ask(poll_question(task)), task)


def result_of(progress: Progress | Finding) -> Result | Finding:
    """What a job left, or why it left nothing."""
    if isinstance(progress, Finding):
        return progress
    if progress.result is not None:
        return progress.result
    if progress.state is State.RUNNING:
        return unknown("patch-timed-out", "Windows has not finished in the time that we allow.")
    if progress.state is State.DEAD:
        why = "was never started" if progress.code == NEVER_RUN else f"ended without a result ({progress.code})"
        return unknown("patch-not-understood", f"The scheduled task {why}.", code=progress.code)
    return unknown("patch-not-understood", f"The scheduled task is not there any more ({progress.state}).")


def search(line: Line, task: str, *, anew: bool = False) -> Result | Finding:
    """One search from its start to its end, and nothing of it left on the host.

    `anew`: what an earlier attempt left behind is thrown away, because it may be old; a search that runs is taken up.

    Raises:
        As `Line.ask`.
    """
    if anew:
        there = where(line, task)
        if isinstance(there, Progress) and there.state not in (State.RUNNING, State.ABSENT):
            clear(line, task)
    found = result_of(carry(line, task, search_question(task), SEARCH_PATIENCE))
    clear(line, task)
    return found


def clear(line: Line, task: str) -> None:
    """Take a search away, ended first if need be; what cannot be cleared away is in nobody's way.

    Raises:
        As `Line.ask`.
    """
    line.ask(delete_question(task, stop=True))
