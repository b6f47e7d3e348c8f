"""`ronde windows`: when each client's machines may be changed next, and when not, in the client's own time."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Annotated, Any

import typer

from ronde.bootstrap import build
from ronde.cli.inventory import valid_inventory
from ronde.cli.out import one_line, print_json, told_errors
from ronde.engine.ordering import find_client
from ronde.model.inventory import Client
from ronde.model.windows.calendar import Calendar
from ronde.model.windows.declared import Mark, calendar_of, marks_of
from ronde.model.windows.spans import Span
from ronde.model.windows.words import AHEAD, closed_words, moment, open_words, span_words


@dataclass(frozen=True, slots=True)
class Sheet:
    """What there is to tell of a client's hosts that share a calendar; `hosts` is empty for a client without any."""

    client: Client
    hosts: tuple[str, ...]
    calendar: Calendar
    marks: tuple[Mark, ...]

    @property
    def whose(self) -> str:
        return ", ".join(self.hosts) if len(self.hosts) < len(self.client.hosts) else "all hosts"


@dataclass(frozen=True, slots=True)
class Look:
    """From when on, how many windows, and how far ahead for closed days."""

    now: datetime
    most: int
    ahead: timedelta


def windows(
    client: Annotated[str | None, typer.Argument(help="Only this client.", show_default=False)] = None,
    most: Annotated[int, typer.Option("--most", min=1, max=366, help="At most so many windows of each.")] = 5,
    days: Annotated[int, typer.Option("--days", min=1, max=366, help="How far ahead closed days are told.")] = 60,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the next maintenance windows in local time, and the closed days with their reason.

    Example: ronde windows client-example --most 3
    """
    with told_errors():
        inventory = valid_inventory(build())
        clients = list(inventory.clients.values()) if client is None else [find_client(inventory, client)]
        look = Look(datetime.now(UTC), most, timedelta(days=days))
        if as_json:
            print_json([_as_json(sheet, look) for one in clients for sheet in sheets_of(one)])
        else:
            typer.echo("\n\n".join("\n".join(_page(one, look)) for one in clients))


def sheets_of(client: Client) -> Iterator[Sheet]:
    """Hosts that apply the same windows stand together; first those that make no choice of their own."""
    groups: dict[tuple[str, ...] | None, list[str]] = {None: []}
    for name, host in client.hosts.items():
        groups.setdefault(host.windows, []).append(name)
    for hosts in groups.values():
        if hosts or len(groups) == 1:
            marks = dict.fromkeys(mark for host in hosts for mark in marks_of(client, host))
            yield Sheet(client, tuple(hosts), calendar_of(client, hosts[0] if hosts else None), tuple(marks))


def _page(client: Client, look: Look) -> Iterator[str]:
    calendar = calendar_of(client)
    yield one_line(f"{client.client} · {calendar.zone}")
    for sheet in sheets_of(client):
        yield from _lines(sheet, look)
    local = look.now.astimezone(calendar.zone)
    for closure in calendar.closed_between(local.date(), (local + look.ahead).date()):
        yield f"  {one_line(closed_words(closure, local))}"


def _lines(sheet: Sheet, look: Look) -> Iterator[str]:
    calendar, now = sheet.calendar, look.now
    span = calendar.open_at(now)
    yield f"  {one_line(sheet.whose)}"
    yield f"    now   {one_line(open_words(span, calendar.zone, now) if span else calendar.why_closed(now))}"
    for mark in _standing(sheet, now):
        words = f"{mark.what} is in maintenance until {moment(mark.until, calendar.zone, now)}: {mark.why}"
        yield f"    now   {one_line(words)}"
    for coming in islice(calendar.coming(now, AHEAD), look.most):
        yield f"    next  {one_line(span_words(coming, calendar.zone, now))}"


def _as_json(sheet: Sheet, look: Look) -> dict[str, Any]:
    calendar, now = sheet.calendar, look.now
    local = now.astimezone(calendar.zone)
    span = calendar.open_at(now)
    return {
        "client": sheet.client.client,
        "hosts": list(sheet.hosts),
        "zone": str(calendar.zone),
        "open": _span(span, calendar) if span else None,
        "why_closed": calendar.why_closed(now) or None,
        "maintenance": [
            {"what": mark.what, "until": mark.until.isoformat(), "why": mark.why} for mark in _standing(sheet, now)
        ],
        "next": [_span(coming, calendar) for coming in islice(calendar.coming(now, AHEAD), look.most)],
        "closed": [
            {"first": closure.first.isoformat(), "last": closure.last.isoformat(), "why": closure.why}
            for closure in calendar.closed_between(local.date(), (local + look.ahead).date())
        ],
    }


def _standing(sheet: Sheet, now: datetime) -> list[Mark]:
    return [mark for mark in sheet.marks if mark.until > now]


def _span(span: Span, calendar: Calendar) -> dict[str, Any]:
    return {
        "start": span.start.isoformat(),
        "end": span.end.isoformat(),
        "local_start": span.start.astimezone(calendar.zone).isoformat(),
        "local_end": span.end.astimezone(calendar.zone).isoformat(),
        "windows": list(span.names),
    }
