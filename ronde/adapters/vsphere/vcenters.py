"""Opening sessions on the vCenters of the inventory."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from ronde.adapters.vsphere.faults import FOREIGN, translated
from ronde.adapters.vsphere.guard import Guard
from ronde.adapters.vsphere.limits import VCenterLimits
from ronde.adapters.vsphere.pins import Pin, read_pin
from ronde.adapters.vsphere.session import Session
from ronde.adapters.vsphere.versions import negotiate
from ronde.adapters.vsphere.wire import PinnedConnection, Stub
from ronde.model.errors import InputError, SecretError, VCenterError
from ronde.model.inventory import Client
from ronde.model.inventory import VCenter as Entry
from ronde.ports import Clock, Secrets, Signal


class PyVmomiVCenters:
    """Fulfils `ronde.ports.VCenters`.

    Attributes:
        certificates: the inventory's folder of pinned certificates.
        limits: time limits of each session.
    """

    def __init__(self, secrets: Secrets, clock: Clock, certificates: Path, limits: VCenterLimits | None = None) -> None:
        self._secrets = secrets
        self._clock = clock
        self.certificates = certificates
        self.limits = limits or VCenterLimits()

    @contextlib.contextmanager
    def open(self, client: Client, vcenter: str, signal: Signal) -> Iterator[Session]:
        """A session on one of the client's vCenters, logged out on leaving.

        No credential leaves this process before the pinned handshake: the version is asked, and the login sent, over
        connections that have passed it.

        Raises:
            InputError: no such vCenter, or its certificate is not pinned.
            VCenterUnreachable, CertificateChanged, LoginRefused, VCenterFault, SecretError: each names the vCenter.
            Fenced, Cancelled: the signal said stop.
        """
        entry = client.vcenters.get(vcenter)
        if entry is None:
            raise InputError(f'Client {client.client} has no vCenter named "{vcenter}".')
        pin = read_pin(self.certificates / entry.certificate)
        with Guard(signal, self.limits.session) as guard:
            session = self._session(vcenter, entry, pin, guard)
            try:
                session.enter()
                yield session
            finally:
                # What the work concluded counts; a session that could not be closed ends by its own idle limit.
                with contextlib.suppress(VCenterError):
                    session.leave()
                session.close()

    def _session(self, name: str, entry: Entry, pin: Pin, guard: Guard) -> Session:
        def connect() -> PinnedConnection:
            return PinnedConnection(entry.address, entry.port, pin, self.limits, guard)

        stub = Stub(name, connect, self._version(name, connect, guard), guard)
        return Session(name, stub, self.limits, lambda: (entry.user, self._password(name, entry)))

    def _version(self, name: str, connect: Callable[[], PinnedConnection], guard: Guard) -> str:
        try:
            with guard.limit(self.limits.call), contextlib.closing(connect()) as link:
                return negotiate(link, name)
        except FOREIGN as error:
            raise translated(error, name) from error

    def _password(self, name: str, entry: Entry) -> str:
        try:
            return self._secrets.read(entry.password).decode()
        except UnicodeDecodeError as error:
            raise SecretError(f"The password of vCenter {name} is not text in UTF-8.") from error
