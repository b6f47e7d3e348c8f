"""How fast the ledger is: jobs claimed and recorded a second, and what reading costs, on both engines.

Run it as `python -m bench.ledger [--json]`; it needs no server but PostgreSQL's programs.
"""

import argparse
import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from ronde.adapters.ledger import SqlLedger
from ronde.model.check import Check, Exchange
from ronde.model.plan import JobPlan, Lane, Order, Step, Target, TargetKind, Trigger
from ronde.model.records import JobOutcome, Scope
from ronde.model.run import JobState
from ronde.model.verdict import Level
from ronde.ports import Claim
from tests.servers.postgres import Postgres

NOW = datetime(2027, 1, 13, 1, 0, tzinfo=UTC)
JOBS = 2000
LISTING = b'{"time":"2027-01-13T01:00:00Z","tree":"c0ffee","paths":["/srv/documents"]}\n' * 400


@dataclass(frozen=True, slots=True)
class Figure:
    """One measurement: `a_second` of wall time, and microseconds of this process's processor time for each."""

    name: str
    a_second: float
    cpu_us: float


def _plan(number: int) -> JobPlan:
    client = f"client-{number % 20}"
    return JobPlan(
        Target(client, TargetKind.HOST, f"srv-{number}"),
        "backup/check",
        (Step("look", "backups", {"names": ["documents"]}),),
        (Lane(f"client:{client}", 1000),),
    )


def _checks(count: int) -> tuple[Check, ...]:
    listing = Exchange("restic snapshots --json", NOW, NOW, 0, LISTING)
    return tuple(
        Check(f"backup-{n}", "restic", "srv", level=Level.PRESENT, facts={"size": n}, exchanges=(listing,))
        for n in range(count)
    )


def _measured(name: str, count: int, work: Callable[[], None]) -> Figure:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Figure(name, count / wall, cpu / count * 1e6)


def _work_off(ledger: SqlLedger, checks: int) -> int:
    outcome = JobOutcome(JobState.SUCCEEDED, _checks(checks))
    done = 0
    while hints := ledger.to_send(NOW, resend_after=60, limit=100):
        for hint in hints:
            claim = ledger.claim(hint, "bench", NOW, 60)
            if isinstance(claim, Claim):
                done += ledger.record(claim, outcome, NOW)
                ledger.advance(claim.run, NOW)
    return done


def _jobs(ledger: SqlLedger, name: str, *, threads: int = 1, checks: int = 0) -> Figure:
    ledger.create_run(Order("backup/check", "d" * 64, tuple(map(_plan, range(JOBS))), Trigger.PERSON, "bench"), NOW)

    def work() -> None:
        workers = [threading.Thread(target=_work_off, args=(ledger, checks)) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    return _measured(name, JOBS, work)


def _measure(ledger: SqlLedger) -> Iterator[Figure]:
    yield _jobs(ledger, "jobs, no check, 1 thread")
    yield _jobs(ledger, "jobs, no check, 4 threads", threads=4)
    yield _jobs(ledger, "jobs, 5 checks of 30 kB, 1 thread", checks=5)
    yield _jobs(ledger, "jobs, 5 checks of 30 kB, 4 threads", checks=5, threads=4)
    everybody = Scope(frozenset(f"client-{n}" for n in range(20)))
    one = Scope.of("client-3")
    later = NOW + timedelta(hours=1)
    keys = [(f"client-{n % 20}", f"schedule-{n}") for n in range(10_000)]
    for name, times, work in (
        ("history of one host", 100, lambda: ledger.history(one, "srv", ["restic"], before=later)),
        ("latest checks of 20 clients", 5, lambda: ledger.latest_checks(everybody, since=NOW, until=later)),
        ("first sight of 10,000 schedules", 1, lambda: ledger.see_schedules(dict.fromkeys(keys, "x"), NOW)),
        ("roll call over 10,000 schedules", 5, lambda: _roll_call(ledger, everybody, keys)),
    ):
        yield _measured(name, times, partial(_repeat, times, work))


def _roll_call(ledger: SqlLedger, scope: Scope, keys: list[tuple[str, str]]) -> None:
    ledger.see_schedules(dict.fromkeys(keys, "x"), NOW)
    ledger.decided_until(scope, keys)
    ledger.reap(NOW)
    ledger.unfinished(NOW)
    ledger.to_send(NOW, resend_after=60)


def _repeat(times: int, work: Callable[[], object]) -> None:
    for _ in range(times):
        work()


@contextmanager
def _ledgers() -> Iterator[dict[str, SqlLedger]]:
    with tempfile.TemporaryDirectory() as place, Postgres(durable=True) as server:
        server.sql("CREATE DATABASE bench")
        urls = {"SQLite": f"sqlite:///{Path(place) / 'ledger.db'}", "PostgreSQL": server.url("bench")}
        ledgers = {name: SqlLedger(url) for name, url in urls.items()}
        try:
            for ledger in ledgers.values():
                ledger.upgrade()
            yield ledgers
        finally:
            for ledger in ledgers.values():
                ledger.close()


def main() -> None:
    """Print a table, or with `--json` a list of objects."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    found = []
    with _ledgers() as ledgers:
        for engine, ledger in ledgers.items():
            for figure in _measure(ledger):
                found.append({"engine": engine, **asdict(figure)})
                if not wanted.json:
                    print(f"{engine:11} {figure.name:36} {figure.a_second:9.0f}/s {figure.cpu_us:10.0f} us of CPU each")
    if wanted.json:
        print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
