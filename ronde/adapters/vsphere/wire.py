"""The one connection of a session: dialled with limits, checked against the pin, put under the guard."""

import socket
import ssl
from collections.abc import Callable
from http.client import HTTPSConnection
from typing import Any

from pyVmomi.SoapAdapter import SoapStubAdapter

from ronde.adapters.vsphere.faults import FOREIGN, translated
from ronde.adapters.vsphere.guard import Guard
from ronde.adapters.vsphere.limits import VCenterLimits
from ronde.adapters.vsphere.pins import Pin, PinMismatch

USER_AGENT = "ronde"  # so that the client's administrator recognises our sessions


class PinnedConnection(HTTPSConnection):
    """An HTTPS connection that believes one certificate and never waits for ever."""

    def __init__(self, address: str, port: int, pin: Pin, limits: VCenterLimits, guard: Guard) -> None:
        super().__init__(address.strip("[]"), port, timeout=limits.silence, context=pin.context)
        self._pin, self._limits, self._guard = pin, limits, guard

    def connect(self) -> None:
        link = socket.create_connection((self.host, self.port), timeout=self._limits.connect)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wrapped = self._pin.context.wrap_socket(link, do_handshake_on_connect=False)
        self._guard.attach(wrapped)
        try:
            self._shake_hands(wrapped)
        except BaseException:
            wrapped.close()
            raise
        wrapped.settimeout(self._limits.silence)
        self.sock = wrapped

    def _shake_hands(self, wrapped: ssl.SSLSocket) -> None:
        wrapped.do_handshake()
        if wrapped.getpeercert(binary_form=True) not in self._pin.certificates:
            raise PinMismatch("another certificate than the pinned one")


class Stub(SoapStubAdapter):
    """pyVmomi's caller over our own connection: every call is bounded, and every foreign error translated, here."""

    def __init__(self, name: str, connect: Callable[[], PinnedConnection], version: str, guard: Guard) -> None:
        super().__init__(version=version, customHeaders={"User-Agent": USER_AGENT})  # type: ignore[no-untyped-call] # pyVmomi
        self._name, self._connect_anew, self._guard = name, connect, guard
        self._link: PinnedConnection | None = None
        self.seconds = 0.0
        self.last = False

    def InvokeMethod(self, mo: Any, info: Any, args: Any, outerStub: Any = None) -> Any:  # noqa: N802, N803 - pyVmomi's names
        """One SOAP call.

        Raises:
            VCenterError: whatever went wrong; Fenced, Cancelled: the signal said stop.
        """
        try:
            with self._guard.limit(self.seconds, last=self.last):
                return super().InvokeMethod(mo, info, args, outerStub)  # type: ignore[no-untyped-call] # pyVmomi
        except FOREIGN as error:
            self.DropConnections()
            raise translated(error, self._name) from error

    def GetConnection(self) -> PinnedConnection:  # noqa: N802 - pyVmomi's name
        link, self._link = self._link, None
        if link is None:
            link = self._connect_anew()
            link.connect()
        return link

    def ReturnConnection(self, conn: PinnedConnection) -> None:  # noqa: N802 - pyVmomi's name
        self._link = conn

    def DropConnections(self) -> None:  # noqa: N802 - pyVmomi's name
        if self._link is not None:
            self._link.close()
            self._link = None
