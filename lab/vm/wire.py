"""JSON over the two sockets of a QEMU machine: its monitor (QMP), and the agent in its guest.

Both are asked one thing at a time and answer with a line each. QEMU serves one client at a time and lets the next wait,
so that a connection is held for as short a time as can be.
"""

import json
import secrets
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.errors import LabError

_START_OF_ANSWER = b"\xff"  # what guest-sync-delimited begins its answer with; no JSON in UTF-8 has it


class TookTooLong(LabError):
    """The machine is there, and has not answered in time."""


@dataclass(slots=True)
class Wire:
    """One connection; `deadline` is when (monotonic) it has had its time."""

    link: socket.socket
    deadline: float
    rest: bytes = b""

    def ask(self, command: str, arguments: Mapping[str, Any] | None = None) -> Any:
        """What a command returns.

        Raises:
            LabError: it was refused, or the machine went off. TookTooLong: the connection has had its time.
        """
        self.send(command, arguments)
        while True:
            said = json.loads(self.read_until(b"\n"))
            if "error" in said:
                raise LabError(f"{command}: {said['error']['desc']}")
            if "return" in said:
                return said["return"]

    def send(self, command: str, arguments: Mapping[str, Any] | None = None, before: bytes = b"") -> None:
        order = {"execute": command, **({"arguments": dict(arguments)} if arguments else {})}
        with self._in_time():
            self.link.sendall(before + json.dumps(order).encode() + b"\n")

    def read_until(self, mark: bytes) -> bytes:
        """What comes before the next `mark`; raises as `ask` does."""
        while mark not in self.rest:
            with self._in_time():
                more = self.link.recv(1 << 16)
            if not more:
                raise LabError("the machine went off")
            self.rest += more
        before, _, self.rest = self.rest.partition(mark)
        return before

    @contextmanager
    def _in_time(self) -> Iterator[None]:
        if (left := self.deadline - time.monotonic()) <= 0:
            raise TookTooLong("the machine does not answer")
        self.link.settimeout(left)
        try:
            yield
        except TimeoutError as error:
            raise TookTooLong("the machine does not answer") from error
        except OSError as error:
            raise LabError(f"the machine went off ({error})") from error


@contextmanager
def _wire(path: Path, seconds: float) -> Iterator[Wire]:
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(seconds)
        try:
            link.connect(str(path))
        except OSError as error:
            raise LabError(f"the machine is off ({error})") from error
        yield Wire(link, time.monotonic() + seconds)


@contextmanager
def monitor(path: Path, seconds: float) -> Iterator[Wire]:
    """QEMU's monitor, ready for commands.

    Raises:
        LabError: nobody listens there.
    """
    with _wire(path, seconds) as wire:
        wire.read_until(b"\n")  # the greeting
        wire.ask("qmp_capabilities")
        yield wire


@contextmanager
def agent(path: Path, seconds: float) -> Iterator[Wire]:
    """The guest's agent, once it has shown that it answers us and no earlier client.

    Raises:
        LabError: the machine is off. TookTooLong: its agent does not answer; it may not be up yet.
    """
    with _wire(path, seconds) as wire:
        number = secrets.randbelow(1 << 31)
        wire.send("guest-sync-delimited", {"id": number}, before=_START_OF_ANSWER)
        while True:
            wire.read_until(_START_OF_ANSWER)
            if json.loads(wire.read_until(b"\n")).get("return") == number:
                break
        yield wire
