"""A run in rings keeps its promises whatever ends how, dies, is lost, doubled, late, paused or asked twice.

Hypothesis plays workers, broker, roll call, people and time against the ledger in memory. What must hold is looked at
here by itself, from the plan and from what was seen, not by the functions that decide.
"""

from collections import Counter
from datetime import timedelta

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ronde.model.pace import Pace
from ronde.model.plan import JobPlan, Order, Retry
from ronde.model.records import JobOutcome, JobRecord, RunRecord, Scope, Trouble
from ronde.model.run import JOB_OPEN, RUN_OPEN, JobState, Policy
from ronde.model.verdict import Verdict
from ronde.ports import Claim, Hint, Refusal
from tests.contract.ledger.making import NOW, bad, check, ringed
from tests.doubles.ledger import MemoryLedger

SCOPE = Scope.of("acme", "other")
LEASE = 60.0
RINGS = [
    (["a"], ["b", "c"], ["d", "e", "f"]),
    (["a", "other/g"], ["b", "other/h", "c"], ["d"]),
    (["a", "b"], ["c", "d", "e", "f", "g", "h", "i", "j", "k", "l"]),
]
APART = {"b": ["dns"], "c": ["dns"], "d": ["dns", "dc"], "e": ["dc"], "other/h": ["dns"]}
OUTCOMES = {
    "well": JobOutcome(JobState.SUCCEEDED, (check(),)),
    "also well": JobOutcome(JobState.SUCCEEDED, (check(),)),
    "found bad": JobOutcome(JobState.SUCCEEDED, (bad(),)),
    "failed": JobOutcome(JobState.FAILED, (), Trouble("step-failed", "no")),
    "unreachable": JobOutcome(JobState.FAILED, (), Trouble("unreachable", "no answer")),
    "crashed": JobOutcome(JobState.CRASHED, (), Trouble("crashed", "oh")),
    "skipped": JobOutcome(JobState.SKIPPED, (), Trouble("guard-window", "closed")),
    "needs human": JobOutcome(JobState.NEEDS_HUMAN, (), Trouble("needs-human", "who knows")),
}
LOST = {JobState.FAILED, JobState.CRASHED, JobState.LOST, JobState.NEEDS_HUMAN}


def went_wrong(job: JobRecord) -> bool:
    return job.state in LOST or (job.state is JobState.SUCCEEDED and job.verdict in {Verdict.FAILED, Verdict.UNKNOWN})


def order_of(rings: tuple[list[str], ...], pace: Pace, minutes: int | None) -> Order:
    end = None if minutes is None else NOW + timedelta(minutes=minutes)
    return ringed(*rings, apart=APART, pace=pace, not_after=end, policy=Policy.AT_MOST_ONCE, retry=Retry(2))


