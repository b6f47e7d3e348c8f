"""From due instants to runs: what one beat entry fires, and the roll call that catches whatever was lost."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

import structlog

from ronde.engine.awaiting import approved_first
from ronde.engine.ordering import Request, asked
from ronde.engine.parts import Engine
from ronde.engine.planning import Planner, Wish, report_job
from ronde.engine.rings import in_rings, within_windows
from ronde.model.errors import InputError, InventoryError, QueueError
from ronde.model.inventory import Client, Inventory, Schedule
from ronde.model.plan import JobPlan, Occurrence, Order, Trigger, digest
from ronde.model.records import Scope
from ronde.model.schedule import Fire, Missed, decide, definition
from ronde.ports import Hint

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RollCall:
    """What one roll call did, for the log."""

    fired: int = 0
    missed: int = 0
    reaped: int = 0
    sent: int = 0


def fire(engine: Engine, client: str, schedule: str) -> int:
    """Decide what is due of one schedule, now; the number of runs that came of it.

    A schedule that the inventory no longer has is nothing: beat keeps its entries until it is restarted.
    """
    inventory = engine.inventories.current()
    found = inventory.clients.get(client)
    entry = found.schedules.get(schedule) if found else None
    if found is None or entry is None:
        log.info("no such schedule any more", client=client, schedule=schedule)
        return 0
    fired, _ = _fire_all(engine, [(found, schedule, entry)])
    if fired:
        send_due(engine)
    return fired


def roll_call(engine: Engine, beat: str) -> RollCall:
    """Once a minute: move on what lost its message or worker, fire what beat lost, and mark what is too late.

    What is under way comes first and needs no inventory: a broken one must not keep a dead worker's job `running`.
    """
    now = engine.clock.now()
    engine.ledger.beat_seen(beat, now)
    reaped = engine.ledger.reap(now)
    for run in dict.fromkeys([*reaped, *engine.ledger.unfinished(now)]):
        _move_on(engine, run)
    fired, missed = _fire_everything(engine)
    sent = send_due(engine)
    _deliver(engine)
    return RollCall(fired, missed, len(reaped), sent)


def entries(inventory: Inventory) -> Iterator[tuple[Client, str, Schedule]]:
    """Every enabled schedule of every client."""
    return (found for found in _all_entries(inventory) if found[2].enabled)


def _all_entries(inventory: Inventory) -> Iterator[tuple[Client, str, Schedule]]:
    """Every schedule, those switched off too: that one is off has to be seen, or its return looks like a long delay."""
    for client in inventory.clients.values():
        for name, entry in client.schedules.items():
            yield client, name, entry


def send_due(engine: Engine, run: str | None = None) -> int:
    """Wake workers for queued jobs that are due; a broker that is away costs nothing but time."""
    hints: Iterable[Hint] = ()
    try:
        hints = engine.ledger.to_send(engine.clock.now(), resend_after=engine.tuning.resend_after, run=run)
        engine.queue.wake(list(hints))
    except QueueError as error:
        log.warning("the broker is away; the roll call sends again", error=str(error))
        return 0
    return len(list(hints))


def advance(engine: Engine, run: str) -> bool:
    """Move a run on after one of its jobs ended: its own state, and whatever got a free place now."""
    ended = _move_on(engine, run)
    send_due(engine)
    return ended


def _move_on(engine: Engine, run: str) -> bool:
    """What went wrong is told before the run is moved on: a death in between has it told again, and not never."""
    engine.alert(run)
    return engine.ledger.advance(run, engine.clock.now())


def _fire_everything(engine: Engine) -> tuple[int, int]:
    try:
        inventory = engine.inventories.current()
    except InventoryError as error:
        log.warning("nothing is fired: no inventory is in force", problems=error.problems)
        return 0, 0
    return _fire_all(engine, list(_all_entries(inventory)))


def _deliver(engine: Engine) -> None:
    try:
        engine.queue.deliver()
    except QueueError as error:
        log.warning("the broker is away; mail waits for the next roll call", error=str(error))


def _fire_all(engine: Engine, due: list[tuple[Client, str, Schedule]]) -> tuple[int, int]:
    now = engine.clock.now()
    definitions = {(client.client, name): definition(entry, client.timezone) for client, name, entry in due}
    engine.ledger.see_schedules(definitions, now)
    scope = Scope(frozenset(client.client for client, _, _ in due))
    decided = engine.ledger.decided_until(scope, definitions)
    fired = missed = 0
    for client, name, entry in due:
        until = decided.get((client.client, name), now)
        decisions = decide(name, client.client, entry, ZoneInfo(client.timezone), until, until, now)
        for item in decisions.missed:
            missed += _miss(engine, item, now)
        for due_now in decisions.fire:
            done = _fire(engine, _planned(engine, client, entry, due_now, now), now)
            fired, missed = fired + done[0], missed + done[1]
    return fired, missed


def _miss(engine: Engine, item: Missed, now: datetime) -> int:
    occurrence = Occurrence(item.client, item.schedule, item.due)
    recorded = engine.ledger.miss_occurrence(occurrence, item.reason, now, item.count, item.after)
    if recorded:
        log.warning("missed", client=item.client, schedule=item.schedule, due=item.due.isoformat(), why=item.reason)
    return int(recorded)


def _fire(engine: Engine, planned: Order | Missed, now: datetime) -> tuple[int, int]:
    """How many (fired, missed) it came to; neither when the instant was decided before."""
    if isinstance(planned, Missed):
        return 0, _miss(engine, planned, now)
    run = engine.ledger.claim_occurrence(planned, now)
    if run is None or planned.occurrence is None:
        return 0, 0
    due = planned.occurrence
    log.info("fired", client=due.client, schedule=due.schedule, due=due.due.isoformat(), run=run)
    return 1, 0


def _planned(engine: Engine, client: Client, entry: Schedule, item: Fire, now: datetime) -> Order | Missed:
    """The order that answers a due instant, or why there can be none."""
    try:
        order = _order(engine, client, entry, item, now)
    except InputError as error:
        return _unplanned(item, f"could not be planned: {error}")
    return order if order.jobs else _unplanned(item, "it has no target in the inventory")


def _unplanned(item: Fire, reason: str) -> Missed:
    return Missed(item.client, item.schedule, item.due, item.after, item.due, reason)


def _order(engine: Engine, client: Client, entry: Schedule, item: Fire, now: datetime) -> Order:
    made = replace(
        _playbook(engine, client, entry, item, now)
        if entry.report is None
        else _report(engine, client, entry.report, item),
        reason=entry.reason,
        occurrence=Occurrence(item.client, item.schedule, item.due),
    )
    if not made.jobs:
        return made
    clients = {client.client: client}
    made = within_windows(engine, made, clients, now)
    made = approved_first(made, engine.inventories.current().provider.approvals, clients, now)
    if made.approval is not None:
        return made  # it lasts as long as the wait for the approval may, whatever was due when
    end = item.due + entry.catch_up.within
    return replace(made, jobs=tuple(job if job.not_after or _comes_later(job) else job.until(end) for job in made.jobs))


def _report(engine: Engine, client: Client, report: str, item: Fire) -> Order:
    job = report_job(client, report, item.schedule, engine.tuning.retry_delays)
    return Order(job.playbook, digest(job.playbook), (job,), Trigger.SCHEDULE, _by(item))


def _playbook(engine: Engine, client: Client, entry: Schedule, item: Fire, now: datetime) -> Order:
    """The order of a playbook, with what was asked for, so that it can be approved and asked for again."""
    planner = Planner(engine.playbooks, engine.tuning.retry_delays, now)
    name = entry.purpose
    wish = Wish(name, entry.on, entry.given, windows=entry.window, wait_for_windows=True)
    kept = Request(name, [client.client], entry.on, _by(item), "", entry.given, windows=entry.window, rings=entry.rings)
    jobs = planner.jobs(client, wish)
    made = Order(name, planner.digest(name), jobs, Trigger.SCHEDULE, _by(item), request=asked(kept))
    rings = entry.rings or planner.find(name).playbook.rings
    return in_rings(made, rings, {client.client: client}) if jobs else made


def _by(item: Fire) -> str:
    """Who asked, as the run names it."""
    return f"schedule {item.schedule}"


def _comes_later(job: JobPlan) -> bool:
    """Whether it follows when others are done; they, and not it, are bound to the instant that was due."""
    return job.place is not None and job.place.ring > 0
