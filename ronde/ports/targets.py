"""What the engine asks of a client's hosts and vCenters."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Literal, Protocol

from ronde.model.check import Json
from ronde.model.command import Answer, Command
from ronde.model.inventory import Client
from ronde.model.vsphere.changes.orders import Change
from ronde.model.vsphere.objects import ManagedObject, Question
from ronde.ports.world import Signal

Stream = Literal["out", "err"]
Listener = Callable[[Stream, bytes], None]
"""Hears output while it arrives, all of it, also what the cap will drop. It must be quick and must not raise."""


class Shell(Protocol):
    """One connection to one host, for all steps of a job."""

    def run(self, command: Command, listen: Listener | None = None) -> Answer:
        """Run a command to its end; any exit status is an answer, not an error.

        `listen` hears the output piece by piece, before the command has ended; what a failed command said as well.

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


class VCenter(Protocol):
    """Reading from one session on one vCenter; every call is bounded in time."""

    @property
    def instance_uuid(self) -> str:
        """The server's own identity; part of every key."""

    @property
    def version(self) -> str:
        """Product name, version and build."""

    def now(self) -> datetime:
        """The vCenter's clock, aware, in UTC."""

    def fetch(self, questions: Sequence[Question]) -> Sequence[ManagedObject]:
        """Answer several questions at once, in pages; an object that vanished meanwhile is left out.

        Raises:
            VCenterUnreachable, SessionExpired, VCenterFault: see `ronde.model.errors`.
            Fenced, Cancelled: the signal said stop.
        """


class VCenterChanges(VCenter, Protocol):
    """The same session where machines may be changed; what only reads takes it as a `VCenter`."""

    def start(self, change: Change) -> str:
        """Ask for a change, once, and return at once: the moId of its task, or "" where the API makes none.

        It is never asked for a second time here, whatever happens to the link.

        Raises:
            VCenterFault: with `fault`, the vCenter refused it and nothing was done; without, as below.
            SessionExpired: it was refused for want of a session, and nothing was done; the next read logs in again.
            VCenterUnreachable: nobody knows whether it was done.
            Fenced, Cancelled: the signal said stop; before the call nothing was done, in mid-call nobody knows.
        """

    def lacking(self, machine: str, privileges: Sequence[str]) -> Sequence[str]:
        """Which of these privileges our user does not have on a machine.

        Raises:
            VCenterUnreachable, SessionExpired, VCenterFault, Fenced, Cancelled: as `fetch`.
        """


class Journal(Protocol):
    """What one step of one job commits before and after it acts, and finds again when it is resumed."""

    def stored(self) -> Mapping[str, Json]:
        """Everything that earlier attempts, and this one, have kept."""

    def keep(self, values: Mapping[str, Json]) -> None:
        """Add values, replacing those of the same name; durable when it returns.

        Raises:
            LedgerError: nothing was kept, and the step must not go on; Fenced: the job is no longer ours.
        """


class VCenters(Protocol):
    def open(self, client: Client, vcenter: str, signal: Signal) -> AbstractContextManager[VCenterChanges]:
        """A session that is logged out on leaving the context, whatever happened.

        Raises:
            VCenterUnreachable, CertificateChanged, LoginRefused, SecretError: each names the vCenter.
        """
