"""The schema: made by migrations, equal to what the code believes, and guarding itself."""

import inspect
import multiprocessing
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy.exc
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, insert, select, text

from ronde.adapters.ledger import SqlLedger, migrations, tables, upgrade
from ronde.model.errors import LedgerError
from ronde.model.plan import canonical
from ronde.model.run import JobState
from tests.contract.ledger.making import ACME, NOW, at, check, done, finished, job, order, started
from tests.servers.postgres import Postgres

Execute = Callable[[str], None]


@pytest.fixture
def by_hand(ledger: SqlLedger) -> Execute:
    """SQL as somebody with the database's password would write it."""

    def execute(statement: str) -> None:
        with ledger._db.engine.begin() as connection:
            connection.exec_driver_sql(statement)

    return execute


def test_the_code_knows_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(inspect.getfile(migrations)).parent))
    assert ScriptDirectory.from_config(config).get_heads() == [tables.REVISION]


def test_the_migrations_build_the_tables_the_code_uses(ledger: SqlLedger) -> None:
    with ledger._db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, tables.metadata) == []


def constraints(connection: Connection) -> set[str]:
    if connection.dialect.name == "sqlite":
        found = connection.exec_driver_sql("SELECT group_concat(sql) FROM sqlite_master WHERE type = 'table'").scalar()
        return set(re.findall(r"CONSTRAINT (ck_\w+)", str(found)))
    rows = connection.exec_driver_sql("SELECT conname FROM pg_constraint WHERE contype = 'c'").scalars()
    return {str(name) for name in rows if str(name).startswith("ck_")}


def test_the_migrations_build_the_checks_the_code_expects(ledger: SqlLedger) -> None:
    expected = {
        str(constraint.name)
        for table in tables.metadata.tables.values()
        for constraint in table.constraints
        if str(constraint.name).startswith("ck_")
    }
    with ledger._db.engine.connect() as connection:
        assert constraints(connection) == expected


def test_every_state_of_the_model_may_be_stored_and_no_other(ledger: SqlLedger, by_hand: Execute) -> None:
    ledger.create_run(order(job()), NOW)
    lease = {True: "token = 't', lease_until = 1", False: "token = NULL, lease_until = NULL"}
    for state in JobState:
        by_hand(f"UPDATE jobs SET state = '{state.value}', {lease[state is JobState.RUNNING]}")
    for wrong in (
        "UPDATE jobs SET state = 'gone', token = NULL, lease_until = NULL",
        "UPDATE jobs SET state = 'running', token = NULL",
        "UPDATE jobs SET state = 'queued', token = 't', lease_until = 1",
        "UPDATE jobs SET verdict = 'good'",
        "UPDATE jobs SET run_id = 'nobody'",
        "UPDATE runs SET state = 'done'",
    ):
        with pytest.raises(sqlalchemy.exc.IntegrityError):
            by_hand(wrong)


def test_nothing_unproven_can_be_stored_as_ok(ledger: SqlLedger, by_hand: Execute) -> None:
    finished(ledger, check())
    with pytest.raises(sqlalchemy.exc.IntegrityError):
        by_hand("UPDATE checks SET level = NULL")
    with pytest.raises(sqlalchemy.exc.IntegrityError):
        by_hand("UPDATE checks SET level = 7")


def test_the_record_cannot_be_changed_by_hand(ledger: SqlLedger, engine: str, by_hand: Execute) -> None:
    finished(ledger, check())
    with ledger._db.read() as connection:
        before = connection.execute(select(tables.events)).all()
    replace = (
        "INSERT OR REPLACE INTO events SELECT seq, at, client, run_id, 'nobody', action, subject, data FROM events"
    )
    attempts = ["UPDATE events SET actor = 'nobody'", "DELETE FROM events", "DELETE FROM events WHERE seq = 1"]
    attempts += [replace] if engine == "sqlite" else ["TRUNCATE events", "TRUNCATE events CASCADE"]
    for attempt in attempts:
        with pytest.raises(sqlalchemy.exc.DBAPIError, match="never"):
            by_hand(attempt)
    with ledger._db.read() as connection:
        assert connection.execute(select(tables.events)).all() == before


