"""When a host may be changed: against a plain reading of the clock, and what must hold of every calendar."""

import itertools
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ronde.model.inventory import Client
from ronde.model.windows.calendar import REACH, Calendar, Closure, Window
from ronde.model.windows.declared import calendar_of
from ronde.model.windows.spans import Span
from ronde.model.windows.week import Hours, Weekdays

HORIZON = timedelta(days=100)
SECOND = timedelta(seconds=1)
NIGHTS = {"nights": {"days": "mon-fri", "at": "22:00-02:00"}}
SUNDAY = {"sunday": {"rrule": "FREQ=MONTHLY;BYDAY=1SU", "at": "08:00", "for": "4h"}}


def calendar(zone: str = "Europe/Paris", **fields: Any) -> Calendar:
    return calendar_of(Client.model_validate({"client": "c", "name": "C", "timezone": zone, **fields}))


def local(text: str, zone: str = "Europe/Paris") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def hours(span: Span | None, zone: str = "Europe/Paris") -> str:
    """A span as the clock shows it: `12 22:00-13 02:00`, the day of the month before each time."""
    assert span is not None
    start, end = span.start.astimezone(ZoneInfo(zone)), span.end.astimezone(ZoneInfo(zone))
    return f"{start:%d %H:%M}-{end:%d %H:%M}"


def test_a_night_belongs_to_the_day_it_begins() -> None:
    nights = calendar(windows=NIGHTS)
    assert hours(nights.open_at(local("2026-01-17T01:59"))) == "16 22:00-17 02:00", "Friday's, on Saturday"
    assert nights.open_at(local("2026-01-17T23:00")) is None, "Saturday has none"
    assert nights.open_at(local("2026-01-19T01:00")) is None, "nor has Sunday, so Monday begins closed"


def test_a_window_holds_its_start_and_not_its_end() -> None:
    nights = calendar(windows=NIGHTS)
    assert nights.open_at(local("2026-01-12T22:00") - SECOND) is None
    assert nights.open_at(local("2026-01-12T22:00")) == nights.open_at(local("2026-01-13T02:00") - SECOND)
    assert nights.open_at(local("2026-01-13T02:00")) is None


@pytest.mark.parametrize(
    ("hours_", "night", "expected", "length"),
    [
        ("22:00-02:00", "2026-03-28T22:00", "28 22:00-29 03:00", 4),  # 02:00 does not exist: when the gap is over
        ("02:15-04:00", "2026-03-29T03:00", "29 03:00-29 04:00", 1),
        ("22:00-04:00", "2026-10-24T22:00", "24 22:00-25 04:00", 7),
        ("02:00-04:00", "2026-10-25T00:00:00Z", "25 02:00-25 04:00", 3),
        ("22:00-02:00", "2026-10-24T22:00", "24 22:00-25 02:00", 4),
    ],
)
def test_nights_when_the_clocks_change(hours_: str, night: str, expected: str, length: int) -> None:
    every = calendar(windows={"w": {"at": hours_}})
    instant = datetime.fromisoformat(night) if night.endswith("Z") else local(night)
    span = every.open_at(instant)
    assert (hours(span), span and span.length) == (expected, timedelta(hours=length))


def test_hours_that_the_clock_skips_altogether_are_no_window_that_night() -> None:
    skipped = calendar(windows={"w": {"at": "02:15-02:45"}})
    assert hours(skipped.next_open(local("2026-03-28T12:00"), HORIZON)) == "30 02:15-30 02:45"


def test_a_length_is_time_that_passes() -> None:
    rule = {"w": {"rrule": "FREQ=DAILY", "at": "01:00", "for": "4h"}}
    assert hours(calendar(windows=rule).open_at(local("2026-03-29T01:00"))) == "29 01:00-29 06:00"
    assert hours(calendar(windows=rule).open_at(local("2026-10-25T01:00"))) == "25 01:00-25 04:00"


def test_windows_that_touch_or_overlap_are_one() -> None:
    both = calendar(windows={"a": {"at": "20:00-22:00"}, "b": {"at": "22:00-02:00"}, "c": {"at": "01:00-03:00"}})
    span = both.open_at(local("2026-01-12T21:00"))
    assert (hours(span), span and span.names) == ("12 20:00-13 03:00", ("a", "b", "c"))


def test_a_closed_day_cuts_a_night_at_its_midnights() -> None:
    closed = calendar(windows={"w": {"at": "22:00-02:00"}}, closed=[{"on": "2026-01-13", "why": "council"}])
    assert hours(closed.open_at(local("2026-01-12T23:00"))) == "12 22:00-13 00:00"
    assert hours(closed.next_open(local("2026-01-12T23:00"), HORIZON)) == "14 00:00-14 02:00"
    assert hours(closed.next_open(local("2026-01-14T00:00"), HORIZON)) == "14 22:00-15 02:00"


