"""What `ronde.ports.Jobs` promises about claims, leases and results."""

import pytest

from ronde.model.plan import Retry
from ronde.model.records import JobOutcome, Trouble
from ronde.model.run import IllegalChange, JobState, Policy, RunState
from ronde.model.verdict import Level, Verdict
from ronde.ports import Claim, Hint, Ledger, Refusal
from tests.contract.ledger.making import (
    ACME,
    LEASE,
    NOW,
    at,
    bad,
    check,
    deferred,
    done,
    exchange,
    fired,
    hints_of,
    job,
    order,
    seen,
    started,
    subjects,
)


def claim_again(ledger: Ledger, claim: Claim, seconds: float, worker: str = "w2") -> Claim:
    again = ledger.claim(Hint(claim.job, claim.attempt + 1), worker, at(seconds), LEASE)
    assert isinstance(again, Claim)
    return again


def test_a_claim_says_all_that_a_worker_needs(ledger: Ledger) -> None:
    plan = job(lanes={"client:acme": 2})
    run = ledger.claim_occurrence(fired(plan, due=at(-30)), NOW)
    assert run is not None
    (hint,) = hints_of(ledger, run)
    claim = ledger.claim(hint, "w1", at(5), LEASE)
    assert isinstance(claim, Claim)
    assert (claim.job, claim.run, claim.attempt, claim.plan) == (hint.job, run, 1, plan)
    assert (claim.claimed_at, claim.lease_until) == (at(5), at(65))
    assert (claim.requested_by, claim.due, claim.worker) == ("schedule night", at(-30), "w1")
    record = seen(ledger, run)
    assert (record.state, record.jobs[0].state) == (RunState.RUNNING, JobState.RUNNING)
    assert (record.jobs[0].worker, record.jobs[0].started_at) == ("w1", at(5))


def test_a_doubled_late_or_invented_message_is_answered_by_gone(ledger: Ledger) -> None:
    (claim,) = started(ledger, job())
    hint = Hint(claim.job, 1)
    assert ledger.claim(hint, "w2", NOW, LEASE) is Refusal.GONE
    assert ledger.claim(Hint("0" * 24, 1), "w2", NOW, LEASE) is Refusal.GONE
    ledger.record(claim, deferred(at(1)), NOW)
    assert ledger.claim(hint, "w2", at(9), LEASE) is Refusal.GONE
    assert ledger.claim(Hint(claim.job, 3), "w2", at(9), LEASE) is Refusal.GONE
    again = claim_again(ledger, claim, 9)
    assert (again.attempt, again.token != claim.token) == (2, True)
    ledger.record(again, done(check()), at(10))
    assert ledger.claim(Hint(claim.job, 2), "w2", at(11), LEASE) is Refusal.GONE


def test_a_job_does_not_start_before_its_time(ledger: Ledger) -> None:
    run = ledger.create_run(order(job(not_before=at(10))), NOW)
    (hint,) = hints_of(ledger, run)
    assert ledger.claim(hint, "w1", at(9.999), LEASE) is Refusal.EARLY
    assert isinstance(ledger.claim(hint, "w1", at(10), LEASE), Claim)


def test_a_late_claim_records_the_job_as_expired(ledger: Ledger) -> None:
    run = ledger.create_run(order(job(not_after=at(10)), job(not_after=at(10))), NOW)
    on_time, late = hints_of(ledger, run)
    assert isinstance(ledger.claim(on_time, "w1", at(10), LEASE), Claim)
    assert ledger.claim(late, "w1", at(10.001), LEASE) is Refusal.EXPIRED
    expired = seen(ledger, run).jobs[1]
    assert (expired.state, expired.verdict, expired.finished_at) == (JobState.EXPIRED, Verdict.UNKNOWN, at(10.001))
    assert expired.trouble is not None
    assert expired.trouble.code == "expired"


