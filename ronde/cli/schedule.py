"""`ronde schedule`: what is due next, in each client's own time."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.table import Table
from rich.text import Text

from ronde.bootstrap import build
from ronde.cli.inventory import valid_inventory
from ronde.cli.out import complain, console, print_json, told_errors
from ronde.engine.ordering import find_client
from ronde.model.inventory import Client, Inventory, Schedule
from ronde.model.schedule import clock_note, occurrences
from ronde.model.units import format_duration


@dataclass(frozen=True, slots=True)
class Coming:
    """One occurrence to come; `due` aware in UTC, `note` on what the clocks do to it."""

    due: datetime
    client: str
    name: str
    entry: Schedule
    zone: ZoneInfo
    note: str

    @property
    def local(self) -> datetime:
        return self.due.astimezone(self.zone)


def schedule(
    client: Annotated[str | None, typer.Argument(help="Only this client.", show_default=False)] = None,
    days: Annotated[int, typer.Option("--days", min=1, max=3660, help="How far to look ahead.")] = 7,
    most: Annotated[int, typer.Option("--most", min=1, help="At most so many lines.")] = 200,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the next occurrences in local time, and what happens on nights when the clocks change.

    Example: ronde schedule client-example --days 30
    """
    with told_errors():
        clients = _chosen(valid_inventory(build()), client)
        now = datetime.now(UTC)
        found = list(islice(coming(clients, now, now + timedelta(days=days)), most + 1))
        if as_json:
            print_json([_as_json(item) for item in found[:most]])
        elif found:
            console().print(_page(found[:most]))
        else:
            typer.echo(f"Nothing is due within {days} days.")
    if len(found) > most:
        complain(f"Only the first {most} are shown; see more with --most.")


def coming(clients: list[Client], after: datetime, until: datetime) -> Iterator[Coming]:
    """Every occurrence of every switched-on schedule in `after < due <= until`, soonest first."""
    streams = [
        _stream(client, name, entry, (after, until))
        for client in clients
        for name, entry in client.schedules.items()
        if entry.enabled
    ]
    return heapq.merge(*streams, key=lambda item: (item.due, item.client, item.name))


def _stream(client: Client, name: str, entry: Schedule, span: tuple[datetime, datetime]) -> Iterator[Coming]:
    zone = ZoneInfo(client.timezone)
    for due in occurrences(entry.at, zone, *span):
        yield Coming(due, client.client, name, entry, zone, clock_note(entry.at, zone, due))


def _chosen(inventory: Inventory, client: str | None) -> list[Client]:
    if client is None:
        return list(inventory.clients.values())
    return [find_client(inventory, client)]


def _as_json(item: Coming) -> dict[str, Any]:
    return {
        "due": item.due.isoformat(),
        "local": item.local.isoformat(),
        "zone": str(item.zone),
        "client": item.client,
        "schedule": item.name,
        "starts": item.entry.purpose,
        "on": list(item.entry.on),
        "useful_for_s": int(item.entry.catch_up.within.total_seconds()),
        "note": item.note,
    }


def _page(found: list[Coming]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("local time", no_wrap=True)
    table.add_column("client/schedule", overflow="fold", min_width=min(30, max(map(len, map(_name, found)))))
    for column in ("starts", "within"):
        table.add_column(column, overflow="fold")
    if any(item.note for item in found):
        table.add_column("", overflow="fold")
    day = None
    for item in found:
        if day is not None and item.local.date() != day:
            table.add_row()
        day = item.local.date()
        cells = (
            f"{item.local:%a %d %b %H:%M %Z}",
            _name(item),
            item.entry.purpose,
            format_duration(item.entry.catch_up.within),
            item.note,
        )
        table.add_row(*(Text(cell) for cell in cells[: len(table.columns)]))
    return table


def _name(item: Coming) -> str:
    return f"{item.client}/{item.name}"
