"""A real sshd for a test, the inventory that describes it, and links to it that can be made to fail."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from lab.identity import Identity
from lab.sshd import SshServer, client_key
from ronde.model.inventory import Client, Host


class PathSecrets:
    """Reads `file:///` references, whatever the file's mode."""

    def read(self, reference: str) -> bytes:
        return Path(reference.removeprefix("file://")).read_bytes()


@dataclass
class Grounds:
    """Servers below one directory, all let in by one client key, and their inventory entries."""

    directory: Path
    hosts: dict[str, Host] = field(default_factory=dict)
    servers: dict[str, SshServer] = field(default_factory=dict)

    def server(self, name: str, **options: Any) -> SshServer:
        """A server, not yet started; `options` are those of `SshServer`."""
        _, public = client_key(self.directory)
        return SshServer(name, self.directory / name, **{"authorized_keys": [public], **options})

    def entry(self, server: Identity, **changes: object) -> Host:
        """The inventory entry of a server or machine, with every key pinned; `changes` replace fields."""
        private, _ = client_key(self.directory)
        fields = {
            "address": server.address,
            "port": server.port,
            "user": server.user,
            "key": f"file://{private}",
            "host_key": tuple(server.public_keys),
        }
        return Host.model_validate({**fields, **changes})

    def client(self) -> Client:
        return Client(client="acme", name="Acme", hosts=self.hosts)


class Proxy:
    """A TCP relay on loopback whose traffic can be cut (reset), or frozen (open, and nothing passes any more)."""

    def __init__(self, address: str, port: int) -> None:
        self._target = (address, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._pairs: list[socket.socket] = []
        self._flowing = threading.Event()
        self._flowing.set()
        self._ending = threading.Event()
        self._threads: list[threading.Thread] = []
        self.address, self.port = self._listener.getsockname()

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._flowing.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self.cut()
        for thread in self._threads:
            thread.join(10)
        for end in [self._listener, *self._pairs]:
            end.close()

    def freeze(self) -> None:
        """From now on nothing passes, in either direction, and nobody is told."""
        self._flowing.clear()

    def thaw(self) -> None:
        """What was held back passes, and all that follows."""
        self._flowing.set()

    def cut(self) -> None:
        """End every connection at once."""
        for end in self._pairs:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _start(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]  # one of ours
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._ending.is_set():
            with suppress(OSError):
                near, _ = self._listener.accept()
                self._pairs.append(near)
                far = socket.create_connection(self._target)
                self._pairs.append(far)
                self._start(self._relay, near, far)
                self._start(self._relay, far, near)

    def _relay(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self._flowing.wait()
                if self._ending.is_set():
                    break
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


@contextmanager
def mute_server() -> Iterator[tuple[str, int]]:
    """A port that accepts every connection and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        kept: list[socket.socket] = []

        def accept() -> None:
            with suppress(OSError):
                while True:
                    kept.append(listener.accept()[0])

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)
            for connection in kept:
                connection.close()
