"""Whatever is lost, doubled, killed or late, in whatever order: each instant is decided once, each job ends once.

Hypothesis plays beat, broker, workers and time against the real engine on the ledger in memory.
"""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from zoneinfo import ZoneInfo

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ronde.engine.firing import advance, fire, roll_call
from ronde.engine.parts import ReportOrder
from ronde.engine.work import work
from ronde.model.check import Check
from ronde.model.errors import LedgerError, QueueError, Unreachable
from ronde.model.run import JOB_OPEN, RUN_OPEN, JobState
from ronde.model.schedule import count_occurrences
from ronde.model.verdict import Verdict
from tests.doubles.engine import CLIENT, SCOPE, START, Surroundings, good_check

CRONS = {"often": "*/3 * * * *", "seldom": "*/20 * * * *"}
DAY = timedelta(days=1)


class Died(BaseException):
    """kill -9: no `except Exception` sees it, and nothing after it happens."""


def die(_: ReportOrder) -> Check:
    raise Died


class Night(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.around = Surroundings()
        self.engines = [self.around.engine(name) for name in ("one", "two")]
        self.around.schedules(
            **{
                name: {"report": "night", "at": cron, "catch_up": {"within": within}}
                for (name, cron), within in zip(CRONS.items(), ("4m", "2h"), strict=True)
            }
        )
        roll_call(self.engines[0], "beat")

    # -- what happens on a good night

    @rule(name=st.sampled_from(sorted(CRONS)), which=st.integers(0, 1))
    def beat_fires(self, name: str, which: int) -> None:
        fire(self.engines[which], CLIENT, name)

    @rule(which=st.integers(0, 1), beat=st.sampled_from(["beat", "other beat"]))
    def the_roll_is_called(self, which: int, beat: str) -> None:
        roll_call(self.engines[which], beat)

    @rule(data=st.data(), which=st.integers(0, 1))
    def a_message_is_taken(self, data: st.DataObject, which: int) -> None:
        if self._choose(data):
            self._work(which, good_check)

    @rule()
    def a_run_is_moved_on(self) -> None:
        if self.around.queue.advances:
            advance(self.engines[0], self.around.queue.advances.pop())

    @rule(seconds=st.sampled_from([1, 20, 59, 61, 130, 400]))
    def time_passes(self, seconds: int) -> None:
        self.around.hands.move(seconds)

    # -- what goes wrong

    @rule(data=st.data())
    def a_message_is_lost(self, data: st.DataObject) -> None:
        if self._choose(data):
            self.around.queue.hints.popleft()

    @rule(data=st.data())
    def a_message_is_doubled(self, data: st.DataObject) -> None:
        if self._choose(data):
            self.around.queue.hints.append(self.around.queue.hints[0])

    @rule()
    def the_broker_loses_everything(self) -> None:
        self.around.queue.hints.clear()
        self.around.queue.advances.clear()

    @rule(away=st.booleans())
    def the_broker_goes_and_comes(self, away: bool) -> None:  # noqa: FBT001 - drawn, not passed
        self.around.queue.away = away

    @rule(data=st.data(), which=st.integers(0, 1))
    def a_worker_dies_in_mid_job(self, data: st.DataObject, which: int) -> None:
        if self._choose(data):
            self._work(which, die)

    @rule(data=st.data(), seconds=st.sampled_from([30, 61, 200]), suspended=st.booleans(), dies=st.booleans())
    def a_worker_freezes_in_mid_job(self, data: st.DataObject, seconds: int, *, suspended: bool, dies: bool) -> None:
        """Meanwhile the roll is called, and the other worker takes what there is, or dies of it.

        Frozen with its whole machine, it does not notice how much time went by: then the ledger has to refuse it.
        """
        if not self._choose(data):
            return
        hint = self.around.queue.hints[0]
        given_away: list[bool] = []

        def freeze(order: ReportOrder) -> Check:
            self.around.work = die if dies else good_check
            (self.around.hands.sleep if suspended else self.around.hands.move)(seconds)
            roll_call(self.engines[1], "beat")
            given_away.append(self._attempt(hint.job) != hint.attempt)
            while self.around.queue.hints:
                self._work(1)
            return good_check(order)

        recorded = self._work(0, freeze)
        assert not (recorded and given_away == [True]), "a job that was given to somebody else was recorded"

    @rule(data=st.data(), which=st.integers(0, 1))
    def a_target_is_out_of_reach(self, data: st.DataObject, which: int) -> None:
        def unreachable(_: ReportOrder) -> Check:
            raise Unreachable("no answer")

        if self._choose(data):
            self._work(which, unreachable)

    @rule(data=st.data(), which=st.integers(0, 1), calls=st.integers(1, 40))
    def the_ledger_is_locked_when_a_job_ends(self, data: st.DataObject, which: int, calls: int) -> None:
        self.around.ledger.locked = calls
        if self._choose(data):
            self._work(which, good_check)
        self.around.ledger.locked = 0

    # -- what holds at every moment

    @invariant()
    def no_instant_is_decided_twice(self) -> None:
        found = self.around.ledger.occurrences(SCOPE, since=START - DAY, until=self.around.hands.now() + DAY)
        assert max(Counter((one.schedule, one.due) for one in found).values(), default=1) == 1
        fired = [(run.schedule, run.due) for run in self.around.runs()]
        assert len(fired) == len(set(fired))

    @invariant()
    def no_job_ends_twice(self) -> None:
        for run in self.around.runs():
            acts = Counter(event.action for event in run.events)
            assert acts["job.succeed"] + acts["job.fail"] + acts["job.lose"] + acts["job.expire"] <= 1
            for job in run.jobs:
                if job.state is not JobState.SUCCEEDED:
                    assert job.verdict in {None, Verdict.UNKNOWN}

    def teardown(self) -> None:
        """When the faults are over, everything comes to an end by itself, and every instant is accounted for."""
        self.around.queue.away = False
        self.around.work = good_check
        for _ in range(30):
            roll_call(self.engines[0], "beat")
            while self.around.queue.hints:
                self._work(0)
            if not any(run.state in RUN_OPEN for run in self.around.runs()):
                break
            self.around.hands.move(61)
        now = self.around.hands.now()
        roll_call(self.engines[0], "beat")
        while self.around.queue.hints:
            self._work(0)
        assert not [run for run in self.around.runs() if run.state in RUN_OPEN]
        assert not [job for run in self.around.runs() for job in run.jobs if job.state in JOB_OPEN]
        found = self.around.ledger.occurrences(SCOPE, since=START - DAY, until=now + DAY)
        for name, cron in CRONS.items():
            accounted = sum(one.count for one in found if one.schedule == name)
            assert accounted == count_occurrences(cron, ZoneInfo("UTC"), START, now)

    # -- how

    def _choose(self, data: st.DataObject) -> bool:
        """Put any message that waits in front, since a broker keeps no order; False when none waits."""
        hints = self.around.queue.hints
        if hints:
            hints.rotate(-data.draw(st.integers(0, len(hints) - 1)))
        return bool(hints)

    def _work(self, which: int, doing: Callable[[ReportOrder], Check] | None = None) -> bool:
        """One worker takes the first message; whether it recorded a result."""
        engine, before = self.engines[which], self.around.work
        self.around.work = doing or before
        try:
            run = work(engine, self.around.queue.hints.popleft())
        except (Died, LedgerError):
            return False
        finally:
            self.around.work = before
        if run is None:
            return False
        with suppress(QueueError):
            engine.queue.advance(run)
        return True

    def _attempt(self, job: str) -> int:
        return next(found.attempt for run in self.around.runs() for found in run.jobs if found.id == job)


Night.TestCase.settings = settings(max_examples=100, stateful_step_count=40)
TestNight = Night.TestCase
