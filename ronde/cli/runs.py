"""`ronde runs`, `show`, `cancel`, `pause`, `resume`: looking at runs, and stopping them."""

from pathlib import Path
from typing import Annotated

import typer

from ronde.bootstrap import build
from ronde.cli.acting import acting
from ronde.cli.archive import save_archive
from ronde.cli.options import FormerOption, JsonOption, RunArgument
from ronde.cli.out import console, print_json, told_errors
from ronde.cli.runs_view import run_page, runs_table
from ronde.cli.scope import scope_of
from ronde.engine.firing import send_due
from ronde.model.errors import InputError
from ronde.model.people import Act
from ronde.model.records import RunRecord
from ronde.model.run import RUN_OPEN
from ronde.model.units import parse_duration
from ronde.reports.interface import run_view

WIDE = 100  # columns from which on a list tells who ordered each run


def show(
    reference: RunArgument,
    client: FormerOption = None,
    output: Annotated[bool, typer.Option("--output", help="Also what was asked and what came back.")] = False,
    save: Annotated[
        Path | None, typer.Option("--save", help="Write all that was said into one archive: FILE.tar.gz")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show one run: its plan and who approved it, its jobs step by step, what was found; with --output the evidence.

    Example: ronde show 8f2c --output
    """
    with told_errors():
        services = build()
        scope = scope_of(services, client)
        record = services.ledger.run(scope, reference)
        approval = services.ledger.approval(scope, record.id)
        if as_json:
            print_json(run_view(record, services.clock.now(), approval).model_dump(mode="json"))
            return
        wanted = output or save is not None
        evidence = {job.id: services.ledger.evidence(scope, job.id) for job in record.jobs} if wanted else {}
        if save is not None:
            count = save_archive(save, record, evidence)
            typer.echo(f"{count} answers are in {save}.")
            return
        console().print(run_page(record, evidence, services.clock.now(), approval))


def runs(
    client: FormerOption = None,
    since: Annotated[str, typer.Option("--since", help="How far back: 24h, 7d.")] = "7d",
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000)] = 30,
    as_json: JsonOption = False,
) -> None:
    """List runs, newest first.

    Example: ronde runs --client commune-exemple --since 24h
    """
    with told_errors():
        services = build()
        try:
            span = parse_duration(since)
        except ValueError as error:
            raise InputError(str(error)) from error
        now = services.clock.now()
        scope = scope_of(services, client)
        records = services.ledger.runs(scope, since=now - span, limit=limit)
        if as_json:
            views = [run_view(record, now, services.ledger.approval(scope, record.id)) for record in records]
            print_json([view.model_dump(mode="json") for view in views])
            return
        screen = console()
        screen.print(runs_table(records, now, wide=screen.width >= WIDE))


def cancel(
    reference: RunArgument,
    client: FormerOption = None,
    at_once: Annotated[
        bool, typer.Option("--now", help="Also end the step in hand on the host; what had begun is told.")
    ] = False,
) -> None:
    """Stop a run: what is queued at once, what is running before its next step.

    Example: ronde cancel 8f2c
    """
    with told_errors():
        services = build()
        scope = scope_of(services, client, Act.ORDER)
        record = services.ledger.run(scope, reference)
        asked = services.ledger.cancel_run(
            scope, record.id, acting(services).login, services.clock.now(), at_once=at_once
        )
        services.ledger.advance(record.id, services.clock.now())
        if not asked:
            raise InputError(f"{record.id} has no job that could still be stopped; there is nothing to cancel.")
        typer.echo(f"{record.id} is asked to stop.")


def pause(reference: RunArgument, client: FormerOption = None) -> None:
    """Begin nothing more of a run that goes in rings; what runs goes on, and every target keeps its place.

    Example: ronde pause 8f2c
    """
    with told_errors():
        services = build()
        scope = scope_of(services, client, Act.ORDER)
        record = services.ledger.run(scope, reference)
        if not services.ledger.pause_run(scope, record.id, acting(services).login, services.clock.now()):
            raise InputError(_not_to("paused", record))
        typer.echo(f"{record.id[:8]} is paused. Go on with: ronde resume {record.id[:8]}")


def resume(reference: RunArgument, client: FormerOption = None) -> None:
    """Go on with a paused run, by the plan that it has.

    Example: ronde resume 8f2c
    """
    with told_errors():
        services = build()
        scope = scope_of(services, client, Act.ORDER)
        record = services.ledger.run(scope, reference)
        if not services.ledger.resume_run(scope, record.id, acting(services).login, services.clock.now()):
            raise InputError(_not_to("resumed", record))
        send_due(services.engine, record.id)
        typer.echo(f"{record.id[:8]} goes on.")


def _not_to(done: str, record: RunRecord) -> str:
    """Why a run cannot be paused or resumed, as far as whoever asks may know."""
    if record.state not in RUN_OPEN:
        why = "it has ended"
    elif all(job.ring is None for job in record.jobs):
        why = "it goes in no rings; ronde cancel stops it"
    elif bool(record.paused_by) == (done == "paused"):
        why = f"{record.paused_by} has paused it" if record.paused_by else "nobody has paused it"
    else:
        why = "it acts on more clients than yours"
    return f"{record.id[:8]} cannot be {done}: {why}."
