"""`ronde ledger`: the record itself: its schema, its backup, and what is forgotten on purpose."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from ronde.adapters.ledger.copying import copy_ledger
from ronde.bootstrap import build
from ronde.cli.acting import acting, own_hand
from ronde.cli.out import print_json, told_errors
from ronde.model.errors import InputError
from ronde.model.people import Act
from ronde.model.units import parse_duration

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="The record: schema, backup, retention.",
    epilog="Example: ronde ledger backup /backup/ronde.db",
)


@app.command("upgrade")
def upgrade() -> None:
    """Create the ledger, or bring its schema to this version; `ronde up` does it by itself.

    Example: ronde ledger upgrade
    """
    with told_errors():
        services = build()
        own_hand(services, "upgrade the ledger")
        services.ledger.upgrade()
        typer.echo(services.ledger.ping())


@app.command("backup")
def backup(target: Annotated[Path, typer.Argument(help="A file that does not exist yet.")]) -> None:
    """Copy a SQLite ledger while it is in use.

    Example: ronde ledger backup /backup/ronde-2026-11-23.db
    """
    with told_errors():
        services = build()
        acting(services).must_for_house(Act.ADMINISTER, "copy the ledger of")
        size = copy_ledger(services.settings.ledger_url, target)
        typer.echo(f"{target}: {size / 1e6:.1f} MB")


@app.command("prune")
def prune(
    raw: Annotated[str, typer.Option("--raw", help="Raw outputs older than this are removed.")] = "90d",
    everything: Annotated[str, typer.Option("--all", help="Whole runs older than this are removed.")] = "1095d",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Forget old raw outputs, and much later whole runs; the record of events stays.

    The defaults, 90 days and three years, are a proposal: agree on yours with the client (CNIL asks for a reason for
    every length of time).

    Example: ronde ledger prune --raw 90d --all 1095d
    """
    with told_errors():
        services = build()
        acting(services).must_for_house(Act.ADMINISTER, "prune the ledger of")
        now = services.clock.now()
        short, long = _span(raw), _span(everything)
        if short > long:
            raise InputError("--raw is longer than --all: outputs cannot outlive their runs.")
        done = services.ledger.prune(before_raw=now - short, before_all=now - long, now=now)
        counts = {"outputs": done.outputs, "runs": done.runs, "mails": done.mails}
        if as_json:
            print_json(counts)
        else:
            typer.echo("removed: " + ", ".join(f"{count} {what}" for what, count in counts.items()))


def _span(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise InputError(str(error)) from error
