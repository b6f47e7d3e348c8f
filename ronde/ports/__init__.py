"""What the engine asks of the outside world, as narrow protocols. Adapters fulfil them, tests double them."""

from ronde.ports.carriers import Ear, Feed, Mailer, Publisher, Queue
from ronde.ports.claims import Claim, Hint, Refusal, Renewal
from ronde.ports.jobs import Jobs
from ronde.ports.ledger import Archive, Ledger, Outbox, Retention, Vitals
from ronde.ports.orders import Orders
from ronde.ports.targets import Journal, Listener, Shell, Shells, Stream, VCenter, VCenterChanges, VCenters
from ronde.ports.world import Clock, Inventories, KeyMaker, Secrets, SecretStore, Signal

__all__ = [
    "Archive",
    "Claim",
    "Clock",
    "Ear",
    "Feed",
    "Hint",
    "Inventories",
    "Jobs",
    "Journal",
    "KeyMaker",
    "Ledger",
    "Listener",
    "Mailer",
    "Orders",
    "Outbox",
    "Publisher",
    "Queue",
    "Refusal",
    "Renewal",
    "Retention",
    "SecretStore",
    "Secrets",
    "Shell",
    "Shells",
    "Signal",
    "Stream",
    "VCenter",
    "VCenterChanges",
    "VCenters",
    "Vitals",
]
