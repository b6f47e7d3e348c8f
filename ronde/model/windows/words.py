"""Instants, spans and calendars in plain English, on the client's clock."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from ronde.model.windows.calendar import REACH, Calendar, Closure
from ronde.model.windows.spans import Span

AHEAD: Final = timedelta(days=400)
"""How far ahead the next window is looked for: a rule for one day a year finds it."""

_THIS_WEEK: Final = 6  # days ahead in which a weekday alone names one day
_CLOSED_AHEAD: Final = timedelta(days=14)  # closed days that a person is told beforehand


def moment(instant: datetime, zone: ZoneInfo, now: datetime) -> str:
    """`Thu 22:00 CET` within the coming week, `Thu 10 Dec 22:00 CET` beyond, with the year in another one."""
    return f"{_clock(instant, zone, now)} {instant.astimezone(zone):%Z}"


def span_words(span: Span, zone: ZoneInfo, now: datetime) -> str:
    """`Thu 22:00 to Fri 02:00 CET (nights)`; the zone twice when the clocks change within."""
    start, end = span.start.astimezone(zone), span.end.astimezone(zone)
    begins = _clock(span.start, zone, now) if start.tzname() == end.tzname() else moment(span.start, zone, now)
    ends = f"{end:%H:%M %Z}" if start.date() == end.date() else moment(span.end, zone, span.start)
    return f"{begins} to {ends}{_names(span)}"


def open_words(span: Span, zone: ZoneInfo, now: datetime) -> str:
    """`open until Fri 02:00 CET (nights)`."""
    if span.end - now >= REACH:
        return f"open for more than {REACH.days} days{_names(span)}"
    return f"open until {moment(span.end, zone, now)}{_names(span)}"


def closed_words(closure: Closure, now: datetime) -> str:
    """`closed Thu 24 Dec to Sat 2 Jan 2027: year's end`."""
    first, last = (
        f"{day:%a %-d %b}" if day.year == now.year else f"{day:%a %-d %b %Y}" for day in (closure.first, closure.last)
    )
    days = first if closure.first == closure.last else f"{first} to {last}"
    return f"closed {days}: {closure.why}"


def describe(calendar: Calendar, now: datetime) -> list[str]:
    """A line for now, one for the next window, one for each closed day or days of the coming fortnight."""
    return [*_now(calendar, now), *_next(calendar, now), *_closed(calendar, now)]


def _now(calendar: Calendar, now: datetime) -> Iterator[str]:
    span = calendar.open_at(now)
    yield f"now: {open_words(span, calendar.zone, now) if span else calendar.why_closed(now)}"


def _next(calendar: Calendar, now: datetime) -> Iterator[str]:
    if not calendar.windows or calendar.flaw:
        return
    span = calendar.next_open(now, AHEAD)
    if span is not None:
        yield f"next: {span_words(span, calendar.zone, now)}"
    elif calendar.open_at(now) is None:
        yield f"next: none within {AHEAD.days} days"


def _closed(calendar: Calendar, now: datetime) -> Iterator[str]:
    local = now.astimezone(calendar.zone)
    for closure in calendar.closed_between(local.date(), (local + _CLOSED_AHEAD).date()):
        yield closed_words(closure, local)


def _clock(instant: datetime, zone: ZoneInfo, now: datetime) -> str:
    local, today = instant.astimezone(zone), now.astimezone(zone).date()
    if 0 <= (local.date() - today).days <= _THIS_WEEK:
        return f"{local:%a %H:%M}"
    return f"{local:%a %-d %b %H:%M}" if local.year == today.year else f"{local:%a %-d %b %Y %H:%M}"


def _names(span: Span) -> str:
    return f" ({', '.join(span.names)})" if span.names else ""
