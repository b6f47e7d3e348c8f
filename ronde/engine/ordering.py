"""Orders by people: a run made at once, and, in laptop mode, worked through in this very process."""

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace

from ronde.engine.parts import Engine
from ronde.engine.planning import Planner, Wish
from ronde.engine.work import work
from ronde.model.errors import InputError
from ronde.model.inventory import Client, Inventory
from ronde.model.plan import JobPlan, Order, Retry, Trigger
from ronde.model.records import RunRecord, Scope
from ronde.model.run import RUN_OPEN
from ronde.model.words import hint


@dataclass(frozen=True, slots=True)
class Request:
    """What a person asked for.

    Attributes:
        clients: identifiers; empty = all clients.
        once: whether a passing trouble is told at once rather than tried again minutes later.
    """

    playbook: str
    clients: Sequence[str]
    on: Sequence[str]
    who: str
    reason: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    once: bool = False


def order(engine: Engine, request: Request) -> str:
    """Record a run; the run's id. Whoever orders wakes workers (`send_due`), or works through it (`work_through`).

    Raises:
        InputError: something it names does not exist, or it means no target at all.
        LedgerError: it could not be recorded; nothing was ordered.
    """
    inventory = engine.inventories.current()
    now = engine.clock.now()
    planner = Planner(engine.playbooks, engine.tuning.retry_delays, now)
    wish = Wish(request.playbook, tuple(request.on) or ("all",), request.parameters)
    jobs: list[JobPlan] = []
    for name in request.clients or tuple(inventory.clients):
        jobs += planner.jobs(find_client(inventory, name), wish)
    if not jobs:
        raise InputError(_no_target(planner, request))
    if request.once:
        jobs = [replace(job, retry=Retry(1)) for job in jobs]
    made = Order(
        playbook=request.playbook,
        digest=planner.digest(request.playbook),
        jobs=tuple(jobs),
        trigger=Trigger.PERSON,
        requested_by=request.who,
        reason=request.reason,
    )
    return engine.ledger.create_run(made, now)


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
    works = {"host": "hosts that have backups", "vcenter": "vCenters"}.get(str(target), "hosts and vCenters")
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
