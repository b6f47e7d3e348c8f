"""Orders by people: a run made at once, and, in laptop mode, worked through in this very process."""

import difflib
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
from ronde.model.run import JOB_OPEN, RUN_OPEN


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
        raise InputError(f"{request.playbook} has no target there: no host with a backup, and no vCenter, was named.")
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


def work_through(
    engine: Engine, run: str, scope: Scope, *, threads: int, tell: Callable[[RunRecord], None]
) -> RunRecord:
    """Do every job of a run in this process, with the same engine and ledger that workers use.

    A job that a worker elsewhere took meanwhile is simply waited for.
    """
    busy: set[Future[str | None]] = set()
    with ThreadPoolExecutor(threads, thread_name_prefix="here") as pool:
        while True:
            now = engine.clock.now()
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


def open_jobs(record: RunRecord) -> int:
    """How many jobs of a run have not ended."""
    return sum(job.state in JOB_OPEN for job in record.jobs)


def find_client(inventory: Inventory, name: str) -> Client:
    """The client of that identifier.

    Raises:
        InputError: there is none; the nearest is named.
    """
    found = inventory.clients.get(name)
    if found is None:
        near = difflib.get_close_matches(name, inventory.clients, n=1)
        hint = f' Did you mean "{near[0]}"?' if near else ""
        raise InputError(f'There is no client "{name}".{hint}')
    return found