def test_the_limit_of_the_first_start_does_not_bind_later_tries(ledger: Ledger) -> None:
    (claim,) = started(ledger, job(not_after=at(10)))
    ledger.record(claim, deferred(at(500)), at(5))
    assert ledger.reap(at(400)) in ([], ())
    assert claim_again(ledger, claim, 500).attempt == 2


def test_a_full_lane_admits_nobody(ledger: Ledger) -> None:
    run = ledger.create_run(order(*[job(target=f"h{n}", lanes={"a": 2, "b": 9}) for n in range(3)]), NOW)
    first, second, third = hints_of(ledger, run)
    one = ledger.claim(first, "w1", NOW, LEASE)
    assert isinstance(one, Claim)
    assert isinstance(ledger.claim(second, "w2", NOW, LEASE), Claim)
    assert ledger.claim(third, "w3", NOW, LEASE) is Refusal.NO_ROOM
    ledger.record(one, done(), NOW)
    assert isinstance(ledger.claim(third, "w3", NOW, LEASE), Claim)


def test_a_heartbeat_keeps_what_it_names_alive(ledger: Ledger) -> None:
    kept, dropped = started(ledger, job(target="a"), job(target="b"))
    answer = ledger.renew("w1", [kept.token], at(50), LEASE)
    assert (answer.fenced, answer.cancelled) == (frozenset(), frozenset())
    assert list(ledger.reap(at(60))) == [dropped.run]
    assert [one.state for one in seen(ledger, kept.run).jobs] == [JobState.RUNNING, JobState.QUEUED]
    assert list(ledger.reap(at(109.9))) == []
    assert list(ledger.reap(at(110))) == [kept.run]


def test_a_heartbeat_learns_which_jobs_are_no_longer_held(ledger: Ledger) -> None:
    lapsed, finished, held = started(ledger, job(target="a"), job(target="b"), job(target="c"))
    ledger.record(finished, done(check()), at(1))
    ledger.renew("w1", [held.token], at(30), LEASE)
    ledger.reap(at(60))
    tokens = [lapsed.token, finished.token, held.token, "f" * 32]
    assert ledger.renew("w1", tokens, at(61), LEASE).fenced == {lapsed.token, finished.token, "f" * 32}
    assert ledger.renew("w1", [], at(62), LEASE).fenced == frozenset()


def test_a_lease_ends_exactly_at_its_end(ledger: Ledger) -> None:
    (claim,) = started(ledger, job())
    assert list(ledger.reap(at(59.999999))) == []
    assert list(ledger.reap(at(60))) == [claim.run]
    (lapsed,) = seen(ledger, claim.run).jobs
    assert (lapsed.state, lapsed.attempt, lapsed.sends, lapsed.verdict) == (JobState.QUEUED, 2, 0, None)
    assert lapsed.trouble is not None
    assert (lapsed.trouble.code, "w1" in lapsed.trouble.message) == ("lost", True)
    assert list(ledger.to_send(at(60), resend_after=60)) == [Hint(claim.job, 2)]


def test_a_worker_that_was_away_records_nothing(ledger: Ledger) -> None:
    (frozen,) = started(ledger, job())
    ledger.reap(at(60))
    assert not ledger.record(frozen, done(check()), at(61))
    again = claim_again(ledger, frozen, 62)
    assert not ledger.record(frozen, done(check()), at(63))
    assert ledger.renew("w1", [frozen.token], at(63), LEASE).fenced == {frozen.token}
    assert ledger.record(again, done(bad()), at(64))
    (one,) = seen(ledger, frozen.run).jobs
    assert (one.verdict, len(one.checks), one.worker) == (Verdict.FAILED, 1, "w2")
    assert len(ledger.evidence(ACME, frozen.job)) == 0


def test_a_job_whose_workers_vanish_too_often_is_lost(ledger: Ledger) -> None:
    (claim,) = started(ledger, job(retry=Retry(2)))
    ledger.reap(at(60))
    claim_again(ledger, claim, 61)
    assert list(ledger.reap(at(121))) == [claim.run]
    (lost,) = seen(ledger, claim.run).jobs
    assert (lost.state, lost.verdict, lost.attempt, lost.finished_at) == (JobState.LOST, Verdict.UNKNOWN, 2, at(121))
    assert lost.trouble is not None
    assert lost.trouble.code == "lost"