class Waves(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.ledger = MemoryLedger()
        self.now = NOW
        self.hints: list[Hint] = []
        self.claims: list[Claim] = []
        self.begun: set[str] = set()

    @initialize(
        rings=st.sampled_from(RINGS),
        pace=st.builds(
            Pace,
            st.integers(1, 4),
            st.sampled_from([timedelta(0), timedelta(minutes=30)]),
            st.sampled_from([0, 10, 34, 60]),
            st.sampled_from([None, None, 1, 2]),
        ),
        minutes=st.sampled_from([None, None, 20, 90]),
    )
    def somebody_orders(self, rings: tuple[list[str], ...], pace: Pace, minutes: int | None) -> None:
        self.order = order_of(rings, pace, minutes)
        self.pace = pace
        self.run = self.ledger.create_run(self.order, self.now)

    # -- what happens

    @rule()
    def the_roll_is_called(self) -> None:
        for run in dict.fromkeys([*self.ledger.reap(self.now), *self.ledger.unfinished(self.now)]):
            self.ledger.advance(run, self.now)
        self.hints += self.ledger.to_send(self.now, resend_after=LEASE)

    @rule(times=st.integers(1, 2))
    def the_run_is_moved_on(self, times: int) -> None:
        for _ in range(times):
            self.ledger.advance(self.run, self.now)
        self.hints += self.ledger.to_send(self.now, resend_after=LEASE, run=self.run)

    @rule(data=st.data(), how=st.sampled_from(["well", *sorted(OUTCOMES)]), moved_on=st.booleans())
    def a_worker_does_a_job(self, data: st.DataObject, how: str, *, moved_on: bool) -> None:
        """The usual way of things, so that runs get somewhere."""
        self.hints += self.ledger.to_send(self.now, resend_after=LEASE, run=self.run)
        if not self.hints:
            self.ledger.advance(self.run, self.now)
            return
        count = len(self.claims)
        self.a_message_is_taken(data, doubled=False)
        if len(self.claims) > count:
            self.ledger.record(self.claims.pop(), OUTCOMES[how], self.now)
        if moved_on:
            self.ledger.advance(self.run, self.now)

    @rule(data=st.data(), doubled=st.booleans())
    def a_message_is_taken(self, data: st.DataObject, *, doubled: bool) -> None:
        if not self.hints:
            return
        hint = data.draw(st.sampled_from(self.hints))
        if not doubled:
            self.hints.remove(hint)
        before = self.seen()
        answer = self.ledger.claim(hint, "w", self.now, LEASE)
        if isinstance(answer, Refusal):
            return
        self.claims.append(answer)
        if hint.job not in self.begun:
            self.may_begin(answer.plan, before)
        self.begun.add(hint.job)

    @rule()
    def every_message_is_lost(self) -> None:
        self.hints.clear()

    @precondition(lambda self: self.claims)
    @rule(data=st.data(), how=st.sampled_from(sorted(OUTCOMES)))
    def a_job_ends(self, data: st.DataObject, how: str) -> None:
        claim = data.draw(st.sampled_from(self.claims))
        if self.ledger.record(claim, OUTCOMES[how], self.now):
            self.claims.remove(claim)

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def a_job_is_put_off(self, data: st.DataObject) -> None:
        claim = data.draw(st.sampled_from(self.claims))
        self.ledger.record(
            claim,
            JobOutcome(JobState.QUEUED, (), Trouble("unreachable", "no answer"), self.now + timedelta(minutes=2)),
            self.now,
        )
        self.claims.remove(claim)

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def a_worker_dies(self, data: st.DataObject) -> None:
        self.claims.remove(data.draw(st.sampled_from(self.claims)))

    @rule()
    def workers_that_live_say_so(self) -> None:
        self.ledger.renew("w", [claim.token for claim in self.claims], self.now, LEASE)

    @rule(seconds=st.sampled_from([1, 61, 600, 1801]))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule()
    def somebody_pauses_it(self) -> None:
        self.ledger.pause_run(SCOPE, self.run, "bob", self.now)

    @rule()
    def somebody_resumes_it(self) -> None:
        self.ledger.resume_run(SCOPE, self.run, "bob", self.now)

    # -- what must hold

    def may_begin(self, plan: JobPlan, before: RunRecord) -> None:
        """Whether this job, which has just been begun for the first time, may have been."""
        assert plan.place is not None
        assert not before.paused_by, "nothing begins in a paused run"
        assert plan.not_after is None or self.now <= plan.not_after, "nothing begins when its window has closed"
        self.nothing_has_gone_wrong_too_often(before)
        earlier = [job for job in before.jobs if job.ring is not None and job.ring < plan.place.ring]
        assert not [job for job in earlier if job.state in JOB_OPEN], "one ring after the other"
        if plan.place.ring > 0:
            ends = [job.finished_at for job in before.jobs if job.ring == 0 and job.finished_at is not None]
            assert self.now >= max(ends) + self.pace.bake, "the canaries have proved themselves"

    def nothing_has_gone_wrong_too_often(self, before: RunRecord) -> None:
        wrong = Counter(job.ring for job in before.jobs if went_wrong(job))
        sizes = Counter(job.ring for job in before.jobs)
        if self.pace.count is None:
            assert all(count <= self.pace.percent * sizes[ring] / 100 for ring, count in wrong.items())
        else:
            assert wrong.total() <= self.pace.count
            assert wrong[0] == 0

    @invariant()
    def no_more_are_under_way_than_may_be(self) -> None:
        flying = [job for job in self.seen().jobs if job.state in {JobState.QUEUED, JobState.RUNNING}]
        assert len(flying) <= self.pace.at_most
        tags = Counter((job.target.client, tag) for job in flying for tag in self.tags(job))
        assert max(tags.values(), default=0) <= 1, "what must stay apart does"

    @invariant()
    def every_job_ends_at_most_once(self) -> None:
        run = self.seen()
        ends = Counter(
            event.subject
            for event in run.events
            if event.action.removeprefix("job.")
            in {"succeed", "fail", "skip", "crash", "lose", "escalate", "expire", "cancel"}
        )
        for job in run.jobs:
            assert ends[job.id] == (job.state not in JOB_OPEN)
            assert (job.state is JobState.SKIPPED) <= (job.trouble is not None), "whoever is skipped is told why"

    def teardown(self) -> None:
        """When the faults are over, everything comes to an end by itself, paused or not, if somebody lets it go on."""
        self.ledger.resume_run(SCOPE, self.run, "bob", self.now)
        self.claims.clear()
        for _ in range(200):
            self.the_roll_is_called()
            for hint in self.hints:
                before = self.seen()
                claim = self.ledger.claim(hint, "w", self.now, LEASE)
                if isinstance(claim, Claim):
                    if hint.job not in self.begun:
                        self.may_begin(claim.plan, before)
                    self.begun.add(hint.job)
                    assert self.ledger.record(claim, OUTCOMES["well"], self.now)
                self.no_more_are_under_way_than_may_be()
            self.hints.clear()
            if self.seen().state not in RUN_OPEN:
                break
            self.now += timedelta(seconds=61)
        run = self.seen()
        assert run.state not in RUN_OPEN
        assert not [job for job in run.jobs if job.state in JOB_OPEN]
        self.every_job_ends_at_most_once()

    def seen(self) -> RunRecord:
        return self.ledger.run(SCOPE, self.run)

    def tags(self, job: JobRecord) -> tuple[str, ...]:
        return job.plan.place.apart if job.plan and job.plan.place else ()


Waves.TestCase.settings = settings(
    max_examples=100,
    stateful_step_count=50,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # a failure is told at once; shrinking takes minutes
)
TestWaves = Waves.TestCase
