"""`ronde status`: this morning's board."""

from datetime import datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ronde.bootstrap import Services, build
from ronde.cli.out import COLOURS, SHAPES, console, exit_for, print_json, safe, shaped, told_errors
from ronde.cli.runs_view import age
from ronde.model.errors import InputError
from ronde.model.inventory import Client
from ronde.model.records import Health, Scope
from ronde.model.units import parse_duration
from ronde.model.verdict import Verdict
from ronde.reports.board import Board, Cell, ClientNight, board, board_json
from ronde.reports.material import Period
from ronde.reports.night import night_view
from ronde.reports.sending import gather

NIGHT = timedelta(hours=24)
FRESH = timedelta(minutes=3)


def status(
    client: Annotated[str | None, typer.Argument(help="Only this client.")] = None,
    since: Annotated[str, typer.Option("--since", help="How far back the night begins: 24h, 3d.")] = "24h",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the last night: clients by kinds, worst first, what could not be verified included.

    Exit status: 0 all ok, 1 warnings or failures, 3 unknown and nothing worse.

    Example: ronde status
    """
    with told_errors():
        try:
            span = parse_duration(since)
        except ValueError as error:
            raise InputError(str(error)) from error
        services = build()
        value = read_board(services, client, span)
        if as_json:
            print_json(board_json(value))
        else:
            zone = ZoneInfo(services.inventories.current().provider.timezone)
            console().print(board_page(value, zone))
        services.close()
        raise typer.Exit(exit_for([row.verdict for row in value.rows]))


def read_board(services: Services, only: str | None, span: timedelta = NIGHT) -> Board:
    """The board of one client or all.

    Raises:
        InputError: no such client.
    """
    inventory = services.inventories.current()
    if only is not None and only not in inventory.clients:
        raise InputError(f'There is no client "{only}".')
    now = services.clock.now()
    chosen = [found for name, found in inventory.clients.items() if only in (None, name)]
    nights = [_night(services, found, now, span) for found in chosen]
    return board(nights, services.ledger.health(now), now)


def _night(services: Services, client: Client, now: datetime, span: timedelta) -> ClientNight:
    period = Period(now - span, now, "board")
    material = gather(services.ledger, client, period, now)
    return ClientNight(
        view=night_view(client, services.inventories.current().provider, material, now),
        material=material,
        mails=services.ledger.mails(Scope.of(client.client), since=period.since),
        reports=any(entry.report for entry in client.schedules.values()),
    )


def board_page(value: Board, zone: ZoneInfo) -> RenderableType:
    """The board for a terminal of 80 columns."""
    local = value.now.astimezone(zone)
    since = value.since.astimezone(zone)
    head = Table.grid(expand=True)
    head.add_column()
    head.add_column(justify="right")
    night = f"night of {since:%a %-d} → {local:%a %-d %b}"
    head.add_row(
        f"Ronde · {night} · {_count(len(value.rows), 'client')} · {_count(value.checks, 'check')}",
        f"as of {local:%H:%M}",
    )
    parts: list[RenderableType] = [head, _table(value), Text()]
    parts += [
        line
        for problem in value.problems
        for line in _problem(problem.verdict, problem.where, problem.words, problem.actions, problem.client)
    ]
    parts.append(Text.from_markup(_footer(value)))
    return Group(*parts)


def _table(value: Board) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("", "backups", "machines", "report"):
        table.add_column(name, no_wrap=True)
    for row in value.rows:
        table.add_row(shaped(row.verdict, safe(row.name)), _cell(row.backups), _cell(row.machines), _cell(row.report))
    return table


def _cell(cell: Cell) -> str:
    colour = COLOURS[cell.verdict]
    return f"[{colour}]{cell.words}[/]"


def _problem(
    verdict: Verdict, where: str, words: tuple[str, ...], actions: tuple[str, ...], client: str
) -> list[RenderableType]:
    head = Text.from_markup(f"[{COLOURS[verdict]}]{SHAPES[verdict]}[/] {safe(client)} · [bold]{safe(where)}[/]")
    said: list[RenderableType] = [Padding(Text.from_markup(safe(line)), (0, 0, 0, 4)) for line in words]
    return [head, *said, Padding(Text.from_markup(f"[dim]{safe(' · '.join(actions))}[/]"), (0, 0, 0, 4))]


def _footer(value: Board) -> str:
    health = value.health
    missed = f"{len(value.missed)} missed" if value.missed else "Missed: none"
    named = "; ".join(
        f"{due.client} {due.schedule} {due.due:%d %b %H:%M} UTC ({due.reason})" for due in value.missed[:3]
    )
    return (
        f"{safe(missed)}{': ' + safe(named) if named else ''}.  Scheduler: {_beats(health, value.now)}.  "
        f"Oldest queued job: {_seconds(health.oldest_queued_s)}.  Unsent mail: {health.unsent_mails}."
    )


def _beats(health: Health, now: datetime) -> str:
    alive = sum(now - seen < FRESH for seen in health.beats.values())
    if alive:
        return f"{_count(alive, 'beat')} alive"
    last = health.last_roll_call
    return (
        "[red]■ no beat has ever called[/]" if last is None else f"[red]■ no beat alive, last {age(now - last)} ago[/]"
    )


def _seconds(value: float | None) -> str:
    return "none" if value is None else f"{value:.0f} s"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
