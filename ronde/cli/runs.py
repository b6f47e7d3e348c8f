"""`ronde run`, `round`, `runs`, `show`, `cancel`: ordering and looking at runs."""

import getpass
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Annotated

import typer
from rich.live import Live

from ronde.adapters.queue.heartbeat import Heartbeat
from ronde.bootstrap import Services, build, build_here
from ronde.cli.out import INTERRUPTED, complain, console, exit_for, print_json, told_errors
from ronde.cli.runs_view import progress, run_page, runs_table
from ronde.cli.scope import everyone, scope_of
from ronde.cli.signals import asked_to_stop
from ronde.engine.firing import send_due
from ronde.engine.ordering import Request, order, settle, work_through
from ronde.model.errors import InputError
from ronde.model.records import RunRecord, Scope
from ronde.model.run import RUN_OPEN
from ronde.model.units import parse_duration
from ronde.model.verdict import Verdict
from ronde.reports.interface import run_view

ClientOption = Annotated[str | None, typer.Option("--client", help="Limit to this client.")]
FormerOption = Annotated[
    str | None, typer.Option("--client", help="Limit to this client, even one that has left the inventory.")
]
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or the beginning of it.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON; its schema: ronde schema run.")]
HereOption = Annotated[bool, typer.Option("--here", help="Work in this process: no broker, no beat, no worker needed.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; recorded with the run.")]
DetachOption = Annotated[bool, typer.Option("--detach", help="Print the run's id and return; workers do the rest.")]
WIDE = 100  # columns from which on a list tells who ordered each run


