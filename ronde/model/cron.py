"""Five-field cron expressions: what is wrong with one, in words; and the wall-clock minutes one names.

The fields are minute, hour, day of month, month, weekday (0 and 7 are Sunday); names of months and weekdays, lists,
ranges and steps as in Debian's cron(5), plus `L` (last day), `LW` (last working day) and `MON#2`, `5L` (the second
Monday, the last Friday) of cronsim. As in cron(5), when day of month and weekday are both restricted, either one
matching is enough; when one of them starts with `*`, both must match.
"""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Final

from cronsim import CronSim, CronSimError

from ronde.model.words import hint

DAY: Final = timedelta(days=1)
_MINUTES_A_DAY: Final = 24 * 60
_HORIZON_YEARS: Final = 50  # 29 February on a given weekday comes every 28 years, or 40 across 2100
_EPOCH: Final = datetime(2000, 1, 1)  # noqa: DTZ001 - cronsim wants a start; only the fields are read
_MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


def _span(low: int, high: int) -> str:
    return f"{low}\N{EN DASH}{high}"


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    @property
    def span(self) -> str:
        return _span(self.low, self.high)

    def number(self, text: str) -> int:
        """A number or a name of this field; ValueError in words."""
        if text.upper() in self.names:
            return self.names.index(text.upper()) + self.low
        if not (text.isascii() and text.isdigit()):
            wanted = f"a number of {self.span}" + (f" or one of {' '.join(self.names)}" if self.names else "")
            near = hint(text, self.names) if self.names and text.isalpha() else ""
            raise ValueError(f'{self.name} "{text}" is not {wanted}{near}')
        if not self.low <= int(text) <= self.high:
            raise ValueError(f"{self.name} {text} is not in {self.span}")
        return int(text)


_FIELDS: Final = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("weekday", 0, 7, _WEEKDAYS),
)


@dataclass(frozen=True, slots=True)
class Pattern:
    """The local times a cron expression names, on a clock without zones.

    Attributes:
        minutes: minutes of the day (0 to 1439), ascending, the same for each matching day.
        every_hour: whether no hour is left out: the expression means a rhythm, not times of day.
        longest_pause: for a rhythm, the longest time between two of its minutes within hours that repeat.
    """

    expression: str
    minutes: tuple[int, ...]
    every_hour: bool
    longest_pause: timedelta
    _days: CronSim

    def matches_day(self, day: date) -> bool:
        return day.month in self._days.months and self._days.match_day(day)

    def between(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """Matching local times (naive) in `start <= t < end`, ascending."""
        for day in self._matching_days(start, end):
            midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001 - local time, on purpose without zone
            first = bisect_left(self.minutes, _minutes_up(start - midnight)) if midnight < start else 0
            last = bisect_left(self.minutes, _minutes_up(end - midnight)) if end - midnight < DAY else None
            for minute in self.minutes[first:last]:
                yield midnight + timedelta(minutes=minute)

    def count(self, start: datetime, end: datetime) -> int:
        """How many `between` would yield, without making them."""
        total = 0
        for day in self._matching_days(start, end):
            midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001 - local time, on purpose without zone
            first = bisect_left(self.minutes, _minutes_up(start - midnight)) if midnight < start else 0
            last = bisect_left(self.minutes, _minutes_up(end - midnight)) if end - midnight < DAY else None
            total += len(self.minutes[first:last])
        return total

    def any_between(self, start: datetime, end: datetime) -> bool:
        return next(self.between(start, end), None) is not None

    def _matching_days(self, start: datetime, end: datetime) -> Iterator[date]:
        day = start.date()
        while day < end.date() or (day == end.date() and end > datetime(day.year, day.month, day.day)):  # noqa: DTZ001 - local
            if day.month not in self._days.months:
                day = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
                continue
            if self._days.match_day(day):
                yield day
            day += DAY


def _minutes_up(span: timedelta) -> int:
    """Whole minutes, rounded up: the first minute that is not before the span's end."""
    return -(-span // timedelta(minutes=1))


@lru_cache(maxsize=16384)
def parse_cron(expression: str) -> Pattern:
    """The pattern of a five-field expression.

    Raises:
        ValueError: `"0 25 * * *": hour 25 is not in 0…23`; one sentence naming the field and its range, also for an
            expression whose fields are right but which no day ever matches.
    """
    _check(expression)
    try:
        fields = CronSim(expression, _EPOCH)
    except CronSimError as error:
        if "day-of-month" in str(error):  # 30 February: every field is right, the date is not
            raise _never(expression) from error
        raise ValueError(f'"{expression}": {str(error).lower()}') from error
    minutes = tuple(sorted(hour * 60 + minute for hour in fields.hours for minute in fields.minutes))
    pattern = Pattern(
        expression=expression,
        minutes=minutes,
        every_hour=len(fields.hours) == 24,
        longest_pause=_longest_pause(sorted(fields.minutes)),
        _days=fields,
    )
    if not pattern.any_between(_EPOCH, _EPOCH.replace(year=_EPOCH.year + _HORIZON_YEARS)):
        raise _never(expression)
    return pattern


def _never(expression: str) -> ValueError:
    return ValueError(f'"{expression}": no day ever matches its day of month, month and weekday together')


def _longest_pause(minutes: list[int]) -> timedelta:
    following = [*minutes[1:], minutes[0] + 60]
    return timedelta(minutes=max(after - before for before, after in zip(minutes, following, strict=True)))


def _check(expression: str) -> None:
    words = expression.split()
    if expression.startswith("@"):
        raise ValueError(f'"{expression}": shorthands are not read; write the five fields, like "0 2 * * *"')
    if len(words) != len(_FIELDS):
        plural = "field" if len(words) == 1 else "fields"
        raise ValueError(f'"{expression}": {len(words)} {plural}; a schedule has five: minute hour day month weekday')
    for field, word in zip(_FIELDS, words, strict=True):
        for term in word.split(","):
            try:
                _check_term(field, term)
            except ValueError as error:
                raise ValueError(f'"{expression}": {error}') from error


def _check_term(field: _Field, term: str) -> None:
    """One item of a list: `*`, `5`, `1-5`, and either with `/step`; days also know L, LW, `5L` and `1#2`."""
    body, slash, step = term.partition("/")
    if not term or not body:
        raise ValueError(f'{field.name} "{term}" is empty; write * for any')
    if slash:
        _check_step(field, step)
    if body == "*" or _is_special_day(field, body):
        return
    low, dash, high = body.partition("-")
    first = field.number(low)
    if dash and field.number(high) < first:
        sunday = field.high == 7 and field.number(high) == 0
        split = f"{low}-7" if sunday else f"{low}-{field.high},{field.low}-{high}"
        raise ValueError(f"{field.name} range {body} runs backwards; write it as {split}")


def _check_step(field: _Field, step: str) -> None:
    most = field.high - field.low if field.low == 0 else field.high
    if not (step.isascii() and step.isdigit()) or not 1 <= int(step) <= most:
        raise ValueError(f"{field.name} step {step or 'after /'} is not in {_span(1, most)}")


def _is_special_day(field: _Field, body: str) -> bool:
    upper = body.upper()
    if field.name == "day of month":
        return upper in {"L", "LW"}
    if field.name != "weekday":
        return False
    if upper.endswith("L") and upper[:-1].isdigit():
        return field.number(upper[:-1]) is not None
    weekday, sharp, nth = upper.partition("#")
    if sharp:
        field.number(weekday)
        if nth not in {"1", "2", "3", "4", "5"}:
            raise ValueError(f"weekday number {nth or 'after #'} is not in {_span(1, 5)}")
    return bool(sharp)
