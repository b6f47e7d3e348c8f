"""Bringing a ledger's schema up to date; nothing but the ledger's address is needed, no alembic.ini."""

import os
from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, inspect, text

from ronde.adapters.ledger.database import Database, parse_url
from ronde.adapters.ledger.tables import REVISION
from ronde.model.errors import LedgerError

_PATIENCE = 60.0  # seconds to wait for another process that is upgrading
_UPGRADING = text("SELECT pg_advisory_xact_lock(5922410112)")  # one upgrade at a time; any constant of our own


@dataclass(frozen=True, slots=True)
class Revisions:
    """Schema revisions; `found` is None in a database that holds no ledger yet."""

    found: str | None
    needed: str

    @property
    def current(self) -> bool:
        return self.found == self.needed


def upgrade(url: str) -> None:
    """Create the ledger at `url` if there is none, and bring its schema to this version, in one transaction.

    Raises:
        InputError: the address is of no supported engine.
        LedgerError: it cannot be written, or a newer version of Ronde has upgraded it before.
    """
    address = parse_url(url)
    if address.get_backend_name() == "sqlite":
        _make_file(Path(str(address.database)).absolute())
    database = Database(url, patience=_PATIENCE)
    try:
        if revisions(database).current:
            return  # the usual case: no lock for it
        with database.write() as connection:
            if not database.sqlite:
                connection.execute(_UPGRADING)
            _run(connection, database.label)
    finally:
        database.close()


def revisions(database: Database) -> Revisions:
    """The revision of the schema as it is, and as this code needs it.

    Raises:
        LedgerError: the database cannot be read.
    """
    with database.read() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return Revisions(None, REVISION)
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        return Revisions(found, REVISION)


def _run(connection: Connection, label: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise LedgerError(
            f"the ledger {label} was upgraded by a newer version of Ronde ({error})",
            advice="Run that version, or restore the ledger's backup of before.",
        ) from error


def _make_file(path: Path) -> None:
    """An empty file that only our user may read: it will hold what clients' servers answered."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise LedgerError(f"the ledger {path} cannot be created: {error.strerror}") from error