def run(
    playbook: Annotated[str, typer.Argument(help="area/name, for example backup/check")],
    client: ClientOption = None,
    host: Annotated[
        list[str] | None, typer.Option("--host", help="Host, vCenter or tag:NAME; may be repeated.")
    ] = None,
    param: Annotated[list[str] | None, typer.Option("--param", help="name=value; may be repeated.")] = None,
    reason: ReasonOption = "",
    here: HereOption = False,
    detach: DetachOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run a playbook now and wait for its result.

    Exit status: 0 all ok, 1 warnings or failures, 2 usage, 3 unknown and nothing worse.

    Example: ronde run backup/check --client commune-exemple --host srv-fichiers
    """
    with told_errors():
        if host and client is None:
            raise InputError("--host needs --client: host names are only unique within a client.")
        wish = _request(playbook, client, host, param, reason=reason, here=here)
        _carry_out(wish, here=here, detach=detach, as_json=as_json)


def round_(
    client: Annotated[str | None, typer.Argument(help="Only this client.")] = None,
    reason: ReasonOption = "",
    here: HereOption = False,
    detach: DetachOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make the whole round now: every backup and every virtual machine, of all clients or one.

    Exit status as for `ronde run`.

    Example: ronde round commune-exemple --here
    """
    with told_errors():
        wish = _request("round/night", client, None, None, reason=reason, here=here)
        _carry_out(wish, here=here, detach=detach, as_json=as_json)


def show(
    reference: RunArgument,
    client: FormerOption = None,
    output: Annotated[bool, typer.Option("--output", help="Also what was asked and what came back.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show one run: its jobs, what was found, and with --output the evidence.

    Example: ronde show 8f2c --output
    """
    with told_errors():
        services = build()
        scope = scope_of(services, client)
        record = services.ledger.run(scope, reference)
        if as_json:
            print_json(run_view(record, services.clock.now()).model_dump(mode="json"))
            return
        evidence = {job.id: services.ledger.evidence(scope, job.id) for job in record.jobs} if output else {}
        console().print(run_page(record, evidence, services.clock.now()))


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
            print_json([run_view(record, now).model_dump(mode="json") for record in records])
            return
        screen = console()
        screen.print(runs_table(records, now, wide=screen.width >= WIDE))


def cancel(reference: RunArgument, client: FormerOption = None) -> None:
    """Stop a run: what is queued at once, what is running at its next heartbeat.

    Example: ronde cancel 8f2c
    """
    with told_errors():
        services = build()
        scope = scope_of(services, client)
        record = services.ledger.run(scope, reference)
        asked = services.ledger.cancel_run(scope, record.id, getpass.getuser(), services.clock.now())
        services.ledger.advance(record.id, services.clock.now())
        if not asked:
            raise InputError(f"{record.id} has no job that could still be stopped; there is nothing to cancel.")
        typer.echo(f"{record.id} is asked to stop.")


def _request(
    playbook: str, client: str | None, host: list[str] | None, param: list[str] | None, *, reason: str, here: bool
) -> Request:
    parameters = {}
    for text in param or []:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InputError(f'--param "{text}" is not name=value')
        parameters[name] = value
    clients = [client] if client else []
    return Request(playbook, clients, host or [], getpass.getuser(), reason, parameters, once=here)


def _carry_out(request: Request, *, here: bool, detach: bool, as_json: bool) -> None:
    if here and detach:
        raise InputError("--here and --detach exclude each other: nobody would do the work.")
    services = build_here() if here else build()
    try:
        if here:
            settle(services.engine)
        run_id = order(services.engine, request)
        if not here:
            send_due(services.engine, run_id)
        if detach:
            print_json({"run": run_id}) if as_json else typer.echo(run_id)
            return
        record = _watched(services, run_id, here=here, quiet=as_json)
        if as_json:
            print_json(run_view(record, services.clock.now()).model_dump(mode="json"))
        else:
            console().print(run_page(record, {}, services.clock.now()))
    finally:
        services.close()
    raise typer.Exit(exit_for([job.verdict or Verdict.UNKNOWN for job in record.jobs]))


def _watched(services: Services, run_id: str, *, here: bool, quiet: bool) -> RunRecord:
    """The run when it has ended.

    Ctrl-C stops work that is done here, as `ronde cancel` would; a run that workers do is only left, and goes on.
    """
    scope = everyone(services)
    try:
        with _shown_progress(quiet=quiet) as tell:
            return _here(services, run_id, scope, tell) if here else _follow(services, run_id, scope, tell)
    except KeyboardInterrupt:
        words = "Interrupted; what was running is taken up by no one" if here else "Left; the run goes on"
        complain(f"{words}.\nronde show {run_id[:8]}\nronde cancel {run_id[:8]}")
        raise typer.Exit(INTERRUPTED) from None


def _here(services: Services, run_id: str, scope: Scope, tell: Callable[[RunRecord], None]) -> RunRecord:
    heart = Heartbeat(services.holding.beat, every=services.settings.heartbeat)
    heart.start()
    threads = services.settings.threads
    try:
        with asked_to_stop() as stop:
            return work_through(services.engine, run_id, scope, threads=threads, tell=tell, stop=stop)
    finally:
        heart.stop()


def _follow(services: Services, run_id: str, scope: Scope, tell: Callable[[RunRecord], None]) -> RunRecord:
    """Wait for workers; says so, once, when none seems to be there."""
    started = time.monotonic()
    warned = False
    while True:
        record = services.ledger.run(scope, run_id)
        tell(record)
        if record.state not in RUN_OPEN:
            return record
        if not warned and time.monotonic() - started > 10 and _nobody_works(services):
            warned = True
            complain(f"No worker is alive; {run_id} waits in the ledger. Start `ronde up`, or use --here.")
        time.sleep(0.25)


def _nobody_works(services: Services) -> bool:
    now = services.clock.now()
    seen = services.ledger.health(now).workers.values()
    fresh = timedelta(seconds=services.settings.lease)
    return not any("work" in queues and now - at < fresh for at, queues in seen)


@contextmanager
def _shown_progress(*, quiet: bool) -> Iterator[Callable[[RunRecord], None]]:
    """A live display on a terminal; nothing where the output is read by a program."""
    screen = console()
    if quiet or not screen.is_terminal:
        yield lambda _record: None
        return
    with Live(console=screen, transient=True, refresh_per_second=5) as live:
        yield lambda record: live.update(progress(record))
