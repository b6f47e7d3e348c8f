"""From settings to wired services: the one file that knows both what the engine wishes for and what fulfils it."""

import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.metadata import version
from pathlib import Path

import structlog
from celery import Celery, signals

from ronde.adapters.clock import SystemClock
from ronde.adapters.files.playbooks import load_playbooks
from ronde.adapters.files.store import InventoryStore
from ronde.adapters.ledger import LedgerClock, SqlLedger
from ronde.adapters.logs import configure_logs
from ronde.adapters.mail import SmtpMailer
from ronde.adapters.mark_key import own_mark_key
from ronde.adapters.queue import CeleryQueue, make_app
from ronde.adapters.queue.advances import Advances
from ronde.adapters.queue.feed import RedisFeed
from ronde.adapters.queue.heartbeat import Heartbeat
from ronde.adapters.queue.memory_feed import MemoryFeed
from ronde.adapters.queue.publisher import BatchingPublisher
from ronde.adapters.queue.sender import NoQueue
from ronde.adapters.secrets import FileSecrets
from ronde.adapters.ssh import SshLimits, SshShells
from ronde.adapters.ssh.keys import OpenSshKeys
from ronde.adapters.vsphere import PyVmomiVCenters, VCenterLimits
from ronde.engine.holding import Holding
from ronde.engine.parts import Engine, ReportOrder, Tuning
from ronde.engine.redacting import KnownSecrets
from ronde.model.check import Check
from ronde.model.errors import InputError, InventoryError, QueueError
from ronde.model.inventory import Inventory
from ronde.model.playbook import Named
from ronde.model.records import Scope
from ronde.ports import Feed, Queue
from ronde.reports.alert import alerts_of
from ronde.reports.sending import night_period, night_report
from ronde.settings import Settings, load_settings

log = structlog.get_logger(__name__)
LOOK_EVERY = 1.0  # seconds between two looks of a worker at the inventory's files


@dataclass(frozen=True)
class Services:
    """Everything wired, each part made when it is first needed: a command that only reads opens no connection.

    Attributes:
        queue: how workers are woken; left out, Celery on the settings' broker.
        role: what this process is, for its name in the ledger.
        feed: where live output goes; left out, a stream on the settings' broker.
    """

    settings: Settings
    queue_override: Queue | None = None
    role: str = "cli"
    feed_override: Feed | None = None

    @cached_property
    def playbooks(self) -> dict[str, Named]:
        return load_playbooks(self.settings.playbooks)

    @cached_property
    def inventories(self) -> InventoryStore:
        return InventoryStore(
            self.settings.inventory,
            self.playbooks,
            certificates=self.settings.certificates,
            every=LOOK_EVERY if self.role == "worker" else 0.0,  # a command sees what it has just written itself
        )

    @cached_property
    def ledger(self) -> SqlLedger:
        self.settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        return SqlLedger(self.settings.ledger_url, output_cap=self.settings.output_cap)

    @cached_property
    def clock(self) -> LedgerClock:
        return LedgerClock(self.ledger)

    @cached_property
    def secrets(self) -> KnownSecrets:
        credentials = os.environ.get("CREDENTIALS_DIRECTORY")
        return KnownSecrets(
            FileSecrets(
                self.settings.secrets_dir, self.settings.age_identity, Path(credentials) if credentials else None
            )
        )

    @cached_property
    def shells(self) -> SshShells:
        return SshShells(self.secrets, self.clock, SshLimits())

    @cached_property
    def vcenters(self) -> PyVmomiVCenters:
        return PyVmomiVCenters(self.secrets, self.clock, self.settings.certificates, VCenterLimits())

    @cached_property
    def mailer(self) -> SmtpMailer:
        settings = self.settings
        return SmtpMailer(
            host=settings.smtp_host,
            port=settings.smtp_port,
            tls=settings.smtp_tls,
            user=settings.smtp_user,
            password=settings.smtp_password,
            secrets=self.secrets,
            cafile=settings.smtp_cafile,
        )

    @cached_property
    def app(self) -> Celery:
        return make_app(self.settings.queue_url, roll_call=self.settings.roll_call)

    @cached_property
    def queue(self) -> Queue:
        return self.queue_override or CeleryQueue(self.app)

    @cached_property
    def advances(self) -> Advances:
        return Advances(self.queue)

    @cached_property
    def feed(self) -> Feed:
        return self.feed_override or RedisFeed(self.settings.queue_url)

    @cached_property
    def publisher(self) -> BatchingPublisher:
        return BatchingPublisher(self.feed, self.secrets.redactor, SystemClock().now)

    @cached_property
    def worker(self) -> str:
        return f"{socket.gethostname()}:{os.getpid()}:{self.role}"

    @cached_property
    def holding(self) -> Holding:
        return Holding(self.ledger, self.clock, worker=self.worker, lease=self.settings.lease)

    @cached_property
    def engine(self) -> Engine:
        settings = self.settings
        return Engine(
            ledger=self.ledger,
            queue=self.queue,
            shells=self.shells,
            vcenters=self.vcenters,
            secrets=self.secrets,
            keys=OpenSshKeys(),
            inventories=self.inventories,
            mailer=self.mailer,
            clock=self.clock,
            playbooks=self.playbooks,
            holding=self.holding,
            feed=self.feed,
            publisher=self.publisher,
            alert=self.alert,
            report=self.write_report,
            mark_key=self.mark_key,
            tuning=Tuning(settings.lease, settings.resend_after, settings.retry_delays),
            worker=self.worker,
            pause=time.sleep,
        )

    def mark_key(self) -> bytes:
        """The key that signs our snapshots; without one in the settings, one of our own, made now if need be.

        Raises:
            SecretError: it cannot be read, or made.
        """
        settings = self.settings
        return self.secrets.read(settings.mark_key or own_mark_key(settings.data_dir / "mark.key"))

    def alert(self, run: str) -> None:
        """Tell the technicians of the changes of a run that went wrong; each is queued once, and sent at once.

        Raises:
            LedgerError: it could not be asked or told; the next look at the run tells it.
        """
        try:
            inventory = self.inventories.current()
        except InventoryError:
            return  # nobody is known who could be told
        if not inventory.provider.alerts:
            return
        found, now = self.ledger.gone_wrong(Scope(frozenset(inventory.clients)), run), self.clock.now()
        mails, unusable = alerts_of(found, inventory, now)
        for error in unusable:
            log.error("a technician cannot be told", error=str(error))
        if mails and self.ledger.post(mails, now):
            with suppress(QueueError):  # the roll call delivers what this message would have hurried along
                self.queue.deliver()

    def write_report(self, order: ReportOrder) -> Check:
        """Write a client's report, queue it, and hurry it along.

        Raises:
            InputError: a report that this version does not know.
        """
        if order.report != "night":
            raise InputError(f'This version does not know the report "{order.report}".')
        window = night_period(order.client, self.clock.now(), order.schedule)
        outcome = night_report(self.ledger, self.inventories.current().provider, order.client, window, self.clock)
        with suppress(QueueError):  # the roll call delivers what this message would have hurried along
            self.queue.deliver()
        return outcome.check(order.client.client, self.clock.now())

    def close(self) -> None:
        """Give back what was opened; what was said is published first."""
        if "publisher" in self.__dict__:
            self.publisher.stop()
        if "ledger" in self.__dict__:
            self.ledger.close()


