"""Between the clock on the wall and the instants of UTC, by what the IANA database says of a zone.

Inside this module and for `ronde.model.schedule`, instants are naive and UTC. `first_instant` and `last_instant` give
aware ones.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

_LONGEST_CHANGE: Final = timedelta(days=2)  # no zone ever moved by more than a day
_PROBE: Final = timedelta(hours=6)  # no zone ever changed its offset twice within so short a time
_SECOND: Final = timedelta(seconds=1)


def first_instant(local: datetime, zone: ZoneInfo) -> datetime:
    """When the clock first shows a local time (naive); the answer aware, in UTC.

    As for schedules: a time that the clock skips is the first instant after the gap, one that comes twice the first.
    """
    return _instant(local, zone, fold=0)


def last_instant(local: datetime, zone: ZoneInfo) -> datetime:
    """The same, but the second time for one that comes twice."""
    return _instant(local, zone, fold=1)


def _instant(local: datetime, zone: ZoneInfo, fold: int) -> datetime:
    before_it, after_it = (local.replace(tzinfo=zone, fold=which).utcoffset() or timedelta(0) for which in (0, 1))
    if before_it != after_it:  # only around a change, see PEP 495: in a gap, or where the time comes twice
        for change, before, after in recent_changes(zone, local - before_it):
            if change + before <= local < change + after:
                return change.replace(tzinfo=UTC)
    return (local - (after_it if fold else before_it)).replace(tzinfo=UTC)


def one_offset_spans(zone: ZoneInfo, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime, timedelta]]:
    """(start, end, offset) without a gap between them; naive UTC."""
    offset = offset_at(zone, start)
    for year in range(start.year, end.year + 1):
        for instant, _, after in _changes(zone, year):
            if start < instant < end:
                yield start, instant, offset
                start, offset = instant, after
    if start < end:
        yield start, end, offset


def recent_changes(zone: ZoneInfo, instant: datetime) -> list[tuple[datetime, timedelta, timedelta]]:
    """Changes whose effect on the clock may still last at this instant."""
    since = instant - _LONGEST_CHANGE
    years = {since.year, instant.year}
    return [change for year in sorted(years) for change in _changes(zone, year) if since < change[0] <= instant]


@lru_cache(maxsize=4096)
def _changes(zone: ZoneInfo, year: int) -> tuple[tuple[datetime, timedelta, timedelta], ...]:
    """(instant, offset before, offset after) of every change of offset in a year; naive UTC."""
    found = []
    low = datetime(year, 1, 1) - _SECOND if year > 1 else datetime(year, 1, 1)  # noqa: DTZ001 - naive UTC throughout
    end = datetime(year, 12, 31, 23, 59, 59)  # noqa: DTZ001 - the same
    before = offset_at(zone, low)
    while low < end:
        high = min(low + _PROBE, end)
        after = offset_at(zone, high)
        if after != before:
            found.append((_bisect(zone, low, high, before), before, after))
        low, before = high, after
    return tuple(found)


def _bisect(zone: ZoneInfo, low: datetime, high: datetime, before: timedelta) -> datetime:
    """The first second in `low < t <= high` whose offset is not `before`."""
    while high - low > _SECOND:
        middle = low + timedelta(seconds=(high - low) // _SECOND // 2)
        if offset_at(zone, middle) == before:
            low = middle
        else:
            high = middle
    return high


def offset_at(zone: ZoneInfo, instant: datetime) -> timedelta:
    return zone.fromutc(instant.replace(tzinfo=zone)).replace(tzinfo=None) - instant


def bare(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(tzinfo=None)
