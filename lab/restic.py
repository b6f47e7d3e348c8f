"""Real restic repositories with nights behind them, and the ways in which such a repository goes wrong."""

import json
import shutil
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.process import Process, end, spawn, wait_until
from lab.restic_format import personalise, redate_lock
from lab.tools import Tool

_LOCK_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class ResticRepository:
    """A restic repository in a directory of this machine.

    Attributes:
        path: the repository.
        password_file: holds its password, without a newline.
        host: the hostname its snapshots carry.
        home: $HOME of the tools that work on it here; never a host's own.
        mark: the lab it belongs to.
    """

    path: Path
    password_file: Path
    host: str
    home: Path
    mark: Path

    def tool(self, *options: str) -> Tool:
        """Restic on this repository, without a cache that could hide what is wrong with it."""
        variables = {"RESTIC_PASSWORD_FILE": str(self.password_file), "HOME": str(self.home)}
        return Tool(["restic", "--no-cache", "-r", str(self.path), *options], self.mark, variables)

    def initialise(self) -> None:
        """`restic init`."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.tool().run("init", "-q")

    def create_from(self, blank: "ResticRepository") -> None:
        """Become a copy of the empty repository `blank`, with an identity and the password of one's own."""
        shutil.copytree(blank.path, self.path)
        personalise(self.path, blank.password, self.password)

    def backup(self, sources: Sequence[Path], when: datetime) -> None:
        """One nightly backup, as of `when` (aware). A source that is not there is left out, as restic does."""
        stamp = when.strftime("%Y-%m-%d %H:%M:%S")  # read in the zone of the process, which is UTC
        self.tool().run("backup", "-q", "--host", self.host, "--time", stamp, *(str(path) for path in sources))

    def snapshots(self) -> list[Mapping[str, Any]]:
        """The snapshots as restic lists them, oldest first."""
        listed = json.loads(self.tool("--no-lock").run("snapshots", "--json"))
        return sorted(listed, key=lambda snapshot: str(snapshot["time"]))

    def packs(self) -> list[Path]:
        """The files that hold file content and trees, largest first."""
        return sorted((self.path / "data").glob("*/*"), key=lambda pack: -pack.stat().st_size)

    def locks(self) -> list[Path]:
        """The lock files; one that is still being written has a longer name."""
        return sorted(path for path in (self.path / "locks").iterdir() if len(path.name) == 64)

    def leave_lock(self, source: Path, written: datetime) -> Path:
        """Kill a backup in mid-run and return the lock it left, dated back to `written`."""
        before = set(self.locks())
        writer = self._slow_backup(source)
        try:
            if not wait_until(lambda: bool(set(self.locks()) - before), _LOCK_SECONDS):
                raise LabError(f"restic took no lock on {self.path}")
        finally:
            writer.signal(signal.SIGKILL)
            end([writer])
        (fresh,) = set(self.locks()) - before
        content = json.loads(self.tool("--no-lock").run("cat", "lock", fresh.name))
        fresh.unlink()
        return redate_lock(self.path, self.password, content, written)

    def _slow_backup(self, source: Path) -> Process:
        """A backup that would need hours: one KiB a second, of data the repository does not hold yet."""
        argv = [*self.tool("--limit-upload", "1").argv, "backup", "-q", "--host", self.host, str(source)]
        return spawn(argv, mark=self.mark, log=self.home / "killed.log", extra=self.tool().variables)

    @property
    def password(self) -> str:
        return self.password_file.read_text(encoding="utf-8")


def bucket_of(pack: Path, count: int) -> int:
    """Which of `count` parts (1…count) restic's `--read-data-subset=N/COUNT` puts a pack into."""
    return int(pack.name[:2], 16) % count + 1
