"""What people read of a calendar: plain English, on the client's clock."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ronde.model.inventory import Client
from ronde.model.windows.calendar import Calendar
from ronde.model.windows.declared import calendar_of
from ronde.model.windows.words import describe, moment

NIGHTS = {"nights": {"days": "mon-fri", "at": "22:00-02:00"}}
PARIS = ZoneInfo("Europe/Paris")


def described(now: str, **fields: Any) -> list[str]:
    calendar = calendar_of(Client.model_validate({"client": "c", "name": "C", **fields}))
    return describe(calendar, local(now))


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=PARIS).astimezone(UTC)


def test_what_is_and_what_comes() -> None:
    assert described("2026-01-15T12:00", windows=NIGHTS) == [
        "now: outside the maintenance windows (nights)",
        "next: Thu 22:00 to Fri 02:00 CET (nights)",
    ]
    assert described("2026-01-15T23:00", windows=NIGHTS) == [
        "now: open until Fri 02:00 CET (nights)",
        "next: Fri 22:00 to Sat 02:00 CET (nights)",
    ]


def test_closed_days_are_told_a_fortnight_ahead() -> None:
    closed = [{"on": "2026-12-24", "until": "2027-01-02", "why": "fin d'année"}, {"on": "2026-12-20", "why": "vote"}]
    assert described("2026-12-18T23:00", windows=NIGHTS, closed=closed) == [
        "now: open until Sat 02:00 CET (nights)",
        "next: Mon 22:00 to Tue 02:00 CET (nights)",
        "closed Sun 20 Dec: vote",
        "closed Thu 24 Dec to Sat 2 Jan 2027: fin d'année",
    ]
    assert described("2026-12-24T12:00", windows=NIGHTS, closed=closed)[:2] == [
        "now: closed from Thu 24 Dec 2026 to Sat 2 Jan 2027: fin d'année",
        "next: Mon 4 Jan 2027 22:00 to Tue 02:00 CET (nights)",
    ]
    assert described("2026-12-01T12:00", windows=NIGHTS, closed=closed)[2:] == []


def test_a_night_when_the_clocks_change_names_both_zones() -> None:
    [_, following] = described("2026-03-28T12:00", windows={"w": {"at": "22:00-04:00"}})
    assert following == "next: Sat 22:00 CET to Sun 04:00 CEST (w)"


def test_hours_of_one_day_name_it_once() -> None:
    [_, following] = described("2026-01-15T12:00", windows={"w": {"at": "20:00-22:00"}})
    assert following == "next: Thu 20:00 to 22:00 CET (w)"


def test_silence_is_told_as_closed() -> None:
    assert described("2026-01-15T12:00") == ["now: no maintenance window is declared"]
    flawed = Calendar(PARIS, flaw="closed[0]: on: Field required")
    assert describe(flawed, local("2026-01-15T12:00")) == [
        "now: the maintenance windows cannot be read: closed[0]: on: Field required"
    ]


def test_a_window_that_never_opens_any_more_and_one_that_never_closes() -> None:
    over = {"w": {"rrule": "FREQ=DAILY;UNTIL=20260101", "at": "20:00", "for": "1h"}}
    assert described("2026-01-15T12:00", windows=over)[1:] == ["next: none within 400 days"]
    always = {"w": {"at": "00:00-24:00"}}
    assert described("2026-01-15T12:00", windows=always) == ["now: open for more than 31 days (w)"]


@pytest.mark.parametrize(
    ("instant", "words"),
    [
        ("2026-01-15T22:00", "Thu 22:00 CET"),
        ("2026-01-21T22:00", "Wed 22:00 CET"),
        ("2026-01-22T22:00", "Thu 22 Jan 22:00 CET"),
        ("2026-01-14T22:00", "Wed 14 Jan 22:00 CET"),
        ("2027-07-01T22:00", "Thu 1 Jul 2027 22:00 CEST"),
    ],
)
def test_a_weekday_alone_names_one_of_the_coming_days(instant: str, words: str) -> None:
    assert moment(local(instant), PARIS, local("2026-01-15T12:00")) == words