def test_only_the_windows_that_are_left_give_a_span_its_names() -> None:
    windows = {"a": {"at": "20:00-22:00"}, "b": {"days": "tue", "at": "00:00-04:00"}, "c": {"at": "22:00-24:00"}}
    closed = calendar(windows=windows, closed=[{"on": "2026-01-13", "why": "council"}])
    span = closed.open_at(local("2026-01-12T21:00"))
    assert (hours(span), span and span.names) == ("12 20:00-13 00:00", ("a", "c"))


def test_the_last_day_of_a_closure_is_closed_to_its_very_end() -> None:
    """Where the clock goes back over midnight, the day's last hour comes twice and is closed twice."""
    zone = "America/St_Johns"
    always = {"w": {"at": "00:00-24:00"}}
    closed = calendar(zone, windows=always, closed=[{"on": "2009-10-31", "why": "election"}])
    second_time = datetime(2009, 11, 1, 3, 0, tzinfo=UTC)
    assert f"{second_time.astimezone(ZoneInfo(zone)):%d %H:%M}" == "31 23:30"
    assert closed.open_at(second_time) is None
    assert closed.why_closed(second_time) == "closed on Sat 31 Oct 2009: election"


def test_a_client_that_is_always_open_is_so_for_a_month() -> None:
    always = calendar(windows={"w": {"at": "00:00-24:00"}})
    now = local("2026-01-12T12:00")
    span = always.open_at(now)
    assert span is not None
    assert (now - span.start, span.end - now) >= (REACH, REACH)
    assert always.next_open(now, timedelta(days=400)) is None


def test_public_holidays_can_be_closed_or_open() -> None:
    closed = calendar(windows={"w": {"at": "20:00-22:00"}}, holidays={"calendar": "fr", "are": "closed"})
    assert closed.open_at(local("2026-07-14T21:00")) is None
    assert closed.why_closed(local("2026-07-14T21:00")) == "closed on Tue 14 Jul 2026: National Day (public holiday)"
    opened = calendar(holidays={"calendar": "fr", "region": "alsace-moselle", "are": "open"})
    span = opened.open_at(local("2026-12-25T12:00"))
    assert (hours(span), span and span.names) == ("25 00:00-27 00:00", ("holidays",)), "Christmas and the day after it"
    nothing = calendar(windows={"w": {"at": "20:00-22:00"}}, holidays={"calendar": "fr"})
    assert nothing.open_at(local("2026-07-14T21:00")) is not None


def test_why_nothing_is_open() -> None:
    now = local("2026-01-12T12:00")
    assert calendar().why_closed(now) == "no maintenance window is declared"
    both = calendar(windows=NIGHTS | SUNDAY, closed=[{"on": "2026-12-24", "until": "2027-01-02", "why": "year's end"}])
    assert both.why_closed(now) == "outside the maintenance windows (nights, sunday)"
    assert both.why_closed(local("2026-01-12T22:00")) == ""
    assert both.why_closed(local("2027-01-01T23:00")) == ("closed from Thu 24 Dec 2026 to Sat 2 Jan 2027: year's end")


def test_the_next_window_is_found_however_far_and_not_beyond_the_horizon() -> None:
    yearly = calendar(windows={"w": {"rrule": "FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=31", "at": "08:00", "for": "4h"}})
    now = local("2026-01-01T00:00")
    begins = local("2026-12-31T08:00")
    assert hours(yearly.next_open(now, begins - now)) == "31 08:00-31 12:00"
    assert yearly.next_open(now, begins - now - SECOND) is None


def test_a_window_without_an_end_cannot_be_made() -> None:
    for length in (None, timedelta(0), timedelta(days=8)):
        with pytest.raises(ValueError, match=r"either|lasts"):
            Window("w", Weekdays(), Hours(timedelta(hours=8)), length)


QUARTERS = st.integers(0, 95).map(lambda quarter: f"{quarter // 4:02}:{quarter % 4 * 15:02}")
WEEKLY = st.builds(
    lambda days, first, last: {"days": days, "at": f"{first}-{last}"},
    st.sampled_from(["mon-fri", "sat,sun", "sun-sun", "mon-sun", "fri-mon", "wed"]),
    QUARTERS,
    QUARTERS,
).filter(lambda window: window["at"][:5] != window["at"][6:])
RECURRING = st.builds(
    lambda rule, at, lasts: {"rrule": rule, "at": at, "for": lasts},
    st.sampled_from(["FREQ=DAILY", "FREQ=MONTHLY;BYDAY=1SU", "FREQ=MONTHLY;BYDAY=-1SU", "FREQ=WEEKLY;BYDAY=SA,SU"]),
    QUARTERS,
    st.sampled_from(["15m", "4h", "1d", "30h", "7d"]),
)
ZONES = st.sampled_from(
    ["Europe/Paris", "Indian/Reunion", "America/Havana", "Australia/Lord_Howe", "Pacific/Auckland", "UTC"]
)
MONTHS = (date(2026, 3, 1), date(2026, 4, 30))  # the clocks change in each of these zones that has summer time
CLOSED = st.builds(
    lambda day, more: {"on": day.isoformat(), "until": (day + timedelta(days=more)).isoformat(), "why": "council"},
    st.dates(*MONTHS),
    st.integers(0, 5),
)
HOLIDAYS = st.sampled_from([None, {"calendar": "fr", "are": "closed"}, {"calendar": "fr", "are": "open"}])