def test_the_record_is_written_canonically_and_outlives_its_subjects(ledger: SqlLedger) -> None:
    finished(ledger, check())
    ledger.prune(before_raw=at(1), before_all=at(1), now=at(2))
    with ledger._db.read() as connection:
        rows = connection.execute(text("SELECT seq, data FROM events ORDER BY seq")).all()
        assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
        lines = connection.execute(select(tables.events).order_by(tables.events.c.seq)).all()
    assert [row.data.encode() for row in rows] == [canonical(line.data) for line in lines]
    assert [line.action for line in lines] == ["run.order", "job.claim", "job.succeed", "run.end", "ledger.prune"]


def test_upgrading_again_changes_nothing(engine: str, fresh_url: Callable[[str], str]) -> None:
    url = fresh_url(engine)
    ledger = SqlLedger(url)
    run = finished(ledger, check())
    ledger.upgrade()
    assert ledger.revisions().current
    assert ledger.run(ACME, run).id == run
    ledger.close()


def test_many_processes_may_upgrade_at_once(engine: str, tmp_path: Path, postgres: Postgres) -> None:
    name = f"many{engine}{tmp_path.name}".replace("-", "_").lower()[:60]
    url = f"sqlite:///{tmp_path}/new/ledger.db"
    if engine == "postgresql":
        postgres.sql(f'CREATE DATABASE "{name}"')
        url = postgres.url(name)
    spawn = multiprocessing.get_context("spawn")
    with spawn.Pool(4) as pool:
        pool.map(upgrade, [url] * 4)
    ledger = SqlLedger(url)
    assert ledger.ping()
    ledger.close()
    if engine == "postgresql":
        postgres.sql(f'DROP DATABASE "{name}" WITH (FORCE)')


def test_a_new_ledger_is_for_its_owner_only(tmp_path: Path) -> None:
    upgrade(f"sqlite:///{tmp_path}/data/ledger.db")
    ledger = SqlLedger(f"sqlite:///{tmp_path}/data/ledger.db")
    started(ledger, job())
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "data").iterdir()}
    ledger.close()
    assert modes == {"ledger.db": 0o600, "ledger.db-wal": 0o600, "ledger.db-shm": 0o600}
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700


def test_a_ledger_of_a_newer_version_is_not_touched(engine: str, fresh_url: Callable[[str], str]) -> None:
    url = fresh_url(engine)
    ledger = SqlLedger(url)
    with ledger._db.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(LedgerError, match="newer version"):
        ledger.upgrade()
    with pytest.raises(LedgerError, match="9999"):
        ledger.ping()
    assert (ledger.revisions().found, ledger.revisions().current) == ("9999", False)
    ledger.close()


def test_a_failed_migration_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ledger.db"

    def broken(connection: Connection, label: str) -> None:
        connection.execute(text("CREATE TABLE half (id INTEGER)"))
        raise RuntimeError(label)

    monkeypatch.setattr(migrations, "_run", broken)
    with pytest.raises(RuntimeError):
        upgrade(f"sqlite:///{path}")
    monkeypatch.undo()
    upgrade(f"sqlite:///{path}")
    ledger = SqlLedger(f"sqlite:///{path}")
    with ledger._db.read() as connection:
        names = set(connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'")).scalars())
    ledger.close()
    assert "half" not in names
    assert tables.metadata.tables.keys() <= names


def test_a_number_of_the_record_is_never_given_twice(ledger: SqlLedger) -> None:
    def numbers() -> list[Any]:
        with ledger._db.read() as connection:
            return list(connection.execute(select(tables.events.c.seq).order_by(tables.events.c.seq)).scalars())

    (claim,) = started(ledger, job())
    before = numbers()
    ledger.record(claim, done(check()), at(1))
    assert numbers()[: len(before)] == before
    row = {"seq": before[0], "at": NOW, "client": "", "actor": "x", "action": "x", "subject": "x", "data": {}}
    with pytest.raises(sqlalchemy.exc.DBAPIError), ledger._db.engine.begin() as connection:
        connection.execute(insert(tables.events), row)
