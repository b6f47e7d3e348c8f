"""What `ronde.ports.Outbox` promises."""

from datetime import timedelta

from ronde.model.outbox import MailResult, Posted, after_refusal, after_silence
from ronde.model.run import MailEvent, MailState
from ronde.ports import Ledger
from tests.contract.ledger.making import ACME, BOTH, NOW, OTHER, at, mail


def leased(ledger: Ledger, seconds: float) -> list[Posted]:
    return list(ledger.lease_mail(at(seconds), lease=300))


def state(ledger: Ledger) -> MailState:
    (record,) = ledger.mails(BOTH, since=at(-9))
    return record.state


def test_a_message_is_queued_once(ledger: Ledger) -> None:
    first, second = mail(), mail(recipient="mayor@acme.example")
    (one,) = ledger.post([first], NOW)
    (two,) = ledger.post([first, second, second], at(1))
    assert one != two
    assert [record.id for record in ledger.mails(ACME, since=NOW)] == [two, one]
    assert [record.id for record in ledger.mails(ACME, since=at(1))] == [two]


def test_a_leased_message_carries_the_frozen_bytes(ledger: Ledger) -> None:
    ledger.post([mail()], NOW)
    (posted,) = leased(ledger, 1)
    assert (posted.raw, posted.sender, posted.recipient) == (mail().raw, mail().sender, mail().recipient)
    assert (posted.attempts, posted.unknowns, posted.created_at) == (1, 0, NOW)
    assert leased(ledger, 2) == []
    assert state(ledger) is MailState.LEASED


def test_an_accepted_message_is_never_sent_again(ledger: Ledger) -> None:
    ledger.post([mail()], NOW)
    (posted,) = leased(ledger, 1)
    assert ledger.settle_mail(posted, MailResult(MailEvent.ACCEPT, "250 queued as 4F2", 250), at(2))
    (record,) = ledger.mails(ACME, since=NOW)
    assert (record.state, record.accepted_at, record.answer) == (MailState.ACCEPTED, at(2), "250 queued as 4F2")
    assert leased(ledger, 10**6) == []
    assert not ledger.settle_mail(posted, MailResult(MailEvent.GIVE_UP), at(3))
    assert state(ledger) is MailState.ACCEPTED
    assert list(ledger.post([mail()], at(4))) == []


def test_a_refused_message_waits_for_its_next_try(ledger: Ledger) -> None:
    ledger.post([mail()], NOW)
    (posted,) = leased(ledger, 0)
    result = after_refusal(posted, permanent=False, answer="451 later", code=451, now=at(1))
    assert ledger.settle_mail(posted, result, at(1))
    assert state(ledger) is MailState.RETRY
    assert leased(ledger, 60.9) == []
    (again,) = leased(ledger, 61)
    assert (again.attempts, again.raw) == (2, posted.raw)
    assert ledger.settle_mail(
        again, after_refusal(again, permanent=True, answer="550 no", code=550, now=at(62)), at(62)
    )
    assert state(ledger) is MailState.DEAD
    assert leased(ledger, 10**6) == []


def test_a_lost_answer_is_tried_once_more_and_then_left_to_a_person(ledger: Ledger) -> None:
    ledger.post([mail()], NOW)
    (posted,) = leased(ledger, 0)
    ledger.settle_mail(posted, after_silence(posted, answer="link lost", now=at(1)), at(1))
    assert (state(ledger), leased(ledger, 30)) == (MailState.UNKNOWN, [])
    (again,) = leased(ledger, 61)
    assert again.unknowns == 1
    ledger.settle_mail(again, after_silence(again, answer="link lost", now=at(62)), at(62))
    assert (state(ledger), leased(ledger, 10**6)) == (MailState.UNKNOWN, [])


def test_a_sender_that_died_leaves_its_message_in_doubt(ledger: Ledger) -> None:
    ledger.post([mail()], NOW)
    (dead,) = leased(ledger, 0)
    assert leased(ledger, 299.9) == []
    assert leased(ledger, 300) == []
    assert state(ledger) is MailState.UNKNOWN
    assert not ledger.settle_mail(dead, MailResult(MailEvent.ACCEPT), at(301))
    (again,) = leased(ledger, 360)
    assert (again.attempts, again.unknowns) == (2, 1)
    assert leased(ledger, 660) == []
    assert leased(ledger, 10**6) == []
    assert state(ledger) is MailState.UNKNOWN


def test_the_oldest_messages_go_first_up_to_the_limit(ledger: Ledger) -> None:
    for n in range(5):
        ledger.post([mail(period=f"day-{n}")], NOW + timedelta(seconds=n))
    first = ledger.lease_mail(at(9), lease=300, limit=3)
    assert [posted.created_at for posted in first] == [at(0), at(1), at(2)]
    assert [posted.created_at for posted in ledger.lease_mail(at(9), lease=300, limit=3)] == [at(3), at(4)]


def test_a_settlement_needs_the_lease_it_was_made_under(ledger: Ledger) -> None:
    ledger.post([mail()], NOW)
    (posted,) = leased(ledger, 0)
    forged = Posted("0" * 24, posted.token, "", "", b"", 1, 0, NOW)
    assert not ledger.settle_mail(forged, MailResult(MailEvent.ACCEPT), at(1))
    stolen = Posted(posted.id, "f" * 32, "", "", b"", 1, 0, NOW)
    assert not ledger.settle_mail(stolen, MailResult(MailEvent.ACCEPT), at(1))
    assert state(ledger) is MailState.LEASED


def test_a_person_can_have_a_message_tried_again_at_once(ledger: Ledger) -> None:
    (name,) = ledger.post([mail()], NOW)
    assert not ledger.requeue_mail(ACME, name, "alice", at(0)), "it is queued already"
    (posted,) = leased(ledger, 1)
    assert not ledger.requeue_mail(ACME, name, "alice", at(1)), "somebody is sending it"
    for number, result in enumerate(
        (
            MailResult(MailEvent.GIVE_UP, "550 no", 550),
            MailResult(MailEvent.DELAY, "451 later", 451, at(9_000)),
            MailResult(MailEvent.LOSE_ANSWER, "the link broke"),
        )
    ):
        now = 10.0 * (number + 1)
        assert ledger.settle_mail(posted, result, at(now))
        assert leased(ledger, now) == []
        assert ledger.requeue_mail(ACME, name, "alice", at(now))
        assert state(ledger) is MailState.QUEUED
        (posted,) = leased(ledger, now)
    assert ledger.settle_mail(posted, MailResult(MailEvent.ACCEPT, "250"), at(50))
    assert not ledger.requeue_mail(ACME, name, "alice", at(51)), "it was accepted"


def test_nobody_requeues_another_clients_message(ledger: Ledger) -> None:
    (name,) = ledger.post([mail()], NOW)
    (posted,) = leased(ledger, 1)
    ledger.settle_mail(posted, MailResult(MailEvent.GIVE_UP, "550 no", 550), at(2))
    assert not ledger.requeue_mail(OTHER, name, "alice", at(3))
    assert not ledger.requeue_mail(ACME, "never-heard-of", "alice", at(3))
    assert state(ledger) is MailState.DEAD
