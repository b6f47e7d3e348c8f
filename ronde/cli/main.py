"""The `ronde` command: its subcommands, and nothing else."""

import logging
from importlib.metadata import version
from typing import Annotated

import typer

from ronde.adapters.files import store
from ronde.adapters.logs import configure_logs
from ronde.cli import (
    approving,
    doctor,
    follow,
    host,
    inventory,
    ledger,
    ordering,
    patches,
    playbooks,
    report,
    runs,
    schedule,
    schemas,
    status,
    up,
    vcenter,
    whoami,
    windows,
)
from ronde.cli.out import complain
from ronde.model.errors import RondeError

app = typer.Typer(
    name="ronde",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    help="The nightly round: backups checked, snapshots verified, clients told the truth.",
    epilog="Example: ronde status",
)


def _version(*, asked: bool) -> None:
    if asked:
        typer.echo(f"ronde {version('ronde')}")
        raise typer.Exit


@app.callback()
def ronde(
    _version: Annotated[
        bool, typer.Option("--version", callback=lambda asked: _version(asked=asked), is_eager=True, help="Print it.")
    ] = False,
) -> None:
    """Make the nightly round: backups checked, snapshots verified, clients told the truth."""


app.command("up")(up.up)
app.command("status")(status.status)
app.command("patches")(patches.patches)
app.command("round")(ordering.round_)
app.command("run")(ordering.run)
app.command("rerun")(approving.rerun)
app.command("approve")(approving.approve)
app.command("refuse")(approving.refuse)
app.command("runs")(runs.runs)
app.command("show")(runs.show)
app.command("follow")(follow.follow)
app.command("cancel")(runs.cancel)
app.command("pause")(runs.pause)
app.command("resume")(runs.resume)
app.command("schedule")(schedule.schedule)
app.command("windows")(windows.windows)
app.command("doctor")(doctor.doctor)
app.command("whoami")(whoami.whoami)
app.command("init")(inventory.init)
app.command("schema")(schemas.schema)
app.add_typer(report.app, name="report")
app.add_typer(inventory.app, name="inventory")
app.add_typer(playbooks.app, name="playbooks")
app.add_typer(host.app, name="host")
app.add_typer(ledger.app, name="ledger")
app.add_typer(vcenter.app, name="vcenter")


def main() -> None:
    """Run the command line; an error of ours becomes words on standard error, never a traceback.

    Events of the machinery are for workers' logs; here only its warnings are told, on standard error.
    """
    configure_logs("warning", "console")
    logging.getLogger(store.__name__).setLevel(logging.CRITICAL)  # every command tells inventory errors itself
    try:
        app()
    except RondeError as error:
        complain(str(error))
        raise SystemExit(2) from error
