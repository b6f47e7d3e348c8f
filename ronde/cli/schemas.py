"""`ronde schema`: the stable interfaces as JSON Schema."""

from typing import Annotated, Literal

import typer

from ronde.cli.out import print_json
from ronde.reports.interface import run_schema


def schema(
    what: Annotated[Literal["run"], typer.Argument(help="run: what run, round and show print with --json")],
) -> None:
    """Print the JSON Schema of what --json prints.

    Example: ronde schema run
    """
    if what == "run":
        print_json(run_schema())
