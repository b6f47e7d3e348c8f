"""What the ledger promises of runs that go in rings: nothing begins before its turn, whatever is lost or doubled.

The decisions themselves are `ronde.model.advancing`'s; here is what becomes of them in a ledger.
"""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from ronde.model.approvals import Answer, decide
from ronde.model.pace import Pace
from ronde.model.people import Act, Standing, Technician
from ronde.model.plan import AwaitedApproval, Occurrence, Order, Retry
from ronde.model.records import JobOutcome, JobRecord, Trouble
from ronde.model.run import JobState, Policy, RunState
from ronde.ports import Claim, Hint, Ledger, Refusal
from tests.contract.ledger.making import (
    ACME,
    BOTH,
    LEASE,
    NOW,
    OTHER,
    at,
    bad,
    check,
    done,
    job,
    order,
    ringed,
    seen,
)

WAITS, MAY, RUNS = JobState.WAITING, JobState.QUEUED, JobState.RUNNING
WELL, SKIPPED, FAILED = JobState.SUCCEEDED, JobState.SKIPPED, JobState.FAILED


def states(ledger: Ledger, run: str) -> dict[str, JobState]:
    return {one.target.name: one.state for one in seen(ledger, run).jobs}


def find(ledger: Ledger, run: str, name: str) -> JobRecord:
    return next(one for one in seen(ledger, run).jobs if one.target.name == name)


def claim(ledger: Ledger, run: str, name: str, seconds: float = 0) -> Claim | Refusal:
    one = find(ledger, run, name)
    return ledger.claim(Hint(one.id, one.attempt), "w", at(seconds), LEASE)


def begin(ledger: Ledger, run: str, name: str, seconds: float = 0) -> Claim:
    answer = claim(ledger, run, name, seconds)
    assert isinstance(answer, Claim)
    return answer


def finish(ledger: Ledger, run: str, name: str, outcome: JobOutcome | None = None, seconds: float = 1) -> None:
    """Begin and end one job, and move the run on."""
    assert ledger.record(begin(ledger, run, name, seconds), outcome or done(check(host=name)), at(seconds))
    ledger.advance(run, at(seconds))


def failed(code: str = "step-failed", state: JobState = FAILED) -> JobOutcome:
    return JobOutcome(state, (), Trouble(code, "it went wrong"))


def code(one: JobRecord) -> str | None:
    return one.trouble.code if one.trouble else None


def test_only_the_canaries_may_begin(ledger: Ledger) -> None:
    run = ledger.create_run(ringed(["a", "b"], ["c"], ["d"]), NOW)
    assert states(ledger, run) == {"a": MAY, "b": MAY, "c": WAITS, "d": WAITS}
    record = seen(ledger, run)
    assert [one.ring for one in record.jobs] == [0, 0, 1, 2]
    assert (record.state, record.paused_by) == (RunState.QUEUED, "")
    assert claim(ledger, run, "c") is Refusal.GONE
    hints = ledger.to_send(NOW, resend_after=60)
    assert {hint.job for hint in hints} == {find(ledger, run, name).id for name in ("a", "b")}
    assert not ledger.advance(run, at(1))
    assert states(ledger, run)["c"] is WAITS


def test_a_run_without_rings_has_none(ledger: Ledger) -> None:
    run = ledger.create_run(order(job()), NOW)
    assert [(one.ring, one.state) for one in seen(ledger, run).jobs] == [(None, MAY)]


def test_a_fired_run_begins_with_its_canaries_too(ledger: Ledger) -> None:
    due = replace(ringed(["a"], ["b"]), occurrence=Occurrence("acme", "night", NOW))
    run = ledger.claim_occurrence(due, NOW)
    assert run is not None
    assert states(ledger, run) == {"a": MAY, "b": WAITS}


