"""Asking a listening socket whether its server is ready, and finding a port that nobody listens on."""

import contextlib
import random
import socket
import time
from pathlib import Path

from lab.process import Process

_TRY_SECONDS = 1.0
_READY_SECONDS = 10.0
_PAUSE_SECONDS = 0.01
_LOWEST = 10_000
_OUTGOING = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_port(address: str) -> int:
    """A TCP port of `address` that was free a moment ago; the taker must cope with having lost the race.

    It lies below the ports that the kernel gives to outgoing connections, so that a server which is stopped finds it
    free again when it is started; among those, a client that keeps knocking may even be connected to itself.
    """
    lowest_outgoing = int(_OUTGOING.read_text(encoding="ascii").split()[0])
    while True:
        port = random.randrange(_LOWEST, lowest_outgoing)  # noqa: S311 - a port is no secret
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address, port))
            return port


def greeting(address: str, port: int, *, say: bytes = b"", seconds: float = _TRY_SECONDS) -> bytes:
    """The first bytes a server sends after `say`; empty when it does not answer within a second, or `seconds`."""
    with contextlib.suppress(OSError), socket.create_connection((address, port), timeout=seconds) as link:
        if say:
            link.sendall(say)
        return link.recv(256)
    return b""


def await_greeting(server: Process, address: str, port: int, expected: bytes, *, say: bytes = b"") -> bool:
    """True as soon as the server's first bytes start with `expected`; False when it ended, or after ten seconds."""
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline and server.alive():
        if greeting(address, port, say=say).startswith(expected):
            return True
        time.sleep(_PAUSE_SECONDS)
    return False
