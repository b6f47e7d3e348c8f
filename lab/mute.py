"""A listener that accepts every connection and never says a word: a frozen server, as its clients see it.

Run as `python -m lab.mute ADDRESS PORT`; `MuteListener` starts and ends one.
"""

import selectors
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from lab.process import Process, end, spawn_module, tail, wait_until

_READY_SECONDS = 10.0
_BACKLOG = 128


@dataclass(frozen=True, slots=True)
class MuteListener:
    """A mute listener in place of the real server of `directory`."""

    directory: Path
    address: str
    port: int
    mark: Path

    @property
    def process(self) -> Process | None:
        return Process.load(self.directory / "mute.process")

    def start(self) -> None:
        """Start it and wait until it accepts; does nothing when it runs.

        Raises:
            LabError: it did not accept within ten seconds.
        """
        if self.process is not None:
            return
        log = self.directory / "mute.log"
        log.unlink(missing_ok=True)
        process = spawn_module("lab.mute", self.address, str(self.port), mark=self.mark, log=log)
        process.save(self.directory / "mute.process")
        if not wait_until(lambda: self._accepts() or not process.alive(), _READY_SECONDS) or not process.alive():
            self.stop()
            raise LabError(f"the mute listener on {self.address}:{self.port} did not come up:\n{tail(log)}")

    def stop(self) -> None:
        end([process] if (process := self.process) is not None else [], ask=False)
        (self.directory / "mute.process").unlink(missing_ok=True)

    def _accepts(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((self.address, self.port)) == 0


def main() -> None:
    """Accept and keep silent until killed."""
    address, port = sys.argv[1], int(sys.argv[2])
    listener = socket.create_server((address, port), backlog=_BACKLOG)
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is listener:
                link, _ = listener.accept()
                selector.register(link, selectors.EVENT_READ)
            elif isinstance(key.fileobj, socket.socket) and not key.fileobj.recv(65536):
                selector.unregister(key.fileobj)
                key.fileobj.close()


if __name__ == "__main__":
    main()