def test_a_dry_run_looks_at_every_target_at_once(ledger: Ledger) -> None:
    made = ringed(["a"], ["b"])
    dry = [replace(one, procedure=replace(one.procedure, dry=True)) for one in made.jobs if one.procedure]
    run = ledger.create_run(replace(made, jobs=tuple(dry)), NOW)
    assert states(ledger, run) == {"a": MAY, "b": MAY}
    assert [one.ring for one in seen(ledger, run).jobs] == [0, 1]
    finish(ledger, run, "a", failed())
    begin(ledger, run, "b", 2)


def test_a_ring_follows_when_the_one_before_is_over(ledger: Ledger) -> None:
    run = ledger.create_run(ringed(["a", "b"], ["c"], ["d"]), NOW)
    finish(ledger, run, "a")
    assert states(ledger, run)["c"] is WAITS
    assert seen(ledger, run).state is RunState.RUNNING
    finish(ledger, run, "b")
    assert states(ledger, run) == {"a": WELL, "b": WELL, "c": MAY, "d": WAITS}
    finish(ledger, run, "c")
    finish(ledger, run, "d")
    record = seen(ledger, run)
    assert record.state is RunState.SUCCEEDED
    assert Counter(event.action for event in record.events)["job.admit"] == 4


def test_the_canaries_prove_themselves_before_the_next_ring(ledger: Ledger) -> None:
    run = ledger.create_run(ringed(["a"], ["b"], ["c"], pace=Pace(9, timedelta(seconds=600))), NOW)
    finish(ledger, run, "a", seconds=10)
    assert (find(ledger, run, "b").state, find(ledger, run, "b").not_before) == (WAITS, at(610))
    assert list(ledger.unfinished(at(100))) == [run]
    ledger.advance(run, at(609))
    assert states(ledger, run)["b"] is WAITS
    ledger.advance(run, at(610))
    assert states(ledger, run)["b"] is MAY
    assert [hint.job for hint in ledger.to_send(at(610), resend_after=60)] == [find(ledger, run, "b").id]


def test_no_more_are_under_way_than_may_be(ledger: Ledger) -> None:
    run = ledger.create_run(ringed(list("abcde"), pace=Pace(2, timedelta(0))), NOW)
    assert states(ledger, run) == {"a": MAY, "b": MAY, "c": WAITS, "d": WAITS, "e": WAITS}
    begin(ledger, run, "b")
    ledger.advance(run, at(1))
    assert states(ledger, run)["c"] is WAITS
    finish(ledger, run, "a")
    assert Counter(states(ledger, run).values()) == {WELL: 1, RUNS: 1, MAY: 1, WAITS: 2}


def test_hosts_that_must_stay_apart_do(ledger: Ledger) -> None:
    apart = {"b": ["dns"], "c": ["dns"], "other/d": ["dns"]}
    run = ledger.create_run(ringed(["a"], ["b", "c", "other/d"], apart=apart), NOW)
    finish(ledger, run, "a")
    assert states(ledger, run) == {"a": WELL, "b": MAY, "c": WAITS, "d": MAY}
    finish(ledger, run, "b")
    assert states(ledger, run)["c"] is MAY


WRONG = {
    "failed": failed(),
    "unreachable": failed("unreachable"),
    "crashed": failed("crashed", JobState.CRASHED),
    "needs_human": failed("needs-human", JobState.NEEDS_HUMAN),
    "found bad": done(bad()),
    "nothing known": done(),
}


@pytest.mark.parametrize("outcome", WRONG.values(), ids=WRONG)
def test_a_canary_that_went_wrong_stops_the_run_whatever_it_was(ledger: Ledger, outcome: JobOutcome) -> None:
    run = ledger.create_run(ringed(["a"], ["b", "c"]), NOW)
    finish(ledger, run, "a", outcome)
    stopped = [find(ledger, run, name) for name in ("b", "c")]
    assert {(one.state, code(one)) for one in stopped} == {(SKIPPED, "wave-stopped")}
    assert all(one.trouble and "1 of 1 hosts in ring 0 went wrong, 0 may: a " in one.trouble.message for one in stopped)
    assert seen(ledger, run).state is RunState.FAILED
    assert all(one.finished_at == at(1) for one in stopped)
    assert not ledger.advance(run, at(2))
    assert list(ledger.unfinished(at(2))) == []


