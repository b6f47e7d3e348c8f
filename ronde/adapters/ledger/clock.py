"""The clock that leases and due instants are compared with."""

from datetime import datetime

from sqlalchemy import text

from ronde.adapters.clock import SystemClock
from ronde.adapters.ledger.database import Database
from ronde.adapters.ledger.types import Instant

# Microseconds since 1970, exactly: extract() of a timestamptz is a numeric on every supported server.
_SERVER_NOW = text("SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint) AS now").columns(now=Instant)


class DatabaseClock:
    """On PostgreSQL the server's clock, so that workers whose own clocks disagree still agree about leases.

    On SQLite all processes share one machine, and its clock.

    Raises:
        LedgerError: from `now`, when the server cannot be asked.
    """

    def __init__(self, database: Database) -> None:
        self._db = database
        self._local = SystemClock()

    def now(self) -> datetime:
        if self._db.sqlite:
            return self._local.now()
        with self._db.read() as connection:
            at: datetime = connection.execute(_SERVER_NOW).scalar_one()
            return at
