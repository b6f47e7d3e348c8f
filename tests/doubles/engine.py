"""An engine whose every surrounding is a double: a ledger in memory, a clock that a test moves, a queue that is a list.

Jobs are reports, since writing one needs no host: `work` decides what each comes to.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Never

from ronde.engine.holding import Holding
from ronde.engine.parts import Engine, ReportOrder, Tuning
from ronde.engine.redacting import KnownSecrets
from ronde.model.check import Check
from ronde.model.errors import InventoryError, LedgerError, QueueError
from ronde.model.inventory import Client, Inventory, Provider
from ronde.model.records import RunRecord, Scope
from ronde.model.verdict import Level
from ronde.ports import Hint, Signal
from tests.doubles.feed import ScriptedFeed, Spoken
from tests.doubles.ledger import MemoryLedger
from tests.doubles.mailer import ScriptedMailer
from tests.doubles.secrets import NumberedKeys, ScriptedSecrets
from tests.doubles.shell import ScriptedShells

START = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
CLIENT = "commune"
SCOPE = Scope.of(CLIENT)
LEASE = 60.0
RESEND_AFTER = 60.0


class Hands:
    """Both clocks of a machine, moved by a test."""

    def __init__(self) -> None:
        self.at = START
        self._asleep = 0.0

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return (self.at - START).total_seconds() + 1000 - self._asleep

    def move(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)

    def sleep(self, seconds: float) -> None:
        """The machine is suspended: its monotonic clock does not notice."""
        self.move(seconds)
        self._asleep += seconds


class ListQueue:
    """A broker as a list; `away` makes it refuse everything.

    Attributes:
        hints: wake-ups nobody has taken; `advances` and `deliveries`: what else was asked for.
    """

    def __init__(self) -> None:
        self.hints: deque[Hint] = deque()
        self.advances: list[str] = []
        self.deliveries = 0
        self.away = False

    def wake(self, hints: Sequence[Hint]) -> None:
        self._reach()
        self.hints.extend(hints)

    def advance(self, run: str) -> None:
        self._reach()
        self.advances.append(run)

    def deliver(self) -> None:
        self._reach()
        self.deliveries += 1

    def _reach(self) -> None:
        if self.away:
            raise QueueError("connection refused")


class FlakyLedger(MemoryLedger):
    """A ledger that is locked while `locked` is positive; each refused call counts it down."""

    locked = 0

    def record(self, *arguments: Any) -> bool:
        self._try()
        return super().record(*arguments)

    def _try(self) -> None:
        if self.locked:
            self.locked -= 1
            raise LedgerError("the ledger is locked")


class OneInventory:
    """The inventory in force; None for none."""

    def __init__(self, inventory: Inventory | None) -> None:
        self.inventory = inventory

    def current(self) -> Inventory:
        if self.inventory is None:
            raise InventoryError(("clients/commune.yml:1: broken",))
        return self.inventory


class NoVCenters:
    @contextmanager
    def open(self, client: Client, vcenter: str, signal: Signal) -> Iterator[Never]:
        raise AssertionError("no vCenter is part of this")
        yield


def client(schedules: dict[str, Any] | None = None, **more: Any) -> Client:
    """A client with schedules in UTC and nothing else."""
    raw = {"client": CLIENT, "name": "Commune", "timezone": "UTC", "schedules": schedules or {}}
    return Client.model_validate({**raw, **more})


def inventory(*clients: Client) -> Inventory:
    provider = Provider.model_validate({"name": "Infogérance", "sender": "ronde@infogerance.example"})
    return Inventory(provider=provider, clients={each.client: each for each in clients})


def good_check(order: ReportOrder) -> Check:
    """A report that was queued for everybody."""
    return Check("night", "report", order.client.client, level=Level.PRESENT, evidence_at=START)


@dataclass
class Surroundings:
    """Everything around one engine, for a test to move and to break.

    Attributes:
        spoken: what steps said as they went; `alerts`: the runs of which technicians were told what went wrong.
        work: what a job comes to: it returns the job's check, or raises what goes wrong.
        pauses: how long the engine waited before it tried the ledger again; waiting moves the clock.
    """

    hands: Hands = field(default_factory=Hands)
    ledger: FlakyLedger = field(default_factory=FlakyLedger)
    queue: ListQueue = field(default_factory=ListQueue)
    feed: ScriptedFeed = field(default_factory=ScriptedFeed)
    spoken: Spoken = field(default_factory=Spoken)
    inventories: OneInventory = field(default_factory=lambda: OneInventory(inventory(client())))
    secrets: ScriptedSecrets = field(default_factory=ScriptedSecrets)
    keys: NumberedKeys = field(default_factory=NumberedKeys)
    work: Callable[[ReportOrder], Check] = good_check
    alerts: list[str] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    delays: tuple[timedelta, ...] = (timedelta(seconds=30), timedelta(seconds=60))

    def engine(self, worker: str = "worker") -> Engine:
        """One process's engine; several share the surroundings."""
        holding = Holding(self.ledger, self.hands, worker=worker, lease=LEASE, monotonic=self.hands.monotonic)
        return Engine(
            ledger=self.ledger,
            queue=self.queue,
            shells=ScriptedShells({}),
            vcenters=NoVCenters(),
            secrets=KnownSecrets(self.secrets),
            keys=self.keys,
            inventories=self.inventories,
            mailer=ScriptedMailer(),
            clock=self.hands,
            playbooks={},
            holding=holding,
            feed=self.feed,
            publisher=self.spoken,
            alert=self.alerts.append,
            report=self._report,
            mark_key=lambda: b"a key that signs snapshots",
            tuning=Tuning(LEASE, RESEND_AFTER, self.delays),
            worker=worker,
            pause=self._pause,
        )

    def _report(self, order: ReportOrder) -> Check:
        return self.work(order)

    def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.hands.move(seconds)

    def schedules(self, **entries: Any) -> None:
        """The inventory from now on: one client with these schedules."""
        self.inventories.inventory = inventory(client(entries))

    def runs(self) -> Sequence[RunRecord]:
        found = self.ledger.runs(SCOPE, since=START - timedelta(days=1), limit=10_000)
        return [self.ledger.run(SCOPE, run.id) for run in found]
