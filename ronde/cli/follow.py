"""`ronde follow`: what the hosts of a run say, as they say it."""

import time
from typing import Protocol

import typer
from rich.console import Console

from ronde.bootstrap import build
from ronde.cli.follow_view import MARKS, Page, labels, standing
from ronde.cli.options import FormerOption, RunArgument
from ronde.cli.out import INTERRUPTED, complain, console, exit_for, told_errors
from ronde.cli.runs_view import run_page
from ronde.cli.scope import scope_of
from ronde.model.errors import QueueError
from ronde.model.feed import Assembler, Gap, Line, LineUp, Stream
from ronde.model.records import RunRecord, Scope
from ronde.model.run import JOB_UNBEGUN, RUN_OPEN, JobState
from ronde.model.verdict import Verdict
from ronde.ports import Archive, Feed

_PAUSE = 0.25  # seconds of one reading, and between two looks at a run that is silent
_LOOK_EVERY = 1.0  # seconds between two looks at a run that never stops talking
_SETTLE = 0.3  # seconds of silence after a run's end; a worker gathers its words for a third of that
_GRACE = 2.0  # seconds after a run's end for the end of a step that has spoken
_REST = 2.0  # seconds in which a broker that is away is not asked again
_IMPATIENT = 10.0  # seconds after which a run that nobody begins is remarked upon


class Sources(Protocol):
    """What is read from; `Services` is one."""

    @property
    def ledger(self) -> Archive:
        """For where the run stands."""

    @property
    def feed(self) -> Feed:
        """For what is said."""


def follow(reference: RunArgument, client: FormerOption = None) -> None:
    """Follow a run: what its hosts say, as they say it, until it has ended; then its result.

    A line of a host's standard error has "!" before it. Ctrl-C only stops following; the run goes on.

    Exit status as for `ronde run`; 130 after Ctrl-C.

    Example: ronde follow 8f2c
    """
    with told_errors():
        services = build()
        try:
            scope = scope_of(services, client)
            run = services.ledger.run(scope, reference).id
            record = followed(services, run, scope, console())
            console().print(run_page(record, {}, services.clock.now()))
        finally:
            services.close()
        raise typer.Exit(exit_for([job.verdict or Verdict.UNKNOWN for job in record.jobs]))


def followed(sources: Sources, run: str, scope: Scope, out: Console) -> RunRecord:
    """`follow_run`, which Ctrl-C leaves with the words how to come back.

    Raises:
        typer.Exit: left by Ctrl-C.
    """
    try:
        return follow_run(sources, run, scope, out)
    except KeyboardInterrupt:
        complain(f"Left; the run goes on.\nronde follow {run[:8]}\nronde cancel {run[:8]}")
        raise typer.Exit(INTERRUPTED) from None


def follow_run(sources: Sources, run: str, scope: Scope, out: Console) -> RunRecord:
    """Print what is said in a run until it has ended and nothing is left to be said; the run as it ended.

    Only jobs within the scope are heard. The ledger decides when the run has ended; a broker that is away is told once,
    and following goes on with what the ledger knows.

    Raises:
        InputError: there is no such run within the scope.
        LedgerError: the ledger cannot be read.
    """
    return _Follower(sources, run, scope, Page(out)).follow()


class _Follower:
    """One run being followed."""

    def __init__(self, sources: Sources, run: str, scope: Scope, page: Page) -> None:
        self._sources = sources
        self._run = run
        self._scope = scope
        self._page = page
        self._assembler = Assembler()
        self._lines = LineUp()
        self._labels: dict[str, str] = {}  # by job: also whom we may hear
        self._told: dict[str, tuple[JobState, int]] = {}
        self._after = ""
        self._was_away = False
        self._away_until = 0.0
        self._missed: set[str] = set()
        self._begun = time.monotonic()
        self._impatient = True

    @property
    def _command(self) -> str:
        return f"ronde show {self._run[:8]} --output"

    def follow(self) -> RunRecord:
        while (record := self._look()).state in RUN_OPEN:
            until = time.monotonic() + _LOOK_EVERY
            while self._hear(_PAUSE) and time.monotonic() < until:
                pass
            self._tell(record)
        self._hear_the_rest()
        self._tell(record)
        if self._was_away or not self._after:
            self._page.put("", MARKS[Stream.NOTE], f"full output: {self._command}")
        self._page.flush()
        return record

    def _look(self) -> RunRecord:
        record = self._sources.ledger.run(self._scope, self._run)
        self._labels = labels({job.id: job.target for job in record.jobs})
        return record

    def _hear(self, wait: float) -> bool:
        """Read once and print; whether anything came."""
        if time.monotonic() < self._away_until:
            time.sleep(wait)
            return False
        try:
            entries = self._sources.feed.read(self._run, self._after, wait)
        except QueueError as error:
            self._away(error)
            return False
        for id_, piece in entries:
            self._after = id_
            if piece.job in self._labels and (arrival := self._assembler.take(piece)) is not None:
                for line in self._lines.take(arrival):
                    self._print(line)
        self._page.flush()
        return bool(entries)

    def _away(self, error: QueueError) -> None:
        self._away_until = time.monotonic() + _REST
        if not self._was_away:
            complain(f"{error}\nFollowing goes on with what the ledger knows.")
        self._was_away = True

    def _hear_the_rest(self) -> None:
        """The run has ended: its last words may still be on their way, or never come."""
        deadline = time.monotonic() + _GRACE
        self._away_until = 0.0
        while self._hear(_SETTLE) or (self._assembler.open and time.monotonic() < deadline):
            pass
        for line in self._lines.finish():
            self._print(line)
        for job in sorted({job for job, _ in self._assembler.open}):
            self._miss(job)

    def _print(self, line: Line | Gap) -> None:
        if isinstance(line, Line):
            self._page.say(self._labels[line.job], line.stream, line.text)
        else:
            self._miss(line.job)

    def _miss(self, job: str) -> None:
        """Tell that something was lost; once for each job, since the record has it all anyway."""
        if job in self._missed:
            return
        self._missed.add(job)
        lost, label = "some live output was lost; the record is complete:", self._labels[job]
        if self._page.fits(f"{label} … {lost} {self._command}"):
            self._page.put(label, "…", f"{lost} {self._command}")
            return
        self._page.put(label, "…", lost)
        self._page.put("", "", self._command)

    def _tell(self, record: RunRecord) -> None:
        """Say which jobs stand otherwise than they did; that they wait is only worth a word after a try."""
        for job in record.jobs:
            now = (JobState.QUEUED if job.state is JobState.WAITING else job.state, job.attempt)
            if self._told.get(job.id, (JobState.QUEUED, 1)) != now:
                self._page.put(self._labels[job.id], MARKS[Stream.NOTE], standing(job))
            self._told[job.id] = now
        self._page.flush()
        begun = any(job.state not in JOB_UNBEGUN for job in record.jobs)
        if self._impatient and (begun or time.monotonic() - self._begun > _IMPATIENT):
            self._impatient = False
            if not begun:
                complain("Nothing has begun yet. Is a worker alive? ronde doctor")
