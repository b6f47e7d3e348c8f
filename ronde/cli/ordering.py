"""`ronde run`, `round`, and how an order is carried out: recorded, watched or followed, and judged."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from threading import Thread
from typing import Annotated

import typer
from rich.live import Live

from ronde.adapters.queue.heartbeat import Heartbeat
from ronde.bootstrap import Services, build, build_here
from ronde.cli.acting import acting
from ronde.cli.dry_run import dry_run_page, dry_run_view
from ronde.cli.follow import follow_run
from ronde.cli.options import (
    ClientOption,
    DetachOption,
    FollowOption,
    HereOption,
    HostOption,
    JsonOption,
    OnOption,
    ParamOption,
    ReasonOption,
)
from ronde.cli.out import INTERRUPTED, complain, console, exit_for, print_json, told_errors
from ronde.cli.runs_view import progress, run_page
from ronde.cli.scope import everyone, ordered_for
from ronde.cli.signals import asked_to_stop
from ronde.engine.firing import send_due
from ronde.engine.ordering import Request, order, settle, work_through
from ronde.model.approvals import Approval
from ronde.model.errors import InputError
from ronde.model.records import RunRecord, Scope
from ronde.model.run import JOB_OPEN, RUN_OPEN, JobState, RunState
from ronde.model.units import parse_duration
from ronde.model.verdict import Verdict
from ronde.reports.interface import run_view

_PATIENCE = 5.0  # seconds for the last words of a run to be printed
MOST_FILE = 4 * 1024 * 1024  # bytes of a file given as a parameter


@dataclass(frozen=True, slots=True)
class Manner:
    """How an order is carried out: in this process, left to workers, with what is said, for a program to read."""

    here: bool = False
    detach: bool = False
    follow: bool = False
    as_json: bool = False

    def check(self) -> None:
        """Refuse what excludes each other.

        Raises:
            InputError: two of them do.
        """
        if self.here and self.detach:
            raise InputError("--here and --detach exclude each other: nobody would do the work.")
        if self.follow and (self.detach or self.as_json):
            raise InputError("--follow shows what is said as it is said; it goes with neither --detach nor --json.")


def run(
    playbook: Annotated[str, typer.Argument(help="area/name, for example backup/check")],
    client: ClientOption = None,
    host: HostOption = None,
    on: OnOption = None,
    param: ParamOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only look: tell what would be done, and why.")] = False,
    plan: Annotated[str, typer.Option("--plan", help="Only if the plan is still this one, as --dry-run told.")] = "",
    reason: ReasonOption = "",
    override: Annotated[
        list[str] | None, typer.Option("--override", help="A guard to set aside; needs --reason. May be repeated.")
    ] = None,
    queue_until: Annotated[
        str, typer.Option("--queue-until", help="Wait so long for hosts that cannot be reached: 48h.")
    ] = "",
    follow: FollowOption = False,
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
        if host and on:
            raise InputError("--host and --on exclude each other; a selection can name hosts: host:srv-*")
        request = Request(
            playbook,
            [client] if client else [],
            [on] if on else host or [],
            "",
            reason,
            given_parameters(param),
            once=here,
            dry=dry_run,
            overrides=tuple(override or ()),
            queue_for=_span(queue_until) if queue_until else None,
            plan=plan,
        )
        carry_out(request, Manner(here, detach, follow, as_json))


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
        request = Request("round/night", [client] if client else [], [], "", reason, once=here)
        carry_out(request, Manner(here, detach, as_json=as_json))


def given_parameters(param: Sequence[str] | None) -> dict[str, str]:
    """`name=value` texts as a mapping; `name=@FILE` reads the file, `name=@@x` means the text `@x`.

    Raises:
        InputError: one of them is not of that form, or its file cannot be read.
    """
    given: dict[str, str] = {}
    for text in param or ():
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InputError(f'--param "{text[:60]}" is not name=value')
        if name in given:
            raise InputError(f"--param {name} is given twice.")
        given[name] = value[1:] if value.startswith("@@") else _file(value[1:]) if value.startswith("@") else value
    return given


def carry_out(request: Request, manner: Manner) -> None:
    """Record an order, have it done, and end with the exit status of what it came to.

    Raises:
        InputError, LedgerError: nothing was ordered.
        typer.Exit: always, otherwise.
    """
    manner.check()
    services = build_here() if manner.here else build()
    try:
        run_id = _ordered(services, request, here=manner.here)
        if manner.detach:
            print_json({"run": run_id}) if manner.as_json else typer.echo(run_id)
            return
        record = _watched(services, run_id, manner)
        _print(services, record, request, as_json=manner.as_json)
    finally:
        services.close()
    if record.state is RunState.PENDING_APPROVAL:
        raise typer.Exit(0)
    raise typer.Exit(exit_for([job.verdict or Verdict.UNKNOWN for job in record.jobs]))


def _ordered(services: Services, request: Request, *, here: bool) -> str:
    """The id of the recorded run, ordered by the person at the keyboard for clients of his."""
    person = acting(services)
    request = replace(request, clients=ordered_for(services, person, request.clients), who=person.login)
    if here:
        settle(services.engine)
    run_id = order(services.engine, request)
    if not here:
        send_due(services.engine, run_id)
    return run_id


def _print(services: Services, record: RunRecord, request: Request, *, as_json: bool) -> None:
    now = services.clock.now()
    if request.dry and not as_json:
        console().print(dry_run_page(record))
    elif request.dry:
        print_json(dry_run_view(record, now))
    elif as_json:
        print_json(run_view(record, now, _approval(services, record)).model_dump(mode="json"))
    else:
        console().print(run_page(record, {}, now, _approval(services, record)))
    if record.state is RunState.PENDING_APPROVAL:
        complain(f"It waits for a second technician: ronde approve {record.id[:8]}")


def _approval(services: Services, record: RunRecord) -> Approval | None:
    scope = Scope(frozenset(job.target.client for job in record.jobs))
    return services.ledger.approval(scope, record.id)


def _watched(services: Services, run_id: str, manner: Manner) -> RunRecord:
    """The run when it has ended, or when nothing happens before somebody else has decided.

    Ctrl-C stops work that is done here, as `ronde cancel` would; a run that workers do is only left, and goes on.
    """
    scope, here = everyone(services), manner.here
    try:
        record = services.ledger.run(scope, run_id)
        if record.state is RunState.PENDING_APPROVAL:
            return record
        if manner.follow and not here:
            return follow_run(services, run_id, scope, console())
        with _shown_progress(quiet=manner.as_json or manner.follow) as tell:
            if not here:
                return _follow(services, run_id, scope, tell)
            with _said_here(services, run_id, scope, aloud=manner.follow):
                return _here(services, run_id, scope, tell)
    except KeyboardInterrupt:
        words = "Interrupted; what was running is taken up by no one" if here else "Left; the run goes on"
        complain(f"{words}.\nronde {'show' if here else 'follow'} {run_id[:8]}\nronde cancel {run_id[:8]}")
        raise typer.Exit(INTERRUPTED) from None


@contextmanager
def _said_here(services: Services, run_id: str, scope: Scope, *, aloud: bool) -> Iterator[None]:
    """With `--here --follow`, print in a thread of its own what is said while this process works."""
    if not aloud:
        yield
        return
    thread = Thread(target=follow_run, args=(services, run_id, scope, console()), daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join(_PATIENCE)


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
        if record.state not in RUN_OPEN or _waits_long(record, services):
            return record
        if not warned and time.monotonic() - started > 10 and _nobody_works(services):
            warned = True
            complain(f"No worker is alive; {run_id} waits in the ledger. Start `ronde up`, or use --here.")
        time.sleep(0.25)


def _waits_long(record: RunRecord, services: Services) -> bool:
    """Whether all that is open waits for a window, a host or its ring, so that nobody sits before it."""
    soon = services.clock.now() + timedelta(minutes=10)
    open_jobs = [job for job in record.jobs if job.state in JOB_OPEN]
    if any(job.state is JobState.RUNNING for job in open_jobs):
        return False
    if record.paused_by:
        return True
    return bool(open_jobs) and all(job.not_before is not None and job.not_before > soon for job in open_jobs)


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


def _span(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise InputError(str(error)) from error


def _file(path: str) -> str:
    try:
        with Path(path).open("rb") as stream:
            content = stream.read(MOST_FILE + 1)
        if len(content) > MOST_FILE:
            raise InputError(f"{path} is larger than {MOST_FILE // 1024 // 1024} MiB.")
        return content.decode("utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text.") from error
