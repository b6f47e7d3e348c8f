"""Whether a host may be changed at an instant, until when, and when next."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, Protocol
from zoneinfo import ZoneInfo

from ronde.model.windows.public_holidays import PublicHolidays
from ronde.model.windows.spans import Span, merged, without
from ronde.model.windows.week import DAY, Hours
from ronde.model.zones import first_instant, last_instant

REACH: Final = timedelta(days=31)
"""How far before and after an instant an open span is followed: a client that is always open is so for a month."""

LONGEST: Final = timedelta(days=7)
"""A window that has a length has no longer one."""

_MARGIN: Final = LONGEST + timedelta(days=3)  # how long before an instant its window may begin; days differ by zone
_MICROSECOND: Final = timedelta(microseconds=1)


class Days(Protocol):
    """Days of the calendar, by whatever rule."""

    def between(self, first: date, last: date) -> Iterator[date]:
        """Those in `first <= day <= last`, ascending."""


@dataclass(frozen=True, slots=True)
class Window:
    """Hours on certain days.

    Attributes:
        length: for `hours` without an end: time that passes, whatever the clocks do meanwhile.
    """

    name: str
    days: Days
    hours: Hours
    length: timedelta | None = None

    def __post_init__(self) -> None:
        """Refuse what has no end, or one that `Calendar` would not look far enough for.

        Raises:
            ValueError: it is neither hours with an end nor a start with a length, or longer than `LONGEST`.
        """
        if (self.hours.ends is None) == (self.length is None):
            raise ValueError(f"{self.name} has either hours with an end, or a start and a length")
        if self.length is not None and not timedelta(0) < self.length <= LONGEST:
            raise ValueError(f"{self.name} lasts more than nothing and at most {LONGEST.days} days")

    def spans(self, first: date, last: date, zone: ZoneInfo) -> Iterator[Span]:
        """One span for each of its days in `first <= day <= last`; empty where the clock skips all of its hours."""
        for day in self.days.between(first, last):
            midnight = _midnight(day)
            start = first_instant(midnight + self.hours.begins, zone)
            if self.hours.ends is not None:
                end = first_instant(midnight + self.hours.ends, zone)
            else:
                end = start + (self.length or timedelta(0))
            yield Span(start, end, (self.name,))


@dataclass(frozen=True, slots=True)
class Closure:
    """Whole days, both included, on which nothing is changed."""

    first: date
    last: date
    why: str

    def span(self, zone: ZoneInfo) -> Span:
        """Where the clock shows a part of the last day twice, the second time is still closed."""
        return Span(first_instant(_midnight(self.first), zone), last_instant(_midnight(self.last + DAY), zone))


@dataclass(frozen=True, slots=True)
class Calendar:
    """The windows of one host, or of a client as a whole. All instants are aware; those returned are in UTC.

    Attributes:
        holidays: public holidays that are closed; None when they are not.
        flaw: why it cannot be read; then it is never open.
    """

    zone: ZoneInfo
    windows: tuple[Window, ...] = ()
    closures: tuple[Closure, ...] = ()
    holidays: PublicHolidays | None = None
    flaw: str = ""

    def open_at(self, instant: datetime) -> Span | None:
        """The open span that holds this instant, followed at most `REACH` either way; None when nothing is open."""
        return next((span for span in self._open(instant, instant) if span.holds(instant)), None)

    def next_open(self, instant: datetime, horizon: timedelta) -> Span | None:
        """The first open span that begins after `instant` and not later than `horizon` after it."""
        return next(self.coming(instant, horizon), None)

    def coming(self, instant: datetime, horizon: timedelta) -> Iterator[Span]:
        """Every open span that begins in that time, soonest first; each as `open_at` tells it at its start."""
        start, last = instant, instant + horizon
        while start < last:
            end = min(start + REACH, last)
            for span in self._open(start, end):
                if start < span.start <= end:
                    yield span.within(span.start, span.start + REACH + _MICROSECOND)
            start = end

    def closed_between(self, first: date, last: date) -> list[Closure]:
        """What is closed of `first <= day <= last`, by first day; a holiday within a declared closure is left out."""
        found = [closure for closure in self.closures if closure.first <= last and closure.last >= first]
        if self.holidays is not None:
            found += [
                Closure(day, day, f"{self.holidays.name(day)} (public holiday)")
                for day in self.holidays.between(first, last)
                if not any(closure.first <= day <= closure.last for closure in self.closures)
            ]
        return sorted(found, key=lambda closure: (closure.first, closure.last))

    def why_closed(self, instant: datetime) -> str:
        """Why nothing is open, in a few words; empty when something is."""
        if self.flaw:
            return f"the maintenance windows cannot be read: {self.flaw}"
        day = instant.astimezone(self.zone).date()
        for closure in self.closed_between(day - DAY, day + DAY):
            if closure.span(self.zone).holds(instant):
                return f"closed {_days(closure)}: {closure.why}"
        if not self.windows:
            return "no maintenance window is declared"
        if self.open_at(instant) is not None:
            return ""
        return f"outside the maintenance windows ({', '.join(window.name for window in self.windows)})"

    def _open(self, start: datetime, end: datetime) -> list[Span]:
        """What is open in `start <= t <= end` and `REACH` on either side, merged, ascending."""
        if self.flaw:
            return []
        from_, to = start - REACH, end + REACH + _MICROSECOND
        first, last = (from_ - _MARGIN).astimezone(self.zone).date(), (to + _MARGIN).astimezone(self.zone).date()
        spans = (span.within(from_, to) for window in self.windows for span in window.spans(first, last, self.zone))
        holes = [closure.span(self.zone) for closure in self.closed_between(first, last)]
        return merged(without(spans, holes))


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day)  # noqa: DTZ001 - the time on the clock, its zone comes after


def _days(closure: Closure) -> str:
    if closure.first == closure.last:
        return f"on {closure.first:%a %-d %b %Y}"
    return f"from {closure.first:%a %-d %b %Y} to {closure.last:%a %-d %b %Y}"
