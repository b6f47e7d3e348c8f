"""Days of the week and hours of the day, as people write them in a window."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from ronde.model.words import hint

DAY: Final = timedelta(days=1)
_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SHORT: Final = tuple(day[:3] for day in _DAYS)
_TIME: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|(24):(00)")


@dataclass(frozen=True, slots=True)
class Weekdays:
    """Days of the week, 0 for Monday to 6 for Sunday, ascending."""

    numbers: tuple[int, ...] = tuple(range(7))

    @classmethod
    def parse(cls, text: str) -> "Weekdays":
        """`mon-fri`, `sat,sun`, `fri-mon` (over Sunday), `monday`.

        Raises:
            ValueError: a sentence that names the word that is no day.
        """
        numbers: set[int] = set()
        for term in text.lower().split(","):
            first, dash, last = (part.strip() for part in term.partition("-"))
            begin = _day(first)
            length = (_day(last) - begin) % 7 + 1 if dash else 1
            numbers |= {(begin + step) % 7 for step in range(length)}
        return cls(tuple(sorted(numbers)))

    def between(self, first: date, last: date) -> Iterator[date]:
        """The matching days in `first <= day <= last`, ascending."""
        for step in range((last - first).days + 1):
            day = first + step * DAY
            if day.weekday() in self.numbers:
                yield day

    def __str__(self) -> str:
        first, last = self.numbers[0], self.numbers[-1]
        if len(self.numbers) > 2 and last - first == len(self.numbers) - 1:
            return f"{_SHORT[first]}-{_SHORT[last]}"
        return ",".join(_SHORT[number] for number in self.numbers)


def _day(word: str) -> int:
    for names in (_SHORT, _DAYS):
        if word in names:
            return names.index(word)
    raise ValueError(f'"{word}" is not a day of the week{hint(word, _SHORT)}')


@dataclass(frozen=True, slots=True)
class Hours:
    """A time of day, or a range of them, as time on the clock since midnight of the day that it belongs to.

    Attributes:
        ends: later than `begins`, past 24 hours when the range runs over midnight; None for a time of day alone.
    """

    begins: timedelta
    ends: timedelta | None = None

    @classmethod
    def parse(cls, text: str) -> "Hours":
        """`08:00`, `22:00-02:00` (over midnight), `00:00-24:00` (the whole day).

        Raises:
            ValueError: it is none of these.
        """
        first, dash, last = (part.strip() for part in text.partition("-"))
        begins, ends = _time(first), _time(last)
        if begins is None or begins == DAY or (dash and ends is None):
            raise ValueError(f'"{text}" is neither a time of day nor hours; write it like 08:00 or "22:00-02:00"')
        if ends is None:
            return cls(begins)
        if ends == begins:
            raise ValueError(f'"{text}" is an empty window; the whole day is written "00:00-24:00"')
        return cls(begins, ends if ends > begins else ends + DAY)

    def __str__(self) -> str:
        return _written(self.begins) if self.ends is None else f"{_written(self.begins)}-{_written(self.ends)}"


def _time(text: str) -> timedelta | None:
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    hours, minutes = (int(group) for group in match.groups() if group is not None)
    return timedelta(hours=hours, minutes=minutes)


def _written(time: timedelta) -> str:
    hours, minutes = divmod((time if time <= DAY else time - DAY) // timedelta(minutes=1), 60)
    return f"{hours:02}:{minutes:02}"
