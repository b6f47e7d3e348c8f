"""What the ledger's parts share: the database, fresh names, and lines for the append-only record."""

import secrets
from collections.abc import Collection, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, insert, literal_column, or_, text

from ronde.adapters.ledger.database import Database
from ronde.adapters.ledger.prepared import Prepared
from ronde.adapters.ledger.tables import events
from ronde.model.check import Json
from ronde.model.records import Scope

AnyRow = Any  # a row that is read by attribute, of a `Prepared` statement or of SQLAlchemy
MACHINERY = "ronde"  # the actor of what nobody in particular did
_ADD_EVENTS = insert(events).inline()  # nobody asks for the number it gets
_ADD_EVENT = Prepared(_ADD_EVENTS, ("at", "client", "run_id", "actor", "action", "subject", "data"))


# On PostgreSQL takers of one lane go one after the other; the order of the locks keeps them from waiting in a circle.
_LOCK_LANES = Prepared(
    text(
        "SELECT pg_advisory_xact_lock(lock) FROM (SELECT hashtextextended(lane, 0) AS lock FROM"
        " json_object_keys(CAST(:lanes AS json)) AS lane ORDER BY 1) AS ordered"
    )
)


class Part:
    """One part of the ledger; all parts work on one database."""

    _db: Database


def lock_lanes(connection: Connection, lanes: str) -> None:
    """Until this transaction ends nobody else counts the places of these lanes (`lanes_text`); for PostgreSQL."""
    _LOCK_LANES.change(connection, {"lanes": lanes})


def new_id() -> str:
    """A fresh identifier: 96 random bits in 24 hexadecimal digits, of which people need the first few."""
    return secrets.token_hex(12)


def event(  # noqa: PLR0913 - one argument for each column of the line
    at: datetime,
    client: str,
    action: str,
    subject: str,
    *,
    actor: str = MACHINERY,
    run: str | None = None,
    data: Mapping[str, Json] | None = None,
) -> dict[str, Any]:
    """One line of `events`, for `tell`."""
    return {
        "at": at,
        "client": client,
        "run_id": run,
        "actor": actor,
        "action": action,
        "subject": subject,
        "data": data or {},
    }


def tell(connection: Connection, *lines: dict[str, Any]) -> None:
    """Add lines to the append-only record, in this transaction."""
    if len(lines) == 1:
        _ADD_EVENT.change(connection, lines[0])
    elif lines:
        connection.execute(_ADD_EVENTS, lines)


def within(column: ColumnElement[Any], scope: Scope) -> ColumnElement[bool]:
    """The condition that every reading statement carries; an empty scope matches nothing."""
    return column.in_(sorted(scope.clients))


def among(column: ColumnElement[str], states: Collection[StrEnum]) -> ColumnElement[bool]:
    """The condition that a state is one of these, in the words of the partial indexes.

    Written with literals and in one order: SQLite only uses a partial index whose condition it finds in the query.
    """
    return or_(*(column == literal_column(f"'{state.value}'") for state in sorted(states)))
