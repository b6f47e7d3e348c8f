"""What the database libraries raise, told once in the project's own words."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy.exc import DBAPIError, SQLAlchemyError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from ronde.model.errors import LedgerError

# (words in the engine's message, what it means, what to do); the first match speaks
_MEANINGS: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (("database is locked", "lock timeout", "database table is locked"), "is locked by somebody else", ""),
    (
        ("database or disk is full", "no space left", "disk full"),
        "has no room left on its disk",
        "Free space there; nothing was half stored.",
    ),
    (
        ("readonly database", "read-only", "permission denied"),
        "cannot be written",
        "Check the owner and the rights of its directory.",
    ),
    (
        ("no such table", "undefinedtable", "does not exist", "no such column"),
        "does not have the schema this version needs",
        "Stop the workers and run `ronde ledger upgrade`.",
    ),
    (("unable to open database",), "cannot be opened", "Check that its directory exists and may be entered."),
    (
        ("malformed", "not a database", "disk image"),
        "is damaged",
        "Stop the workers and restore it from its backup; see docs/operate.md.",
    ),
    (("disk i/o error",), "met a disk error", "Check the disk, then the ledger's backup."),
    (
        (
            "connection refused",
            "could not connect",
            "connection failed",
            "no such file or directory",
            "timeout expired",
        ),
        "cannot be reached",
        "Check that its server runs and accepts this machine.",
    ),
    (
        ("server closed", "terminating connection", "connection is closed", "consuming input failed", "shutting down"),
        "lost its connection",
        "",
    ),
    (("password authentication", "role ", "no pg_hba.conf"), "refused our login", "Check RONDE_DATABASE_URL."),
    (("canceling statement", "deadlock"), "did not answer in time", ""),
)


def ledger_error(label: str, error: BaseException) -> LedgerError:
    """The foreign error in our words; `label` names the ledger and holds no secret."""
    detail = " ".join(str(error).split())
    text = f"{type(error).__name__} {detail}".lower()
    for words, meaning, advice in _MEANINGS:
        if any(word in text for word in words):
            return LedgerError(f"the ledger {label} {meaning} ({detail[:200]})", advice=advice)
    return LedgerError(f"the ledger {label} failed: {detail[:300]}")


@contextmanager
def in_our_words(label: str) -> Iterator[None]:
    """Turn what the database raises into `LedgerError`; a value of ours that cannot be stored stays what it is.

    Raises:
        LedgerError: the database could not be read or written; nothing of the transaction was kept.
    """
    try:
        yield
    except (DBAPIError, PoolTimeout) as error:
        origin = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
        raise ledger_error(label, origin) from error
    except StatementError as error:
        if isinstance(error.orig, ValueError):
            raise error.orig from None
        raise
    except (sqlite3.Error, psycopg.Error, SQLAlchemyError) as error:
        raise ledger_error(label, error) from error
