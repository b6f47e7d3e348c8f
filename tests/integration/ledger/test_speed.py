"""The ledger stays quick when it is large: the right indexes are used, and nothing grows with what is long over."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, text

from ronde.adapters.ledger import SqlLedger
from ronde.adapters.ledger.prepared import Prepared
from ronde.adapters.ledger.tables import checks, jobs, runs
from ronde.adapters.ledger.types import micros
from ronde.model.records import Scope
from ronde.ports import Claim
from tests.contract.ledger.making import ACME, LEASE, NOW, at, check, done, hints_of, job, order, started

CHECKS = 100_000
# One check a minute, going back from the tests' night: of 20 clients, 100 hosts and 5 backups on each.
NUMBERS = {
    "sqlite": f"WITH RECURSIVE s(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM s WHERE n < {CHECKS - 1})",
    "postgresql": f"WITH s AS (SELECT n FROM generate_series(0, {CHECKS - 1}) AS n)",
}
FILL = """
    INSERT INTO checks (id, run_id, job_id, attempt, position, client, host, subject, kind, verdict, level,
                        recorded_at, findings, facts, objective)
    SELECT 'c' || n, 'r', :job, 1, 0, 'client-' || (n % 20), 'srv-' || (n % 100), 'backup-' || (n % 5), 'restic', 'ok',
           1, :now - CAST(60000000 AS bigint) * n, '[]', '{}', '{}' FROM s
"""


@pytest.fixture
def old_ledger(ledger: SqlLedger, engine: str) -> SqlLedger:
    """A ledger of years: a hundred thousand checks, all behind one old job."""
    (claim,) = started(ledger, job())
    ledger.record(claim, done(check()), NOW)
    with ledger._db.engine.begin() as connection:
        connection.execute(text(f"{NUMBERS[engine]} {FILL}"), {"job": claim.job, "now": micros(NOW)})
    with ledger._db.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("ANALYZE"))
    return ledger


def quickest(work: Callable[[], object]) -> float:
    """Seconds of the best of five: the machine may be busy with other things."""

    def once() -> float:
        start = time.perf_counter()
        work()
        return time.perf_counter() - start

    return min(once() for _ in range(5))


def test_reading_is_quick_among_a_hundred_thousand_checks(old_ledger: SqlLedger) -> None:
    mine, everybody = Scope.of("client-3"), Scope(frozenset(f"client-{n}" for n in range(20)))
    since = NOW - timedelta(days=1)
    found = old_ledger.history(mine, "srv-3", ["restic"], before=NOW, limit=30)
    assert len(found) == 30
    assert [one.recorded_at for one in found] == sorted((one.recorded_at for one in found), reverse=True)
    assert len(old_ledger.latest_checks(everybody, since=since, until=NOW)) == 100
    assert quickest(lambda: old_ledger.history(mine, "srv-3", ["restic"], before=NOW)) < 0.1
    assert quickest(lambda: old_ledger.latest_checks(everybody, since=since, until=NOW)) < 0.25


def test_sending_and_claiming_do_not_grow_with_the_queue(ledger: SqlLedger) -> None:
    run = ledger.create_run(order(*[job(target=f"h{n}", lanes={"client:acme": 1}) for n in range(5000)]), NOW)
    (first,) = ledger.to_send(NOW, resend_after=60)
    claim = ledger.claim(first, "w1", NOW, LEASE)
    assert isinstance(claim, Claim)
    assert quickest(lambda: ledger.to_send(NOW, resend_after=60)) < 0.1
    hint = next(hint for hint in hints_of(ledger, run) if hint != first)
    assert quickest(lambda: ledger.claim(hint, "w2", NOW, LEASE)) < 0.05
    assert quickest(lambda: ledger.advance(run, NOW)) < 0.05
    assert quickest(lambda: ledger.reap(NOW)) < 0.1


def test_a_roll_call_over_ten_thousand_schedules_is_quick(ledger: SqlLedger) -> None:
    keys = {(f"client-{n % 100}", f"schedule-{n}"): "0 2 * * *" for n in range(10_000)}
    scope = Scope(frozenset(client for client, _ in keys))
    ledger.see_schedules(keys, NOW)
    assert quickest(lambda: ledger.see_schedules(keys, at(60))) < 0.5
    assert quickest(lambda: ledger.decided_until(scope, keys)) < 0.5
    assert len(ledger.decided_until(scope, keys)) == 10_000


@contextmanager
def statements(ledger: SqlLedger, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, Any]]]:
    """Collects every statement that reaches the driver, with its parameters."""
    seen: list[tuple[str, Any]] = []
    run = Prepared._run

    def prepared(self: Prepared, connection: Any, parameters: Any) -> Any:
        ready, cursor = run(self, connection, parameters)
        values = {**ready.fixed, **parameters}
        values |= {name: write(values[name]) for name, write in ready.writers.items()}
        seen.append((ready.sql, tuple(values[name] for name in ready.order or ())))
        return ready, cursor

    def core(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        seen.append((statement, parameters))

    monkeypatch.setattr(Prepared, "_run", prepared)
    event.listen(ledger._db.engine, "before_cursor_execute", core)
    try:
        yield seen
    finally:
        event.remove(ledger._db.engine, "before_cursor_execute", core)
        monkeypatch.undo()


def test_no_statement_of_a_nights_work_reads_a_whole_table(
    fresh_ledger: Callable[[str], SqlLedger], monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite tells how it will answer; anything that scans jobs, runs or checks would slow down night by night."""
    ledger = fresh_ledger("sqlite")
    with statements(ledger, monkeypatch) as seen:
        (claim, other) = started(ledger, job(target="a", lanes={"l": 2}), job(target="b", lanes={"l": 2}))
        ledger.to_send(at(1), resend_after=60)
        ledger.renew("w1", [claim.token, other.token], at(1), LEASE)
        ledger.record(claim, done(check()), at(2))
        ledger.cancel_run(ACME, claim.run, "bob", at(2))
        ledger.advance(claim.run, at(3))
        ledger.reap(at(99))
        ledger.unfinished(at(99))
        ledger.history(ACME, "srv", ["restic"], before=at(99))
        ledger.latest_checks(ACME, since=at(0), until=at(99))
        ledger.jobs(ACME, since=at(0), until=at(99))
        ledger.evidence(ACME, claim.job)
        ledger.lease_mail(at(99), lease=9)
        ledger.health(at(99))
    tables = {table.name for table in (jobs, runs, checks)}
    assert len(seen) > 20
    with ledger._db.engine.connect() as connection:
        for statement, parameters in seen:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
            scans = [row.detail for row in plan if row.detail.startswith("SCAN")]
            bad = [one for one in scans if one.split()[1] in tables and "USING" not in one]
            assert not bad, (statement, plan)
