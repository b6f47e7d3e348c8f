"""All or nothing: every change, interrupted at every one of its statements, and by kill -9."""

import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event, select

from ronde.adapters.ledger import SqlLedger
from ronde.adapters.ledger.prepared import Prepared
from ronde.adapters.ledger.tables import metadata
from ronde.model.outbox import MailResult
from ronde.model.plan import Occurrence
from ronde.model.run import JobState, MailEvent
from tests.contract.ledger.making import (
    ACME,
    BOTH,
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
    mail,
    order,
    seen,
    started,
)


class Killed(BaseException):
    """The process ends here; nothing may handle it."""


def everything(ledger: SqlLedger) -> dict[str, list[Any]]:
    """Every row of every table."""
    with ledger._db.read() as connection:
        return {name: sorted(map(repr, connection.execute(select(table)))) for name, table in metadata.tables.items()}


@contextmanager
def killed_at(ledger: SqlLedger, nth: int) -> Iterator[list[str]]:
    """Ends the work before its nth changing statement, and lists those that came so far."""
    changes: list[str] = []
    run = Prepared._run

    def before(statement: str) -> None:
        if re.match(r"\s*(INSERT|UPDATE|DELETE)", statement):
            changes.append(statement)
            if len(changes) == nth:
                raise Killed

    def before_core(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        before(statement)

    def run_prepared(self: Prepared, *given: Any) -> Any:
        before(str(self.statement))
        return run(self, *given)

    event.listen(ledger._db.engine, "before_cursor_execute", before_core)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Prepared, "_run", run_prepared)
            yield changes
    finally:
        event.remove(ledger._db.engine, "before_cursor_execute", before_core)


def recording(ledger: SqlLedger) -> Callable[[], object]:
    (claim,) = started(ledger, job())
    outcome = done(check(exchanges=(exchange(b"x" * 300),)), bad("db"))
    return lambda: ledger.record(claim, outcome, at(1))


def deferring(ledger: SqlLedger) -> Callable[[], object]:
    (claim,) = started(ledger, job())
    ledger.cancel_run(ACME, claim.run, "bob", NOW)
    return lambda: ledger.record(claim, deferred(at(9), check()), at(1))


def claiming(ledger: SqlLedger) -> Callable[[], object]:
    (hint,) = hints_of(ledger, ledger.create_run(order(job(lanes={"l": 1})), NOW))
    return lambda: ledger.claim(hint, "w1", at(1), LEASE)


def cancelling(ledger: SqlLedger) -> Callable[[], object]:
    run = ledger.create_run(order(job(target="a"), job(target="b"), job(target="c")), NOW)
    ledger.claim(hints_of(ledger, run)[0], "w1", NOW, LEASE)
    return lambda: ledger.cancel_run(ACME, run, "bob", at(1))


def reaping(ledger: SqlLedger) -> Callable[[], object]:
    started(ledger, job(target="a"), job(target="b"))
    ledger.create_run(order(job(not_after=at(1))), NOW)
    return lambda: ledger.reap(at(99))


def advancing(ledger: SqlLedger) -> Callable[[], object]:
    (claim,) = started(ledger, job())
    ledger.record(claim, done(check()), NOW)
    return lambda: ledger.advance(claim.run, at(1))


def leasing(ledger: SqlLedger) -> Callable[[], object]:
    ledger.post([mail(period="a"), mail(period="b")], NOW)
    ledger.lease_mail(NOW, lease=5, limit=1)
    return lambda: ledger.lease_mail(at(9), lease=5)


def settling(ledger: SqlLedger) -> Callable[[], object]:
    ledger.post([mail()], NOW)
    (posted,) = ledger.lease_mail(NOW, lease=5)
    return lambda: ledger.settle_mail(posted, MailResult(MailEvent.ACCEPT), at(1))


CHANGES: dict[str, Callable[[SqlLedger], Callable[[], object]]] = {
    "claim_occurrence": lambda ledger: lambda: ledger.claim_occurrence(fired(job(), job()), NOW),
    "miss_occurrence": lambda ledger: lambda: ledger.miss_occurrence(Occurrence("acme", "night", NOW), "late", NOW),
    "create_run": lambda ledger: lambda: ledger.create_run(order(job(), job("other")), NOW),
    "cancel_run": cancelling,
    "claim": claiming,
    "record": recording,
    "defer": deferring,
    "reap": reaping,
    "advance": advancing,
    "post": lambda ledger: lambda: ledger.post([mail(period="a"), mail(period="b")], NOW),
    "lease_mail": leasing,
    "settle_mail": settling,
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_cut_off_at_any_statement_leaves_nothing(ledger: SqlLedger, name: str) -> None:
    change = CHANGES[name](ledger)
    before = everything(ledger)
    for nth in range(1, 99):
        with killed_at(ledger, nth) as seen_changes:
            try:
                change()
            except Killed:
                assert everything(ledger) == before, seen_changes
                continue
        assert nth > 2, "a change and its event are at least two statements"
        assert everything(ledger) != before
        return
    pytest.fail("it never came to its end")


WORK = """
import sys
from datetime import UTC, datetime
sys.path.insert(0, sys.argv[2])
from ronde.adapters.ledger import SqlLedger
from ronde.ports import Claim
from tests.contract.ledger.making import NOW, bad, check, done, exchange, job, order
ledger = SqlLedger(sys.argv[1])
while True:
    for hint in ledger.to_send(NOW, resend_after=0.0, limit=5):
        claim = ledger.claim(hint, "w", NOW, 60)
        if isinstance(claim, Claim):
            ledger.record(claim, done(check(exchanges=(exchange(b"x" * 5000),)), bad("db")), NOW)
            print(claim.job, flush=True)
"""


def test_a_killed_process_leaves_whole_records_only(engine: str, fresh_url: Callable[[str], str]) -> None:
    url = fresh_url(engine)
    ledger = SqlLedger(url)
    run = ledger.create_run(order(*[job(target=f"h{n}") for n in range(400)]), NOW)
    finished: set[str] = set()
    for kills in (3, 7, 12, 18):
        worker = subprocess.Popen([sys.executable, "-c", WORK, url, "."], stdout=subprocess.PIPE, text=True)
        with worker:
            assert worker.stdout is not None
            finished |= {worker.stdout.readline().strip() for _ in range(kills)}
            worker.send_signal(signal.SIGKILL)
    record = seen(ledger, run)
    ended = {one.id for one in record.jobs if one.state is JobState.SUCCEEDED}
    assert finished <= ended, "what a worker was told is stored, is stored"
    told = [line.subject for line in record.events if line.action == "job.succeed"]
    assert sorted(told) == sorted(ended)
    for one in record.jobs:
        whole = one.state is JobState.SUCCEEDED
        assert one.state in {JobState.SUCCEEDED, JobState.RUNNING, JobState.QUEUED}
        assert len(one.checks) == (2 if whole else 0)
        assert len(ledger.evidence(BOTH, one.id)) == (1 if whole else 0)
    ledger.close()