def test_what_must_not_happen_twice_is_taken_up_and_at_last_needs_a_human(ledger: Ledger) -> None:
    (claim,) = started(ledger, job(policy=Policy.AT_MOST_ONCE, retry=Retry(2)))
    ledger.reap(at(60))
    (again,) = seen(ledger, claim.run).jobs
    assert (again.state, again.attempt) == (JobState.QUEUED, 2)
    heir = ledger.claim(Hint(claim.job, 2), "w2", at(61), LEASE)
    assert isinstance(heir, Claim)
    assert (heir.attempt, heir.most) == (2, 2)
    ledger.reap(at(200))
    (stuck,) = seen(ledger, claim.run).jobs
    assert (stuck.state, stuck.verdict, stuck.attempt) == (JobState.NEEDS_HUMAN, Verdict.UNKNOWN, 2)
    assert list(ledger.to_send(at(999), resend_after=1)) == []
    assert ledger.claim(Hint(claim.job, 2), "w2", at(201), LEASE) is Refusal.GONE
    assert not ledger.record(claim, done(check()), at(201))


def test_a_job_asked_to_stop_whose_worker_vanished_is_cancelled(ledger: Ledger) -> None:
    (claim,) = started(ledger, job())
    ledger.cancel_run(ACME, claim.run, "bob", at(1))
    ledger.reap(at(60))
    assert seen(ledger, claim.run).jobs[0].state is JobState.CANCELLED


def test_late_jobs_are_closed_by_the_roll_call(ledger: Ledger) -> None:
    run = ledger.create_run(order(job(not_after=at(10)), job(not_after=at(20)), job()), NOW)
    assert list(ledger.reap(at(10))) == []
    assert list(ledger.reap(at(10.1))) == [run]
    states = [one.state for one in seen(ledger, run).jobs]
    assert states == [JobState.EXPIRED, JobState.QUEUED, JobState.QUEUED]


def test_a_result_is_stored_with_all_its_evidence(ledger: Ledger) -> None:
    (claim,) = started(ledger, job())
    full = check(
        "documents",
        level=Level.COHERENT,
        evidence_at=at(1),
        facts={"size": 10**15, "ratio": 0.1, "points": ["é", None, True], "tiny": 5e-324},
        objective={"max_age_s": 93600},
        exchanges=(exchange(b"\x00\xff" * 1000, b"warning"), exchange()),
    )
    assert ledger.record(claim, done(full, bad("db")), at(2))
    (one,) = seen(ledger, claim.run).jobs
    assert (one.state, one.verdict, one.finished_at, one.trouble) == (JobState.SUCCEEDED, Verdict.FAILED, at(2), None)
    documents, db = one.checks
    assert (documents.verdict, documents.level, documents.evidence_at) == (Verdict.OK, Level.COHERENT, at(1))
    assert (documents.facts, documents.objective) == (full.facts, full.objective)
    assert (documents.run, documents.job, documents.client) == (claim.run, claim.job, "acme")
    assert documents.recorded_at == at(2)
    assert db.findings == bad("db").findings
    raw, _ = ledger.evidence(ACME, claim.job)
    assert (raw.output, raw.errors, raw.exit_status) == (b"\x00\xff" * 1000, b"warning", 0)
    assert (raw.started, raw.ended, raw.tool) == (at(0), at(1.5), "restic 0.14.0")
    assert not ledger.record(claim, done(full), at(3))


def test_an_outcome_that_no_attempt_can_have_is_a_programming_error(ledger: Ledger) -> None:
    (claim,) = started(ledger, job())
    with pytest.raises(IllegalChange):
        ledger.record(claim, JobOutcome(JobState.EXPIRED), at(1))
    assert seen(ledger, claim.run).jobs[0].state is JobState.RUNNING


