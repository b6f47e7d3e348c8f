"""The bytes under a paramiko transport: bounded waits, buffered reads, and when the other side was last heard.

A transport's thread sleeps in `recv`. Closing wakes it at once (a bare `close` of a socket would not), and the file
descriptor is given back only after the thread has gone, so that its number cannot be reused under it.
"""

import errno
import os
import select
import socket
import time
from contextlib import ExitStack
from typing import Protocol

import paramiko

from ronde.adapters.ssh.watch import Watch

TICK = 1.0  # seconds after which a quiet `recv` returns, so that paramiko can look at its keepalive
_READ = 65536
_STUCK = 30.0  # seconds in which the other side takes not one byte: it is gone, or as good as gone


class Wire(Protocol):
    """What a transport needs of a socket, and what we need besides.

    Attributes:
        heard: monotonic instant of the last byte received.
        spoke: whether the other side ever said anything.
        watch: what ends a blocked `send`.
    """

    heard: float
    spoke: bool
    watch: Watch
    _closed: bool  # paramiko looks at it by this name

    def recv(self, size: int) -> bytes:
        """Up to `size` bytes; empty at the end.

        Raises:
            TimeoutError: a tick has passed in silence.
        """

    def send(self, data: bytes) -> int: ...

    def settimeout(self, seconds: float | None) -> None: ...

    def writable(self) -> bool:
        """Whether a `send` would go through without waiting."""

    def close(self) -> None:
        """Wake everybody who waits; from any thread, any number of times."""

    def release(self) -> None:
        """Give the resources back; once the transport's thread has ended."""


class TcpWire:
    """A wire over a connected, non-blocking TCP socket."""

    def __init__(self, sock: socket.socket, watch: Watch) -> None:
        self.watch = watch
        self.heard = time.monotonic()
        self.spoke = False
        self._closed = False
        self._sock = sock
        self._ahead = b""
        self._at = 0
        self._readable = select.poll()
        self._readable.register(sock, select.POLLIN)
        self._writable = select.poll()
        self._writable.register(sock, select.POLLOUT)

    def recv(self, size: int) -> bytes:
        if self._at >= len(self._ahead):
            if not self._readable.poll(TICK * 1000):
                raise TimeoutError
            self._ahead, self._at = self._sock.recv(_READ), 0
            self.heard = time.monotonic()
            self.spoke = self.spoke or bool(self._ahead)
        data = self._ahead[self._at : self._at + size]
        self._at += size
        return data

    def send(self, data: bytes) -> int:
        while True:
            try:
                return self._sock.send(data)
            except BlockingIOError:
                self._await_room()

    def _await_room(self) -> None:
        ends = time.monotonic() + _STUCK
        while not self._writable.poll(self.watch.pause() * 1000):
            if self._closed or self.watch.over() or time.monotonic() >= ends:
                raise TimeoutError(errno.ETIMEDOUT, "the other side takes no more data")

    def settimeout(self, seconds: float | None) -> None:
        """Nothing: the waits of this wire are its own."""

    def writable(self) -> bool:
        return bool(self._writable.poll(0))

    def getpeername(self) -> object:
        return self._sock.getpeername()

    def close(self) -> None:
        self._closed = True
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # the connection is gone already, which wakes the reader as well

    def release(self) -> None:
        self._sock.close()


class TunnelWire:
    """A wire over a channel of the connection to a jump host.

    It never says goodbye: that would be a write on the jump host's connection, which may block. Closing that
    connection ends the channel, and so this wire, at once.
    """

    def __init__(self, channel: paramiko.Channel, under: Wire, watch: Watch) -> None:
        self.watch = watch
        self.heard = time.monotonic()
        self.spoke = False
        self._closed = False
        self._channel = channel
        self._under = under
        channel.settimeout(TICK)

    def recv(self, size: int) -> bytes:
        data = self._channel.recv(size)
        self.heard = time.monotonic()
        self.spoke = self.spoke or bool(data)
        return data

    def send(self, data: bytes) -> int:
        self._under.watch = self.watch
        ends = time.monotonic() + _STUCK
        while True:
            try:
                return self._channel.send(data)
            except TimeoutError:
                if self._closed or self.watch.over() or time.monotonic() >= ends:
                    raise

    def settimeout(self, seconds: float | None) -> None:
        """Nothing: the waits of this wire are its own."""

    def writable(self) -> bool:
        return self._channel.send_ready() and self._under.writable()

    def close(self) -> None:
        self._closed = True

    def release(self) -> None:
        """Nothing: the channel went with the jump host's connection."""


def dial(address: str, port: int, watch: Watch) -> socket.socket:
    """Connect by TCP, trying each address that a name stands for.

    A name is looked up by the system's resolver, whose own limits apply (resolv.conf, `timeout` and `attempts`);
    a numeric address, the better choice for an inventory, asks nobody.

    Raises:
        OSError: none of the addresses took the connection (socket.gaierror: the name is unknown).
        TimeoutError, Fenced, Cancelled: as `Watch.check`.
    """
    refused: OSError | None = None
    for family, kind, protocol, _, place in socket.getaddrinfo(address, port, type=socket.SOCK_STREAM):
        try:
            return _connected(socket.socket(family, kind, protocol), place, watch)
        except TimeoutError:
            raise
        except OSError as error:
            refused = error
    raise refused or OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))


def _connected(sock: socket.socket, place: object, watch: Watch) -> socket.socket:
    with ExitStack() as undo:
        undo.callback(sock.close)
        sock.setblocking(False)  # noqa: FBT003 - the socket module's own signature
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else a command's end waits for a delayed ACK
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(_STUCK * 1000))  # tcp(7)
        problem = sock.connect_ex(place)  # type: ignore[arg-type]  # getaddrinfo's own answer, whatever the family
        if problem == errno.EINPROGRESS:
            problem = _outcome(sock, watch)
        if problem:
            raise OSError(problem, os.strerror(problem))
        undo.pop_all()
    return sock


def _outcome(sock: socket.socket, watch: Watch) -> int:
    done = select.poll()
    done.register(sock, select.POLLOUT)
    while not done.poll(watch.pause() * 1000):
        watch.check()
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
