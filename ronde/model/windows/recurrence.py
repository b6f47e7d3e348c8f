"""The days a recurrence rule names (RFC 5545, section 3.3.10): what is wrong with a rule, in words; and its days.

A rule here names days; the time of day stands beside it. Checked before `python-dateutil` reads it, because that takes
much for granted: it reads `FREQ=WEEKLY;BYDAY=1SU` as every Sunday, and never ends on `INTERVAL=0`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Final

from dateutil.rrule import rrule, rrulestr

from ronde.model.words import hint

_FREQUENCIES: Final = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_NUMBERS: Final[Mapping[str, tuple[int, bool]]] = {  # the largest number, and whether it may count from the end
    "INTERVAL": (1000, False),
    "COUNT": (10_000, False),
    "BYMONTH": (12, False),
    "BYMONTHDAY": (31, True),
    "BYYEARDAY": (366, True),
    "BYWEEKNO": (53, True),
    "BYSETPOS": (366, True),
}
_LISTS: Final = frozenset({"BYMONTH", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYSETPOS"})
_OTHERS: Final = frozenset({"FREQ", "UNTIL", "BYDAY", "WKST"})
_TIMES: Final = frozenset({"BYHOUR", "BYMINUTE", "BYSECOND"})
_ONLY: Final[Mapping[str, tuple[str, ...]]] = {  # the table in RFC 5545, page 44
    "BYWEEKNO": ("YEARLY",),
    "BYYEARDAY": ("YEARLY",),
    "BYMONTHDAY": ("DAILY", "MONTHLY", "YEARLY"),
}
_NAMING_DAYS: Final[Mapping[str, tuple[str, ...]]] = {  # any of these says which days; without it, the first day does
    "WEEKLY": ("BYDAY",),
    "MONTHLY": ("BYDAY", "BYMONTHDAY"),
    "YEARLY": ("BYDAY", "BYMONTHDAY", "BYYEARDAY"),
}
_WEEKDAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_BYDAY: Final = re.compile(rf"([+-]?\d{{1,2}})?({'|'.join(_WEEKDAYS)})")
_DATE: Final = re.compile(r"\d{8}", re.ASCII)
_CYCLE: Final = 400  # years after which days of the month and of the week fall together again
_LAST_CYCLE: Final = 9600  # dateutil looks as far as the year 9999: from here, one cycle and no more


@dataclass(frozen=True, slots=True)
class Recurrence:
    """The days of a rule that `parse_recurrence` has found right."""

    text: str
    since: date | None = None

    def between(self, first: date, last: date) -> Iterator[date]:
        """Its days in `first <= day <= last`, ascending."""
        begins = self.since or date(first.year - 1, 1, 1)  # without a first day the rule is the same from any January
        rule = _rule(self.text, begins)
        for found in rule.between(_midnight(first), _midnight(last), inc=True):
            yield found.date()


@lru_cache(maxsize=4096)
def parse_recurrence(text: str, since: date | None = None) -> Recurrence:
    """The recurrence of `FREQ=MONTHLY;BYDAY=1SU`, counted from the day `since` where that matters.

    Raises:
        ValueError: one sentence with the part that is wrong, also for a rule that no day ever matches.
    """
    written = text.upper().strip().removeprefix("RRULE:").rstrip(";")
    try:
        parts = _parts(written)
        _check_frequency(parts)
        for name, value in parts.items():
            _check_part(name, value, parts)
        _check_together(parts, since)
    except ValueError as error:
        raise ValueError(f'"{text}": {error}') from error
    if not _ever_matches(parts, since):
        raise ValueError(f'"{text}": no day ever matches it')
    return Recurrence(written, since)


@lru_cache(maxsize=1024)
def _rule(text: str, begins: date) -> rrule:
    rule = rrulestr(text, dtstart=_midnight(begins), cache=True)
    assert isinstance(rule, rrule)  # noqa: S101 - a set of rules needs several lines, which the check refuses
    return rule


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day)  # noqa: DTZ001 - a day of the calendar, without zone


def _parts(text: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    for term in text.split(";"):
        name, equals, value = term.partition("=")
        if not equals or not value:
            raise ValueError(f'"{term}" is not a part of a rule; write it like FREQ=MONTHLY;BYDAY=1SU')
        if name in parts:
            raise ValueError(f"{name} stands twice")
        parts[name] = value
    return parts


def _check_frequency(parts: Mapping[str, str]) -> None:
    if "FREQ" not in parts:
        raise ValueError(f"FREQ is missing{hint('', _FREQUENCIES)}")
    if parts["FREQ"] not in _FREQUENCIES:
        raise ValueError(f'FREQ "{parts["FREQ"]}" is not known here{hint(parts["FREQ"], _FREQUENCIES)}')


def _check_part(name: str, value: str, parts: Mapping[str, str]) -> None:
    """One part by itself, and whether it goes with the frequency."""
    if name in _TIMES:
        raise ValueError(f'{name} does not belong here; the time of day stands in "at"')
    if name not in _NUMBERS and name not in _OTHERS:
        raise ValueError(f"{name} is not known here{hint(name, {*_NUMBERS, *_OTHERS})}")
    if name in _ONLY and parts["FREQ"] not in _ONLY[name]:
        raise ValueError(f"{name} does not go with FREQ={parts['FREQ']}")
    if name in _NUMBERS:
        _check_numbers(name, value)
    elif name == "BYDAY":
        _check_byday(value, parts)
    elif name == "WKST" and value not in _WEEKDAYS:
        raise ValueError(f"WKST {value} is not a weekday; write it like MO")
    elif name == "UNTIL":
        _check_until(value)


def _check_numbers(name: str, value: str) -> None:
    most, signed = _NUMBERS[name]
    for text in value.split(",") if name in _LISTS else (value,):
        digits = text.removeprefix("+").removeprefix("-") if signed else text
        if not (digits.isascii() and digits.isdigit() and 1 <= int(digits) <= most):
            from_the_end = f" or from -1 to -{most}" if signed else ""
            raise ValueError(f"{name} {text} is not in 1 to {most}{from_the_end}")


def _check_byday(value: str, parts: Mapping[str, str]) -> None:
    """Weekdays, in months and years also numbered: 1SU the first Sunday, -1FR the last Friday."""
    most = {"MONTHLY": 5, "YEARLY": 53}.get(parts["FREQ"], 0) if "BYWEEKNO" not in parts else 0
    for text in value.split(","):
        match = _BYDAY.fullmatch(text)
        if match is None:
            raise ValueError(f"BYDAY {text} is not a weekday; write it like SU or 1SU")
        if match[1] and not most:
            raise ValueError(f"BYDAY {text} counts weekdays, which only FREQ=MONTHLY and FREQ=YEARLY can")
        if match[1] and not 1 <= abs(int(match[1])) <= most:
            raise ValueError(f"BYDAY {text} does not count from 1 to {most}")


def _check_until(value: str) -> None:
    if _DATE.fullmatch(value) is None:
        raise ValueError(f"UNTIL {value} is not a day; write it like 20271231")
    try:
        date(int(value[:4]), int(value[4:6]), int(value[6:]))
    except ValueError:
        raise ValueError(f"UNTIL {value} is no day of the calendar") from None


def _check_together(parts: Mapping[str, str], since: date | None) -> None:
    """What parts mean for one another, and what only a first day decides."""
    if "COUNT" in parts and "UNTIL" in parts:
        raise ValueError("COUNT and UNTIL do not go together")
    if "BYSETPOS" in parts and not any(name.startswith("BY") and name != "BYSETPOS" for name in parts):
        raise ValueError("BYSETPOS chooses among the days of another BY part; there is none")
    if since is not None:
        return
    for name, harmless in (("INTERVAL", {"1"}), ("COUNT", set())):
        if name in parts and parts[name] not in harmless:
            raise ValueError(f"{name} needs a first day to count from; add since: 2027-01-04")
    naming = _NAMING_DAYS.get(parts["FREQ"])
    if naming is not None and not any(name in parts for name in naming):
        raise ValueError(f"it does not say which day; add {' or '.join(naming)}")


def _ever_matches(parts: Mapping[str, str], since: date | None) -> bool:
    """Whether the rule names any day in a whole cycle of the calendar; its end is left out of account."""
    endless = ";".join(f"{name}={value}" for name, value in parts.items() if name not in {"COUNT", "UNTIL"})
    begins = since or date(_CYCLE, 1, 1)
    rule = _rule(endless, begins.replace(year=_LAST_CYCLE + begins.year % _CYCLE))
    return next(iter(rule), None) is not None
