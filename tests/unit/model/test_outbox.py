"""When a message is tried again, and that it always comes to an end."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ronde.model.outbox import (
    GIVE_UP_AFTER,
    RETRY_STEPS,
    UNKNOWN_RESENDS,
    Mail,
    MailResult,
    Posted,
    after_refusal,
    after_silence,
    mail_key,
)
from ronde.model.run import MailEvent, MailState, change_mail

NOW = datetime(2027, 1, 13, 7, 0, tzinfo=UTC)
parts = st.text(max_size=8)


def posted(attempts: int = 1, unknowns: int = 0, created: datetime = NOW) -> Posted:
    return Posted("m1", "t1", "ronde@msp.example", "it@acme.example", b"raw", attempts, unknowns, created)


def refused(attempts: int, after: timedelta = timedelta(0), *, permanent: bool = False) -> MailResult:
    return after_refusal(posted(attempts), permanent=permanent, answer="451 later", code=451, now=NOW + after)


@pytest.mark.parametrize(("attempt", "minutes"), [(1, 1), (2, 5), (3, 15), (4, 60), (5, 240), (6, 720), (7, 720)])
def test_a_passing_refusal_is_tried_again_in_growing_steps(attempt: int, minutes: int) -> None:
    result = refused(attempt)
    assert (result.event, result.next_attempt_at) == (MailEvent.DELAY, NOW + timedelta(minutes=minutes))
    assert (result.answer, result.smtp_code) == ("451 later", 451)


@given(st.integers(1, 20))
def test_a_refusal_for_good_ends_it_at_once(attempts: int) -> None:
    result = refused(attempts, permanent=True)
    assert (result.event, result.next_attempt_at) == (MailEvent.GIVE_UP, None)


@given(st.integers(1, 20), st.timedeltas(timedelta(0), timedelta(days=5)))
def test_no_try_is_planned_beyond_the_time_to_give_up(attempts: int, after: timedelta) -> None:
    result = refused(attempts, after)
    if result.event is MailEvent.DELAY:
        assert result.next_attempt_at is not None
        assert NOW + after < result.next_attempt_at <= NOW + GIVE_UP_AFTER
    else:
        assert result.event is MailEvent.GIVE_UP
        assert after + RETRY_STEPS[min(attempts, len(RETRY_STEPS)) - 1] > GIVE_UP_AFTER


def test_a_relay_that_is_down_is_tried_for_two_days() -> None:
    at, attempts = NOW, 0
    while True:
        attempts += 1
        result = after_refusal(posted(attempts), permanent=False, answer="", code=None, now=at)
        if result.next_attempt_at is None:
            break
        at = result.next_attempt_at
    assert timedelta(hours=36) < at - NOW <= GIVE_UP_AFTER
    assert attempts < 12


@given(st.lists(st.sampled_from(["accept", "refuse", "die", "silent"]), max_size=60))
def test_whatever_the_relay_does_a_message_is_doubled_at_most_as_often_as_allowed(fates: list[str]) -> None:
    """Interruption at every step: a message ends, or waits for a person, and only silence can double it."""
    state, attempts, unknowns, now, handed_over = MailState.QUEUED, 0, 0, NOW, 0
    for fate in fates:
        state, attempts = change_mail(state, MailEvent.LEASE), attempts + 1
        one = posted(attempts, unknowns)
        handed_over += fate != "refuse"
        if fate == "accept":
            result = MailResult(MailEvent.ACCEPT)
        elif fate == "refuse":
            result = after_refusal(one, permanent=False, answer="", code=451, now=now)
        else:
            result = after_silence(one, answer=fate, now=now)
            unknowns += 1
        state = change_mail(state, result.event)
        if result.next_attempt_at is None:
            break
        assert result.next_attempt_at > now
        now = result.next_attempt_at
    else:
        assert not fates or state in {MailState.RETRY, MailState.UNKNOWN}
    assert handed_over <= UNKNOWN_RESENDS + 1
    assert now - NOW <= GIVE_UP_AFTER + RETRY_STEPS[0]


@given(st.lists(parts, min_size=4, max_size=4), st.integers(1, 9), st.integers(1, 9))
def test_the_key_tells_messages_apart(texts: list[str], revision: int, other: int) -> None:
    client, kind, period, recipient = texts
    key = mail_key(client, kind, period, revision, recipient)
    assert key == mail_key(client, kind, period, revision, recipient)
    assert (key == mail_key(client, kind, period, other, recipient)) == (revision == other)
    assert key != mail_key(client, kind, period, revision, recipient + "x")


def test_the_digest_is_of_the_bytes_that_are_sent() -> None:
    mail = Mail("k", "acme", "report/night", "p", "r", "s", "t", "<m@msp.example>", b"raw")
    assert mail.digest == "d7439bee24773bcbfa2d0a97947ee36227b10d1022b1a55847e928965bb6bfde"
