"""One database, SQLite or PostgreSQL: connections, transactions, and the few things the two do differently.

SQLite runs in WAL mode. A transaction that must survive a power cut (a job claimed whose steps must not happen twice,
an order a person was told is accepted, a message about to be sent) is committed with `synchronous=FULL`; one whose loss
would only repeat harmless work (a heartbeat, a retry-safe claim or its result) with `NORMAL`, which never corrupts and
becomes durable with the next full commit. WAL keeps order: what a full commit rests on is on disk before it.

Writers of one process queue on a lock of ours, since SQLite's own waiting sleeps and is unfair; other processes are
waited for by SQLite, at most `patience` seconds. PostgreSQL is always fully synchronous.
"""

import select
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, make_url
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import ArgumentError, DisconnectionError
from sqlalchemy.pool import QueuePool

from ronde.adapters.ledger.faults import in_our_words
from ronde.adapters.ledger.tables import probe
from ronde.model.errors import InputError, LedgerError

_POOL = 16  # idle connections kept; more threads than that wait shortly for one
_POOL_OVERFLOW = 16
_WAL_LIMIT = 64 * 1024 * 1024  # bytes; after a checkpoint the log is cut back to this
_PAGE_CACHE_KIB = 16_384
_SERVER_PATIENCE = 30  # seconds a PostgreSQL statement may take


