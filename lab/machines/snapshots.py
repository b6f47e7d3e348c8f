"""What was on a machine's disk at an instant, kept beside it: what a hypervisor's snapshot of it is made of."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError


@dataclass(frozen=True, slots=True)
class KeptDisks:
    """Earlier states of the disk of the machine in `directory`, by name.

    Only what the machine wrote itself is copied (`lab.machines.disk`), a few megabytes of an overlay.
    """

    directory: Path

    def keep(self, name: str) -> None:
        """Keep the disk as it is now; nobody may write to it meanwhile (`cgroups.frozen`)."""
        _copy(self._written, self._kept(name))

    def put_back(self, name: str) -> None:
        """Let the disk be what it was again, while the machine is off; it stays kept.

        Raises:
            LabError: nothing is kept under that name.
        """
        if not self._kept(name).exists():
            raise LabError(f"the disk of {self.directory.name} was never kept as {name}")
        shutil.rmtree(self.directory / "disk" / "work", ignore_errors=True)  # an overlay's own notes on what goes
        (self.directory / "disk" / "work").mkdir()
        _copy(self._kept(name), self._written)

    def forget(self, name: str) -> None:
        shutil.rmtree(self._kept(name), ignore_errors=True)

    def _kept(self, name: str) -> Path:
        return self.directory / "kept" / name

    @property
    def _written(self) -> Path:
        whole = self.directory / "disk" / "copy"
        return whole if whole.exists() else self.directory / "disk" / "upper"


def _copy(source: Path, target: Path) -> None:
    """A copy in the place of what is there; with its extended attributes, in which an overlay writes what it hides."""
    unfinished = target.with_name(target.name + ".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "--archive", "--reflink=auto", str(source), str(unfinished)], check=True)
    shutil.rmtree(target, ignore_errors=True)
    unfinished.rename(target)
