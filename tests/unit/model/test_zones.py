"""From the clock on the wall to instants: the same as schedules, wherever and whenever the clocks change."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ronde.model.schedule import next_occurrence
from ronde.model.zones import first_instant, last_instant

PARIS = ZoneInfo("Europe/Paris")
CHANGES = [
    ("Europe/Paris", "2026-03-29T02:00"),
    ("Europe/Paris", "2026-10-25T02:00"),
    ("America/St_Johns", "2009-11-01T00:01"),
    ("America/Havana", "2026-03-08T00:00"),
    ("America/Havana", "2026-11-01T00:00"),
    ("America/Sao_Paulo", "2018-02-18T00:00"),
    ("Australia/Lord_Howe", "2026-04-05T02:00"),
    ("Australia/Lord_Howe", "2026-10-04T02:00"),
    ("Pacific/Apia", "2011-12-30T00:00"),
]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("local", "first", "last"),
    [
        ("2026-01-12T22:00", "2026-01-12T21:00+00:00", "2026-01-12T21:00+00:00"),
        ("2026-03-29T02:30", "2026-03-29T01:00+00:00", "2026-03-29T01:00+00:00"),
        ("2026-03-29T03:00", "2026-03-29T01:00+00:00", "2026-03-29T01:00+00:00"),
        ("2026-10-25T02:30", "2026-10-25T00:30+00:00", "2026-10-25T01:30+00:00"),
        ("2026-10-25T03:00", "2026-10-25T02:00+00:00", "2026-10-25T02:00+00:00"),
    ],
)
def test_nights_when_the_clocks_change_in_paris(local: str, first: str, last: str) -> None:
    assert (first_instant(at(local), PARIS), last_instant(at(local), PARIS)) == (at(first), at(last))


def test_a_day_that_a_zone_skipped_begins_when_the_next_does() -> None:
    apia = ZoneInfo("Pacific/Apia")
    begins = at("2011-12-30T10:00+00:00")
    assert {first_instant(at(f"2011-12-30T{hour:02}:00"), apia) for hour in (0, 12, 23)} == {begins}
    assert first_instant(at("2011-12-31T00:00"), apia) == begins


@given(st.sampled_from(CHANGES), st.integers(-40 * 60, 40 * 60))
def test_windows_begin_when_a_schedule_for_that_time_would_fire(change: tuple[str, str], minutes: int) -> None:
    zone = ZoneInfo(change[0])
    local = at(change[1]) + timedelta(minutes=minutes)
    cron = f"{local.minute} {local.hour} {local.day} {local.month} *"
    assert first_instant(local, zone) == next_occurrence(cron, zone, local.replace(tzinfo=UTC) - timedelta(days=3))


@given(st.sampled_from(CHANGES), st.integers(-40 * 60, 40 * 60), st.integers(0, 600))
def test_later_on_the_clock_is_never_earlier_in_time(change: tuple[str, str], minutes: int, more: int) -> None:
    zone = ZoneInfo(change[0])
    local = at(change[1]) + timedelta(minutes=minutes)
    later = local + timedelta(minutes=more)
    assert first_instant(local, zone) <= first_instant(later, zone)
    assert first_instant(local, zone) <= last_instant(local, zone)
