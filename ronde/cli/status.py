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
from ronde.cli.acting import acting
from ronde.cli.out import COLOURS, SHAPES, console, exit_for, one_line, print_json, safe, shaped, told_errors
from ronde.cli.runs_view import age
from ronde.cli.scope import visible, visible_client
from ronde.cli.vitals import health_for
from ronde.model.errors import InputError
from ronde.model.inventory import Client
from ronde.model.records import Scope
from ronde.model.schedule import next_occurrence, occurrences
from ronde.model.units import parse_duration
from ronde.reports.board import FRESH, NONE, Board, Cell, board, board_json
from ronde.reports.board_problems import ClientNight
from ronde.reports.material import NightMaterial, Period
from ronde.reports.night import night_view
from ronde.reports.problem import Problem
from ronde.reports.sending import gather

NIGHT = timedelta(hours=24)
KINDS = ("backups", "machines", "patches", "runs", "report")
NAME_WIDTH = 12  # of a client, at least: whoever is narrower wraps
MISSED_SHOWN = 5  # the newest; a schedule of every minute is missed by the hundred


def status(
    client: Annotated[str | None, typer.Argument(help="Only this client.")] = None,
    since: Annotated[str, typer.Option("--since", help="How far back the night begins: 24h, 3d.")] = "24h",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the last night: clients by kinds, worst first, what could not be verified included.

    The column runs tells of what was to act: what stands half done, waits for an approval, or was held back. The column
    report tells when it was sent, is due, or that it is held. Then every problem with what to do next.

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
            console().print(board_page(value, zone), crop=False)
        services.close()
        raise typer.Exit(exit_for([row.verdict for row in value.rows]))


def read_board(services: Services, only: str | None, span: timedelta = NIGHT) -> Board:
    """The board of one client or all.

    Raises:
        InputError: no such client.
        NotAllowed: not one of this person's.
    """
    person = acting(services)
    chosen = visible(services, person).clients.values() if only is None else [visible_client(services, only)]
    now = services.clock.now()
    nights = [_night(services, found, now, span) for found in chosen]
    return board(nights, health_for(services, person, now), now)


def _night(services: Services, client: Client, now: datetime, span: timedelta) -> ClientNight:
    period = Period(now - span, now, "board")
    material = gather(services.ledger, client, period, now)
    return ClientNight(
        view=night_view(client, services.inventories.current().provider, material, now),
        material=material,
        mails=services.ledger.mails(Scope.of(client.client), since=period.since),
        report_due=_report_due(services, client, material),
        report_next=min(
            (next_occurrence(at, ZoneInfo(client.timezone), now) for at in _reports(client).values()), default=None
        ),
    )


def _reports(client: Client) -> dict[str, str]:
    """The client's schedules of night reports, as cron expressions."""
    return {name: entry.at for name, entry in client.schedules.items() if entry.enabled and entry.report == "night"}


def _report_due(services: Services, client: Client, material: NightMaterial) -> datetime | None:
    """The newest instant at which a report was due, and somebody was there to know: the schedule had been seen."""
    decided = {(done.schedule, done.due) for done in material.occurrences}
    keys = {(client.client, name) for name in _reports(client)}
    known = services.ledger.decided_until(Scope.of(client.client), keys)
    found = [
        due
        for name, at in _reports(client).items()
        for due in occurrences(at, ZoneInfo(client.timezone), material.period.since, material.period.until - FRESH)
        if (name, due) in decided or ((client.client, name) in known and due > known[client.client, name])
    ]
    return max(found, default=None)


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
    parts: list[RenderableType] = [head, _table(value, zone), Text()]
    parts += [line for problem in value.problems for line in _problem(problem)]
    return Group(*parts, *_missed(value, zone), Text.from_markup(_footer(value)))


def _table(value: Board, zone: ZoneInfo) -> Table:
    always = ("backups", "machines", "report")
    kinds = [name for name in KINDS if name in always or any(getattr(row, name).words != NONE for row in value.rows)]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("", overflow="fold", min_width=NAME_WIDTH)
    for name in kinds:
        table.add_column(name, overflow="fold", no_wrap=name == "report", min_width=len(name))
    for row in value.rows:
        cells = (_cell(getattr(row, name), zone, value.now) for name in kinds)
        table.add_row(shaped(row.verdict, safe(row.name)), *cells)
    return table


def _cell(cell: Cell, zone: ZoneInfo, now: datetime) -> str:
    words = cell.words
    if cell.at is not None:
        local = cell.at.astimezone(zone)
        words += f" {local:%H:%M}" if abs(cell.at - now) < timedelta(hours=20) else f" {local:%a %H:%M}"
    return f"[{COLOURS[cell.verdict]}]{words}[/]"


def _problem(problem: Problem) -> list[RenderableType]:
    """Its words wrapped; its commands each on one line however long, so that they can be copied."""
    colour, shape = COLOURS[problem.verdict], SHAPES[problem.verdict]
    head = Text.from_markup(f"[{colour}]{shape}[/] {safe(problem.client)} · [bold]{safe(problem.where)}[/]")
    said = [Padding(Text(one_line(line), overflow="fold"), (0, 0, 0, 4)) for line in problem.words]
    return [head, *said, *(_command(action) for action in problem.actions)]


def _command(words: str) -> Text:
    return Text(f"    {one_line(words)}", style="dim", no_wrap=True, overflow="ignore")


def _missed(value: Board, zone: ZoneInfo) -> list[RenderableType]:
    if not value.missed:
        return []
    count = sum(due.count for due in value.missed)
    lines: list[RenderableType] = [Text.from_markup(f"[yellow]▲[/] [bold]Missed: {count}[/]")]
    for due in value.missed[-MISSED_SHOWN:]:
        local = due.due.astimezone(zone)
        times = f" and {due.count - 1} before" if due.count > 1 else ""
        lines.append(
            Padding(
                Text.from_markup(safe(f"{due.client} · {due.schedule}, {local:%a %-d %b %H:%M}{times}: {due.reason}")),
                (0, 0, 0, 4),
            )
        )
    return [
        *lines,
        *(_command(f"ronde round {client}") for client in dict.fromkeys(due.client for due in value.missed)),
    ]


def _footer(value: Board) -> str:
    health = value.health
    missed = "" if value.missed else "Missed: none. "
    return (
        f"{missed}Scheduler: {_beats(value)}. "
        f"Oldest queued job: {_seconds(health.oldest_queued_s)}. Unsent mail: {health.unsent_mails}."
    )


def _beats(value: Board) -> str:
    if value.beats_alive:
        return f"{_count(value.beats_alive, 'beat')} alive"
    last = value.health.last_roll_call
    ago = "" if last is None else f", last {age(value.now - last)} ago"
    return f"[red]■ no beat alive{ago}; start it with `ronde up`[/]"


def _seconds(value: float | None) -> str:
    return "none" if value is None else f"{value:.0f} s"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
