"""What `ronde.ports.Vitals` and `Retention` promise."""

from ronde.model.outbox import MailResult
from ronde.model.records import Pruned
from ronde.model.run import MailEvent
from ronde.ports import Ledger
from tests.contract.ledger.making import (
    ACME,
    BOTH,
    LEASE,
    NOW,
    at,
    check,
    done,
    exchange,
    fired,
    job,
    mail,
    order,
    seen,
    started,
)

DAY = 86400.0


def test_an_empty_ledger_is_idle_not_ill(ledger: Ledger) -> None:
    health = ledger.health(NOW)
    assert (health.beats, health.workers, health.last_roll_call) == ({}, {}, None)
    assert (health.oldest_queued_s, health.unsent_mails, health.oldest_unsent_s) == (None, 0, None)
    assert health.overdue_leases == 0
    assert ledger.ping()


def test_workers_and_beats_are_seen(ledger: Ledger) -> None:
    ledger.worker_seen("w1", ["control", "work"], "0.1.0", at(0))
    ledger.worker_seen("w2", ["work"], "0.1.0", at(1))
    ledger.renew("w1", [], at(30), LEASE)
    ledger.beat_seen("b1", at(10))
    ledger.beat_seen("b2", at(20))
    ledger.beat_seen("b1", at(15))
    health = ledger.health(at(40))
    assert health.workers == {"w1": (at(30), ("control", "work")), "w2": (at(1), ("work",))}
    assert health.beats == {"b1": at(15), "b2": at(20)}
    assert health.last_roll_call == at(20)


def test_what_was_not_seen_for_a_day_is_no_longer_counted(ledger: Ledger) -> None:
    ledger.worker_seen("w1", [], "0.1.0", NOW)
    ledger.beat_seen("b1", NOW)
    health = ledger.health(at(DAY + 1))
    assert (health.workers, health.beats, health.last_roll_call) == ({}, {}, NOW)


def test_what_waits_shows_its_age(ledger: Ledger) -> None:
    ledger.create_run(order(job(not_before=at(100))), NOW)
    ledger.create_run(order(job()), at(10))
    started(ledger, job(), now=at(5))
    ledger.post([mail()], at(20))
    health = ledger.health(at(70))
    assert (health.oldest_queued_s, health.overdue_leases) == (60.0, 1)
    assert (health.unsent_mails, health.oldest_unsent_s) == (1, 50.0)


def test_retention_removes_first_the_outputs_and_then_the_runs(ledger: Ledger) -> None:
    (old,) = started(ledger, job())
    ledger.record(old, done(check(exchanges=(exchange(b"x" * 500),))), at(1))
    ledger.advance(old.run, at(2))
    waiting = ledger.create_run(order(job()), NOW)
    assert ledger.prune(before_raw=at(1), before_all=at(1), now=at(9)) == Pruned(0, 0, 0)
    assert ledger.prune(before_raw=at(2), before_all=at(2), now=at(9)) == Pruned(1, 0, 0)
    (kept,) = ledger.evidence(ACME, old.job)
    assert (kept.output, kept.discarded, len(kept.digest)) == (b"", True, 64)
    assert len(seen(ledger, old.run).jobs[0].checks) == 1
    assert ledger.prune(before_raw=at(3), before_all=at(3), now=at(9)) == Pruned(0, 1, 0)
    assert [run.id for run in ledger.runs(BOTH, since=at(-9))] == [waiting]
    assert list(ledger.latest_checks(BOTH, since=at(-9), until=at(9))) == []


def test_retention_keeps_open_messages_and_decided_instants(ledger: Ledger) -> None:
    ledger.post([mail(period="sent"), mail(period="open")], NOW)
    run = ledger.claim_occurrence(fired(job()), NOW)
    posted = ledger.lease_mail(NOW, lease=300, limit=1)[0]
    ledger.settle_mail(posted, MailResult(MailEvent.ACCEPT), at(1))
    assert ledger.prune(before_raw=at(DAY), before_all=at(DAY), now=at(DAY)) == Pruned(0, 0, 1)
    assert len(ledger.mails(BOTH, since=NOW)) == 1
    assert [one.run for one in ledger.occurrences(ACME, since=NOW, until=at(1))] == [run]
    assert ledger.claim_occurrence(fired(job()), at(DAY)) is None
