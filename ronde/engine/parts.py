"""The engine's surroundings, as one value: every port it works through, and how it is tuned."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from ronde.engine.holding import Holding
from ronde.engine.redacting import KnownSecrets
from ronde.model.check import Check
from ronde.model.inventory import Client
from ronde.model.playbook import Named
from ronde.ports import Clock, Feed, Inventories, KeyMaker, Ledger, Mailer, Publisher, Queue, Shells, VCenters


@dataclass(frozen=True, slots=True)
class Tuning:
    """Seconds, as in the settings of the same names."""

    lease: float
    resend_after: float
    retry_delays: tuple[timedelta, ...]


@dataclass(frozen=True, slots=True)
class ReportOrder:
    """A report that a client is due.

    Attributes:
        report: its name, `night`; `schedule` the schedule that wants it, None for a person's order.
        due: the instant it was due, aware; the same for every attempt, so that a repeated one is known as such.
    """

    client: Client
    report: str
    schedule: str | None
    due: datetime


@dataclass(frozen=True, slots=True)
class Engine:
    """Everything a job, a firing or a roll call needs.

    Attributes:
        feed: where live output is read; `publisher` where steps speak.
        worker: this process's name in the ledger, `host:pid:role`.
        keys: makes login keys.
        alert: tells the technicians at once of the changes of a run (its id) that went wrong; each is told once.
        report: writes a report, queues it for every contact that receives it, and says how that went.
        mark_key: the key that signs our snapshots; raises SecretError when it cannot be read.
        pause: waits some seconds; only used between tries to reach the ledger.
    """

    ledger: Ledger
    queue: Queue
    shells: Shells
    vcenters: VCenters
    secrets: KnownSecrets
    keys: KeyMaker
    inventories: Inventories
    mailer: Mailer
    clock: Clock
    playbooks: Mapping[str, Named]
    holding: Holding
    feed: Feed
    publisher: Publisher
    alert: Callable[[str], None]
    report: Callable[[ReportOrder], Check]
    mark_key: Callable[[], bytes]
    tuning: Tuning
    worker: str
    pause: Callable[[float], None]
