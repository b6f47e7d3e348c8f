"""The ledger on a database: the one truth about what was ordered, what happened and what was found."""

from ronde.adapters.ledger.approving import SqlApprovals
from ronde.adapters.ledger.archive import SqlArchive
from ronde.adapters.ledger.clock import DatabaseClock
from ronde.adapters.ledger.database import Database
from ronde.adapters.ledger.jobs import SqlJobs
from ronde.adapters.ledger.migrations import Revisions, revisions, upgrade
from ronde.adapters.ledger.orders import SqlOrders
from ronde.adapters.ledger.outbox import SqlOutbox
from ronde.adapters.ledger.retention import SqlRetention
from ronde.adapters.ledger.vitals import SqlVitals
from ronde.adapters.ledger.waves import SqlWaves

__all__ = ["LedgerClock", "Revisions", "SqlLedger", "upgrade"]

OUTPUT_CAP = 5 * 1024 * 1024  # bytes kept of one exchange's output, and of its errors


class SqlLedger(SqlOrders, SqlApprovals, SqlWaves, SqlJobs, SqlArchive, SqlOutbox, SqlVitals, SqlRetention):
    """Fulfils `ronde.ports.Ledger` on SQLite or PostgreSQL; safe to share between threads.

    Args:
        url: `sqlite:////path/ledger.db` or `postgresql://user@host/name`.
        output_cap: most bytes kept of one exchange's output, and of its errors.
        patience: seconds to wait for a lock that somebody else holds.

    Raises:
        InputError: the address is of no engine that is supported. Nothing is opened yet.
    """

    def __init__(self, url: str, *, output_cap: int = OUTPUT_CAP, patience: float = 5.0) -> None:
        self._url = url
        self._db = Database(url, patience=patience)
        self._output_cap = output_cap

    def upgrade(self) -> None:
        """Create the ledger, or bring its schema up to date; several processes may try at once.

        Raises:
            LedgerError: it cannot be written, or is of a newer version of Ronde than this one.
        """
        upgrade(self._url)

    def revisions(self) -> Revisions:
        """The schema's revision as it is, and as this version needs it.

        Raises:
            LedgerError: it cannot be read.
        """
        return revisions(self._db)

    def describe(self) -> str:
        """Where the ledger is, for people; holds no password."""
        return self._db.label

    def close(self) -> None:
        """Give all connections back; the ledger may still be used, and then opens new ones."""
        self._db.close()


class LedgerClock(DatabaseClock):
    """The clock of a ledger; see `DatabaseClock`."""

    def __init__(self, ledger: SqlLedger) -> None:
        super().__init__(ledger._db)  # noqa: SLF001 - the clock is a part of the ledger
