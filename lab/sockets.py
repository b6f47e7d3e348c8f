"""Asking a listening socket whether its server is ready, and finding a port that nobody listens on."""

import contextlib
import socket
import time

from lab.process import Process

_TRY_SECONDS = 1.0
_READY_SECONDS = 10.0
_PAUSE_SECONDS = 0.01


def free_port(address: str) -> int:
    """A TCP port of `address` that was free a moment ago; the taker must cope with having lost the race."""
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


def greeting(address: str, port: int, *, say: bytes = b"") -> bytes:
    """The first bytes a server sends after `say`; empty when it does not answer within a second."""
    with contextlib.suppress(OSError), socket.create_connection((address, port), timeout=_TRY_SECONDS) as link:
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