def test_a_worker_that_vanished_for_good_stops_the_run(ledger: Ledger) -> None:
    run = ledger.create_run(ringed(["a"], ["b"], policy=Policy.AT_MOST_ONCE, retry=Retry(1)), NOW)
    begin(ledger, run, "a")
    assert list(ledger.reap(at(LEASE + 1))) == [run]
    ledger.advance(run, at(LEASE + 1))
    assert states(ledger, run) == {"a": JobState.NEEDS_HUMAN, "b": SKIPPED}


def test_a_job_that_is_tried_again_keeps_its_place(ledger: Ledger) -> None:
    run = ledger.create_run(ringed(["a", "b"], pace=Pace(1, timedelta(0))), NOW)
    begin(ledger, run, "a")
    ledger.reap(at(LEASE + 1))
    ledger.advance(run, at(LEASE + 1))
    assert (states(ledger, run), find(ledger, run, "a").attempt) == ({"a": MAY, "b": WAITS}, 2)
    assert isinstance(claim(ledger, run, "a", LEASE + 2), Claim)


def test_as_many_go_wrong_as_may_and_one_more_stops_what_has_not_begun(ledger: Ledger) -> None:
    ring = list("bcdefghijk")
    run = ledger.create_run(ringed(["a"], ring, ["z"], pace=Pace(4, timedelta(0), percent=10)), NOW)
    finish(ledger, run, "a")
    finish(ledger, run, "b", failed())
    assert states(ledger, run)["f"] is MAY
    running = begin(ledger, run, "c")
    assert ledger.record(begin(ledger, run, "d"), failed(), at(2))
    # nobody has moved the run on, and still nothing more begins
    assert claim(ledger, run, "e", 2) is Refusal.STOPPED
    assert claim(ledger, run, "f", 2) is Refusal.STOPPED
    ledger.advance(run, at(3))
    left = [one for one in seen(ledger, run).jobs if one.target.name in "efghijkz"]
    assert {(one.state, code(one)) for one in left} == {(SKIPPED, "wave-stopped")}
    assert "2 of 10 hosts in ring 1 went wrong, 1 may: b failed, d failed" in str(left[0].trouble)
    assert states(ledger, run)["c"] is RUNS
    assert ledger.record(running, done(check()), at(4))
    assert ledger.advance(run, at(4))


def test_a_number_counts_over_the_whole_run(ledger: Ledger) -> None:
    run = ledger.create_run(ringed(["a"], ["b", "c"], ["d", "e"], ["f"], pace=Pace(9, timedelta(0), count=2)), NOW)
    for name, outcome in {"a": None, "b": failed(), "c": None, "d": failed()}.items():
        finish(ledger, run, name, outcome)
    assert states(ledger, run)["f"] is WAITS
    finish(ledger, run, "e", failed())
    assert "3 of 6 hosts in the run went wrong, 2 may" in str(find(ledger, run, "f").trouble)


def test_no_client_learns_of_anothers_hosts(ledger: Ledger) -> None:
    run = ledger.create_run(ringed(["a", "other/b"], ["c", "other/d"]), NOW)
    finish(ledger, run, "a", failed())
    told = {one.target.client: str(one.trouble) for one in seen(ledger, run).jobs if one.ring == 1}
    assert "more hosts in ring 0 went wrong than may: a failed" in told["acme"]
    assert "more hosts in ring 0 went wrong than may. " in told["other"]
    assert states(ledger, run)["b"] is SKIPPED


def test_moving_on_twice_does_nothing_twice(ledger: Ledger) -> None:
    run = ledger.create_run(ringed(["a"], ["b", "c"], ["d"], pace=Pace(1, timedelta(0))), NOW)
    finish(ledger, run, "a")
    before = seen(ledger, run)
    for _ in range(3):
        assert not ledger.advance(run, at(5))
    assert seen(ledger, run) == before


