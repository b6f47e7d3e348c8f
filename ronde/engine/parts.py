"""The engine's surroundings, as one value: every port it works through, and how it is tuned."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from ronde.engine.holding import Holding
from ronde.engine.redacting import KnownSecrets
from ronde.model.playbook import Named
from ronde.ports import Clock, Inventories, Ledger, Mailer, Queue, Shells, VCenters


@dataclass(frozen=True, slots=True)
class Tuning:
    """Seconds, as in the settings of the same names."""

    lease: float
    resend_after: float
    retry_delays: tuple[timedelta, ...]


@dataclass(frozen=True, slots=True)
class Engine:
    """Everything a job, a firing or a roll call needs.

    Attributes:
        worker: this process's name in the ledger, `host:pid:role`.
        pause: waits some seconds; only used between tries to reach the ledger.
    """

    ledger: Ledger
    queue: Queue
    shells: Shells
    vcenters: VCenters
    secrets: KnownSecrets
    inventories: Inventories
    mailer: Mailer
    clock: Clock
    playbooks: Mapping[str, Named]
    holding: Holding
    tuning: Tuning
    worker: str
    pause: Callable[[float], None]
