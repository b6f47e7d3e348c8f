"""A TCP proxy on loopback whose connections can be cut, and which can refuse new ones: a network between two parts."""

import contextlib
import socket
import struct
import threading
from typing import Self

_RESET = struct.pack("ii", 1, 0)  # linger on, for no time: closing sends a reset


class TcpProxy:
    """Passes bytes to a port of this machine.

    Attributes:
        port: where it listens.
        connections: how many were made through it so far.
        away: while set, new connections are reset at once.
    """

    def __init__(self, target: int) -> None:
        self.away = False
        self.connections = 0
        self._target = ("127.0.0.1", target)
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self.cut()

    def cut(self) -> None:
        """Reset every connection there is."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for link in pair:
                _reset(link)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # the end of the server
            while True:
                near, _ = self._server.accept()
                if self.away:
                    _reset(near)
                    continue
                far = socket.create_connection(self._target)
                with self._lock:
                    self.connections += 1
                    self._pairs.append((near, far))
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=_pass, args=(source, sink), daemon=True).start()


def _pass(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it was cut
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


def _reset(link: socket.socket) -> None:
    with contextlib.suppress(OSError):
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        link.shutdown(socket.SHUT_RDWR)  # wakes whoever reads it
    link.close()
