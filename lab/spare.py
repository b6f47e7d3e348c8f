"""Setting things aside before they are damaged, so that mending is putting them back, even after a crash."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Spare:
    """What one fault set aside, in a directory of its own, with a list of where it belongs."""

    directory: Path

    def keep(self, path: Path) -> None:
        """Remember `path` as it is now: a file, a whole folder, or that there is nothing."""
        entries = self._entries()
        self.directory.mkdir(parents=True, exist_ok=True)
        copy = self.directory / str(len(entries))
        if path.is_dir():
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(path, copy)
        elif path.exists():
            shutil.copy2(path, copy)
        # Listed once the copy is whole, and before the caller touches the original.
        listed = [*entries, {"path": str(path), "copy": copy.name if copy.exists() else ""}]
        (self.directory / "list.new").write_text(json.dumps(listed), encoding="utf-8")
        (self.directory / "list.new").rename(self._list)

    def restore(self) -> None:
        """Put everything back, last kept first; does nothing when nothing was kept."""
        for entry in reversed(self._entries()):
            path = Path(entry["path"])
            _remove(path)
            if entry["copy"]:
                kept = self.directory / entry["copy"]
                (shutil.copytree if kept.is_dir() else shutil.copy2)(kept, path)
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def _list(self) -> Path:
        return self.directory / "list"

    def _entries(self) -> list[dict[str, str]]:
        try:
            entries: list[dict[str, str]] = json.loads(self._list.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return []
        return entries


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
