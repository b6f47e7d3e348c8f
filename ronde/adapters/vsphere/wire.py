"""The one connection of a session: dialled with limits, checked against the pin, put under the guard."""

import contextlib
import gzip
import socket
import ssl
from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.client import HTTPException, HTTPSConnection
from typing import Any

from pyVmomi.SoapAdapter import SoapResponseDeserializer, SoapStubAdapter

from ronde.adapters.vsphere.decode import NotAnAnswer, Page, read_page
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
        with contextlib.ExitStack() as undo:
            undo.callback(wrapped.close)
            self._guard.attach(wrapped)
            self._shake_hands(wrapped)
            undo.pop_all()
        wrapped.settimeout(self._limits.silence)
        self.sock = wrapped

    def _shake_hands(self, wrapped: ssl.SSLSocket) -> None:
        wrapped.do_handshake()
        if wrapped.getpeercert(binary_form=True) not in self._pin.certificates:
            raise PinMismatch("another certificate than the pinned one")


class Stub(SoapStubAdapter):
    """pyVmomi's caller over our own connection: every call is bounded, and every foreign error translated, here.

    Attributes:
        seconds: the most that the next calls may each take.
        last: the next call ends the session: it is made even when the session's time is up or the work must stop.
    """

    def __init__(self, name: str, connect: Callable[[], PinnedConnection], version: str, guard: Guard) -> None:
        super().__init__(version=version, customHeaders={"User-Agent": USER_AGENT})  # type: ignore[no-untyped-call] # pyVmomi
        self._name, self._connect_anew, self._guard = name, connect, guard
        self._link: PinnedConnection | None = None
        self.seconds = 0.0
        self.last = False

    @contextlib.contextmanager
    def _bounded(self) -> Iterator[None]:
        """A call within its limits; what goes wrong in it is ours afterwards, and its connection is not used again.

        Raises:
            VCenterError: whatever went wrong; Fenced, Cancelled: the signal said stop.
        """
        with contextlib.ExitStack() as undo:
            undo.callback(self.DropConnections)
            try:
                with self._guard.limit(self.seconds, last=self.last):
                    yield
            except FOREIGN as error:
                raise translated(error, self._name) from error
            undo.pop_all()

    def InvokeMethod(self, mo: Any, info: Any, args: Any, outerStub: Any = None) -> Any:  # noqa: N802, N803 - pyVmomi's names
        """One SOAP call, as pyVmomi makes it."""
        with self._bounded():
            answer = super().InvokeMethod(mo, info, args, outerStub)  # type: ignore[no-untyped-call] # pyVmomi
            if answer is None and info.result is not type(None):
                raise NotAnAnswer(f"no answer to {info.wsdlName}")
            return answer

    def page(self, collector: Any, method: str, *arguments: Any) -> Page:
        """One call of a property collector whose answer we read ourselves."""
        info = collector._GetMethodInfo(method)  # noqa: SLF001 - pyVmomi's metadata have no public door
        with self._bounded():
            status, body = self._post(self.SerializeRequest(collector, info, arguments))  # type: ignore[no-untyped-call] # pyVmomi
            if status == HTTPStatus.INTERNAL_SERVER_ERROR:  # how SOAP says that a fault follows
                fault = SoapResponseDeserializer(self).Deserialize(body, info.result)  # type: ignore[no-untyped-call] # pyVmomi
                raise fault if isinstance(fault, Exception) else NotAnAnswer(f"no fault in the answer to {method}")
            if status != HTTPStatus.OK:
                raise HTTPException(f"{status} {HTTPStatus(status).phrase}")
            return read_page(body, method)

    def _post(self, request: bytes) -> tuple[int, bytes]:
        link = self.GetConnection()
        headers = {
            "Cookie": self.cookie,
            "SOAPAction": self.versionId,
            "Content-Type": "text/xml; charset=UTF-8",
            "Accept-Encoding": "gzip",
            "User-Agent": USER_AGENT,
        }
        with contextlib.ExitStack() as undo:
            undo.callback(link.close)
            link.request("POST", self.path, request, headers)
            answer = link.getresponse()
            body = answer.read()
            undo.pop_all()
        self.ReturnConnection(link)
        packed = answer.getheader("Content-Encoding", "").lower() == "gzip"
        return answer.status, gzip.decompress(body) if packed else body

    def forget_session(self) -> None:
        """Send the session's cookie no more: with it a login is refused for as long as that session may still live."""
        self.SetSessionId(None)  # type: ignore[no-untyped-call] # pyVmomi

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
