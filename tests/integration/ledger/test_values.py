"""What comes from outside is stored whatever it looks like, and instants mean the same on both engines."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine

from ronde.adapters.ledger import LedgerClock, SqlLedger
from ronde.model.check import Finding
from ronde.model.records import JobOutcome, Trouble
from ronde.model.run import JobState
from ronde.model.verdict import Severity
from tests.contract.ledger.making import ACME, NOW, at, check, done, exchange, job, order, seen, started

ODD = [
    "NUL \0 inside",
    "lone \udcff surrogate",
    "emoji 🗄️ and 漢字",
    "quote ' \" ` ; -- /* */ %s %(x)s :name ?",
    "newline \r\n tab \t bell \a",
    "\u202e right to left",
    "x" * 100_000,
    "",
]


@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
def test_odd_text_from_outside_loses_no_record(ledger: SqlLedger, text: str) -> None:
    (claim,) = started(ledger, job())
    finding = Finding("snap-age", Severity.WARNING, text, {"name": text, text[:50]: [text, {"deep": text}]})
    odd = check(text[:500], host=text[:200], findings=(finding,), facts={text[:50]: text}, exchanges=(exchange(),))
    assert ledger.record(claim, done(odd), at(1))
    (one,) = seen(ledger, claim.run).jobs
    (kept,) = one.checks
    whole = text.replace("\udcff", "\ufffd")  # in JSON, which can write NUL
    assert kept.subject == whole.replace("\0", "\ufffd")[:500]
    assert kept.findings[0].message == kept.facts[whole[:50]] == whole
    assert [one.subject for one in ledger.evidence(ACME, claim.job)] == [kept.subject]


@pytest.mark.parametrize("text", ODD[:3], ids=range(3))
def test_odd_text_in_errors_and_answers_loses_no_record(ledger: SqlLedger, text: str) -> None:
    (claim,) = started(ledger, job())
    assert ledger.record(claim, JobOutcome(JobState.FAILED, (), Trouble("protocol", text, text)), at(1))
    assert seen(ledger, claim.run).jobs[0].trouble is not None


def test_numbers_come_back_exactly(ledger: SqlLedger) -> None:
    facts: dict[str, Any] = {
        "huge": 2**80,
        "negative": -(2**63),
        "third": 1 / 3,
        "none": None,
        "yes": True,
        "empty": {},
        "list": [],
    }
    (claim,) = started(ledger, job())
    ledger.record(claim, done(check(facts=facts)), at(1))
    assert seen(ledger, claim.run).jobs[0].checks[0].facts == facts


@pytest.mark.parametrize(
    "instant",
    [
        datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        datetime(2027, 3, 28, 3, 30, tzinfo=ZoneInfo("Europe/Paris")),
        datetime(2027, 10, 31, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Paris")),
        datetime(2027, 1, 1, tzinfo=timezone(timedelta(hours=-11, minutes=-30))),
        datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    ],
)
def test_an_instant_comes_back_to_the_microsecond_in_utc(ledger: SqlLedger, instant: datetime) -> None:
    (claim,) = started(ledger, job())
    ledger.record(claim, done(check(evidence_at=instant)), NOW)
    kept = seen(ledger, claim.run).jobs[0].checks[0].evidence_at
    assert kept is not None
    assert kept == instant.astimezone(UTC)
    assert kept.utcoffset() == timedelta(0)


def test_workers_with_skewed_clocks_agree_about_leases(fresh_ledger: Callable[[str], SqlLedger]) -> None:
    """The server's clock decides: a worker that is an hour ahead reaps nobody."""
    ledger = fresh_ledger("postgresql")
    clock = LedgerClock(ledger)
    before = datetime.now(UTC)
    with time_machine.travel(before + timedelta(hours=1)):
        ahead = clock.now()
        claim = started(ledger, job(), now=ahead)[0]
    assert abs(ahead - before) < timedelta(minutes=5)
    assert ahead <= clock.now()
    assert ahead.utcoffset() == timedelta(0)
    assert list(ledger.reap(clock.now())) == []
    assert seen(ledger, claim.run).jobs[0].state is JobState.RUNNING


def test_on_one_machine_its_own_clock_is_the_ledgers(fresh_ledger: Callable[[str], SqlLedger]) -> None:
    clock = LedgerClock(fresh_ledger("sqlite"))
    with time_machine.travel(datetime(2027, 5, 1, tzinfo=UTC), tick=False):
        assert clock.now() == datetime(2027, 5, 1, tzinfo=UTC)


def test_outputs_are_kept_compressed_and_once_for_each_job(ledger: SqlLedger) -> None:
    (claim,) = started(ledger, job())
    same = exchange(b'{"time":"2027-01-13T01:00:00Z","paths":["/srv"]}\n' * 2000)
    ledger.record(claim, done(*[check(f"vm-{n}", exchanges=(same,)) for n in range(50)]), at(1))
    with ledger._db.engine.connect() as connection:
        sizes = list(connection.exec_driver_sql("SELECT length(output) FROM outputs").scalars())
    assert len(sizes) == 1
    assert sizes[0] < len(same.output) / 20
    assert [one.output for one in ledger.evidence(ACME, claim.job)] == [same.output] * 50


def test_two_orders_of_one_instant_have_different_ids(ledger: SqlLedger) -> None:
    ids = {ledger.create_run(order(job()), NOW) for _ in range(50)}
    assert len(ids) == 50
    assert all(len(one) == 24 for one in ids)
