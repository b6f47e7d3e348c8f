"""Fixtures: fresh ledgers on both engines, cloned from one that was migrated once in this test process.

A conftest takes them over with `from tests.servers.ledgers import postgres, …`.
"""

import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ronde.adapters.ledger import SqlLedger, upgrade
from tests.servers.postgres import Postgres

_TEMPLATE = "ledger_template"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A server with a migrated template database."""
    with Postgres() as server:
        server.sql(f"CREATE DATABASE {_TEMPLATE}")
        upgrade(server.url(_TEMPLATE))
        yield server


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "ledger.db"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
def fresh_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Gives the URL of a new, empty ledger on `sqlite` or `postgresql`."""
    with ExitStack() as clones:

        def make(engine: str) -> str:
            if engine == "sqlite":
                path = tmp_path / f"{secrets.token_hex(4)}.db"
                shutil.copy(request.getfixturevalue("sqlite_template"), path)
                return f"sqlite:///{path}"
            server: Postgres = request.getfixturevalue("postgres")
            return clones.enter_context(server.clone(f"t{secrets.token_hex(6)}", _TEMPLATE))

        yield make


@pytest.fixture
def fresh_ledger(fresh_url: Callable[[str], str]) -> Iterator[Callable[[str], SqlLedger]]:
    """Gives a new, empty ledger on `sqlite` or `postgresql`; its connections are closed before its database goes."""
    with ExitStack() as opened:

        def make(engine: str) -> SqlLedger:
            ledger = SqlLedger(fresh_url(engine))
            opened.callback(ledger.close)
            return ledger

        yield make
