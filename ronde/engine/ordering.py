"""Orders by people: a run made at once, and, in laptop mode, worked through in this very process."""

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from ronde.engine.awaiting import approved_first
from ronde.engine.parts import Engine
from ronde.engine.planning import Planner, Wish
from ronde.engine.procedure.guarding import rulings_on, trouble_of
from ronde.engine.rings import in_rings, within_windows
from ronde.engine.work import work
from ronde.model.check import Json
from ronde.model.errors import InputError
from ronde.model.guards import Guard
from ronde.model.inventory import Client, Inventory, RingsEntry
from ronde.model.plan import JobPlan, Order, Retry, Trigger
from ronde.model.playbook import GUARDS, Playbook
from ronde.model.records import RunRecord, Scope
from ronde.model.run import RUN_OPEN, JobState, Policy
from ronde.model.selection import candidates_of, parse_selection, select
from ronde.model.verdict import Verdict
from ronde.model.words import hint

WINDOW_GUARDS: Final = frozenset({Guard.WINDOW, Guard.FINISH})  # those that time alone can satisfy


@dataclass(frozen=True, slots=True)
class Request:
    """What a person asked for.

    Attributes:
        clients: identifiers; empty = all clients.
        on: a selection, or several that are added together; empty = everything the playbook can act on.
        once: whether a passing trouble is told at once rather than tried again minutes later.
        dry: only look; what would change something is told.
        overrides: guards that are set aside; `reason` says why.
        queue_for: how long a target that cannot be reached is waited for.
        plan: the beginning of the digest of the plan that was looked at; another plan is refused.
        again: the run that this one repeats.
        windows, rings: those of the schedule that first asked; a run that it fired is repeated as it was.
    """

    playbook: str
    clients: Sequence[str]
    on: Sequence[str]
    who: str
    reason: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    once: bool = False
    dry: bool = False
    overrides: tuple[str, ...] = ()
    queue_for: timedelta | None = None
    plan: str = ""
    again: str = ""
    windows: tuple[str, ...] = ()
    rings: RingsEntry | None = None


def planned(engine: Engine, request: Request, *, held_up: bool = True) -> Order:
    """The order that a request means, with its frozen plan; nothing is recorded.

    `held_up`: whether guards and the need of an approval are looked at; who only compares plans does not ask.

    Raises:
        InputError: something it names does not exist or does not fit, it means no target at all, a guard stands before
            every target, or the plan is not the one that was looked at.
    """
    inventory = engine.inventories.current()
    now = engine.clock.now()
    planner = Planner(engine.playbooks, engine.tuning.retry_delays, now)
    playbook = planner.find(request.playbook).playbook
    clients = [find_client(inventory, name) for name in request.clients or tuple(inventory.clients)]
    wish = Wish(
        request.playbook,
        tuple(request.on) or ("all",),
        request.parameters,
        overrides=_overrides(playbook, request),
        wait_until=now + request.queue_for if request.queue_for and not request.dry else None,
        windows=request.windows,
    )
    candidates = [candidate for client in clients for candidate in candidates_of(client)]
    chosen = select(parse_selection(wish.on), candidates) if candidates else ()
    jobs = [
        job
        for client in clients
        for job in planner.jobs(client, wish, [one for one in chosen if one.client == client.client])
    ]
    if not jobs:
        raise InputError(_no_target(planner, request))
    made = Order(
        playbook=request.playbook,
        digest=planner.digest(request.playbook),
        jobs=tuple(_as_asked(job, request) for job in jobs),
        trigger=Trigger.PERSON,
        requested_by=request.who,
        reason=request.reason,
        request=asked(request),
    )
    made = in_rings(made, request.rings or playbook.rings, inventory.clients)
    if request.plan and not made.plan.startswith(request.plan.lower()):
        raise InputError(
            f"The plan is now {made.plan[:8]}, not {request.plan[:8]}: something has changed since it was looked at.",
            advice="Look at it again with --dry-run.",
        )
    if request.dry or not held_up:
        return made
    timed = within_windows(engine, _past_guards(engine, inventory, made, now), inventory.clients, now)
    return approved_first(timed, inventory.provider.approvals, inventory.clients, now)


def order(engine: Engine, request: Request) -> str:
    """Record a run; the run's id. Whoever orders wakes workers (`send_due`), or works through it (`work_through`).

    Raises:
        InputError: as `planned`.
        LedgerError: it could not be recorded; nothing was ordered.
    """
    return engine.ledger.create_run(planned(engine, request), engine.clock.now())


def request_from(kept: Mapping[str, Json], who: str, reason: str) -> Request:
    """A request as a run kept it, asked for anew by somebody.

    Raises:
        InputError: the run kept none: it is a report, or acts on clients that are not the reader's.
    """
    if not kept:
        raise InputError("That run cannot be repeated: what was asked for is not on its record.")
    raw = json.loads(json.dumps(kept))
    seconds = raw["queue_for_s"]
    return Request(
        playbook=raw["playbook"],
        clients=raw["clients"],
        on=raw["on"],
        who=who,
        reason=reason,
        parameters=raw["parameters"],
        once=raw["once"],
        overrides=tuple(raw["overrides"]),
        queue_for=timedelta(seconds=seconds) if seconds else None,
        windows=tuple(raw.get("windows", ())),
        rings=RingsEntry.model_validate(raw["rings"]) if raw.get("rings") else None,
    )


