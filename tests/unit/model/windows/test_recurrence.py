"""Recurrence rules: their days, and every way of writing one that would mean something else than it says."""

import re
from collections.abc import Callable
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ronde.model.windows.recurrence import Recurrence, parse_recurrence

YEAR = (date(2026, 1, 1), date(2026, 12, 31))
MONDAY = date(2026, 1, 5)


def days(rule: str, since: date | None = None) -> list[date]:
    return list(parse_recurrence(rule, since).between(*YEAR))


def looked_up(matches: Callable[[date], bool]) -> list[date]:
    """An independent reading: every day of the year, one by one."""
    return [day for step in range(365) if matches(day := YEAR[0] + timedelta(days=step))]


@pytest.mark.parametrize(
    ("rule", "matches"),
    [
        ("FREQ=MONTHLY;BYDAY=1SU", lambda day: day.weekday() == 6 and day.day <= 7),
        ("RRULE:FREQ=MONTHLY;BYDAY=1SU;", lambda day: day.weekday() == 6 and day.day <= 7),
        ("freq=monthly;byday=-1fr", lambda day: day.weekday() == 4 and (day + timedelta(days=7)).month != day.month),
        ("FREQ=MONTHLY;BYDAY=MO,TU;BYSETPOS=1", lambda day: day.weekday() in {0, 1} and day.day <= 6 + day.weekday()),
        ("FREQ=MONTHLY;BYMONTHDAY=13", lambda day: day.day == 13),
        ("FREQ=MONTHLY;BYMONTHDAY=-1", lambda day: (day + timedelta(days=1)).day == 1),
        ("FREQ=YEARLY;BYMONTH=6;BYMONTHDAY=14", lambda day: (day.month, day.day) == (6, 14)),
        ("FREQ=WEEKLY;BYDAY=SA,SU", lambda day: day.weekday() >= 5),
        ("FREQ=DAILY", lambda _: True),
        ("FREQ=DAILY;UNTIL=20260110", lambda day: day <= date(2026, 1, 10)),
        ("FREQ=YEARLY;BYWEEKNO=2;BYDAY=MO", lambda day: day.isocalendar()[1:] == (2, 1)),
    ],
)
def test_the_days_of_a_rule(rule: str, matches: Callable[[date], bool]) -> None:
    found = days(rule)
    expected = looked_up(matches)
    if "SETPOS" in rule:
        expected = [next(day for day in expected if day.month == month) for month in range(1, 13)]
    assert found == expected
    assert found


def test_a_rule_counts_from_its_first_day() -> None:
    fortnight = days("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO", MONDAY)
    assert fortnight == [MONDAY + timedelta(days=14 * step) for step in range(26)]
    assert days("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO", MONDAY + timedelta(days=7))[0] == MONDAY + timedelta(days=7)
    assert days("FREQ=DAILY;COUNT=3", MONDAY) == [MONDAY + timedelta(days=step) for step in range(3)]
    assert days("FREQ=WEEKLY", MONDAY)[:2] == [MONDAY, MONDAY + timedelta(days=7)]


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("", '"" is not a part of a rule'),
        ("every sunday", '"EVERY SUNDAY" is not a part of a rule'),
        ("BYDAY=SU", "FREQ is missing; it can be DAILY, MONTHLY, WEEKLY or YEARLY"),
        ("FREQ=MONTLY;BYDAY=SU", 'FREQ "MONTLY" is not known here; did you mean "MONTHLY"?'),
        ("FREQ=HOURLY", 'FREQ "HOURLY" is not known here'),
        ("FREQ=MONTHLY;FREQ=DAILY", "FREQ stands twice"),
        ("FREQ=DAILY;BYHOUR=8", 'BYHOUR does not belong here; the time of day stands in "at"'),
        ("FREQ=DAILY;BYEASTER=1", "BYEASTER is not known here"),
        ("FREQ=DAILY;INTERVAL=0", "INTERVAL 0 is not in 1 to 1000"),
        ("FREQ=DAILY;INTERVAL=-1", "INTERVAL -1 is not in 1 to 1000"),
        ("FREQ=DAILY;INTERVAL=2", "INTERVAL needs a first day to count from"),
        ("FREQ=DAILY;COUNT=1", "COUNT needs a first day to count from"),
        ("FREQ=DAILY;COUNT=1;UNTIL=20270101", "COUNT and UNTIL do not go together"),
        ("FREQ=DAILY;UNTIL=20270101T000000Z", "UNTIL 20270101T000000Z is not a day; write it like 20271231"),
        ("FREQ=DAILY;UNTIL=20270230", "UNTIL 20270230 is no day of the calendar"),
        ("FREQ=WEEKLY", "it does not say which day; add BYDAY"),
        ("FREQ=MONTHLY", "it does not say which day; add BYDAY or BYMONTHDAY"),
        ("FREQ=YEARLY;BYMONTH=6", "it does not say which day"),
        ("FREQ=YEARLY;BYWEEKNO=12", "it does not say which day"),
        ("FREQ=WEEKLY;BYDAY=1SU", "BYDAY 1SU counts weekdays, which only FREQ=MONTHLY and FREQ=YEARLY can"),
        ("FREQ=YEARLY;BYWEEKNO=2;BYDAY=1SU", "BYDAY 1SU counts weekdays"),
        ("FREQ=MONTHLY;BYDAY=6SU", "BYDAY 6SU does not count from 1 to 5"),
        ("FREQ=MONTHLY;BYDAY=0SU", "BYDAY 0SU does not count from 1 to 5"),
        ("FREQ=MONTHLY;BYDAY=DI", "BYDAY DI is not a weekday; write it like SU or 1SU"),
        ("FREQ=MONTHLY;BYDAY=SU;WKST=1MO", "WKST 1MO is not a weekday; write it like MO"),
        ("FREQ=MONTHLY;BYMONTHDAY=32", "BYMONTHDAY 32 is not in 1 to 31 or from -1 to -31"),
        ("FREQ=MONTHLY;BYMONTHDAY=1,", "BYMONTHDAY  is not in 1 to 31"),
        ("FREQ=MONTHLY;BYMONTH=13;BYDAY=SU", "BYMONTH 13 is not in 1 to 12"),
        ("FREQ=WEEKLY;BYMONTHDAY=1;BYDAY=SU", "BYMONTHDAY does not go with FREQ=WEEKLY"),
        ("FREQ=MONTHLY;BYYEARDAY=1;BYDAY=SU", "BYYEARDAY does not go with FREQ=MONTHLY"),
        ("FREQ=DAILY;BYSETPOS=1", "BYSETPOS chooses among the days of another BY part"),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "no day ever matches it"),
        ("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "no day ever matches it"),
        ("FREQ=MONTHLY;BYDAY=MO;BYSETPOS=6", "no day ever matches it"),
        ("FREQ=DAILY\nEXDATE=20270101", 'FREQ "DAILY\nEXDATE=20270101" is not known here'),
    ],
)
def test_what_is_wrong_with_a_rule(rule: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)) as caught:
        parse_recurrence(rule)
    assert str(caught.value).startswith(f'"{rule}": ')


