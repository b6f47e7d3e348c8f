"""`ronde report`: the reports that clients receive."""

from typing import Annotated

import typer

from ronde.bootstrap import build
from ronde.cli.out import told_errors
from ronde.engine.ordering import find_client
from ronde.reports.page import night_page
from ronde.reports.render import render_night
from ronde.reports.sending import night_period, preview

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Look at and send clients' reports.")


@app.command("night")
def night(client: Annotated[str, typer.Argument(help="The client's identifier.")]) -> None:
    """Print the night report as it stands.

    Example: ronde report night commune-exemple
    """
    with told_errors():
        services = build()
        inventory = services.inventories.current()
        found = find_client(inventory, client)
        now = services.clock.now()
        view = preview(services.ledger, inventory.provider, found, night_period(found, now), now)
        typer.echo(render_night(night_page(view, found.language)).text)
