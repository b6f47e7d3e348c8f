"""Delivery: nothing is lost, nothing is hammered, and what is not known is not called sent."""

from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from ronde.engine.delivery import JITTER, Delivered, deliver_due, spread
from ronde.model.errors import MailError, MailUncertain, RelayUnusable
from ronde.model.outbox import Mail, MailResult, Posted, mail_key
from ronde.model.records import MailRecord, Scope
from ronde.model.run import MailEvent, MailState
from tests.doubles.ledger import MemoryLedger
from tests.doubles.mailer import ScriptedMailer

START = datetime(2027, 1, 13, 6, 0, tzinfo=UTC)


@dataclass
class Clock:
    at: datetime = START

    def now(self) -> datetime:
        return self.at


def queue(ledger: MemoryLedger, *people: str) -> None:
    for person in people:
        to = f"{person}@commune.example"
        key = mail_key("commune", "report/night", "2027-01-13", 0, to)
        mail = Mail(key, "commune", "report/night", "2027-01-13", to, "r@msp.example", "s", f"<{key[:8]}@x>", b"raw")
        assert ledger.post([mail], START)


def states(ledger: MemoryLedger) -> dict[str, MailState]:
    mails = ledger.mails(Scope.of("commune"), since=START)
    return {mail.recipient.partition("@")[0]: mail.state for mail in mails}


def only(ledger: MemoryLedger) -> MailRecord:
    (mail,) = ledger.mails(Scope.of("commune"), since=START)
    return mail


def test_everything_due_is_sent_each_to_its_one_recipient() -> None:
    ledger, mailer = MemoryLedger(), ScriptedMailer()
    queue(ledger, "a", "b", "c")
    assert deliver_due(ledger, mailer, Clock()) == Delivered(accepted=3)
    assert {posted.recipient for posted in mailer.sent} == {f"{one}@commune.example" for one in "abc"}
    assert set(states(ledger).values()) == {MailState.ACCEPTED}
    assert deliver_due(ledger, mailer, Clock()) == Delivered()


def test_one_refused_recipient_keeps_no_other_waiting() -> None:
    ledger = MemoryLedger()
    queue(ledger, "a", "b", "c")
    script = deque([MailError("550 no such mailbox", permanent=True, smtp_code=550), MailError("451 later"), None])
    done = deliver_due(ledger, ScriptedMailer(script), Clock())
    assert (done.dead, done.delayed, done.accepted, done.stopped) == (1, 1, 1, "")
    assert sorted(states(ledger).values()) == sorted([MailState.DEAD, MailState.RETRY, MailState.ACCEPTED])


def test_a_relay_that_cannot_be_used_is_asked_once_a_round() -> None:
    ledger = MemoryLedger()
    queue(ledger, "a", "b", "c")
    mailer = ScriptedMailer(deque([RelayUnusable("TLS could not be verified")]))
    done = deliver_due(ledger, mailer, Clock())
    assert len(mailer.tried) == 1
    assert (done.delayed, done.stopped) == (1, "TLS could not be verified")
    assert sorted(states(ledger).values()) == sorted([MailState.RETRY, MailState.QUEUED, MailState.QUEUED])


def test_a_relay_that_is_down_through_the_night_loses_nothing() -> None:
    ledger, clock = MemoryLedger(), Clock()
    queue(ledger, "a", "b", "c")
    mailer = ScriptedMailer()
    for _ in range(12 * 60):
        mailer.script = deque([RelayUnusable("connection refused")])
        deliver_due(ledger, mailer, clock)
        assert MailState.DEAD not in states(ledger).values()
        clock.at += timedelta(minutes=1)
    assert len(mailer.tried) < 60, "growing waits, not one try a minute for each message"
    mailer.script.clear()
    clock.at += timedelta(hours=12 * (1 + JITTER))
    assert deliver_due(ledger, mailer, clock).accepted == 3
    assert len({posted.recipient for posted in mailer.sent}) == 3


def test_a_lost_answer_is_sent_once_more_and_then_left_to_a_person() -> None:
    ledger, clock = MemoryLedger(), Clock()
    queue(ledger, "a")
    mailer = ScriptedMailer(deque([MailUncertain("the link broke"), MailUncertain("again")]))
    assert deliver_due(ledger, mailer, clock) == Delivered(uncertain=1)
    assert only(ledger).state is MailState.UNKNOWN
    clock.at += timedelta(minutes=2)
    assert deliver_due(ledger, mailer, clock) == Delivered(uncertain=1)
    clock.at += timedelta(days=30)
    assert deliver_due(ledger, mailer, clock) == Delivered()
    assert only(ledger).state is MailState.UNKNOWN
    assert [posted.raw for posted in mailer.sent] == [b"raw", b"raw"]


def test_a_sender_that_died_on_the_way_leaves_an_uncertain_message_that_is_sent_once_more() -> None:
    ledger, clock, mailer = MemoryLedger(), Clock(), ScriptedMailer()
    queue(ledger, "a")
    assert len(ledger.lease_mail(clock.now(), lease=300, limit=1)) == 1
    assert deliver_due(ledger, mailer, clock) == Delivered()
    clock.at += timedelta(minutes=10)
    deliver_due(ledger, mailer, clock)
    clock.at += timedelta(minutes=2)
    deliver_due(ledger, mailer, clock)
    assert only(ledger).state is MailState.ACCEPTED
    assert len(mailer.sent) == 1


def test_a_lease_that_was_lost_while_sending_is_not_settled_by_us() -> None:
    ledger, clock = MemoryLedger(), Clock()
    queue(ledger, "a")

    @dataclass
    class Slow:
        def send(self, posted: Posted) -> str:
            clock.at += timedelta(minutes=6)
            ledger.lease_mail(clock.now(), lease=300, limit=0)  # another process notices the lease has run out
            return "250 at last"

    done = deliver_due(ledger, Slow(), clock)
    assert (done.accepted, done.unsettled) == (0, 1)
    assert only(ledger).state is MailState.UNKNOWN


@pytest.mark.parametrize("hours", [48, 72])
def test_a_message_refused_for_two_days_is_given_up_and_stays_visible(hours: int) -> None:
    ledger, clock = MemoryLedger(), Clock()
    queue(ledger, "a")
    while clock.at < START + timedelta(hours=hours):
        deliver_due(ledger, ScriptedMailer(deque([MailError("451 later", smtp_code=451)])), clock)
        clock.at += timedelta(minutes=10)
    mail = only(ledger)
    assert mail.state is MailState.DEAD
    assert mail.answer == "451 later"


def test_the_next_try_is_spread_by_a_fifth_at_most_and_always_the_same_way() -> None:
    wait = timedelta(hours=1)
    result = MailResult(MailEvent.DELAY, "later", 451, START + wait)
    waits = set()
    for number in range(200):
        posted = Posted(f"m{number}", "t", "a@b", "c@d", b"", 1, 0, START)
        moved = spread(result, posted, START)
        assert moved == spread(result, posted, START)
        assert moved.next_attempt_at is not None
        share = (moved.next_attempt_at - START) / wait
        assert 1 - JITTER <= share <= 1 + JITTER
        waits.add(share)
    assert max(waits) - min(waits) > JITTER
    assert spread(MailResult(MailEvent.GIVE_UP), posted, START).next_attempt_at is None