def test_a_rule_may_be_rare() -> None:
    leap = parse_recurrence("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29")
    assert list(leap.between(date(2025, 1, 1), date(2033, 1, 1))) == [date(2028, 2, 29), date(2032, 2, 29)]
    assert parse_recurrence("FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=SU").text


PARTS = st.fixed_dictionaries(
    {"FREQ": st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY", "HOURLY", ""])},
    optional={
        "INTERVAL": st.sampled_from(["1", "2", "0", "-1", "x"]),
        "COUNT": st.sampled_from(["1", "5", "0"]),
        "UNTIL": st.sampled_from(["20260601", "20260231", "2026"]),
        "BYDAY": st.sampled_from(["SU", "MO,TU", "1SU", "-1FR", "9SU", "XX"]),
        "BYMONTHDAY": st.sampled_from(["1", "-1", "31", "30,31", "40"]),
        "BYMONTH": st.sampled_from(["2", "1,6", "13"]),
        "BYYEARDAY": st.sampled_from(["1", "366", "400"]),
        "BYWEEKNO": st.sampled_from(["1", "53"]),
        "BYSETPOS": st.sampled_from(["1", "-1", "3"]),
        "WKST": st.sampled_from(["MO", "SU", "1MO"]),
    },
)


@given(PARTS, st.sampled_from([None, date(2025, 2, 28), date(2026, 6, 14)]))
def test_a_rule_is_refused_in_words_or_names_days_in_order(parts: dict[str, str], since: date | None) -> None:
    text = ";".join(f"{name}={value}" for name, value in parts.items())
    try:
        rule = parse_recurrence(text, since)
    except ValueError as error:
        assert str(error).startswith(f'"{text}": ')  # noqa: PT017 - either outcome is right
        return
    found = list(rule.between(*YEAR))
    assert found == sorted(set(found))
    assert all(YEAR[0] <= day <= YEAR[1] and (since is None or day >= since) for day in found)


@given(st.dates(date(2020, 1, 1), date(2030, 1, 1)), st.integers(0, 90))
def test_a_rule_names_the_same_days_however_it_is_asked(first: date, length: int) -> None:
    """Without a first day, a rule may be read from any January."""
    last = first + timedelta(days=length)
    whole = Recurrence("FREQ=MONTHLY;BYDAY=1SU,3SA").between(date(2018, 1, 1), date(2031, 1, 1))
    part = Recurrence("FREQ=MONTHLY;BYDAY=1SU,3SA").between(first, last)
    assert [day for day in whole if first <= day <= last] == list(part)
