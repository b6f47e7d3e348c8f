"""When a cron expression is due in a time zone, and what to do about each due instant.

**Nights when the clocks change.** There are two kinds of expression, told apart by the hour field alone:

- *Times of day*: the hour field leaves at least one hour out (`30 2 * * *`, `*/15 1-5 * * *`, `0 */6 * * *`). Each is a
  time on the clock on the wall and comes once. A time that the clock skips is due at the first instant after the gap;
  several skipped times, and a regular time at that very instant, fall together into one. A time that comes twice is due
  the first time. The gap may be a whole day (Apia, 30 December 2011): its times are due when the next day begins.
- *Rhythms*: the hour field names every hour (`0 * * * *`, `*/30 * * * *`). They mean time that passes: due whenever
  the clock shows a matching minute, both times where an hour comes twice, and without making up for a skipped hour.
  Where the clocks move by a part of an hour (Lord Howe, 30 minutes), or skip all of the days that the expression names,
  the pause would exceed the rhythm's own longest pause: then it is also due at the instant of the change.

All arithmetic is on UTC instants cut into spans of one offset each, so no zone rule is assumed beyond what the IANA
database says.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from ronde.model.cron import Pattern, parse_cron
from ronde.model.inventory.schedules import Schedule
from ronde.model.units import format_duration
from ronde.model.zones import bare, offset_at, one_offset_spans, recent_changes

MOST_MISSED: Final = 50  # missed occurrences of one schedule recorded one by one; the older ones become one record
_HORIZON: Final = timedelta(days=50 * 366)
_SECOND: Final = timedelta(seconds=1)
_JUST: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Due:
    """One due instant (aware, UTC) of one schedule."""

    client: str
    schedule: str
    due: datetime


@dataclass(frozen=True, slots=True)
class Fire(Due):
    """Start it now.

    Attributes:
        after: the instant decided before this one; nothing of this schedule was due between the two.
        lateness: how long ago it was due.
    """

    after: datetime
    lateness: timedelta


@dataclass(frozen=True, slots=True)
class Missed(Due):
    """Record it as missed, and say why.

    Attributes:
        after: the instant decided before; this record answers for everything due in `after < t <= due`.
        first: the oldest due instant it answers for; the same as `due` unless it sums up several.
        count: how many due instants it answers for.
    """

    after: datetime
    first: datetime
    reason: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class Decisions:
    """What to record, oldest first: everything missed, then at most one to fire.

    Recorded one by one in this order under a unique key (schedule, due), an interruption at any point loses and doubles
    nothing: the newest recorded instant is where the next decision starts. Two deciders that race on a summed-up record
    are kept apart by `after`: a record is only taken while the newest decided instant still is its `after`.
    """

    missed: tuple[Missed, ...] = ()
    fire: tuple[Fire, ...] = ()

    @property
    def in_order(self) -> tuple[Missed | Fire, ...]:
        return (*self.missed, *self.fire)


NOTHING_DUE: Final = Decisions()

# The last answer for an expression in a zone holds for every `after` up to the due instant itself, so a roll call over
# schedules that are not due costs a look into a table. A pure memo: it changes no answer; losing it costs only time.
_ANSWERS: Final[dict[tuple[str, ZoneInfo], tuple[datetime, datetime]]] = {}
_MOST_ANSWERS: Final = 100_000


def occurrences(cron: str, zone: ZoneInfo, after: datetime, until: datetime) -> Iterator[datetime]:
    """The due instants (aware, UTC) in `after < t <= until`, strictly increasing; made one at a time.

    Raises:
        ValueError: the expression is wrong, see `parse_cron`.
    """
    pattern = parse_cron(cron)
    for piece in _pieces(pattern, zone, bare(after), bare(until)):
        if piece.change is not None:
            yield piece.change.replace(tzinfo=UTC)
        for wall in pattern.between(piece.start, piece.end):
            yield (wall - piece.offset).replace(tzinfo=UTC)


def count_occurrences(cron: str, zone: ZoneInfo, after: datetime, until: datetime) -> int:
    """How many instants `occurrences` yields, at the cost of a few operations a day instead of one an instant."""
    pattern = parse_cron(cron)
    pieces = _pieces(pattern, zone, bare(after), bare(until))
    return sum((piece.change is not None) + pattern.count(piece.start, piece.end) for piece in pieces)


def next_occurrence(cron: str, zone: ZoneInfo, after: datetime) -> datetime:
    """The first due instant after `after` (both aware; the answer in UTC).

    Raises:
        ValueError: the expression is wrong, or is not due once in fifty years.
    """
    known = _ANSWERS.get((cron, zone))
    if known is not None and known[0] <= after < known[1]:
        return known[1]
    due = next(occurrences(cron, zone, after, after + _HORIZON), None)
    if due is None:
        raise ValueError(f'"{cron}" is not due within fifty years')
    if len(_ANSWERS) >= _MOST_ANSWERS:
        _ANSWERS.clear()
    _ANSWERS[cron, zone] = (after, due)
    return due


def decide(  # noqa: PLR0913, PLR0917 - seven plain values, so that beat and the roll call can call it as they are
    schedule_name: str,
    client: str,
    entry: Schedule,
    zone: ZoneInfo,
    decided_until: datetime | None,
    first_seen: datetime,
    now: datetime,
) -> Decisions:
    """What to fire and what to record as missed; the one function behind beat's `fire` and the roll call.

    `decided_until` is the newest due instant that is already recorded, as fired or missed, None for none; `first_seen`
    when this very schedule (see `definition`) was first seen: it never fires for the time before. All are aware.

    Only the newest due instant can fire, if it is at most `entry.catch_up.within` late. All older ones, or a newest one
    that is later still, are missed: the last fifty one by one, those before them as one record with their count.
    """
    after = first_seen if decided_until is None else max(decided_until, first_seen)
    if not entry.enabled or next_occurrence(entry.at, zone, after) > now:
        return NOTHING_DUE
    return _decide_due(Due(client, schedule_name, now), entry, zone, after)


def definition(entry: Schedule, timezone: str) -> str:
    """What makes a schedule another one: its times, its zone, and being switched on.

    A schedule whose definition changed counts as first seen at the change, so that new times of a day already past do
    not fire, and the time it was switched off is not reported as missed.
    """
    return f"{entry.at} {timezone} {'on' if entry.enabled else 'off'}"


def clock_note(cron: str, zone: ZoneInfo, due: datetime) -> str:
    """What the clocks did to this occurrence, in a few words; empty on all ordinary days."""
    pattern = parse_cron(cron)
    instant = bare(due)
    wall = instant + offset_at(zone, instant)
    change = next((change for change in recent_changes(zone, instant) if change[0] == instant), None)
    if change is not None and not pattern.any_between(wall, wall + _JUST):
        skipped = next(pattern.between(instant + change[1], wall), None)
        if skipped is None:
            return "the clocks change here"
        day = "that day" if skipped.date() == wall.date() else f"on {skipped:%Y-%m-%d}"
        return f"{skipped:%H:%M} does not exist {day}"
    first, second = (wall.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
    if first is None or second is None or first <= second:
        return ""
    if not pattern.every_hour:
        return f"{wall:%H:%M} comes twice that day; this is the first"
    return "this hour comes twice: " + ("first time" if instant + first == wall else "second time")


def _decide_due(now: Due, entry: Schedule, zone: ZoneInfo, after: datetime) -> Decisions:
    """The decisions when at least one instant is due; `now.due` is this instant, not one that is due."""
    newest = _newest(entry.at, zone, after, now.due)
    lateness = now.due - newest[-1]
    fires = lateness <= entry.catch_up.within
    listed = newest[-MOST_MISSED - fires :]
    older = count_occurrences(entry.at, zone, after, listed[0]) - 1
    missed: list[Missed] = []
    if older:
        first = next_occurrence(entry.at, zone, after)
        end = _newest(entry.at, zone, after, listed[0] - _JUST)[-1]
        reason = f"{older} occurrences since {first:%Y-%m-%d %H:%M} UTC passed while nothing could be started"
        missed.append(Missed(now.client, now.schedule, end, after, first, reason, older))
        after = end
    overtaken = f"overtaken by the occurrence of {newest[-1]:%Y-%m-%d %H:%M} UTC"
    for due in listed[:-1] if fires else listed:
        reason = overtaken if fires else _too_late(now.due - due, entry)
        missed.append(Missed(now.client, now.schedule, due, after, due, reason))
        after = due
    fire = (Fire(now.client, now.schedule, newest[-1], after, lateness),) if fires else ()
    return Decisions(tuple(missed), fire)


def _too_late(lateness: timedelta, entry: Schedule) -> str:
    late, within = format_duration(lateness), format_duration(entry.catch_up.within)
    return f"noticed {late} after it was due; it is useful for {within}"


def _newest(cron: str, zone: ZoneInfo, after: datetime, until: datetime) -> list[datetime]:
    """The newest due instants, at least `MOST_MISSED + 1` of them when there are so many; cheap for any span."""
    back = timedelta(hours=1)
    while True:
        start = max(after, until - back)
        found = list(occurrences(cron, zone, start, until))
        if len(found) > MOST_MISSED or start == after:
            return found
        back *= 4


@dataclass(frozen=True, slots=True)
class _Piece:
    """Local times (naive) in `start <= t < end`, all at one offset; also due: the instant `change` (naive UTC)."""

    change: datetime | None
    start: datetime
    end: datetime
    offset: timedelta


def _pieces(pattern: Pattern, zone: ZoneInfo, after: datetime, until: datetime) -> Iterator[_Piece]:
    """The local times in `after < t <= until` (naive UTC) that count, piece by piece."""
    start = min((change[0] - _SECOND for change in recent_changes(zone, after)), default=after)
    shown: datetime | None = None  # the latest local time that the clock has shown
    for begin, end, offset in one_offset_spans(zone, start, until + _JUST):
        wall, wall_end = begin + offset, end + offset
        change = begin if shown is not None and begin > after and _due_at_change(pattern, shown, wall) else None
        first = wall if pattern.every_hour or shown is None else max(wall, shown)
        yield _Piece(change, max(first, after + _JUST + offset), wall_end, offset)
        shown = wall_end if pattern.every_hour or shown is None else max(shown, wall_end)


def _due_at_change(pattern: Pattern, shown: datetime, wall: datetime) -> bool:
    """Whether to be due at the instant when the clock goes from `shown` to `wall`, where no regular time stands."""
    if pattern.any_between(wall, wall + _JUST):
        return False
    if not pattern.every_hour:
        return pattern.any_between(shown, wall)
    pause = pattern.longest_pause
    expected_until = wall if wall > shown else shown + pause
    if not pattern.any_between(shown, expected_until):
        return False
    last = max(pattern.between(shown - pause, shown), default=None)
    if last is None:
        return wall > shown
    return not pattern.any_between(wall, wall + pause - (shown - last) + _JUST)
