"""Days of the week and hours of the day as people write them."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ronde.model.windows.week import Hours, Weekdays


@pytest.mark.parametrize(
    ("text", "numbers", "again"),
    [
        ("mon-fri", (0, 1, 2, 3, 4), "mon-fri"),
        ("sat,sun", (5, 6), "sat,sun"),
        ("sat-mon", (0, 5, 6), "mon,sat,sun"),
        ("Monday, WED - fri", (0, 2, 3, 4), "mon,wed,thu,fri"),
        ("sun-sun", (6,), "sun"),
        ("mon-sun", (0, 1, 2, 3, 4, 5, 6), "mon-sun"),
    ],
)
def test_days(text: str, numbers: tuple[int, ...], again: str) -> None:
    assert (Weekdays.parse(text).numbers, str(Weekdays.parse(text))) == (numbers, again)


@pytest.mark.parametrize("text", ["", "mon-", "-fri", "mon,,tue", "lun-ven", "1-5", "mon fri", "mon-fri-sun"])
def test_what_is_no_day_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a day of the week"):
        Weekdays.parse(text)


@given(st.sets(st.integers(0, 6), min_size=1).map(sorted))
def test_days_survive_being_written_and_read(numbers: list[int]) -> None:
    days = Weekdays(tuple(numbers))
    assert Weekdays.parse(str(days)) == days


def test_the_days_between_two_dates_hold_both() -> None:
    days = list(Weekdays.parse("mon,fri").between(date(2026, 1, 5), date(2026, 1, 9)))
    assert days == [date(2026, 1, 5), date(2026, 1, 9)]
    assert list(Weekdays().between(date(2026, 1, 5), date(2026, 1, 4))) == []


@pytest.mark.parametrize(
    ("text", "begins", "ends"),
    [
        ("08:00", 8, None),
        ("22:00-02:00", 22, 26),
        ("00:00-24:00", 0, 24),
        ("22:00-24:00", 22, 24),
        ("22:00-00:00", 22, 24),
        ("08:00 - 12:00", 8, 12),
        ("02:00-01:00", 2, 25),
    ],
)
def test_hours(text: str, begins: int, ends: int | None) -> None:
    expected = Hours(timedelta(hours=begins), None if ends is None else timedelta(hours=ends))
    assert Hours.parse(text) == expected
    assert Hours.parse(str(expected)) == expected


@pytest.mark.parametrize(
    "text", ["", "8:00", "24:00", "24:00-02:00", "25:00-02:00", "22:00-", "-02:00", "22-02", "22:00-02:00-04:00", "x"]
)
def test_what_are_no_hours_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is neither a time of day nor hours"):
        Hours.parse(text)


def test_hours_without_length_are_refused() -> None:
    with pytest.raises(ValueError, match="is an empty window"):
        Hours.parse("22:00-22:00")
