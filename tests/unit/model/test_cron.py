# ruff: noqa: RUF001 - the messages write ranges with an en dash
"""What is wrong with a cron expression, told so that it can be mended."""

import re
from datetime import date, datetime

import pytest

from ronde.model.cron import parse_cron


@pytest.mark.parametrize(
    ("cron", "message"),
    [
        ("0 25 * * *", "hour 25 is not in 0–23"),
        ("60 1 * * *", "minute 60 is not in 0–59"),
        ("0 0 0 * *", "day of month 0 is not in 1–31"),
        ("0 0 * 13 *", "month 13 is not in 1–12"),
        ("0 0 * * 8", "weekday 8 is not in 0–7"),
        ("x * * * *", 'minute "x" is not a number of 0–59'),
        ("0 0 * * TUES", 'did you mean "TUE"?'),
        ("0 0 * JANV *", 'did you mean "JAN"?'),
        ("0 22-5 * * *", "hour range 22-5 runs backwards; write it as 22-23,0-5"),
        ("0 0 * * SAT-SUN", "weekday range SAT-SUN runs backwards; write it as SAT-7"),
        ("0 1-25 * * *", "hour 25 is not in 0–23"),
        ("*/0 * * * *", "minute step 0 is not in 1–59"),
        ("*/90 * * * *", "minute step 90 is not in 1–59"),
        ("*/x * * * *", "minute step x is not in 1–59"),
        ("*/ * * * *", "minute step after / is not in 1–59"),
        ("1, * * * *", 'minute "" is empty; write * for any'),
        ("5- * * * *", 'minute "" is not a number of 0–59'),
        ("0 0 * * 1#6", "weekday number 6 is not in 1–5"),
        ("0 ２ * * *", 'hour "２" is not a number of 0–23'),
        ("@daily", "shorthands are not read; write the five fields"),
        ("0 2 * *", "4 fields; a schedule has five: minute hour day month weekday"),
        ("0 0 2 * * *", "6 fields; a schedule has five"),
        ("", "0 fields; a schedule has five"),
        ("0 0 30 2 *", "no day ever matches"),
        ("0 0 31 4,6 *", "no day ever matches"),
        ("0 0 */15 2 1#5", "no day ever matches"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_words(cron: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        parse_cron(cron)
    assert str(caught.value).startswith(f'"{cron}": ')


@pytest.mark.parametrize(
    ("cron", "day", "matches"),
    [
        ("0 0 * * 0", date(2026, 3, 1), 1),  # a Sunday
        ("0 0 * * 7", date(2026, 3, 1), 1),
        ("0 0 * * mon-fri", date(2026, 3, 1), 0),
        ("0 0 13 * FRI", date(2026, 3, 6), 1),  # both restricted: either is enough
        ("0 0 13 * FRI", date(2026, 3, 13), 1),
        ("0 0 13 * FRI", date(2026, 3, 14), 0),
        ("0 0 */2 * 1", date(2026, 3, 9), 1),  # one starts with a star: both must match
        ("0 0 */2 * 1", date(2026, 3, 2), 0),
        ("0 0 L * *", date(2028, 2, 29), 1),
        ("0 0 LW * *", date(2026, 2, 27), 1),  # the 28th is a Saturday
        ("0 0 * * 2#2", date(2026, 3, 10), 1),
        ("0 0 * * 5L", date(2026, 3, 27), 1),
        ("0 0 29 2 *", date(2027, 3, 1), 0),
    ],
)
def test_days(cron: str, day: date, matches: int) -> None:
    assert parse_cron(cron).matches_day(day) == bool(matches)


def test_between_and_count_agree_and_end_is_outside() -> None:
    pattern = parse_cron("0,30 9-10 * * *")
    start, end = datetime(2026, 1, 1, 9, 30), datetime(2026, 1, 3, 9, 0)  # noqa: DTZ001 - local clock without zone
    found = list(pattern.between(start, end))
    assert [moment.strftime("%d %H:%M") for moment in found] == [
        "01 09:30", "01 10:00", "01 10:30", "02 09:00", "02 09:30", "02 10:00", "02 10:30",
    ]  # fmt: skip
    assert pattern.count(start, end) == len(found)
    assert pattern.any_between(end, end) is False


@pytest.mark.parametrize(
    ("cron", "rhythm"), [("* * * * *", 1), ("0 */1 * * *", 1), ("0 0-23 * * *", 1), ("0 */2 * * *", 0)]
)
def test_only_every_hour_is_a_rhythm(cron: str, rhythm: int) -> None:
    assert parse_cron(cron).every_hour == bool(rhythm)
