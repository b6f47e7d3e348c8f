"""Column types that keep the ledger's values exact on both engines."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, String, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from ronde.model.check import Json
from ronde.model.plan import canonical

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_UNSTORABLE = re.compile("[\\0\\ud800-\\udfff]")


def micros(instant: datetime) -> int:
    """Microseconds since 1970 in UTC.

    Raises:
        ValueError: the datetime has no zone, so nobody knows which instant it means.
    """
    if instant.tzinfo is None:
        raise ValueError(f"a naive datetime reached the ledger: {instant!r}")
    return (instant - _EPOCH) // _MICROSECOND


class Instant(TypeDecorator[datetime]):
    """An aware datetime, kept as UTC microseconds: the same order, the same precision on every engine."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002 - SQLAlchemy's
        return None if value is None else micros(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's
        return None if value is None else _EPOCH + timedelta(microseconds=value)


def storable(text: str) -> str:
    """The text without what no engine stores alike: NUL and lone surrogates become U+FFFD.

    Names of machines and error texts come from outside; one odd byte in them must not lose a whole night's record.
    """
    return _UNSTORABLE.sub("\ufffd", text)


class Words(TypeDecorator[str]):
    """Text from outside, made storable."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's
        return None if value is None else storable(value)


class CanonicalJson(TypeDecorator[Any]):
    """JSON values in their one canonical writing, so that a hash over a row means something."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Json, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's
        return None if value is None else canonical_text(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:  # noqa: ARG002 - SQLAlchemy's
        return None if value is None else json.loads(value)


def canonical_text(value: Json) -> str:
    """The canonical writing as text; lone surrogates, which have no UTF-8, become U+FFFD."""
    if isinstance(value, Mapping) and not value:
        return "{}"
    try:
        return canonical(value).decode()
    except UnicodeEncodeError:
        return canonical(_scrubbed(value)).decode()


def _scrubbed(value: Json) -> Json:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, Mapping):
        return {storable(key): _scrubbed(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_scrubbed(inner) for inner in value]
    return value


# Compared byte by byte on every engine, so that prefixes of ids are ranges and orders agree.
Key = String().with_variant(String(collation="C"), "postgresql")
