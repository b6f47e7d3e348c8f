"""Whatever is done in whatever order, the ledgers agree with the one in memory about everything that can be seen."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from ronde.adapters.ledger import SqlLedger
from ronde.model.errors import InputError
from ronde.model.outbox import MailResult, Posted, after_silence
from ronde.model.pace import Pace
from ronde.model.plan import JobPlan, Occurrence, Order, Retry
from ronde.model.records import JobOutcome, RunRecord, Scope, Trouble
from ronde.model.run import JobState, MailEvent, Policy
from ronde.ports import Claim, Hint, Ledger
from tests.contract.ledger.making import BOTH, at, bad, check, fired, job, mail, order, ringed
from tests.doubles.ledger import MemoryLedger

lanes = st.dictionaries(st.sampled_from(["x", "y"]), st.integers(1, 2), max_size=2)
plans = st.lists(
    st.builds(
        job,
        st.sampled_from(["acme", "other"]),
        lanes=lanes,
        policy=st.sampled_from(Policy),
        retry=st.builds(Retry, st.integers(1, 2)),
        not_before=st.sampled_from([None, at(5)]),
        not_after=st.sampled_from([None, at(8), at(40)]),
    ),
    min_size=1,
    max_size=3,
)
waves = st.builds(
    lambda rings, pace, late: ringed(*rings, apart={"a": ["x"], "b": ["x"]}, pace=pace, not_after=late),
    st.sampled_from([(["a"], ["other/b", "c"]), (["c"], ["a", "b"]), (["a", "c"],)]),
    st.builds(
        Pace,
        st.integers(1, 2),
        st.sampled_from([timedelta(0), timedelta(seconds=4)]),
        st.sampled_from([0, 50]),
        st.sampled_from([None, 1]),
    ),
    st.sampled_from([None, at(9)]),
)
outcomes = st.builds(
    JobOutcome,
    st.sampled_from([JobState.SUCCEEDED, JobState.FAILED, JobState.CRASHED, JobState.CANCELLED, JobState.QUEUED]),
    st.sampled_from([(), (check(),), (bad(),), (check("db"), bad())]),
    st.sampled_from([None, Trouble("unreachable", "no answer")]),
)


@dataclass
class Twin:
    """One ledger with what it gave out, in the order in which it did."""

    ledger: Ledger
    runs: list[str] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    mails: list[Posted] = field(default_factory=list)

    def job(self, run: int, place: int) -> str:
        """The id of a job by its place in the order of ordering."""
        jobs = self.ledger.run(BOTH, self.runs[run % len(self.runs)]).jobs
        return jobs[place % len(jobs)].id

    def view(self, scope: Scope) -> list[Any]:
        """What a scope sees of the runs, without ids, which differ."""
        seen = []
        for run in self.runs:
            with suppress(InputError):
                seen.append(_plain(self.ledger.run(scope, run)))
        mails = [(one.state, one.attempts, one.next_attempt_at) for one in self.ledger.mails(scope, since=at(-1))]
        occurrences = [
            replace(one, run=one.run and "a run") for one in self.ledger.occurrences(scope, since=at(-9), until=at(999))
        ]
        latest = [
            (one.subject, one.client, one.verdict)
            for one in self.ledger.latest_checks(scope, since=at(-9), until=at(999))
        ]
        return [seen, sorted(map(repr, mails)), occurrences, latest]


def _plain(run: RunRecord) -> Any:
    jobs = [replace(one, id="", run="", checks=(), worker=one.worker) for one in run.jobs]
    checks = [[(one.subject, one.verdict, one.recorded_at) for one in sorted(j.checks, key=repr)] for j in run.jobs]
    counted = [sorted(verdict for _, verdict, _ in some) for some in checks]
    told = [(event.at, event.actor, event.action) for event in run.events]
    return replace(run, id="", jobs=tuple(jobs), events=()), counted, sorted(map(repr, told))


class Agreement(RuleBasedStateMachine):
    make: Callable[[], Ledger]

    def __init__(self) -> None:
        super().__init__()
        self.twins = (Twin(MemoryLedger()), Twin(type(self).make()))
        self.now = 0.0

    def both(self, act: Callable[[Twin], Any]) -> Any:
        one, other = (act(twin) for twin in self.twins)
        assert one == other
        return one

    @rule(seconds=st.sampled_from([0.5, 3.0, 11.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(plans=plans)
    def people_order(self, plans: list[JobPlan]) -> None:
        self.now += 0.001  # which of two jobs of the very same age goes first is free
        self.both(lambda twin: twin.runs.append(twin.ledger.create_run(order(*plans), at(self.now))))

    @rule(wave=waves)
    def people_order_in_rings(self, wave: Order) -> None:
        self.now += 0.001
        self.both(lambda twin: twin.runs.append(twin.ledger.create_run(wave, at(self.now))))

    @precondition(lambda self: self.twins[0].runs)
    @rule(run=st.integers(0, 9), scope=st.sampled_from([BOTH, Scope.of("acme")]), paused=st.booleans())
    def pause(self, run: int, scope: Scope, *, paused: bool) -> None:
        def act(twin: Twin) -> bool:
            mark = twin.ledger.pause_run if paused else twin.ledger.resume_run
            return mark(scope, twin.runs[run % len(twin.runs)], "bob", at(self.now))

        self.both(act)

    @rule(plans=plans, due=st.integers(0, 3))
    def fire(self, plans: list[JobPlan], due: int) -> None:
        self.now += 0.001

        def act(twin: Twin) -> bool:
            run = twin.ledger.claim_occurrence(fired(*plans, due=at(due)), at(self.now))
            twin.runs += [run] if run else []
            return run is not None

        self.both(act)

    @rule(due=st.integers(0, 3), client=st.sampled_from(["acme", "other"]))
    def miss(self, due: int, client: str) -> None:
        occurrence = Occurrence(client, "night", at(due))
        self.both(lambda twin: twin.ledger.miss_occurrence(occurrence, "late", at(self.now)))

    @precondition(lambda self: self.twins[0].runs)
    @rule(run=st.integers(0, 9), place=st.integers(0, 2), attempt=st.integers(1, 2), lease=st.sampled_from([2.0, 9.0]))
    def claim(self, run: int, place: int, attempt: int, lease: float) -> None:
        def act(twin: Twin) -> Any:
            answer = twin.ledger.claim(Hint(twin.job(run, place), attempt), "w", at(self.now), lease)
            twin.claims += [answer] if isinstance(answer, Claim) else []
            return "granted" if isinstance(answer, Claim) else answer

        self.both(act)

    @precondition(lambda self: self.twins[0].claims)
    @rule(nth=st.integers(0, 9), outcome=outcomes, later=st.sampled_from([None, 4.0]))
    def record(self, nth: int, outcome: JobOutcome, later: float | None) -> None:
        result = replace(outcome, not_before=None if later is None else at(self.now + later))
        self.both(lambda twin: twin.ledger.record(twin.claims[nth % len(twin.claims)], result, at(self.now)))

    @precondition(lambda self: self.twins[0].claims)
    @rule(lease=st.sampled_from([2.0, 9.0]))
    def renew(self, lease: float) -> None:
        def act(twin: Twin) -> Any:
            tokens = [claim.token for claim in twin.claims]
            answer = twin.ledger.renew("w", tokens, at(self.now), lease)
            return [token in answer.fenced for token in tokens], [token in answer.cancelled for token in tokens]

        self.both(act)

    @rule(limit=st.integers(1, 3))
    def send(self, limit: int) -> None:
        self.both(lambda twin: len(twin.ledger.to_send(at(self.now), resend_after=5.0, limit=limit)))

    @rule()
    def roll_call(self) -> None:
        def act(twin: Twin) -> Any:
            touched = {twin.runs.index(run) for run in twin.ledger.reap(at(self.now))}
            return touched, {twin.runs.index(run) for run in twin.ledger.unfinished(at(self.now))}

        self.both(act)

    @precondition(lambda self: self.twins[0].runs)
    @rule(run=st.integers(0, 9))
    def advance(self, run: int) -> None:
        self.both(lambda twin: twin.ledger.advance(twin.runs[run % len(twin.runs)], at(self.now)))

    @precondition(lambda self: self.twins[0].runs)
    @rule(run=st.integers(0, 9), scope=st.sampled_from([BOTH, Scope.of("acme"), Scope.of()]))
    def cancel(self, run: int, scope: Scope) -> None:
        self.both(lambda twin: twin.ledger.cancel_run(scope, twin.runs[run % len(twin.runs)], "bob", at(self.now)))

    @rule(period=st.sampled_from(["a", "b"]))
    def post(self, period: str) -> None:
        self.both(lambda twin: len(twin.ledger.post([mail(period=period)], at(self.now))))

    @rule()
    def lease(self) -> None:
        def act(twin: Twin) -> Any:
            posted = twin.ledger.lease_mail(at(self.now), lease=7.0, limit=1)
            twin.mails += posted
            return [(one.attempts, one.unknowns, one.created_at) for one in posted]

        self.both(act)

    @precondition(lambda self: self.twins[0].mails)
    @rule(nth=st.integers(0, 9), event=st.sampled_from([MailEvent.ACCEPT, MailEvent.DELAY, MailEvent.LOSE_ANSWER]))
    def settle(self, nth: int, event: MailEvent) -> None:
        def act(twin: Twin) -> bool:
            posted = twin.mails[nth % len(twin.mails)]
            result = MailResult(event, "", None, at(self.now + 3) if event is MailEvent.DELAY else None)
            if event is MailEvent.LOSE_ANSWER:
                result = after_silence(posted, answer="", now=at(self.now))
            return twin.ledger.settle_mail(posted, result, at(self.now))

        self.both(act)

    @invariant()
    def nothing_differs(self) -> None:
        self.both(lambda twin: twin.view(BOTH))
        self.both(lambda twin: twin.view(Scope.of("acme")))
        self.both(lambda twin: twin.ledger.health(at(self.now)))


@pytest.mark.parametrize(("engine", "examples"), [("sqlite", 15), ("postgresql", 5)])
def test_the_ledgers_agree(fresh_ledger: Callable[[str], SqlLedger], engine: str, examples: int) -> None:
    class Here(Agreement):
        make = staticmethod(lambda: fresh_ledger(engine))

    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=examples,
            stateful_step_count=20,
            phases=(Phase.explicit, Phase.reuse, Phase.generate),  # a failure is told at once; shrinking takes minutes
            suppress_health_check=[HealthCheck.filter_too_much],
        ),
    )
