"""The five guards, and what a person may override."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from ronde.model.guards.backups import judge_backups
from ronde.model.guards.durations import estimate, spoken
from ronde.model.guards.situation import Guard, HostLock, Ruling, Situation
from ronde.model.units import spoken_duration
from ronde.model.windows.calendar import Calendar
from ronde.model.windows.words import AHEAD, moment, open_words

NO_OVERRIDES: Final[Mapping[Guard, str]] = MappingProxyType({})


def judge(
    asked: Collection[Guard], situation: Situation, overrides: Mapping[Guard, str] = NO_OVERRIDES
) -> tuple[Ruling, ...]:
    """The answer of each guard that is asked, in the order of `Guard`.

    `overrides` says why a guard is to be passed over; it holds for that one alone, and without a reason it is none.
    A guard that passes is not overridden, whatever `overrides` says.
    """
    return tuple(_ruled(guard, situation, overrides.get(guard, "").strip()) for guard in Guard if guard in asked)


def allowed(rulings: Iterable[Ruling]) -> bool:
    """Whether the change may begin: each guard passed or was overridden. Who asks no guard is not held up."""
    return not any(ruling.blocks for ruling in rulings)


def _ruled(guard: Guard, situation: Situation, override: str) -> Ruling:
    ruling = _JUDGES[guard](situation)
    if ruling.passed or not override:
        return ruling
    return replace(ruling, override=override)


def _window(situation: Situation) -> Ruling:
    calendar, now = situation.calendar, situation.now
    if calendar is None:
        return _blocked(Guard.WINDOW, "nobody looked at the maintenance windows")
    span = calendar.open_at(now)
    if span is not None:
        return Ruling(Guard.WINDOW, passed=True, reason=open_words(span, calendar.zone, now))
    return _closed(Guard.WINDOW, calendar, now, calendar.why_closed(now), timedelta(0))


def _finish(situation: Situation) -> Ruling:
    """Whether the estimate fits into what is left of the open span; an end at the very end still fits."""
    calendar, now = situation.calendar, situation.now
    if calendar is None or situation.past is None:
        return _blocked(Guard.FINISH, "nobody looked at the maintenance windows and at past runs")
    needed = estimate(situation.past)
    span = calendar.open_at(now)
    if span is None:
        return _closed(Guard.FINISH, calendar, now, f"{needed.words}; {calendar.why_closed(now)}", needed.duration)
    reason = f"{needed.words}; {spoken_duration(span.end - now)} left, {open_words(span, calendar.zone, now)}"
    if needed.duration <= span.end - now:
        return Ruling(Guard.FINISH, passed=True, reason=reason)
    return _closed(Guard.FINISH, calendar, now, reason, needed.duration)


def _closed(guard: Guard, calendar: Calendar, now: datetime, reason: str, needed: timedelta) -> Ruling:
    """Blocked until the next open span that is at least as long as needed."""
    if calendar.flaw or not calendar.windows:
        return _blocked(guard, reason)
    span = next((span for span in calendar.coming(now, AHEAD) if span.length >= needed), None)
    if span is None:
        enough = f" for {spoken(needed)}" if needed else ""
        return _blocked(guard, f"{reason}; none opens{enough} within {AHEAD.days} days")
    return _blocked(guard, f"{reason}; opens {moment(span.start, calendar.zone, now)}", span.start)


def _maintenance(situation: Situation) -> Ruling:
    if situation.marks is None:
        return _blocked(Guard.MAINTENANCE, "nobody looked whether somebody works there")
    standing = [mark for mark in situation.marks if mark.until > situation.now]
    if not standing:
        return Ruling(Guard.MAINTENANCE, passed=True, reason="nobody has declared to work there")
    until = max(mark.until for mark in standing)
    reason = "; ".join(
        f"{mark.what} is in maintenance until {moment(mark.until, situation.zone, situation.now)}: {mark.why}"
        for mark in standing
    )
    return _blocked(Guard.MAINTENANCE, reason, until)


def _lock(situation: Situation) -> Ruling:
    if situation.locks is None:
        return _blocked(Guard.LOCK, "nobody looked whether another change holds the host")
    others = [lock for lock in situation.locks if lock.expires > situation.now and not _is_own(lock, situation)]
    if not others:
        return Ruling(Guard.LOCK, passed=True, reason="no other change holds the host")
    until = max(lock.expires for lock in others)
    return _blocked(Guard.LOCK, "; ".join(_held(lock, situation) for lock in others), until)


def _is_own(lock: HostLock, situation: Situation) -> bool:
    """Whether the asking run holds it itself: a job that is taken up again. A run without a name owns nothing."""
    return bool(situation.run) and lock.run == situation.run


def _held(lock: HostLock, situation: Situation) -> str:
    since, expires = (moment(instant, situation.zone, situation.now) for instant in (lock.since, lock.expires))
    return f"run {lock.run} of {lock.who} holds the host since {since}, until {expires} at the latest"


def _blocked(guard: Guard, reason: str, until: datetime | None = None) -> Ruling:
    return Ruling(guard, passed=False, reason=reason, until=until)


_JUDGES: Final[Mapping[Guard, Callable[[Situation], Ruling]]] = MappingProxyType(
    {
        Guard.WINDOW: _window,
        Guard.FINISH: _finish,
        Guard.BACKUP: judge_backups,
        Guard.MAINTENANCE: _maintenance,
        Guard.LOCK: _lock,
    }
)