def again(run: RunRecord, who: str, reason: str, *, failed_only: bool) -> Request:
    """The request of a run, asked for once more.

    Raises:
        InputError: it cannot be repeated, is still open, or nothing of it failed.
    """
    if run.state in RUN_OPEN:
        raise InputError(f"Run {run.id[:8]} is still open; cancel it, or wait for its end.")
    request = replace(request_from(run.request, who, reason or run.reason), again=run.id)
    if not failed_only:
        return request
    failed = [job.target for job in run.jobs if job.state is not JobState.SUCCEEDED or job.verdict is Verdict.FAILED]
    if not failed:
        raise InputError(f"Nothing of run {run.id[:8]} failed; there is nothing to do again.")
    clients = tuple(dict.fromkeys(target.client for target in failed))
    words = [f"client:{target.client} and {target.kind}:{target.name}" for target in failed]
    return replace(request, clients=clients, on=tuple(words))


def asked(request: Request) -> dict[str, Json]:
    """A request as its run keeps it; `request_from` reads it back."""
    return {
        "playbook": request.playbook,
        "clients": list(request.clients),
        "on": list(request.on),
        "parameters": dict(request.parameters),
        "once": request.once,
        "dry": request.dry,
        "overrides": list(request.overrides),
        "queue_for_s": request.queue_for.total_seconds() if request.queue_for else None,
        "again": request.again,
        "windows": list(request.windows),
        "rings": request.rings.model_dump(mode="json") if request.rings else None,
    }


def _as_asked(job: JobPlan, request: Request) -> JobPlan:
    if request.once:
        job = replace(job, retry=Retry(1))
    if request.dry and job.procedure is not None:
        job = replace(job, procedure=replace(job.procedure, dry=True), policy=Policy.RETRY_SAFE)
    return job


def _overrides(playbook: Playbook, request: Request) -> dict[str, str]:
    """The guards that are set aside, each with the reason.

    Raises:
        InputError: one of them is none, the playbook does not ask it, or no reason is given.
    """
    for name in request.overrides:
        if name not in GUARDS:
            raise InputError(f'There is no guard "{name}"{hint(name, GUARDS)}')
        if name not in playbook.guarded_by:
            raise InputError(f"{request.playbook} does not ask the guard {name}; there is nothing to override.")
    if request.overrides and not request.reason.strip():
        raise InputError("--override needs --reason: it is recorded, and the client reads it.")
    return dict.fromkeys(request.overrides, request.reason.strip())


def _past_guards(engine: Engine, inventory: Inventory, made: Order, now: datetime) -> Order:
    """The order held against its guards: a closed window is waited for, anything else stands in the way now.

    Raises:
        InputError: a guard that waiting does not help stands before every target.
    """
    jobs, refused = [], []
    for job in made.jobs:
        rulings = rulings_on(engine, inventory.clients[job.target.client], job, now)
        blocking = [ruling for ruling in rulings if ruling.blocks]
        opening = [ruling.until for ruling in blocking if ruling.guard in WINDOW_GUARDS and ruling.until is not None]
        if blocking and len(opening) == len(blocking):
            jobs.append(replace(job, not_before=max(opening)))
            continue
        if (trouble := trouble_of(rulings)) is not None:
            refused.append(f"{job.target.name}: {trouble}")
        jobs.append(job)
    if refused and len(refused) == len(jobs):
        raise InputError("Nothing was ordered; a guard stands before every target.\n" + "\n".join(refused))
    return replace(made, jobs=tuple(jobs))


def settle(engine: Engine) -> None:
    """Bring to an end what a process that died left behind; where beat calls no roll, nobody else would.

    Raises:
        LedgerError: the ledger could not be written.
    """
    now = engine.clock.now()
    for run in dict.fromkeys([*engine.ledger.reap(now), *engine.ledger.unfinished(now)]):
        engine.ledger.advance(run, now)


def work_through(
    engine: Engine,
    run: str,
    scope: Scope,
    *,
    threads: int,
    tell: Callable[[RunRecord], None],
    stop: Callable[[], bool] = lambda: False,
) -> RunRecord:
    """Do every job of a run in this process, with the same engine and ledger that workers use.

    A job that a worker elsewhere took meanwhile is simply waited for. Once `stop` says so, the run is cancelled: what
    is queued at once, what is running as soon as it looks at its signal; the record says cancelled, not running.
    """
    busy: set[Future[str | None]] = set()
    cancelled = False
    with ThreadPoolExecutor(threads, thread_name_prefix="here") as pool:
        while True:
            now = engine.clock.now()
            if stop() and not cancelled:
                cancelled = True
                engine.ledger.cancel_run(scope, run, engine.ledger.run(scope, run).requested_by, now)
                engine.holding.beat()  # now, rather than when the next heartbeat is due
            for hint in engine.ledger.to_send(now, resend_after=engine.tuning.resend_after, run=run):
                busy.add(pool.submit(work, engine, hint))
            done, busy = wait(busy, timeout=0.2, return_when=FIRST_COMPLETED) if busy else (set(), busy)
            for future in done:
                future.result()
            engine.ledger.advance(run, now)
            record = engine.ledger.run(scope, run)
            tell(record)
            if record.state not in RUN_OPEN and not busy:
                return record
            if not busy:
                engine.ledger.reap(now)
                engine.pause(0.2)


def _no_target(planner: Planner, request: Request) -> str:
    target = planner.find(request.playbook).playbook.target
    kinds = {
        "host": "hosts that have backups",
        "linux": "Linux hosts",
        "windows": "Windows hosts",
        "vcenter": "vCenters",
    }
    works = kinds.get(str(target), "hosts and vCenters")
    where = f"of {', '.join(request.on)} none is one" if request.on else "there is none"
    return f"{request.playbook} works on {works}; {where}."


def find_client(inventory: Inventory, name: str) -> Client:
    """The client of that identifier.

    Raises:
        InputError: there is none; the nearest is named.
    """
    found = inventory.clients.get(name)
    if found is None:
        raise InputError(f'There is no client "{name}"{hint(name, inventory.clients)}')
    return found
