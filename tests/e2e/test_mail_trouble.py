"""The morning report meets a relay that is down, and a worker that dies while the relay holds the message."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from lab.mail import Received
from ronde.model.records import MailRecord
from ronde.model.run import MailState
from tests.e2e.installation import Installation, poll

HOUR = timedelta(hours=1)


def test_a_relay_that_is_down_all_night_delays_the_report_and_loses_nothing(ronde: Installation) -> None:
    ronde.mail.start()
    ronde.mail.stop()  # it keeps its port, and refuses connections
    _morning(ronde)
    ronde.awaken("one")
    for attempt in (1, 2, 3):
        mail = poll(lambda n=attempt: _in_state(ronde, MailState.RETRY, n), within=30, what=f"try {attempt} fails")  # type: ignore[misc]  # bound now
        assert mail.accepted_at is None
        ronde.mails_wait_less(HOUR)
    (row,) = ronde.status()["clients"]
    assert row["report"]["verdict"] != "ok"
    ronde.mail.start()
    poll(lambda: _accepted_soon(ronde), within=30, what="the relay takes it")
    _and_no_more(ronde, 1)
    (received,) = ronde.mail.received()
    assert received.recipients == ("mairie@commune.example",)
    (row,) = ronde.status()["clients"]
    assert row["report"]["verdict"] == "ok"


def test_a_worker_that_dies_before_the_relay_answers_costs_one_duplicate_at_most(ronde: Installation) -> None:
    ronde.mail.behave("mute-after-data")
    ronde.mail.start()
    _morning(ronde)
    (worker,) = ronde.awaken("one")
    poll(ronde.mail.received, within=40, what="the relay has the message")
    assert _in_state(ronde, MailState.LEASED)
    worker.kill()
    ronde.mail.behave("accept")
    ronde.start_worker("two")
    ronde.mail_leases_end()
    poll(lambda: _in_state(ronde, MailState.UNKNOWN), within=30, what="nobody knows what became of it")
    poll(lambda: _accepted_soon(ronde), within=30, what="it is sent once more")
    first, second = _and_no_more(ronde, 2)
    assert first.message["Message-ID"] == second.message["Message-ID"]
    assert first.path.read_bytes() == second.path.read_bytes()


def _morning(ronde: Installation) -> None:
    """A checked night, and a report that was due two minutes ago and is not too late yet."""
    due = datetime.now(UTC) - timedelta(minutes=2)
    ronde.schedules["morning"] = {
        "report": "night",
        "at": f"{due.minute} {due.hour} * * *",
        "catch_up": {"within": "4h"},
    }
    ronde.write_inventory()
    assert ronde.ronde("run", "backup/check", "--here").returncode == 0
    ronde.seen_since("morning", due - timedelta(minutes=1))


def _in_state(ronde: Installation, state: MailState, attempts: int = 0) -> MailRecord | None:
    """The only message, if it stands so."""
    mails = ronde.mails()
    assert len(mails) <= 1
    return next((mail for mail in mails if mail.state is state and attempts in {0, mail.attempts}), None)


def _accepted_soon(ronde: Installation) -> bool:
    ronde.mails_wait_less(HOUR)
    return _in_state(ronde, MailState.ACCEPTED) is not None


def _and_no_more(ronde: Installation, count: int) -> Sequence[Received]:
    """What the relay has, after all waits are over and the roll was called twice more."""
    ronde.mails_wait_less(48 * HOUR)
    ronde.roll_calls(2)
    received = ronde.mail.received()
    assert len(received) == count
    assert [occurrence.run is not None for occurrence in ronde.occurrences("morning")] == [True]
    return received
