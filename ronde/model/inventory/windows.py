"""When a client's machines may be changed, and when they may not, as the inventory says it."""

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationInfo,
    field_validator,
    model_validator,
)

from ronde.model.inventory.fields import Duration, Entry, Text
from ronde.model.units import format_duration
from ronde.model.windows.calendar import LONGEST
from ronde.model.windows.public_holidays import Region
from ronde.model.windows.recurrence import parse_recurrence
from ronde.model.windows.week import Hours, Weekdays

HOLIDAYS = "holidays"  # the name of the window that public holidays are when they are open
_FIRST_YEAR, _LAST_YEAR = 2000, 2199  # a year outside these is a slip of the hand


def _as_days(value: object) -> Weekdays:
    if isinstance(value, Weekdays):
        return value
    return Weekdays.parse(",".join(map(str, value)) if isinstance(value, list | tuple) else str(value))


def _as_hours(value: object) -> Hours:
    return value if isinstance(value, Hours) else Hours.parse(str(value))


def _as_day(value: object) -> object:
    """Numbers are refused: they would be read as seconds since 1970."""
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value)
        except ValueError:
            raise ValueError(f'"{value}" is not a date; write it like 2027-06-30') from None
    if not isinstance(value, date) or isinstance(value, datetime):
        raise ValueError(f"{value} is not a date; write it like 2027-06-30")  # noqa: TRY004 - pydantic wants ValueError
    if not _FIRST_YEAR <= value.year <= _LAST_YEAR:
        raise ValueError(f"the year {value.year} is not in {_FIRST_YEAR} to {_LAST_YEAR}")
    return value


def _as_local_time(value: object) -> object:
    if isinstance(value, str) and "T" in value.upper().replace(" ", "T"):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(f'"{value}" is not a time; write it like 2026-12-01T18:00') from None
    if not isinstance(value, datetime):
        raise ValueError(f'"{value}" is not a time; write it like 2026-12-01T18:00')  # noqa: TRY004 - pydantic wants it
    if value.tzinfo is not None:
        raise ValueError(f'"{value.isoformat()}" names a zone; it is read in the client\'s own')
    _as_day(value.date())
    return value


DaysOfWeek = Annotated[
    Weekdays, BeforeValidator(_as_days, json_schema_input_type=str | list[str]), PlainSerializer(str, return_type=str)
]
HoursOfDay = Annotated[
    Hours, BeforeValidator(_as_hours, json_schema_input_type=str), PlainSerializer(str, return_type=str)
]
Day = Annotated[date, BeforeValidator(_as_day)]
LocalTime = Annotated[datetime, BeforeValidator(_as_local_time)]


class MaintenanceWindow(Entry):
    """One line of a client's `windows`: hours on days of the week, or a start and a length on the days of a rule.

    Attributes:
        at: in the client's zone: `22:00-02:00`, which belongs to the day it begins; with `rrule` the start, `08:00`.
        days: days of the week; left out, every day.
        since: the day from which `rrule` counts and holds; needed by rules that cannot do without.
        rrule: a recurrence rule of RFC 5545 that names days, like `FREQ=MONTHLY;BYDAY=1SU`.
        lasts: `for` in the file: with `rrule`, time that passes from the start, whatever the clocks do.
    """

    model_config = ConfigDict(serialize_by_alias=True)

    at: HoursOfDay
    days: DaysOfWeek | None = None
    since: Day | None = None
    rrule: str | None = None
    lasts: Duration | None = Field(default=None, alias="for")

    @field_validator("rrule")
    @classmethod
    def _readable(cls, rule: str | None, info: ValidationInfo) -> str | None:
        if rule is not None:
            parse_recurrence(rule, info.data.get("since"))
        return rule

    @model_validator(mode="after")
    def _one_form(self) -> "MaintenanceWindow":
        if self.rrule is None:
            self._check_weekly()
        else:
            self._check_recurring()
        return self

    def _check_weekly(self) -> None:
        if self.lasts is not None or self.since is not None:
            raise ValueError(f"{'since' if self.lasts is None else 'for'} goes with an rrule; there is none")
        if self.at.ends is None:
            raise ValueError(f'at: {self.at} has no end; write it like "{self.at}-06:00"')

    def _check_recurring(self) -> None:
        if self.days is not None:
            raise ValueError("a window has either days or an rrule")
        if self.at.ends is not None or self.lasts is None:
            raise ValueError('with an rrule, a window has a start and a length; write at: "08:00", for: 4h')
        if self.lasts > LONGEST:
            raise ValueError(f"a window lasts at most {format_duration(LONGEST)}")


class Closed(Entry):
    """Days on which nothing is changed, whatever the windows say; `until` is the last of them, included."""

    on: Day
    until: Day | None = None
    why: Text

    @model_validator(mode="after")
    def _in_order(self) -> "Closed":
        if self.until is not None and self.until < self.on:
            raise ValueError(f"until {self.until} lies before on {self.on}")
        return self


class Holidays(Entry):
    """What public holidays are: closed, open all day (a window named `holidays`), or days like any other."""

    calendar: Literal["fr"]
    region: Region | None = None
    are: Literal["closed", "open"] | None = None


class Maintenance(Entry):
    """Somebody works there: no change runs before `until` (local time), whatever the windows say."""

    until: LocalTime
    why: Text
