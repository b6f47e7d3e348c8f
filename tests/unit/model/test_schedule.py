"""When schedules are due, against an oracle that looks at every minute, in zones that do everything zones do."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ronde.model.schedule import clock_note, count_occurrences, next_occurrence, occurrences

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)

# Two days around changes of the clock (UTC instants shortly before them): forward and back, twice each.
CHANGES = {
    "Europe/Paris": ("2026-03-29T01:00", "2026-10-25T01:00", "2027-03-28T01:00", "2027-10-31T01:00"),
    "Europe/London": ("2026-03-29T01:00", "2026-10-25T01:00", "2027-03-28T01:00", "2027-10-31T01:00"),
    "America/New_York": ("2026-03-08T07:00", "2026-11-01T06:00", "2027-03-14T07:00", "2027-11-07T06:00"),
    "America/Havana": ("2026-03-08T05:00", "2026-11-01T05:00", "2027-03-14T05:00", "2027-11-07T05:00"),
    "America/St_Johns": ("2009-03-08T03:31", "2009-11-01T02:31", "2010-03-14T03:31", "2010-11-07T02:31"),
    "America/Sao_Paulo": ("2017-10-15T03:00", "2018-02-18T02:00", "2018-11-04T03:00", "2019-02-17T02:00"),
    "America/Asuncion": ("2022-10-02T04:00", "2023-03-26T03:00", "2023-10-01T04:00", "2024-03-24T03:00"),
    "Africa/Casablanca": ("2026-02-15T02:00", "2026-03-22T02:00", "2027-02-07T02:00", "2027-03-14T02:00"),
    "Africa/Cairo": ("2023-04-27T22:00", "2023-10-26T21:00", "2024-04-25T22:00", "2024-10-31T21:00"),
    "Asia/Beirut": ("2021-03-27T22:00", "2021-10-30T21:00", "2022-03-26T22:00", "2022-10-29T21:00"),
    "Australia/Lord_Howe": ("2026-04-04T15:00", "2026-10-03T15:30", "2027-04-03T15:00", "2027-10-02T15:30"),
    "Pacific/Apia": ("2011-12-30T10:00", "2012-03-31T14:00", "2012-09-29T14:00", "2013-04-06T14:00"),
    "Pacific/Chatham": ("2026-04-04T14:00", "2026-09-26T14:00", "2027-04-03T14:00", "2027-09-25T14:00"),
    "Asia/Pyongyang": ("2015-08-14T15:00", "2018-05-04T15:00", "2015-08-14T15:00", "2018-05-04T15:00"),
    "America/Caracas": ("2007-12-09T07:00", "2016-05-01T07:00", "2007-12-09T07:00", "2016-05-01T07:00"),
}
NIGHTS = [
    (zone, datetime.fromisoformat(instant).replace(tzinfo=UTC)) for zone, days in CHANGES.items() for instant in days
]
TIMES_OF_DAY = [
    "30 2 * * *",
    "0 2,3 * * *",
    "*/20 1-3 * * *",
    "15 0 * * *",
    "30 23 * * *",
    "0 */6 * * *",
    "45 1 * * 0,6",
]
RHYTHMS = ["*/30 * * * *", "0 * * * *", "15 * * * *", "*/7 * * * *", "5,50 * * * *", "* * * * *"]


def wall_matches(cron: str, wall: datetime) -> bool:
    """An independent reading of the few forms used here: lists, ranges, steps, and a weekday list."""
    minute, hour, _, _, weekday = cron.split()
    return (
        wall.minute in numbers(minute, 60)
        and wall.hour in numbers(hour, 24)
        and (weekday == "*" or wall.isoweekday() % 7 in numbers(weekday, 7))
    )


def numbers(field: str, size: int) -> set[int]:
    found: set[int] = set()
    for term in field.split(","):
        body, _, step = term.partition("/")
        low, _, high = body.partition("-")
        span = range(size) if body == "*" else range(int(low), int(high or low) + 1)
        found |= set(span[:: int(step or 1)])
    return found


def minutes(start: datetime, end: datetime) -> Iterator[datetime]:
    while start < end:
        start += MINUTE
        yield start


def times_of_day_by_looking(cron: str, zone: ZoneInfo, start: datetime, end: datetime) -> list[datetime]:
    """Watch the clock: fire what it shows for the first time, and what it jumped over when it has jumped."""
    due = []
    shown = (start - 2 * timedelta(days=1)).astimezone(zone).replace(tzinfo=None)
    for instant in minutes(start - 2 * timedelta(days=1), end):
        wall = instant.astimezone(zone).replace(tzinfo=None)
        new = [shown + n * MINUTE for n in range(1, int((wall - shown) / MINUTE) + 1)]
        if any(wall_matches(cron, moment) for moment in new) and instant > start:
            due.append(instant)
        shown = max(shown, wall)
    return due


@pytest.mark.parametrize(("zone", "change"), NIGHTS, ids=[f"{zone}-{at:%Y-%m-%d}" for zone, at in NIGHTS])
def test_the_clocks_change_here(zone: str, change: datetime) -> None:
    before, after = ((change + step).astimezone(ZoneInfo(zone)).utcoffset() for step in (-MINUTE, timedelta()))
    assert before != after


@pytest.mark.parametrize("cron", TIMES_OF_DAY)
@pytest.mark.parametrize("zone", CHANGES)
def test_a_time_of_day_comes_once_whatever_the_clocks_do(zone: str, cron: str) -> None:
    for at in CHANGES[zone]:
        start = datetime.fromisoformat(at).replace(tzinfo=UTC) - timedelta(days=1, hours=3)
        end = start + timedelta(days=3)
        assert list(occurrences(cron, ZoneInfo(zone), start, end)) == times_of_day_by_looking(
            cron, ZoneInfo(zone), start, end
        )


@pytest.mark.parametrize("cron", RHYTHMS)
@pytest.mark.parametrize(("zone", "change"), NIGHTS, ids=[f"{zone}-{at:%Y-%m-%d}" for zone, at in NIGHTS])
def test_a_rhythm_has_no_hole_and_no_double(zone: str, change: datetime, cron: str) -> None:
    start, end = change - timedelta(days=1), change + timedelta(days=1)
    due = list(occurrences(cron, ZoneInfo(zone), start, end))
    marks = sorted(numbers(cron.split(maxsplit=1)[0], 60))
    longest = max(after - before for before, after in zip(marks, [*marks[1:], marks[0] + 60], strict=True)) * MINUTE
    pauses = [later - earlier for earlier, later in itertools.pairwise(due)]
    assert max(pauses) <= longest
    assert min(pauses) > timedelta()
    shown = {instant for instant in minutes(start, end) if wall_matches(cron, instant.astimezone(ZoneInfo(zone)))}
    assert set(due) - shown <= {change}, "only the change itself may be added to what the clock shows"
    assert shown <= set(due)


@pytest.mark.parametrize(
    ("cron", "zone", "start", "expected"),
    [
        ("30 2 * * *", "Europe/Paris", "2027-03-28T00:00", ["03:00 CEST"]),
        ("30 2 * * *", "Europe/Paris", "2027-10-31T00:00", ["02:30 CEST"]),
        ("0 2,3 * * *", "Europe/Paris", "2027-03-28T00:00", ["03:00 CEST"]),
        ("*/15 2 * * *", "Europe/Paris", "2027-03-28T00:00", ["03:00 CEST"]),
        ("0 2-4 * * *", "Europe/Paris", "2027-10-31T00:00", ["02:00 CEST", "03:00 CET", "04:00 CET"]),
        ("15 2 * * *", "Australia/Lord_Howe", "2026-10-04T00:00", ["02:30 +11"]),
        ("45 1 * * *", "Australia/Lord_Howe", "2026-04-05T00:00", ["01:45 +11"]),
        ("0 0 * * *", "America/Havana", "2026-03-08T00:00", ["01:00 CDT"]),
        ("0 4 29 2 *", "Europe/Paris", "2028-02-29T00:00", ["04:00 CET"]),
    ],
)
def test_golden_days(cron: str, zone: str, start: str, expected: list[str]) -> None:
    local = ZoneInfo(zone)
    begin = datetime.fromisoformat(start).replace(tzinfo=local) - MINUTE
    due = occurrences(cron, local, begin, begin + timedelta(hours=20))
    assert [f"{instant.astimezone(local):%H:%M %Z}" for instant in due] == expected


def test_a_rhythm_counts_both_passes_of_the_autumn_hour() -> None:
    london = ZoneInfo("Europe/London")
    start = datetime(2027, 10, 30, 23, 59, tzinfo=UTC) - HOUR
    due = [f"{t.astimezone(london):%H:%M %Z}" for t in occurrences("*/30 * * * *", london, start, start + 4 * HOUR)]
    assert due == [
        "00:00 BST", "00:30 BST", "01:00 BST", "01:30 BST", "01:00 GMT", "01:30 GMT", "02:00 GMT", "02:30 GMT",
    ]  # fmt: skip


def test_the_day_that_apia_skipped_is_made_up_when_the_next_begins() -> None:
    apia = ZoneInfo("Pacific/Apia")
    start = datetime(2011, 12, 29, 0, 0, tzinfo=apia)
    due = [f"{t.astimezone(apia):%d %H:%M}" for t in occurrences("0 2 * * *", apia, start, start + timedelta(days=4))]
    assert due == ["29 02:00", "31 00:00", "31 02:00", "01 02:00"]
    yearly = [
        t.astimezone(apia).isoformat()[:16] for t in occurrences("*/20 * 30 12 *", apia, start, start + 9 * HOUR * 24)
    ]
    assert yearly == ["2011-12-31T00:00"]


def test_29_february_skips_2100() -> None:
    start = datetime(2096, 1, 1, tzinfo=UTC)
    first = next_occurrence("0 0 29 2 *", ZoneInfo("UTC"), start)
    assert (first.year, next_occurrence("0 0 29 2 *", ZoneInfo("UTC"), first).year) == (2096, 2104)


@pytest.mark.parametrize(
    ("cron", "zone", "start", "note"),
    [
        ("30 2 * * *", "Europe/Paris", "2027-03-28T00:00", "02:30 does not exist that day"),
        ("30 2 * * *", "Europe/Paris", "2027-10-31T00:00", "02:30 comes twice that day; this is the first"),
        ("30 2 * * *", "Europe/Paris", "2027-10-30T00:00", ""),
        ("0 3 * * *", "Europe/Paris", "2027-03-28T00:00", ""),
        ("0 2 * * *", "Pacific/Apia", "2011-12-29T12:00", "02:00 does not exist on 2011-12-30"),
        ("30 2 * * *", "UTC", "2027-03-28T00:00", ""),
    ],
)
def test_notes_on_what_the_clocks_did(cron: str, zone: str, start: str, note: str) -> None:
    local = ZoneInfo(zone)
    due = next_occurrence(cron, local, datetime.fromisoformat(start).replace(tzinfo=local))
    assert clock_note(cron, local, due) == note


def test_notes_tell_the_two_passes_apart() -> None:
    london = ZoneInfo("Europe/London")
    start = datetime(2027, 10, 31, 0, 29, tzinfo=UTC)
    notes = [clock_note("30 * * * *", london, t) for t in occurrences("30 * * * *", london, start, start + 3 * HOUR)]
    assert notes == ["this hour comes twice: first time", "this hour comes twice: second time", ""]


instants = st.integers(0, 40 * 365 * 24 * 3600).map(lambda s: datetime(2005, 1, 1, tzinfo=UTC) + timedelta(seconds=s))
zones = st.sampled_from(sorted(CHANGES)).map(ZoneInfo)
crons = st.sampled_from(
    [*TIMES_OF_DAY, *RHYTHMS, "0 0 1 * *", "0 12 29 2 *", "0 5 * * 1-5", "0 0 L * *", "30 * 30 12 *"]
)


@given(cron=crons, zone=zones, start=instants, days=st.integers(0, 40), cut=st.floats(0, 1))
@settings(max_examples=300)
def test_spans_join_without_loss_or_double(cron: str, zone: ZoneInfo, start: datetime, days: int, cut: float) -> None:
    end = start + timedelta(days=days)
    middle = start + cut * (end - start)
    whole = list(occurrences(cron, zone, start, end))
    assert whole == sorted(set(whole))
    assert [*occurrences(cron, zone, start, middle), *occurrences(cron, zone, middle, end)] == whole
    assert count_occurrences(cron, zone, start, end) == len(whole)
    if whole:
        assert next_occurrence(cron, zone, start) == whole[0]
        assert next_occurrence(cron, zone, whole[0] - timedelta(microseconds=1)) == whole[0]
        assert start < whole[0]
        assert whole[-1] <= end


def test_the_bounds_are_after_exclusive_and_until_inclusive() -> None:
    due = datetime(2026, 1, 5, 2, 30, tzinfo=UTC)
    utc = ZoneInfo("UTC")
    assert list(occurrences("30 2 * * *", utc, due - MINUTE, due)) == [due]
    assert list(occurrences("30 2 * * *", utc, due, due + MINUTE)) == []
    assert list(occurrences("30 2 * * *", utc, due, due - MINUTE)) == []


def test_an_instant_in_another_zone_means_the_same() -> None:
    paris, tokyo = ZoneInfo("Europe/Paris"), ZoneInfo("Asia/Tokyo")
    start = datetime(2026, 6, 1, 12, tzinfo=UTC)
    assert next_occurrence("0 2 * * *", paris, start.astimezone(tokyo)) == next_occurrence("0 2 * * *", paris, start)
    assert next_occurrence("0 2 * * *", paris, start).tzinfo is UTC


def test_a_wrong_expression_is_refused() -> None:
    with pytest.raises(ValueError, match="hour 25 is not in 0"):
        next_occurrence("0 25 * * *", ZoneInfo("UTC"), datetime(2026, 1, 1, tzinfo=UTC))
