"""What `ronde.ports.Orders` promises."""

from datetime import datetime

import pytest

from ronde.model.errors import InputError
from ronde.model.plan import Occurrence, Retry
from ronde.model.records import Scope
from ronde.model.run import JobState, Policy, RunState
from ronde.model.verdict import Verdict
from ronde.ports import Ledger
from tests.contract.ledger.making import (
    ACME,
    BOTH,
    LEASE,
    NOW,
    OTHER,
    at,
    bad,
    check,
    deferred,
    done,
    fired,
    hints_of,
    job,
    order,
    seen,
    started,
)

NIGHT = ("acme", "night")


def test_a_run_keeps_what_was_ordered(ledger: Ledger) -> None:
    plans = [
        job(target="a", lanes={"client:acme": 4, "jump:acme/b": 1}, policy=Policy.AT_MOST_ONCE),
        job("other", "b", retry=Retry(7, ()), not_before=at(60), not_after=at(90)),
    ]
    run = seen(ledger, ledger.create_run(order(*plans), NOW))
    assert [one.plan for one in run.jobs] == plans
    assert [one.target.name for one in run.jobs] == ["a", "b"]
    assert {(one.state, one.attempt, one.sends, one.verdict) for one in run.jobs} == {(JobState.QUEUED, 1, 0, None)}
    assert (run.state, run.verdict, run.created_at, run.finished_at) == (RunState.QUEUED, None, NOW, None)
    assert (run.playbook, run.digest, run.requested_by, run.reason) == ("backup/check", "d" * 64, "alice", "because")
    assert (run.trigger, run.schedule, run.due) == ("person", None, None)


def test_an_order_without_jobs_is_refused(ledger: Ledger) -> None:
    with pytest.raises(InputError):
        ledger.create_run(order(), NOW)
    assert ledger.runs(BOTH, since=at(-1)) == []


def test_a_due_instant_is_fired_once(ledger: Ledger) -> None:
    run = ledger.claim_occurrence(fired(job()), NOW)
    assert run is not None
    assert ledger.claim_occurrence(fired(job()), at(1)) is None
    assert [one.id for one in ledger.runs(BOTH, since=at(-1))] == [run]
    (occurrence,) = ledger.occurrences(ACME, since=NOW, until=at(1))
    assert (occurrence.run, occurrence.due, occurrence.decided_at, occurrence.count) == (run, NOW, NOW, 1)
    record = seen(ledger, run)
    assert (record.trigger, record.schedule, record.due) == ("schedule", "night", NOW)
    assert len(record.jobs) == 1


def test_the_same_instant_of_another_schedule_or_client_is_another_one(ledger: Ledger) -> None:
    runs = {
        ledger.claim_occurrence(fired(job()), NOW),
        ledger.claim_occurrence(fired(job(), schedule="evening"), NOW),
        ledger.claim_occurrence(fired(job("other")), NOW),
        ledger.claim_occurrence(fired(job(), due=at(60)), NOW),
    }
    assert None not in runs
    assert len(runs) == 4


def test_a_missed_instant_is_never_fired_and_a_fired_one_never_missed(ledger: Ledger) -> None:
    assert ledger.miss_occurrence(Occurrence(*NIGHT, NOW), "beat was down", at(9), 3)
    assert not ledger.miss_occurrence(Occurrence(*NIGHT, NOW), "again", at(10))
    assert ledger.claim_occurrence(fired(job()), at(10)) is None
    assert ledger.claim_occurrence(fired(job(), due=at(60)), at(60)) is not None
    assert not ledger.miss_occurrence(Occurrence(*NIGHT, at(60)), "late", at(99))
    first, second = ledger.occurrences(ACME, since=NOW, until=at(99))
    assert (first.run, first.reason, first.count) == (None, "beat was down", 3)
    assert second.run is not None


def test_a_lost_race_for_an_instant_leaves_nothing_behind(ledger: Ledger) -> None:
    ledger.claim_occurrence(fired(job()), NOW)
    ledger.claim_occurrence(fired(job(target="x"), job(target="y")), NOW)
    assert len(ledger.jobs(BOTH, since=at(-1), until=at(1))) == 1
    assert len(ledger.to_send(at(1), resend_after=60)) == 1


def test_decided_until_is_the_newest_decision_or_the_first_sighting(ledger: Ledger) -> None:
    keys = [NIGHT, ("acme", "new"), ("other", "night")]
    assert ledger.decided_until(BOTH, keys) == {}
    ledger.see_schedules(dict.fromkeys(keys, "as it is"), at(-600))
    ledger.see_schedules(dict.fromkeys(keys, "as it is"), at(-60))
    assert ledger.decided_until(BOTH, keys) == dict.fromkeys(keys, at(-600))
    ledger.miss_occurrence(Occurrence(*NIGHT, at(60)), "late", at(61))
    ledger.claim_occurrence(fired(job(), due=NOW), at(61))  # an older one, decided later
    assert ledger.decided_until(BOTH, keys)[NIGHT] == at(60)
    assert ledger.decided_until(ACME, [NIGHT, ("other", "night")]) == {NIGHT: at(60)}
    assert ledger.decided_until(Scope.of(), keys) == {}


