"""The calendar, and the marks that keep change runs out, as a client's inventory declares them."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import ValidationError

from ronde.model.inventory import Client
from ronde.model.inventory.fields import Entry
from ronde.model.inventory.windows import HOLIDAYS, Closed, Holidays, MaintenanceWindow
from ronde.model.windows.calendar import Calendar, Closure, Window
from ronde.model.windows.public_holidays import PublicHolidays
from ronde.model.windows.recurrence import parse_recurrence
from ronde.model.windows.week import Hours, Weekdays
from ronde.model.words import hint, listed
from ronde.model.zones import last_instant

_E = TypeVar("_E", bound=Entry)
_ALL_DAY = Hours.parse("00:00-24:00")


@dataclass(frozen=True, slots=True)
class Mark:
    """Somebody works on `what` (a host's name, or a client's) until an instant (aware, UTC)."""

    what: str
    until: datetime
    why: str


def calendar_of(client: Client, host: str | None = None, only: Collection[str] = ()) -> Calendar:
    """The calendar of one host, or with None that of the hosts which choose no windows of their own.

    Of their windows `only` these count, when any are named: a schedule narrows a host's windows and never widens them.
    What the inventory would have refused closes the calendar: every entry is checked once more, so that one that came
    here on another way than through a file cannot open it.
    """
    try:
        zone = ZoneInfo(client.timezone)
    except (ZoneInfoNotFoundError, ValueError):
        return Calendar(ZoneInfo("UTC"), flaw=f'"{client.timezone}" is not a time zone')
    try:
        return _calendar(client, host, zone, only)
    except ValidationError as error:
        return Calendar(zone, flaw=_told(error))
    except (ValueError, TypeError) as error:
        return Calendar(zone, flaw=str(error))


def marks_of(client: Client, host: str) -> tuple[Mark, ...]:
    """The maintenance that the client and this host are in or were in; it is for the reader to look at `until`."""
    zone = ZoneInfo(client.timezone)
    declared = ((client.client, client.maintenance), (host, client.hosts[host].maintenance))
    return tuple(Mark(what, last_instant(mark.until, zone), mark.why) for what, mark in declared if mark is not None)


def _calendar(client: Client, host: str | None, zone: ZoneInfo, only: Collection[str]) -> Calendar:
    holidays = None if client.holidays is None else _checked(Holidays, client.holidays)
    public = PublicHolidays(holidays.region) if holidays is not None else None
    windows = {name: _window(name, _checked(MaintenanceWindow, entry)) for name, entry in client.windows.items()}
    if holidays is not None and public is not None and holidays.are == "open":
        windows[HOLIDAYS] = Window(HOLIDAYS, public, _ALL_DAY)
    closures = (_checked(Closed, entry) for entry in client.closed)
    return Calendar(
        zone=zone,
        windows=tuple(windows[name] for name in _narrowed(_chosen(client, host, windows), only, windows)),
        closures=tuple(Closure(entry.on, entry.until or entry.on, entry.why) for entry in closures),
        holidays=public if holidays is not None and holidays.are == "closed" else None,
    )


def _chosen(client: Client, host: str | None, windows: Collection[str]) -> Collection[str]:
    """The windows that apply to a host: its own choice, or all.

    Raises:
        ValueError: there is no such host, or it chooses a window that does not exist.
    """
    if host is None:
        return windows
    if host not in client.hosts:
        raise ValueError(f'"{host}" is not a host of this client{hint(host, client.hosts)}')
    chosen = client.hosts[host].windows
    if chosen is None:
        return windows
    for name in chosen:
        if name not in windows:
            raise ValueError(f'{host} names a window "{name}" that does not exist{hint(name, windows)}')
    return tuple(dict.fromkeys(chosen))


def _narrowed(chosen: Collection[str], only: Collection[str], known: Collection[str]) -> Collection[str]:
    """The chosen ones that count.

    Raises:
        ValueError: one that is to count does not exist, or none of them is the host's.
    """
    if not only:
        return chosen
    for name in only:
        if name not in known:
            raise ValueError(f'there is no window "{name}" any more{hint(name, known)}')
    left = tuple(name for name in chosen if name in only)
    if not left:
        raise ValueError(f"it may begin in {listed(only)} alone, and that is no window of the host")
    return left


def _window(name: str, entry: MaintenanceWindow) -> Window:
    if entry.rrule is not None:
        return Window(name, parse_recurrence(entry.rrule, entry.since), entry.at, entry.lasts)
    return Window(name, entry.days or Weekdays(), entry.at)


def _checked(model: type[_E], entry: Iterable[tuple[str, Any]]) -> _E:
    """The entry as its model accepts it, whoever made it.

    Raises:
        ValidationError: the model refuses it.
    """
    aliases = {name: field.alias for name, field in model.model_fields.items() if field.alias}
    return model.model_validate({aliases.get(name, name): value for name, value in entry})


def _told(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or error.title}: {first['msg'].removeprefix('Value error, ')}"
