"""What the engine asks of the outside world, as narrow protocols. Adapters fulfil them, tests double them."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from ronde.model.command import Answer, Command
from ronde.model.inventory import Client, Inventory


class Clock(Protocol):
    """The time. Leases and due instants use the ledger's clock, so that workers with skewed clocks agree."""

    def now(self) -> datetime:
        """This instant, aware, in UTC."""


class Secrets(Protocol):
    """Reads secrets at the last moment, where the worker runs."""

    def read(self, reference: str) -> bytes:
        """The secret behind `age://`, `file:///`, `cred://` or `env://`, without a trailing newline.

        Raises:
            SecretError: it does not exist, cannot be opened or decrypted, or is shorter than six characters.
        """


class Signal(Protocol):
    """Whether the work in hand should stop; polled by everything that waits."""

    def check(self) -> None:
        """Return if the work may go on.

        Raises:
            Fenced: this worker no longer holds the job.
            Cancelled: a person asked for the job to stop.
        """


class Shell(Protocol):
    """One connection to one host, for all steps of a job."""

    def run(self, command: Command) -> Answer:
        """Run a command to its end; any exit status is an answer, not an error.

        Raises:
            CommandTimeout: the total or idle limit passed; the connection is closed.
            ConnectionLost: the link broke while it ran.
            Fenced, Cancelled: the signal said stop.
        """

    def close(self) -> None:
        """End the connection; never raises and never blocks longer than a few seconds."""


class Shells(Protocol):
    """Opens connections to the hosts of a client, through their jump hosts."""

    def open(self, client: Client, host: str, signal: Signal) -> AbstractContextManager[Shell]:
        """A connection that is closed on leaving the context.

        Raises:
            Unreachable, HostKeyChanged, HostKeyMissing, AuthRefused, ProtocolFault, SecretError: each names the host
                (the jump host, when that is where it stopped).
        """


@dataclass(frozen=True, slots=True)
class ManagedObject:
    """One object of a vCenter with the properties that were asked for.

    Attributes:
        kind: managed object type, `VirtualMachine`; `id` its moId, `vm-42`; unique only within one vCenter.
        properties: path → value; a path that is unset on the server is absent.
        missing: path → fault name, for what we were not allowed or able to read.
    """

    kind: str
    id: str
    properties: Mapping[str, Any]
    missing: Mapping[str, str]


class VCenter(Protocol):
    """One read-only session on one vCenter; every call is bounded in time."""

    @property
    def instance_uuid(self) -> str:
        """The server's own identity; part of every key."""

    @property
    def version(self) -> str:
        """Product name, version and build."""

    def now(self) -> datetime:
        """The vCenter's clock, aware, in UTC."""

    def fetch(self, kind: str, paths: Sequence[str], ids: Sequence[str] | None = None) -> Sequence[ManagedObject]:
        """Properties of all objects of a kind below the root folder, or of the given ones, in pages.

        Raises:
            VCenterUnreachable, SessionExpired, VCenterFault: see `ronde.model.errors`.
            Fenced, Cancelled: the signal said stop.
        """


class VCenters(Protocol):
    def open(self, client: Client, vcenter: str, signal: Signal) -> AbstractContextManager[VCenter]:
        """A session that is logged out on leaving the context, whatever happened.

        Raises:
            VCenterUnreachable, CertificateChanged, LoginRefused, SecretError: each names the vCenter.
        """


class Inventories(Protocol):
    """The inventory in force: the last one that was valid, reloaded when its files change."""

    def current(self) -> Inventory:
        """The inventory in force.

        Raises:
            InventoryError: there has never been a valid one in this process.
        """
