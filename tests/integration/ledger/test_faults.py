"""What the ledger says and keeps when its disk, its lock or its server fails it; the faults are real ones."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ronde.adapters.ledger import SqlLedger, upgrade
from ronde.model.errors import InputError, LedgerError
from ronde.model.plan import Occurrence
from tests.contract.ledger.making import (
    ACME,
    LEASE,
    NOW,
    at,
    check,
    done,
    exchange,
    hints_of,
    job,
    order,
    seen,
    started,
)
from tests.servers.postgres import Postgres

HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def opened(url: str, **more: float) -> Iterator[SqlLedger]:
    ledger = SqlLedger(url, **more)  # type: ignore[arg-type] # only `patience` is given
    try:
        yield ledger
    finally:
        ledger.close()


@contextmanager
def held_by_another_process(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Somebody else has the write lock until the block ends."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield holder
        if holder.poll() is None:
            holder.communicate("")


def fill(place: Path) -> Path:
    """Write until there is no room left at all."""
    filler = place / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        for size in (65536, 4096, 1):
            with contextlib.suppress(OSError):
                while file.write(b"x" * size):
                    pass
    return filler


def ping_until_full(ledger: SqlLedger) -> None:
    """Small writes may still fit into pages that are there; not for ever."""
    for nth in range(5000):
        ledger.ping()
        ledger.miss_occurrence(Occurrence("acme", f"schedule-{nth}", NOW), "x" * 500, NOW)


def test_a_full_disk_loses_nothing_and_is_told(small_disk: Path) -> None:
    url = f"sqlite:///{small_disk / 'ledger.db'}"
    upgrade(url)
    with opened(url) as ledger:
        (claim,) = started(ledger, job())
        filler = fill(small_disk)
        result = done(check(exchanges=(exchange(os.urandom(500_000)),)))
        with pytest.raises(LedgerError, match="no room left on its disk"):
            ledger.record(claim, result, at(1))
        with pytest.raises(LedgerError, match="no room left on its disk"):
            ledger.create_run(order(*[job(target=f"h{n}") for n in range(2000)]), at(1))
        with pytest.raises(LedgerError, match="no room left on its disk"):
            ping_until_full(ledger)
        runs = len(ledger.runs(ACME, since=NOW, limit=9999))
        filler.unlink()
        assert ledger.record(claim, result, at(2))
        assert ledger.ping()
        assert len(ledger.evidence(ACME, claim.job)) == 1
        assert len(ledger.runs(ACME, since=NOW, limit=9999)) == runs


def test_a_disk_that_became_read_only_is_told(small_disk: Path) -> None:
    url = f"sqlite:///{small_disk / 'ledger.db'}"
    upgrade(url)
    with opened(url) as ledger:
        run = ledger.create_run(order(job()), NOW)
        ledger.close()
        subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
        with pytest.raises(LedgerError, match=r"cannot be (written|opened)|disk error"):
            ledger.create_run(order(job()), at(1))
        subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
        assert seen(ledger, run).id == run
        assert ledger.create_run(order(job()), at(2))


def test_a_locked_ledger_is_waited_for_a_while_and_can_still_be_read(fresh_url: Callable[[str], str]) -> None:
    url = fresh_url("sqlite")
    with opened(url, patience=0.3) as ledger:
        run = ledger.create_run(order(job()), NOW)
        (hint,) = hints_of(ledger, run)
        with held_by_another_process(Path(url.removeprefix("sqlite:///"))):
            before = time.monotonic()
            with pytest.raises(LedgerError, match="locked"):
                ledger.claim(hint, "w1", at(1), LEASE)
            assert 0.25 < time.monotonic() - before < 5
            assert seen(ledger, run).jobs[0].attempt == 1
        assert not isinstance(ledger.claim(hint, "w1", at(2), LEASE), str)


def test_a_lock_whose_holder_was_killed_is_free(fresh_url: Callable[[str], str]) -> None:
    url = fresh_url("sqlite")
    with (
        opened(url, patience=5) as ledger,
        held_by_another_process(Path(url.removeprefix("sqlite:///"))) as holder,
    ):
        threading.Timer(0.3, holder.kill).start()
        assert ledger.create_run(order(job()), NOW)


def test_many_threads_at_a_locked_ledger_all_hear_of_it_in_time(fresh_url: Callable[[str], str]) -> None:
    url = fresh_url("sqlite")
    told: list[str] = []

    def write(ledger: SqlLedger) -> None:
        try:
            ledger.create_run(order(job()), NOW)
        except LedgerError as error:
            told.append(str(error))

    with opened(url, patience=0.3) as ledger, held_by_another_process(Path(url.removeprefix("sqlite:///"))):
        threads = [threading.Thread(target=write, args=(ledger,)) for _ in range(20)]
        before = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert time.monotonic() - before < 5
    assert len(told) == 20
    assert all("locked" in one for one in told)


def test_a_mistyped_path_makes_no_new_ledger(tmp_path: Path) -> None:
    with opened(f"sqlite:///{tmp_path}/nowhere.db") as ledger, pytest.raises(LedgerError, match="there is no ledger"):
        ledger.ping()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_ledger_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(b"accounts of the town hall\n" * 400)
    before = path.read_bytes()
    for attempt in (lambda: upgrade(f"sqlite:///{path}"), lambda: SqlLedger(f"sqlite:///{path}").ping()):
        with pytest.raises(LedgerError, match="is damaged"):
            attempt()
    assert path.read_bytes() == before


def test_a_ledger_without_a_schema_says_what_to_do(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "ledger.db").close()
    with opened(f"sqlite:///{tmp_path}/ledger.db") as ledger:
        assert not ledger.revisions().current
        with pytest.raises(LedgerError, match="ronde ledger upgrade"):
            ledger.runs(ACME, since=NOW)


def test_a_place_that_cannot_hold_a_ledger_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LedgerError, match="cannot be created"):
        upgrade(f"sqlite:///{tmp_path}/file/ledger.db")


@pytest.mark.parametrize("url", ["", "ledger.db", "mysql://root@localhost/x", "sqlite://", "sqlite:///:memory:"])
def test_an_address_of_nothing_we_support_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="ledger"):
        SqlLedger(url)


def test_a_server_that_dies_under_us_is_told_and_found_again() -> None:
    with Postgres(durable=True) as server:
        server.sql("CREATE DATABASE ledger")
        upgrade(server.url("ledger"))
        with opened(server.url("ledger")) as ledger:
            (claim,) = started(ledger, job())
            server.stop(signal.SIGQUIT)
            with pytest.raises(LedgerError, match=r"cannot be reached|lost its connection"):
                ledger.record(claim, done(check()), at(1))
            with pytest.raises(LedgerError, match="cannot be reached"):
                ledger.runs(ACME, since=NOW)
            server.start()
            assert ledger.record(claim, done(check()), at(2))
            assert ledger.advance(claim.run, at(3))


def test_connections_that_died_while_idle_cost_nothing(postgres: Postgres, fresh_url: Callable[[str], str]) -> None:
    with opened(fresh_url("postgresql")) as ledger:
        run = ledger.create_run(order(job()), NOW)
        postgres.sql("SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity WHERE application_name = 'ronde'")
        assert seen(ledger, run).id == run
        assert ledger.create_run(order(job()), at(1))


def test_a_lock_on_the_server_is_waited_for_a_while(postgres: Postgres, fresh_url: Callable[[str], str]) -> None:
    url = fresh_url("postgresql")
    with opened(url, patience=0.3) as ledger, opened(url) as other:
        run = ledger.create_run(order(job()), NOW)
        (hint,) = hints_of(ledger, run)
        with other._db.engine.begin() as holder:
            holder.exec_driver_sql("LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE")
            with pytest.raises(LedgerError, match="locked"):
                ledger.claim(hint, "w1", at(1), LEASE)
        assert not isinstance(ledger.claim(hint, "w1", at(2), LEASE), str)


def test_no_password_is_ever_told(tmp_path: Path) -> None:
    with opened(f"postgresql://ronde:s3cr3t-word@/ledger?host={tmp_path}", patience=1) as ledger:
        assert "s3cr3t-word" not in ledger.describe()
        assert "s3cr3t-word" not in repr(ledger)
        with pytest.raises(LedgerError) as refused:
            ledger.ping()
    texts = [str(refused.value), repr(refused.value), str(refused.value.__cause__), repr(refused.value.__cause__)]
    assert not [text for text in texts if "s3cr3t-word" in text]
    assert "cannot be reached" in texts[0]


def test_what_clients_wrote_stays_out_of_error_texts(fresh_ledger: Callable[[str], SqlLedger]) -> None:
    ledger = fresh_ledger("sqlite")
    with ledger._db.write() as connection:
        connection.exec_driver_sql("DROP TABLE events")
    with pytest.raises(LedgerError) as refused:
        ledger.create_run(order(job(target="private-name")), NOW)
    assert "private-name" not in str(refused.value) + str(refused.value.__cause__)
