"""`ronde patches`: which updates wait on which host, from the newest audit of each."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, cast

import typer
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ronde.bootstrap import Services, build
from ronde.cli.out import console, exit_for, one_line, print_json, safe, shaped, told_errors
from ronde.cli.runs_view import age
from ronde.cli.scope import visible, visible_client
from ronde.model.check import Json
from ronde.model.errors import InputError
from ronde.model.inventory import Client
from ronde.model.records import CheckRecord, Scope
from ronde.reports.patches import KIND, PatchRow, patch_json, patch_rows, worst_first

USUAL = timedelta(days=31)  # hosts audited lately are found in one question; each other one is asked for by itself
NOT_KNOWN = "?"
_RESTART = {True: "due", False: "not due", None: "not known"}


def patches(
    client: Annotated[str | None, typer.Argument(help="Only this client.")] = None,
    host: Annotated[str | None, typer.Option("--host", help="One host, package by package.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show which updates wait on every host, worst first, what was never or not lately audited included.

    Security and other updates, since when the oldest security fix is missing, what stays behind, whether a restart is
    due, and how old the host's lists are; then every trouble with what to do next. A question mark is not known.

    Exit status: 0 all ok, 1 warnings or failures, 3 unknown and nothing worse.

    Example: ronde patches commune-exemple --host srv-compta
    """
    with told_errors():
        services = build()
        now = services.clock.now()
        rows = read_rows(services, client, host, now)
        if as_json:
            print_json([patch_json(row) for row in rows])
        else:
            page = patches_page(rows, now) if host is None else Group(*(host_page(row, now) for row in rows))
            console().print(page, crop=False)
        services.close()
        raise typer.Exit(exit_for([row.verdict for row in rows]))


def read_rows(services: Services, only: str | None, host: str | None, now: datetime) -> list[PatchRow]:
    """The rows of one client or of all that this person may see, or of the hosts of that name.

    Raises:
        InputError: no such client, or none of them has such a host.
        NotAllowed: not one of this person's.
    """
    chosen = list(visible(services).clients.values()) if only is None else [visible_client(services, only)]
    wanted = [one for one in chosen if host is None or host in one.hosts]
    if host is not None and not wanted:
        where = only or "any client"
        raise InputError(f'There is no host "{host}" at {where}.')
    rows = [row for one in wanted for row in patch_rows(one, _newest(services, one, now), now)]
    return worst_first(row for row in rows if host in {None, row.host})


def _newest(services: Services, client: Client, now: datetime) -> list[CheckRecord]:
    """The newest audit of each host, however old."""
    scope, until = Scope.of(client.client), now + timedelta(seconds=1)
    found = [one for one in services.ledger.latest_checks(scope, since=now - USUAL, until=until) if one.kind == KIND]
    for name in client.hosts.keys() - {one.host for one in found}:
        found += services.ledger.history(scope, name, (KIND,), before=until, limit=1)
    return found


# ------------------------------------------------------------------- the table