def test_a_run_whose_message_was_lost_is_found(ledger: Ledger) -> None:
    run = ledger.create_run(ringed(["a"], ["b"]), NOW)
    ledger.record(begin(ledger, run, "a"), done(check()), at(1))
    assert states(ledger, run)["b"] is WAITS
    assert list(ledger.unfinished(at(60))) == [run]
    ledger.advance(run, at(60))
    assert states(ledger, run)["b"] is MAY


def test_a_window_that_closes_lets_what_runs_go_on_and_skips_the_others(ledger: Ledger) -> None:
    made = ringed(["a"], ["b", "c"], ["d"], pace=Pace(1, timedelta(0)), not_after=at(100))
    run = ledger.create_run(made, NOW)
    finish(ledger, run, "a")
    running = begin(ledger, run, "b", 99)
    ledger.advance(run, at(100))
    assert states(ledger, run)["c"] is WAITS
    assert list(ledger.reap(at(101))) == []  # what waits for its ring does not expire
    ledger.advance(run, at(101))
    assert states(ledger, run) == {"a": WELL, "b": RUNS, "c": SKIPPED, "d": SKIPPED}
    assert code(find(ledger, run, "c")) == "window-closed"
    ledger.record(running, done(check()), at(200))
    assert ledger.advance(run, at(200))


def test_a_run_that_nobody_began_in_time_ends(ledger: Ledger) -> None:
    made = ringed(["a"], ["b"])
    canary, other = made.jobs
    run = ledger.create_run(replace(made, jobs=(replace(canary, not_after=at(10)), other)), NOW)
    assert list(ledger.reap(at(11))) == [run]
    ledger.advance(run, at(11))
    assert states(ledger, run) == {"a": JobState.EXPIRED, "b": SKIPPED}
    assert "no canary came through" in str(find(ledger, run, "b").trouble)
    assert seen(ledger, run).state is RunState.FAILED


def test_a_pause_begins_nothing_more_and_keeps_every_place(ledger: Ledger) -> None:
    run = ledger.create_run(ringed(["a", "b"], ["c"], pace=Pace(9, timedelta(0))), NOW)
    running = begin(ledger, run, "a")
    assert ledger.pause_run(BOTH, run, "bob", at(1))
    assert not ledger.pause_run(BOTH, run, "bob", at(1))
    assert (states(ledger, run), seen(ledger, run).paused_by) == ({"a": RUNS, "b": WAITS, "c": WAITS}, "bob")
    assert claim(ledger, run, "b", 2) is Refusal.GONE
    assert ledger.record(running, done(check()), at(3))
    assert not ledger.advance(run, at(3))
    assert ledger.to_send(at(4), resend_after=60) in ([], ())
    assert states(ledger, run) == {"a": WELL, "b": WAITS, "c": WAITS}
    assert ledger.resume_run(BOTH, run, "eve", at(5))
    assert not ledger.resume_run(BOTH, run, "eve", at(5))
    assert states(ledger, run) == {"a": WELL, "b": MAY, "c": WAITS}
    finish(ledger, run, "b", seconds=6)
    finish(ledger, run, "c", seconds=7)
    record = seen(ledger, run)
    assert record.state is RunState.SUCCEEDED
    people = [(event.action, event.actor) for event in record.events if event.action in {"run.pause", "run.resume"}]
    assert people == [("run.pause", "bob"), ("run.resume", "eve")]
    assert not ledger.pause_run(BOTH, run, "bob", at(9))


def test_a_paused_job_that_was_already_sent_is_sent_again_when_it_goes_on(ledger: Ledger) -> None:
    run = ledger.create_run(ringed(["a"]), NOW)
    (hint,) = ledger.to_send(NOW, resend_after=600)
    ledger.pause_run(BOTH, run, "bob", at(1))
    ledger.resume_run(BOTH, run, "bob", at(2))
    assert list(ledger.to_send(at(2), resend_after=600)) == [hint]


