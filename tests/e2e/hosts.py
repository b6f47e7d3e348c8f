"""Hosts of an installation: real SSH servers that can be told to hold every command."""

from dataclasses import dataclass
from pathlib import Path

from lab.process import Process, marked
from lab.sshd import SshServer
from tests.e2e.processes import poll

DUMP = (
    "--\n-- PostgreSQL database dump\n--\n\n"
    + "".join(f"INSERT INTO marchés VALUES ({number}, 'ligne {number}');\n" for number in range(200))
    + "--\n-- PostgreSQL database dump complete\n--\n\n"
)
GATE = 'ForceCommand echo >> {asked}; while [ -e {hold} ]; do sleep 0.1; done; exec sh -c "$SSH_ORIGINAL_COMMAND"'


@dataclass
class Host:
    """A real SSH server with one fresh, whole dump on it."""

    server: SshServer
    dump: Path

    @property
    def _hold(self) -> Path:
        return self.server.directory / "hold"

    @property
    def _asked(self) -> Path:
        return self.server.directory / "asked"

    def hold(self) -> None:
        """Sit on every command from now on, and count them anew."""
        self._asked.unlink(missing_ok=True)
        self._hold.touch()

    def release(self) -> None:
        """Carry out what was held."""
        self._hold.unlink(missing_ok=True)

    def asked(self, times: int = 1, *, within: float = 30) -> None:
        """Wait until so many commands have arrived since `hold`; held ones included."""
        what = f"{self.server.name} is asked {times} times"
        poll(lambda: self._asked.exists() and self._asked.stat().st_size >= times, within=within, what=what)

    def running(self) -> list[Process]:
        """Whatever runs on this host on behalf of somebody: sessions, and what they left behind."""
        listener = self.server.process
        return [process for process in marked(self.server.owner) if process != listener]

    def files(self) -> set[str]:
        """Every file of the host's own."""
        return {str(path) for path in self.server.root.rglob("*")} | {str(path) for path in self.dump.parent.iterdir()}
