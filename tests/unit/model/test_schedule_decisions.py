"""Every due instant is decided exactly once, whoever looks, whenever, and wherever they are interrupted."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ronde.model.inventory import CatchUp, Schedule
from ronde.model.schedule import MOST_MISSED, Decisions, Fire, Missed, decide, definition, occurrences

PARIS = ZoneInfo("Europe/Paris")
SEEN = datetime(2026, 3, 27, 12, tzinfo=UTC)  # the clocks go forward in the second night after it
HOUR = timedelta(hours=1)


def schedule(at: str = "30 2 * * *", *, within: timedelta = 4 * HOUR, enabled: bool = True) -> Schedule:
    return Schedule(playbook="backup/check", at=at, catch_up=CatchUp(within=within), enabled=enabled)


def decided(entry: Schedule, until: datetime | None, now: datetime) -> Decisions:
    return decide("night", "commune", entry, PARIS, until, SEEN, now)


@dataclass
class Book:
    """What the ledger promises: a record is taken while the newest instant still is the one it was decided after."""

    entry: Schedule
    rows: list[Missed | Fire] = field(default_factory=list)

    @property
    def until(self) -> datetime | None:
        return self.rows[-1].due if self.rows else None

    def decide(self, now: datetime) -> list[Missed | Fire]:
        return list(decided(self.entry, self.until, now).in_order)

    def take(self, item: Missed | Fire) -> None:
        if item.after == (self.until or SEEN):
            self.rows.append(item)

    def take_all(self, items: Iterable[Missed | Fire]) -> None:
        for item in items:
            self.take(item)

    def answered(self) -> list[datetime]:
        """Every due instant that a row answers for; a summed-up row for all it counts."""
        found: list[datetime] = []
        for row in self.rows:
            covered = list(occurrences(self.entry.at, PARIS, row.after, row.due))
            assert len(covered) == (row.count if isinstance(row, Missed) else 1)
            assert covered[-1] == row.due
            assert not isinstance(row, Missed) or covered[0] == row.first
            found += covered
        return found


@dataclass(frozen=True)
class Beat:
    """One look at the clock `ahead` of the last (behind it when the clock was set back), cut off after some records."""

    ahead: timedelta
    cut: int


@dataclass(frozen=True)
class Race:
    """Two look at different times, then record in turns, in the drawn order."""

    ahead: timedelta
    apart: timedelta
    turns: Sequence[bool]


steps = st.integers(-600, 6000).map(lambda minutes: timedelta(minutes=minutes))
events = st.lists(
    st.one_of(
        st.builds(Beat, steps, st.integers(0, 60)),
        st.builds(
            Race, steps, st.integers(0, 3000).map(lambda m: timedelta(minutes=m)), st.lists(st.booleans(), max_size=120)
        ),
    ),
    max_size=12,
)
entries = st.builds(
    schedule,
    st.sampled_from(["30 2 * * *", "*/30 * * * *", "* * * * *", "0 7 * * 1-5", "0 2,3 * * *", "15 4 1 * *"]),
    within=st.sampled_from([timedelta(minutes=15), HOUR, 4 * HOUR, timedelta(days=2)]),
)


@given(entry=entries, story=events)
@settings(max_examples=400)
def test_every_due_instant_is_decided_exactly_once(entry: Schedule, story: list[Beat | Race]) -> None:
    book, now, latest = Book(entry), SEEN, SEEN
    for event in story:
        now += event.ahead
        if isinstance(event, Beat):
            book.take_all(book.decide(now)[: event.cut])
        else:
            latest = max(latest, now + event.apart)
            first, second = book.decide(now), book.decide(now + event.apart)
            for turn in event.turns:
                queue = first if turn else second
                if queue:
                    book.take(queue.pop(0))
        latest = max(latest, now)
    book.take_all(book.decide(latest))
    assert book.answered() == list(occurrences(entry.at, PARIS, SEEN, latest))
    assert book.decide(latest) == []
    fired = [row for row in book.rows if isinstance(row, Fire)]
    assert all(row.lateness <= entry.catch_up.within for row in fired)


@given(entry=entries, gap=st.integers(1, 60 * 24 * 20), cut=st.integers(0, 60))
@settings(max_examples=200)
def test_a_death_between_two_records_neither_loses_nor_doubles(entry: Schedule, gap: int, cut: int) -> None:
    now = SEEN + timedelta(minutes=gap)
    book = Book(entry)
    book.take_all(book.decide(now)[:cut])
    book.take_all(book.decide(now))
    assert book.answered() == list(occurrences(entry.at, PARIS, SEEN, now))


def test_on_time() -> None:
    due = datetime(2026, 3, 28, 1, 30, tzinfo=UTC)
    assert decided(schedule(), None, due - timedelta(seconds=1)) == Decisions()
    [fire] = decided(schedule(), None, due).fire
    assert (fire.client, fire.schedule, fire.due, fire.lateness) == ("commune", "night", due, timedelta())
    assert decided(schedule(), due, due + HOUR) == Decisions()


def test_a_new_schedule_does_not_fire_for_the_past() -> None:
    assert decided(schedule("0 11 * * *"), None, SEEN + HOUR) == Decisions()


def test_a_changed_schedule_starts_anew() -> None:
    before, now = SEEN - 10 * HOUR, SEEN + timedelta(minutes=5)
    assert decided(schedule("0 10 * * *"), before, now) == Decisions()
    assert definition(schedule("0 10 * * *"), "Europe/Paris") != definition(schedule("0 11 * * *"), "Europe/Paris")
    assert definition(schedule(), "Europe/Paris") != definition(schedule(), "Europe/London")
    assert definition(schedule(), "Europe/Paris") != definition(schedule(enabled=False), "Europe/Paris")


@pytest.mark.parametrize(("late", "fires"), [(timedelta(hours=4), 1), (timedelta(hours=4, seconds=1), 0)])
def test_catch_up_ends_exactly_at_its_limit(late: timedelta, fires: int) -> None:
    decisions = decided(schedule(), None, datetime(2026, 3, 28, 1, 30, tzinfo=UTC) + late)
    assert len(decisions.fire) == fires
    assert len(decisions.missed) == 1 - fires


def test_beat_dead_for_six_hours_catches_up_the_newest_and_tells_the_others() -> None:
    now = datetime(2026, 3, 28, 6, 5, tzinfo=UTC)
    decisions = decided(schedule("0 * * * *", within=HOUR), datetime(2026, 3, 28, 0, 0, tzinfo=UTC), now)
    assert [fire.due.hour for fire in decisions.fire] == [6]
    assert [missed.due.hour for missed in decisions.missed] == [1, 2, 3, 4, 5]
    assert {missed.reason for missed in decisions.missed} == {"overtaken by the occurrence of 2026-03-28 06:00 UTC"}


def test_too_late_says_by_how_much() -> None:
    [missed] = decided(schedule(), None, datetime(2026, 3, 28, 8, 30, tzinfo=UTC)).missed
    assert missed.reason == "noticed 7h after it was due; it is useful for 4h"


def test_months_of_every_minute_become_a_few_records_that_count_all() -> None:
    now = SEEN + timedelta(days=180)
    decisions = decided(schedule("* * * * *", within=timedelta(minutes=15)), None, now)
    summary, *single = decisions.missed
    assert len(single) == MOST_MISSED
    assert summary.count == 180 * 24 * 60 - MOST_MISSED - 1
    assert summary.first == SEEN + timedelta(minutes=1)
    assert single[0].due - summary.due == timedelta(minutes=1)
    assert (
        summary.reason
        == f"{summary.count} occurrences since 2026-03-27 12:01 UTC passed while nothing could be started"
    )
    assert decisions.fire[0].due == now


def test_a_switched_off_schedule_decides_nothing() -> None:
    assert decided(schedule(enabled=False), None, SEEN + timedelta(days=9)) == Decisions()


def test_a_clock_set_back_decides_nothing_twice() -> None:
    due = datetime(2026, 3, 28, 1, 30, tzinfo=UTC)
    assert decided(schedule(), due, due - timedelta(days=3)) == Decisions()


def test_a_night_without_half_past_two_is_caught_up_once() -> None:
    decisions = decided(schedule(), datetime(2026, 3, 28, 1, 30, tzinfo=UTC), datetime(2026, 3, 29, 3, 0, tzinfo=UTC))
    assert [fire.due for fire in decisions.fire] == [datetime(2026, 3, 29, 1, 0, tzinfo=UTC)]
    assert decisions.missed == ()