def test_a_schedule_that_was_changed_starts_anew(ledger: Ledger) -> None:
    ledger.see_schedules({NIGHT: "0 2 * * * on", ("acme", "new"): "the same"}, at(-600))
    ledger.miss_occurrence(Occurrence(*NIGHT, at(-300)), "late", at(-299))
    ledger.see_schedules({NIGHT: "0 2 * * * off", ("acme", "new"): "the same"}, at(-100))
    assert ledger.decided_until(ACME, [NIGHT, ("acme", "new")]) == {NIGHT: at(-100), ("acme", "new"): at(-600)}
    ledger.see_schedules({NIGHT: "0 2 * * * on"}, at(0))
    ledger.see_schedules({NIGHT: "0 2 * * * on"}, at(50))
    assert ledger.decided_until(ACME, [NIGHT]) == {NIGHT: at(0)}
    ledger.miss_occurrence(Occurrence(*NIGHT, at(60)), "late", at(61))
    assert ledger.decided_until(ACME, [NIGHT]) == {NIGHT: at(60)}


def test_cancelling_ends_what_waits_and_asks_what_runs(ledger: Ledger) -> None:
    run = ledger.create_run(order(job(target="a"), job(target="b")), NOW)
    claim = ledger.claim(hints_of(ledger, run)[0], "w1", NOW, LEASE)
    assert ledger.cancel_run(ACME, run, "bob", at(5))
    running, waiting = seen(ledger, run).jobs
    assert running.state is JobState.RUNNING
    assert (waiting.state, waiting.verdict, waiting.finished_at) == (JobState.CANCELLED, Verdict.UNKNOWN, at(5))
    assert waiting.trouble is not None
    assert (waiting.trouble.code, "bob" in waiting.trouble.message) == ("cancelled", True)
    token = claim.token  # type: ignore[union-attr] # it was granted, or the state above had said so
    assert ledger.renew("w1", [token], at(6), LEASE).cancelled == {token}
    assert ledger.to_send(at(7), resend_after=60) in ([], ())


def test_only_what_is_in_scope_and_open_is_cancelled(ledger: Ledger) -> None:
    run = ledger.create_run(order(job("acme"), job("other")), NOW)
    assert not ledger.cancel_run(Scope.of("third"), run, "bob", NOW)
    assert not ledger.cancel_run(ACME, "0" * 24, "bob", NOW)
    assert ledger.cancel_run(OTHER, run, "bob", NOW)
    assert [one.state for one in seen(ledger, run).jobs] == [JobState.QUEUED, JobState.CANCELLED]
    assert not ledger.cancel_run(OTHER, run, "bob", NOW)


def test_a_cancelled_job_keeps_the_worst_that_was_seen(ledger: Ledger) -> None:
    (claim,) = started(ledger, job())
    ledger.record(claim, deferred(at(60), bad()), at(1))
    ledger.cancel_run(ACME, claim.run, "bob", at(2))
    (cancelled,) = seen(ledger, claim.run).jobs
    assert (cancelled.state, cancelled.verdict) == (JobState.CANCELLED, Verdict.FAILED)


def test_acts_and_changes_are_told_in_order(ledger: Ledger) -> None:
    (claim,) = started(ledger, job())
    ledger.cancel_run(ACME, claim.run, "bob", at(1))
    ledger.record(claim, done(check()), at(2))
    ledger.advance(claim.run, at(3))
    told = [(event.action, event.actor, event.at) for event in seen(ledger, claim.run).events]
    assert told == [
        ("run.order", "alice", NOW),
        ("job.claim", "w1", NOW),
        ("job.ask_cancel", "bob", at(1)),
        ("job.succeed", "w1", at(2)),
        ("run.end", "ronde", at(3)),
    ]


@pytest.mark.parametrize("naive", [NOW.replace(tzinfo=None)])
def test_an_instant_without_a_zone_is_refused(ledger: Ledger, naive: datetime) -> None:
    with pytest.raises(ValueError, match="naive"):
        ledger.create_run(order(job()), naive)
    with pytest.raises(ValueError, match="naive"):
        ledger.miss_occurrence(Occurrence(*NIGHT, naive), "late", NOW)
    assert ledger.runs(BOTH, since=at(-1)) == []


def test_a_sum_of_missed_instants_is_believed_once(ledger: Ledger) -> None:
    ledger.see_schedules({NIGHT: "0 2 * * *"}, at(0))
    assert ledger.miss_occurrence(Occurrence(*NIGHT, at(600)), "down", at(700), 10, at(0))
    assert not ledger.miss_occurrence(Occurrence(*NIGHT, at(660)), "down", at(701), 11, at(0))
    assert ledger.miss_occurrence(Occurrence(*NIGHT, at(660)), "late", at(701), 1, at(600))
