"""Carries a detached command to its end, over however many connections that takes.

The host starts a step once (`ronde.facts.detached`), so whatever is uncertain is simply asked again: a start whose
answer was lost, a look that broke off in the middle. Output is asked for by offset, so none is lost or doubled.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from ronde.engine.trip import Trip
from ronde.facts.detached import (
    SUDO_MARGIN,
    Look,
    Outcome,
    look_question,
    parse_look,
    parse_outcome,
    parse_raised,
    raise_question,
    start_question,
    stop_question,
    tidy_question,
)
from ronde.facts.question import Question
from ronde.model.command import Answer
from ronde.model.detached import Carried, Key, Launch, Next, Standing
from ronde.model.errors import Cancelled, CommandTimeout, Fenced, ProtocolFault, RemoteError
from ronde.ports import Listener, Shell, Signal

Reopen = Callable[[Signal], Shell]
"""A new connection to the host, heeding this signal; raises what `ronde.ports.Shells.open` raises."""

_T = TypeVar("_T")
_SLICE = 0.5  # seconds between two looks at the signal while we pause
_MISREADINGS = 3  # answers in a row that are not understood, before that is taken for good


@dataclass(frozen=True, slots=True)
class Pace:
    """How a command is followed.

    Attributes:
        wait: seconds a look waits on the host for something new; also how long a dead link may go unnoticed at most.
        most: bytes of each stream fetched at once.
        grace: seconds granted beyond the command's own limit before we end it; also for getting it started.
        ending: seconds between asking a command to end and killing it, when it is we who end it.
        last_words: seconds we try to reach a host to end a command there.
        delays: seconds before each next try to reach the host; the last one for ever.
    """

    wait: int = 20
    most: int = 1024 * 1024
    grace: float = 120.0
    ending: int = 10
    last_words: float = 60.0
    delays: tuple[float, ...] = (0.5, 1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class _Ending:
    """A signal for the last words to a host: only a lost job is a reason not to say them."""

    signal: Signal

    def check(self) -> None:
        try:
            self.signal.check()
        except (Cancelled, CommandTimeout):
            return


class Carrier:
    """Starts, follows and ends detached commands on one host.

    Attributes:
        shell: the connection in use, for whatever else the job has to ask; None while there is none.
    """

    def __init__(
        self,
        reopen: Reopen,
        signal: Signal,
        pause: Callable[[float], None],
        *,
        shell: Shell | None = None,
        pace: Pace | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.shell = shell
        self._reopen = reopen
        self._signal = signal
        self._pause = pause
        self._pace = pace or Pace()
        self._monotonic = monotonic
        self._failures = 0
        self._misreadings = 0

    def carry(
        self, launch: Launch, *, listen: Listener | None = None, seen: bool = False, end_now: bool = False
    ) -> Carried:
        """Start a command, or adopt it where it already runs, and follow it to its end.

        `seen`: the ledger says that an earlier attempt saw it begin; when the host knows nothing of it, it is not
        started again. `end_now`: a cancelled job ends it; otherwise it is left to run.

        What became of it is a value, also when that is not known: `Carried.standing`. A lost job is `FENCED`, and the
        command is left alone. A passing loss of the host is waited out until the command's own limit and our grace.

        Raises:
            InputError: no host could run such a command; nothing was asked.
            CannotDetach: the host lacks what it takes; nothing was started.
            HostKeyChanged, HostKeyMissing, AuthRefused, SecretError: the host cannot be reached until somebody acts.
            ProtocolFault: the host keeps answering what we do not understand. As with those before it, the command may
                have been started, and may be running.
        """
        start_question(launch)
        until = self._monotonic() + self._pace.grace
        trip = Trip(launch, listen, seen, start_until=until, deadline=until + self._allowed(launch))
        try:
            self._accompany(trip, end_now=end_now)
        except Fenced:
            self._drop()
            trip.stands(Standing.FENCED)
        return trip.carried()

    def tidy(self, key: Key) -> bool:
        """Remove what a job left on the host, and close it there; whether that is done.

        Raises:
            As `carry`, and whatever the connection raises: nothing is tried again.
        """
        self.shell = self.shell or self._reopen(self._signal)
        return parse_outcome(self.shell.run(tidy_question(key.job, key.fence).command)) is Outcome.TIDIED

    def _accompany(self, trip: Trip, *, end_now: bool) -> None:
        try:
            self._follow(trip)
            trip.overdue = not trip.settled and trip.act is not Next.START
        except CommandTimeout:  # only a signal's gets here: the job's own time is over
            trip.overdue = True
        except Cancelled:
            trip.cancelled = True
            self._drop()
        if trip.overdue or trip.act is Next.START or (trip.cancelled and end_now):
            self._end(trip)

    def _allowed(self, launch: Launch) -> float:
        return launch.limit + (SUDO_MARGIN if launch.sudo else 0) + self._pace.grace

    def _follow(self, trip: Trip) -> None:
        """Go on until it is settled, the deadline has passed, or it could not be started in time.

        Raises:
            Fenced, Cancelled, CommandTimeout: the signal said stop. Others: as `carry`.
        """
        while not trip.settled and self._monotonic() < trip.deadline:
            self._signal.check()
            if trip.seen and not trip.announced:
                self._announce(trip)
            elif trip.act is not Next.START:
                self._look(trip, self._signal, max(0, min(self._pace.wait, int(trip.deadline - self._monotonic()))))
                self._shorten(trip)
            elif self._monotonic() < trip.start_until:
                self._start(trip)
            else:
                break

    def _shorten(self, trip: Trip) -> None:
        """Hold an adopted command to the limit that it was started with."""
        if trip.look.standing is Standing.RUNNING:
            left = self._allowed(trip.launch) - trip.look.age
            trip.deadline = min(trip.deadline, self._monotonic() + max(0.0, left))

    def _announce(self, trip: Trip) -> None:
        """Write our fence down on the host, before anything is concluded from what is there."""
        key = trip.launch.key
        raised = self._ask(raise_question(key.job, key.fence), parse_raised, self._signal)
        if raised is not None and raised.holds:
            trip.announced = True
        elif raised is not None:
            trip.stands(Standing.FENCED)

    def _start(self, trip: Trip) -> None:
        trip.stands(Standing.UNKNOWN)  # until the answer is here
        outcome = self._ask(start_question(trip.launch), parse_outcome, self._signal)
        if outcome in {Outcome.STARTED, Outcome.ALREADY}:
            trip.seen = trip.announced = True
            trip.stands(Standing.STARTING)
        elif outcome is Outcome.FENCED:
            trip.stands(Standing.FENCED)
        elif outcome is not None:  # short, busy
            self._rest(self._signal)

    def _look(self, trip: Trip, signal: Signal, wait: int) -> None:
        question = look_question(trip.launch.key, len(trip.out), len(trip.err), wait=wait, most=self._pace.most)
        look = self._ask(question, parse_look, signal)
        if look is None:
            trip.stands(Standing.UNKNOWN)
        else:
            trip.absorb(look)

    def _end(self, trip: Trip) -> None:
        """End the command, over a connection that nothing but a lost job interrupts, and fetch what it still said.

        Where it never began, the host is told not to begin it any more: a start may still be on its way.
        """
        signal = _Ending(self._signal)
        self._drop()
        deadline = self._monotonic() + self._pace.last_words
        told: Look | None = None
        while told is None and self._monotonic() < deadline:
            told = self._ask(stop_question(trip.launch, self._pace.ending), parse_look, signal)
        if told is None:
            trip.stands(Standing.UNKNOWN)
            return
        trip.absorb(told)
        while not trip.settled and trip.act is not Next.START and self._monotonic() < deadline and not told.left:
            self._look(trip, signal, 1)
        self._drop()  # the next one is to heed the signal again

    def _ask(self, question: Question, parse: Callable[[Answer], _T], signal: Signal) -> _T | None:
        """What the host says; None when the link brought no answer, or one that makes no sense, and after a rest.

        Raises:
            Fenced, Cancelled, CommandTimeout: the signal said stop. RemoteError: trying again could not help, or did
                not.
        """
        try:
            self.shell = self.shell or self._reopen(signal)
            answer = self.shell.run(question.command)
        except RemoteError as error:
            self._drop()
            signal.check()  # the job's own time limit looks like the command's
            if error.permanent:
                raise
            self._rest(signal)
            return None
        try:
            said = parse(answer)
        except ProtocolFault:
            self._misreadings += 1
            if self._misreadings >= _MISREADINGS:
                raise
            self._rest(signal)
            return None
        self._failures = self._misreadings = 0
        return said

    def _rest(self, signal: Signal) -> None:
        """Pause before the next try, looking at the signal."""
        delays = self._pace.delays
        left = delays[min(self._failures, len(delays) - 1)]
        self._failures += 1
        while left > 0:
            signal.check()
            self._pause(min(left, _SLICE))
            left -= _SLICE

    def _drop(self) -> None:
        if self.shell is not None:
            self.shell.close()
            self.shell = None