def patches_page(rows: Sequence[PatchRow], now: datetime) -> RenderableType:
    """The table for a terminal of 80 columns, and what stands behind each row that is not in order."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("", overflow="fold")
    for name in ("security", "other", "oldest", "kept", "restart", "lists"):
        table.add_column(name, no_wrap=True, justify="right")
    for row in rows:
        table.add_row(shaped(row.verdict, safe(f"{row.client} · {row.host}")), *_cells(row, now))
    told = [line for row in rows if row.words for line in _trouble(row)]
    return Group(table, Text(), *told)


def _cells(row: PatchRow, now: datetime) -> tuple[str, ...]:
    if row.at is None:
        return ("never", *("" for _ in range(5)))
    return (
        _number(row.security) + (f"+{row.untold}{NOT_KNOWN}" if row.untold else ""),
        _number(row.others if row.others is None else row.others - row.untold),
        NOT_KNOWN if row.security is None else _ago(row.oldest, now, "-"),
        _number(None if row.kept is None else len(row.kept)),
        {True: "due", False: "no", None: NOT_KNOWN}[row.reboot],
        _ago(row.lists, now, NOT_KNOWN),
    )


def _number(value: int | None) -> str:
    return NOT_KNOWN if value is None else str(value)


def _ago(at: datetime | None, now: datetime, otherwise: str) -> str:
    return otherwise if at is None else age(now - at)


def _trouble(row: PatchRow) -> Iterator[RenderableType]:
    """What is not in order, and what to type next; commands each on one line, so that they can be copied."""
    yield Text.from_markup(shaped(row.verdict, f"{safe(row.client)} · [bold]{safe(row.host)}[/]"))
    for words in row.words:
        yield Padding(Text(one_line(words), overflow="fold"), (0, 0, 0, 4))
    yield _command(f"ronde patches {row.client} --host {row.host}" if row.at else _order(row))


def _order(row: PatchRow) -> str:
    return f"ronde run {row.audit} --client {row.client} --host {row.host}"


def _command(words: str) -> Text:
    return Text(f"    {one_line(words)}", style="dim", no_wrap=True, overflow="ignore")


# ------------------------------------------------------------------- one host


def host_page(row: PatchRow, now: datetime) -> RenderableType:
    """Everything the newest audit told of one host: its packages one by one, each with its reason."""
    head = Text.from_markup(shaped(row.verdict, f"{safe(row.client)} · [bold]{safe(row.host)}[/]"))
    said = [Padding(Text(one_line(words), overflow="fold"), (0, 0, 0, 4)) for words in row.words]
    if row.at is None or row.facts is None:
        return Group(head, *said, _command(_order(row)))
    facts = Table.grid(padding=(0, 2, 0, 0))
    for name, words in _facts(row, row.facts, now):
        facts.add_row(name, Text(one_line(words), overflow="fold"))
    actions = [_command(f"ronde show {row.run[:8]} --output"), _command(_order(row))]
    return Group(head, *said, Text(), Padding(facts, (0, 0, 0, 4)), Text(), _packages(row.facts), *actions)


def _facts(row: PatchRow, known: Mapping[str, Json], now: datetime) -> Iterator[tuple[str, str]]:
    yield "audited", f"{age(now - row.at)} ago" if row.at else "never"
    yield "system", f"{known.get('release') or NOT_KNOWN}, supported until {known.get('end_of_life') or NOT_KNOWN}"
    yield "manager", str(known.get("manager") or NOT_KNOWN)
    yield "lists", _ago(row.lists, now, NOT_KNOWN) + (" old" if row.lists else "")
    reasons = " ".join(cast("list[str]", known.get("reboot_reasons") or []))
    yield "restart", f"{_RESTART[row.reboot]}: {reasons}"
    for name, key in (("held", "held"), ("on old files", "services"), ("config files", "leftovers")):
        listed = known.get(key)
        yield name, ", ".join(cast("list[str]", listed)) or "none" if isinstance(listed, list) else NOT_KNOWN


def _packages(facts: Mapping[str, Json]) -> RenderableType:
    listed = facts.get("packages")
    if not isinstance(listed, list):
        return Text("    Which updates wait is not known.")
    if not listed:
        return Text("    No update waits.")
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("", "installed", "offered", ""):
        table.add_column(name, overflow="fold")
    for one in cast("list[dict[str, Json]]", listed):
        why = " ".join(filter(None, (str(one["kept"] or ""), str(one["detail"] or ""))))
        kind = {True: "security", False: "", None: "security?"}[cast("bool | None", one["security"])]
        words = "; ".join(filter(None, (kind, f"stays: {why}" if why else "")))
        cells = (one["package"], one["installed"], one["candidate"], words)
        table.add_row(*(Text(one_line(str(cell)), overflow="fold") for cell in cells))
    return Padding(table, (0, 0, 0, 4))