def test_a_window_closes_for_a_paused_run_as_well(ledger: Ledger) -> None:
    run = ledger.create_run(ringed(["a"], ["b"], not_after=at(100)), NOW)
    ledger.pause_run(BOTH, run, "bob", at(1))
    assert ledger.advance(run, at(101))
    assert {code(one) for one in seen(ledger, run).jobs} == {"window-closed"}


def test_only_who_may_for_every_client_of_it_pauses_a_run(ledger: Ledger) -> None:
    run = ledger.create_run(ringed(["a"], ["other/b"]), NOW)
    for scope in (ACME, OTHER):
        assert not ledger.pause_run(scope, run, "mallory", NOW)
    assert not ledger.pause_run(BOTH, "0" * 24, "bob", NOW)
    assert not ledger.pause_run(BOTH, ledger.create_run(order(job()), NOW), "bob", NOW)
    assert ledger.pause_run(BOTH, run, "bob", NOW)
    assert not ledger.resume_run(ACME, run, "mallory", NOW)
    told = {scope: [event.action for event in seen(ledger, run, scope).events] for scope in (ACME, OTHER)}
    assert all("run.pause" in actions for actions in told.values())


def test_cancelling_ends_what_waits_for_its_ring(ledger: Ledger) -> None:
    run = ledger.create_run(ringed(["a"], ["b"]), NOW)
    assert ledger.cancel_run(BOTH, run, "bob", at(1))
    assert set(states(ledger, run).values()) == {JobState.CANCELLED}
    assert ledger.advance(run, at(1))


# -- rings and approvals together

AWAITED = AwaitedApproval("a rule asks for it", at(3600))
BOB = Technician("bob", "Bob", Standing.DECLARED, ("approve",), frozenset({Act.APPROVE}), None)


def answered(ledger: Ledger, run: str, seconds: float, *, agrees: bool = True) -> bool:
    request = ledger.approval(BOTH, run)
    assert request is not None
    answer = Answer(agrees, request.request.plan_digest, "")
    return ledger.decide_run(decide(request, BOB, at(seconds), answer), at(seconds))


def held() -> Order:
    return replace(ringed(["a"], ["b"]), approval=AWAITED)


def test_an_approved_run_lets_go_no_more_than_its_canaries(ledger: Ledger) -> None:
    run = ledger.create_run(held(), NOW)
    assert set(states(ledger, run).values()) == {JobState.HELD}
    assert seen(ledger, run).state is RunState.PENDING_APPROVAL
    assert not ledger.advance(run, at(1))
    assert set(states(ledger, run).values()) == {JobState.HELD}
    assert answered(ledger, run, 2)
    assert states(ledger, run) == {"a": MAY, "b": WAITS}
    assert seen(ledger, run).state is RunState.QUEUED
    assert all(one.not_after is None for one in seen(ledger, run).jobs)
    finish(ledger, run, "a", seconds=3)
    assert states(ledger, run)["b"] is MAY


def test_a_run_that_was_paused_before_its_approval_stays_so(ledger: Ledger) -> None:
    run = ledger.create_run(held(), NOW)
    assert ledger.pause_run(BOTH, run, "bob", at(1))
    assert answered(ledger, run, 2)
    assert set(states(ledger, run).values()) == {WAITS}
    assert ledger.resume_run(BOTH, run, "bob", at(3))
    assert states(ledger, run) == {"a": MAY, "b": WAITS}


def test_a_refused_and_a_forgotten_run_end_whole(ledger: Ledger) -> None:
    refused, forgotten = ledger.create_run(held(), NOW), ledger.create_run(held(), NOW)
    assert answered(ledger, refused, 2, agrees=False)
    assert ledger.advance(refused, at(2))
    assert set(states(ledger, refused).values()) == {JobState.CANCELLED}
    ledger.reap(at(3601))
    assert ledger.advance(forgotten, at(3601))
    assert {code(one) for one in seen(ledger, forgotten).jobs} == {"not-approved"}