class Database:
    """A place to keep rows; see the module for what a transaction guarantees.

    Attributes:
        sqlite: whether the engine is SQLite, else PostgreSQL.
        label: the ledger's address without any password, for people.
    """

    def __init__(self, url: str, *, patience: float = 5.0) -> None:
        address = parse_url(url)
        self.sqlite = address.get_backend_name() == "sqlite"
        shown = address.set(drivername="postgresql").render_as_string(hide_password=True)
        self.label = str(address.database) if self.sqlite else shown
        self._patience = patience
        self._turn = threading.Lock()
        self._engine = _sqlite_engine(address, patience) if self.sqlite else _postgresql_engine(address, patience)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads; on SQLite one snapshot, on PostgreSQL one snapshot for each statement.

        Raises:
            LedgerError: the database could not be read.
        """
        with in_our_words(self.label), self._engine.connect() as connection:
            if self.sqlite:
                _raw(connection).execute("BEGIN")
            yield connection

    @contextmanager
    def write(self, *, durable: bool = True) -> Iterator[Connection]:
        """A transaction that keeps all or nothing; any exception undoes it.

        Raises:
            LedgerError: the database could not be written; nothing was kept.
        """
        if not self.sqlite:
            with in_our_words(self.label), self._engine.connect() as connection:
                yield connection
                connection.connection.commit()
            return
        with self._my_turn(), in_our_words(self.label), self._engine.connect() as connection:
            _begin_writing(connection, "FULL" if durable else "NORMAL")
            yield connection
            connection.connection.commit()  # the driver's own: `Prepared` statements are unknown to SQLAlchemy

    def settle(self, now: datetime) -> None:
        """Make everything committed so far survive a power cut; on PostgreSQL it does already.

        Raises:
            LedgerError: the database could not be written.
        """
        if self.sqlite:
            with self.write() as connection:
                self.touch(connection, now)

    def touch(self, connection: Connection, now: datetime) -> None:
        """Rewrite the one row that is there to be rewritten: only a write proves that writing works."""
        same = self.insert(probe).on_conflict_do_update(index_elements=["id"], set_={"at": now})
        connection.execute(same, {"id": 1, "at": now})

    @contextmanager
    def _my_turn(self) -> Iterator[None]:
        if not self._turn.acquire(timeout=self._patience):
            raise LedgerError(f"the ledger {self.label} is locked: no turn to write within {self._patience:g} s")
        try:
            yield
        finally:
            self._turn.release()

    def insert(self, table: Table) -> Any:
        """An INSERT with the ON CONFLICT clauses that both engines share."""
        return sqlite_insert(table) if self.sqlite else postgresql_insert(table)

    def add_if_new(self, connection: Connection, table: Table, row: Mapping[str, Any]) -> bool:
        """Insert a row unless one with the same unique key exists; whether it was inserted."""
        add = self.insert(table).on_conflict_do_nothing().execution_options(preserve_rowcount=True)
        return bool(connection.execute(add, row).rowcount == 1)

    @property
    def engine(self) -> Engine:
        """For migrations and tests; everything else goes through `read` and `write`."""
        return self._engine

    def close(self) -> None:
        self._engine.dispose()


def parse_url(url: str) -> URL:
    """The address of a ledger.

    Raises:
        InputError: it is not one of the two engines, or an SQLite address without a file.
    """
    try:
        address = make_url(url)
    except ArgumentError:
        raise InputError(
            "the ledger's address is not a database URL",
            advice="Write sqlite:////path/ledger.db or postgresql://user@host/name.",
        ) from None
    if address.get_backend_name() in {"postgresql", "postgres"}:
        return address.set(drivername="postgresql+psycopg")
    if address.get_backend_name() != "sqlite":
        raise InputError(
            f"the ledger cannot be kept in {address.get_backend_name()}", advice="Use SQLite or PostgreSQL."
        )
    if address.database in {None, "", ":memory:"}:
        raise InputError(
            "the ledger needs a file: a memory database would forget", advice="Write sqlite:////path/ledger.db."
        )
    return address


def _raw(connection: Connection) -> sqlite3.Connection:
    raw = connection.connection.dbapi_connection
    assert isinstance(raw, sqlite3.Connection)  # noqa: S101 - for the type checker; only SQLite comes here
    return raw


def _begin_writing(connection: Connection, synchronous: str) -> None:
    raw = _raw(connection)
    if connection.info.get("synchronous") != synchronous:
        raw.execute(f"PRAGMA synchronous={synchronous}")
        connection.info["synchronous"] = synchronous
    raw.execute("BEGIN IMMEDIATE")  # the lock is taken at once: no reader ever finds out late that it cannot write


def _sqlite_engine(address: URL, patience: float) -> Engine:
    path = Path(str(address.database)).absolute()

    def connect() -> sqlite3.Connection:
        if not path.exists():
            raise LedgerError(
                f"there is no ledger at {path} yet",
                advice="`ronde ledger upgrade` makes it, and so do `ronde up` and `ronde run … --here`.",
            )
        # mode=rw: a mistyped path is an error, not a new and empty ledger
        connection = sqlite3.connect(
            f"file:{quote(str(path))}?mode=rw",
            uri=True,
            timeout=patience,
            isolation_level=None,  # transactions begin and end where we say
            check_same_thread=False,  # the pool hands a connection to one thread at a time
            cached_statements=256,
        )
        _prepare_sqlite(connection)
        return connection

    return create_engine(
        "sqlite://",
        creator=connect,
        poolclass=QueuePool,
        pool_size=_POOL,
        max_overflow=_POOL_OVERFLOW,
        pool_timeout=patience,
        pool_use_lifo=True,  # the warmest page cache first
        hide_parameters=True,  # values of clients stay out of error texts
    )


def _prepare_sqlite(connection: sqlite3.Connection) -> None:
    (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
    if mode != "wal":
        connection.close()
        raise LedgerError(
            f"the ledger's file system cannot hold a write-ahead log (journal mode {mode})",
            advice="Keep it on a local disk, or use PostgreSQL.",
        )
    for pragma in (
        "synchronous=FULL",
        "foreign_keys=ON",
        "trusted_schema=OFF",
        f"journal_size_limit={_WAL_LIMIT}",
        f"cache_size=-{_PAGE_CACHE_KIB}",
        "temp_store=MEMORY",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _postgresql_engine(address: URL, patience: float) -> Engine:
    wait = int(patience * 1000)
    options = (
        f"-c statement_timeout={_SERVER_PATIENCE * 1000} -c lock_timeout={wait}"
        f" -c idle_in_transaction_session_timeout={_SERVER_PATIENCE * 1000}"
    )
    engine = create_engine(
        address,
        pool_size=_POOL,
        max_overflow=_POOL_OVERFLOW,
        pool_timeout=patience,
        pool_use_lifo=True,
        hide_parameters=True,
        connect_args={
            "connect_timeout": max(2, int(patience)),
            "options": options,
            "application_name": "ronde",
            # a link whose packets vanish is noticed in seconds, not hours
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 15_000,
        },
    )
    event.listen(engine, "checkout", _refuse_dead)
    return engine


def _refuse_dead(connection: psycopg.Connection[Any], *_: object) -> None:
    """Throw away an idle connection on which the server has spoken: it said good-bye, since nobody had asked it.

    A server that restarted then costs a reconnection instead of a failed claim, and a live one not even a round trip.

    Raises:
        DisconnectionError: the pool opens another connection in its place.
    """
    if connection.closed:
        raise DisconnectionError
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    if poll.poll(0):
        raise DisconnectionError
