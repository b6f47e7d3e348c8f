"""Statements that every job pays for, compiled once and handed straight to the database's driver.

SQLAlchemy Core writes and types them as all others; what is left out is its work around each single execution, which
for these short statements costs several times what the database itself does.
"""

from collections import namedtuple
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Dialect, Insert, Select, TextClause, Update
from sqlalchemy.types import TypeEngine

_Convert = Callable[[Any], Any]
_Statement = Select[*tuple[Any, ...]] | Insert | Update | TextClause


@dataclass(frozen=True, slots=True)
class _Ready:
    """A statement in the words of one driver.

    Attributes:
        order: names of the parameters where the driver counts them; None where it takes them by name.
        fixed: values that the statement itself brings; `writers`: how values become the driver's.
        row: what a result row becomes; `readers`: place → how the driver's value becomes ours.
    """

    sql: str
    order: tuple[str, ...] | None
    fixed: Mapping[str, Any]
    writers: Mapping[str, _Convert]
    row: Callable[..., Any]
    readers: tuple[tuple[int, _Convert], ...]


@dataclass(slots=True)
class Prepared:
    """One statement without lists of varying length; `keys` names the columns that an INSERT is given."""

    statement: _Statement
    keys: tuple[str, ...] | None = None
    _ready: dict[str, _Ready] = field(default_factory=dict)

    def rows(self, connection: Connection, parameters: Mapping[str, Any]) -> list[Any]:
        """All rows, as named tuples of typed values."""
        ready, cursor = self._run(connection, parameters)
        found = cursor.fetchall()
        if not ready.readers:
            return [ready.row(*line) for line in found]
        return [ready.row(*_read(line, ready.readers)) for line in found]

    def change(self, connection: Connection, parameters: Mapping[str, Any]) -> int:
        """Run a statement for its effect; how many rows it met."""
        _, cursor = self._run(connection, parameters)
        return int(cursor.rowcount)

    def _run(self, connection: Connection, parameters: Mapping[str, Any]) -> tuple[_Ready, Any]:
        dialect = connection.dialect
        ready = self._ready.get(dialect.name)
        if ready is None:
            ready = self._ready[dialect.name] = _prepare(self.statement, self.keys, dialect)
        values = {**ready.fixed, **parameters}
        for name, write in ready.writers.items():
            values[name] = write(values[name])
        given = values if ready.order is None else tuple([values[name] for name in ready.order])
        cursor = connection.connection.cursor()
        cursor.execute(ready.sql, given)
        return ready, cursor


def _prepare(statement: _Statement, keys: tuple[str, ...] | None, dialect: Dialect) -> _Ready:
    compiled: Any = statement.compile(dialect=dialect, column_keys=None if keys is None else list(keys))
    writers = {name: _converter(bind.type, dialect, "bind") for bind, name in compiled.bind_names.items()}
    columns = list(statement.selected_columns) if isinstance(statement, Select) else []
    readers = [_converter(column.type, dialect, "result") for column in columns]
    given = set(keys or ())
    return _Ready(
        sql=str(compiled),
        order=tuple(compiled.positiontup) if compiled.positional else None,
        fixed={name: value for name, value in compiled.params.items() if name not in given},
        writers={name: write for name, write in writers.items() if write},
        row=namedtuple("Line", [str(column.key) for column in columns]),  # noqa: PYI024 - its fields are the statement's
        readers=tuple((place, read) for place, read in enumerate(readers) if read),
    )


def _converter(kind: TypeEngine[Any], dialect: Dialect, way: str) -> _Convert | None:
    impl = kind.dialect_impl(dialect)
    return impl.bind_processor(dialect) if way == "bind" else impl.result_processor(dialect, None)


def _read(line: Any, readers: tuple[tuple[int, _Convert], ...]) -> list[Any]:
    values = list(line)
    for place, read in readers:
        values[place] = read(values[place])
    return values