@st.composite
def calendars(draw: st.DrawFn) -> Calendar:
    windows = draw(st.lists(WEEKLY | RECURRING, max_size=4))
    fields = {"closed": draw(st.lists(CLOSED, max_size=3)), "holidays": draw(HOLIDAYS)}
    return calendar(draw(ZONES), windows={f"w{number}": window for number, window in enumerate(windows)}, **fields)


INSTANTS = st.integers(0, 61 * 24 * 60).map(
    lambda minutes: datetime(2026, 3, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)


@given(calendars(), INSTANTS)
def test_never_open_inside_closed(one: Calendar, instant: datetime) -> None:
    span = one.open_at(instant)
    assume(span is not None)
    assert span is not None
    day = instant.astimezone(one.zone).date()
    assert not any(closure.first <= day <= closure.last for closure in one.closed_between(day, day))
    around = one.closed_between((span.start - HORIZON).date(), (span.end + HORIZON).date())
    assert not any(
        closure.span(one.zone).start < span.end and closure.span(one.zone).end > span.start for closure in around
    )


@given(calendars(), INSTANTS)
def test_an_open_span_ends_where_it_says(one: Calendar, instant: datetime) -> None:
    span = one.open_at(instant)
    assume(span is not None)
    assert span is not None
    assert span.holds(instant)
    if instant - span.start < REACH:
        assert one.open_at(span.start) is not None
        assert one.open_at(span.start - SECOND) is None
    if span.end - instant < REACH:
        assert one.open_at(span.end - SECOND) is not None
        assert one.open_at(span.end) is None


@given(calendars(), INSTANTS, st.lists(st.floats(0, 1), min_size=3, max_size=3))
def test_nothing_is_open_before_what_comes_next(one: Calendar, instant: datetime, shares: list[float]) -> None:
    following = one.next_open(instant, HORIZON)
    current = one.open_at(instant)
    closed_from = current.end if current else instant
    if following is not None:
        assert instant < following.start <= instant + HORIZON
        assert following == one.open_at(following.start)
        assert closed_from <= following.start
    closed_to = following.start if following else instant + HORIZON
    if current is None or current.end - instant < REACH:
        for share in shares:
            between = closed_from + (closed_to - closed_from) * share
            assert between == closed_to or one.open_at(between) is None


@given(calendars(), INSTANTS)
def test_what_comes_is_in_order_and_apart(one: Calendar, instant: datetime) -> None:
    spans = list(one.coming(instant, HORIZON))
    assert all(a.end < b.start for a, b in itertools.pairwise(spans))
    assert spans[:1] == [span for span in [one.next_open(instant, HORIZON)] if span]


@given(calendars(), INSTANTS)
def test_a_reason_is_given_exactly_when_nothing_is_open(one: Calendar, instant: datetime) -> None:
    assert bool(one.why_closed(instant)) == (one.open_at(instant) is None)


@given(calendars(), INSTANTS, st.dates(*MONTHS))
def test_closing_more_never_opens(one: Calendar, instant: datetime, day: date) -> None:
    more = Calendar(one.zone, one.windows, (*one.closures, Closure(day, day, "election")), one.holidays)
    if one.open_at(instant) is None:
        assert more.open_at(instant) is None
    fewer = Calendar(one.zone, one.windows[1:], one.closures, one.holidays)
    assert one.open_at(instant) is not None or fewer.open_at(instant) is None


@given(st.lists(WEEKLY, max_size=3), st.lists(CLOSED, max_size=2), INSTANTS)
def test_the_clock_on_the_wall_agrees_where_it_never_changes(
    windows: list[dict[str, str]], closed: list[dict[str, str]], instant: datetime
) -> None:
    zone = "Indian/Reunion"
    one = calendar(zone, windows={f"w{number}": window for number, window in enumerate(windows)}, closed=closed)
    wall = instant.astimezone(ZoneInfo(zone))
    shut = any(entry["on"] <= wall.date().isoformat() <= entry["until"] for entry in closed)
    assert (one.open_at(instant) is not None) == (not shut and any(shows(window, wall) for window in windows))


def shows(window: dict[str, str], wall: datetime) -> bool:
    """Whether the clock on the wall lies in a weekly window, by comparing what it shows."""
    begins, ends = window["at"].split("-")
    clock = f"{wall:%H:%M}"
    today, yesterday = wall.date(), wall.date() - timedelta(days=1)
    if begins < ends:
        return is_on(window, today) and begins <= clock < ends
    return (is_on(window, today) and clock >= begins) or (is_on(window, yesterday) and clock < ends)


def is_on(window: dict[str, str], day: date) -> bool:
    names = {
        "mon-fri": range(5),
        "sat,sun": (5, 6),
        "sun-sun": (6,),
        "mon-sun": range(7),
        "fri-mon": (4, 5, 6, 0),
        "wed": (2,),
    }
    return day.weekday() in names[window["days"]]