def build(
    settings: Settings | None = None, *, queue: Queue | None = None, role: str = "cli", feed: Feed | None = None
) -> Services:
    """Services on the given settings, or on those of the environment.

    Raises:
        InputError: a setting is unknown or wrong.
    """
    return Services(settings or load_settings(), queue, role, feed)


def build_here(settings: Settings | None = None) -> Services:
    """Services for work in this very process, without broker or beat; the ledger is brought up to date first."""
    services = build(settings, queue=NoQueue(), role="here", feed=MemoryFeed())
    services.ledger.upgrade()
    return services


_LOCK = threading.Lock()


@lru_cache(maxsize=1)
def _process_services() -> Services:
    return build(role="worker")


def services() -> Services:
    """This worker process's own services; made once, whichever thread asks first."""
    with _LOCK:
        return _process_services()


def celery_app() -> Celery:
    """The application for `worker.py`, with its schedule and the heartbeat of each worker process."""
    ours = services()
    configure_logs(ours.settings.log_level, ours.settings.log_format)
    signals.setup_logging.connect(_keep_our_logging, weak=False)
    signals.worker_ready.connect(_start_heart, weak=False)
    signals.worker_shutdown.connect(_stop_heart, weak=False)
    return ours.app


def inventory_or_none(ours: Services) -> Inventory | None:
    """The inventory in force, or None when there has never been a valid one."""
    try:
        return ours.inventories.current()
    except InventoryError:
        return None


@lru_cache(maxsize=1)
def _heart() -> Heartbeat:
    ours = services()
    return Heartbeat(_heartbeat(ours), every=ours.settings.heartbeat)


def _heartbeat(ours: Services) -> Callable[[], None]:
    """What each heartbeat does: it first makes this worker known, again and again until the ledger takes it."""
    known = False

    def beat() -> None:
        nonlocal known
        if not known:
            queues = sorted(str(name) for name in ours.app.amqp.queues.consume_from)
            ours.ledger.worker_seen(ours.worker, queues, version("ronde"), ours.clock.now())
            known = True
        ours.holding.beat()

    return beat


def _keep_our_logging(**_: object) -> None:
    """A receiver of this signal keeps Celery from configuring logging itself."""


def _start_heart(**_: object) -> None:
    _heart().start()


def _stop_heart(**_: object) -> None:
    services().advances.stop()
    _heart().stop()
    services().close()
