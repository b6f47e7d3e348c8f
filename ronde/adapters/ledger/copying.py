"""A consistent copy of a SQLite ledger while it is in use."""

import sqlite3
from pathlib import Path

from ronde.adapters.ledger.database import parse_url
from ronde.model.errors import InputError, LedgerError


def copy_ledger(url: str, target: Path) -> int:
    """Copy the ledger into a new file, readable by us alone; its size in bytes.

    The copy is of one instant, whatever is written meanwhile.

    Raises:
        InputError: the ledger is not SQLite, or the target exists.
        LedgerError: it could not be read or the copy not be written; a half-written copy is removed.
    """
    address = parse_url(url)
    if address.get_backend_name() != "sqlite" or not address.database:
        raise InputError(
            "This ledger is on PostgreSQL.", advice="Back it up with pg_dump, and have Ronde check the dump."
        )
    if not Path(address.database).exists():
        raise LedgerError(f"there is no ledger at {address.database} yet")
    if target.exists():
        raise InputError(f"{target} exists already; a backup never overwrites anything.")
    try:
        target.touch(mode=0o600)
        with sqlite3.connect(f"file:{address.database}?mode=ro", uri=True) as source, sqlite3.connect(target) as copy:
            source.backup(copy, pages=1000)
        source.close()
        copy.close()
        return target.stat().st_size
    except (sqlite3.Error, OSError) as error:
        target.unlink(missing_ok=True)
        words = error.strerror if isinstance(error, OSError) else error
        raise LedgerError(f"the ledger could not be copied to {target}: {words}") from error
