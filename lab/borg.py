"""Real borg repositories with nights behind them, and the ways in which such a repository goes wrong."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lab.tools import Tool


@dataclass(frozen=True, slots=True)
class BorgRepository:
    """A borg 1.x repository (repokey-blake2) in a directory of this machine; attributes as for restic."""

    path: Path
    password_file: Path
    host: str
    home: Path
    mark: Path

    @property
    def tool(self) -> Tool:
        """Borg with its keys, caches and memory of repositories beside the repository, away from the user's own."""
        variables = {"BORG_PASSCOMMAND": f"cat '{self.password_file}'", "BORG_BASE_DIR": str(self.home)}
        return Tool(["borg"], self.mark, variables)

    def create(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.tool.run("init", "-e", "repokey-blake2", str(self.path))

    def backup(self, source: Path, when: datetime) -> None:
        """One nightly archive, as of `when` (aware), named after the host and the day."""
        stamp = when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
        name = f"{self.path}::{self.host}-{stamp}"
        self.tool.run("create", "--timestamp", stamp, "--comment", "nightly", name, source.name, cwd=source.parent)

    def archives(self) -> dict[str, datetime]:
        """Names of the archives and their instants (aware), oldest first."""
        listed = json.loads(self.tool.run("list", "--json", str(self.path)))["archives"]
        # The times carry no zone: they are in that of the process that lists, and ours runs in UTC.
        return {str(one["name"]): datetime.fromisoformat(one["time"]).replace(tzinfo=UTC) for one in listed}

    def delete(self, archives: Sequence[str]) -> None:
        self.tool.run("delete", str(self.path), *archives)

    def segments(self) -> list[Path]:
        """The files that hold the stored bytes, largest first."""
        found = [path for path in (self.path / "data").glob("*/*") if path.name.isdigit()]
        return sorted(found, key=lambda segment: -segment.stat().st_size)

    def foreign_lock(self) -> Path:
        """Where borg would keep the exclusive lock of a process on another machine."""
        return self.path / "lock.exclusive" / "ancien-serveur@117813.4242-0"