@pytest.mark.parametrize("state", [JobState.FAILED, JobState.CRASHED, JobState.CANCELLED])
def test_a_job_without_a_result_is_unknown_and_says_why(ledger: Ledger, state: JobState) -> None:
    (claim,) = started(ledger, job())
    trouble = Trouble("unreachable", "srv did not answer", "Is it up?", permanent=True)
    assert ledger.record(claim, JobOutcome(state, (check(),), trouble), at(1))
    (one,) = seen(ledger, claim.run).jobs
    assert (one.state, one.verdict, one.trouble) == (state, Verdict.UNKNOWN, trouble)


def test_a_deferred_job_waits_as_its_next_attempt(ledger: Ledger) -> None:
    (claim,) = started(ledger, job(lanes={"l": 1}))
    assert ledger.record(claim, deferred(at(120), check()), at(1))
    (one,) = seen(ledger, claim.run).jobs
    assert (one.state, one.attempt, one.verdict, one.finished_at) == (JobState.QUEUED, 2, None, None)
    assert one.trouble is not None
    assert one.trouble.code == "unreachable"
    assert ledger.claim(Hint(claim.job, 2), "w1", at(119), LEASE) is Refusal.EARLY
    assert claim_again(ledger, claim, 120).plan == claim.plan


def test_a_job_asked_to_stop_is_not_tried_again(ledger: Ledger) -> None:
    (claim,) = started(ledger, job())
    ledger.cancel_run(ACME, claim.run, "bob", at(1))
    assert ledger.record(claim, deferred(at(60)), at(2))
    (one,) = seen(ledger, claim.run).jobs
    assert (one.state, one.trouble and one.trouble.code) == (JobState.CANCELLED, "cancelled")


def test_what_an_earlier_attempt_saw_still_counts(ledger: Ledger) -> None:
    (claim,) = started(ledger, job())
    ledger.record(claim, deferred(at(1), bad("db"), bad("documents")), NOW)
    ledger.record(claim_again(ledger, claim, 2), done(check("documents")), at(3))
    (one,) = seen(ledger, claim.run).jobs
    assert sorted(subjects(one.checks)) == ["db", "documents"]
    assert {record.subject: record.verdict for record in one.checks} == {"db": Verdict.FAILED, "documents": Verdict.OK}
    assert one.verdict is Verdict.FAILED


def test_a_run_ends_once_when_its_last_job_did(ledger: Ledger) -> None:
    first, second = started(ledger, job(target="a"), job("other", "b"))
    ledger.record(first, done(check()), at(1))
    assert not ledger.advance(first.run, at(2))
    assert list(ledger.unfinished(at(2))) == []
    ledger.record(second, done(bad()), at(3))
    assert list(ledger.unfinished(at(3))) == [first.run]
    assert ledger.advance(first.run, at(4))
    assert not ledger.advance(first.run, at(5))
    assert list(ledger.unfinished(at(5))) == []
    run = seen(ledger, first.run)
    assert (run.state, run.verdict, run.finished_at) == (RunState.SUCCEEDED, Verdict.FAILED, at(4))


def test_a_run_with_an_unexamined_job_has_failed(ledger: Ledger) -> None:
    one, two = started(ledger, job(target="a"), job(target="b"))
    ledger.record(one, done(check()), at(1))
    ledger.record(two, JobOutcome(JobState.FAILED, (), Trouble("unreachable", "no answer")), at(1))
    assert ledger.advance(one.run, at(2))
    assert (seen(ledger, one.run).state, seen(ledger, one.run).verdict) == (RunState.FAILED, Verdict.UNKNOWN)


def test_a_run_whose_only_job_waits_again_is_queued_again(ledger: Ledger) -> None:
    (claim,) = started(ledger, job())
    ledger.record(claim, deferred(at(60)), at(1))
    assert not ledger.advance(claim.run, at(2))
    assert seen(ledger, claim.run).state is RunState.QUEUED
    assert not ledger.advance("0" * 24, at(2))
