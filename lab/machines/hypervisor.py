"""What keeps a lab machine: it is switched on and off here, and what was on its disk is kept and put back.

Fulfils `lab.hypervisor.Hypervisor`; a vCenter reaches it by a command (`__main__`).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.machines import cgroups
from lab.machines.snapshots import KeptDisks
from lab.process import Process, end, spawn_module


@dataclass(frozen=True, slots=True)
class Hypervisor:
    """The processes and the disk of the machine in `directory`."""

    directory: Path

    def define(self, system: Path, name: str, mark: Path) -> None:
        """On which base system it is booted from now on, and under which name; its processes are marked with `mark`."""
        definition = {"system": str(system), "name": name, "mark": str(mark)}
        self._definition.write_text(json.dumps(definition), encoding="utf-8")

    def on(self) -> None:
        if self.process is not None:
            return
        cut_power([self])  # what a lost record would let live on: two machines on one disk would destroy it
        self.log.unlink(missing_ok=True)
        known = json.loads(self._definition.read_text(encoding="utf-8"))
        watcher = spawn_module(
            "lab.machines.watcher",
            str(self.directory),
            known["system"],
            known["name"],
            mark=Path(known["mark"]),
            log=self.log,
        )
        watcher.save(self._record)

    def off(self) -> None:
        cut_power([self])

    def take(self, tag: str) -> None:
        with cgroups.frozen(cgroups.of(self.directory)):
            self._disks.keep(tag)

    def revert(self, tag: str) -> None:
        cut_power([self])
        self._disks.put_back(tag)

    def remove(self, tag: str) -> None:
        self._disks.forget(tag)

    @property
    def process(self) -> Process | None:
        """What keeps the machine going (`lab.machines.watcher`), while it is on or reboots."""
        return Process.load(self._record)

    @property
    def init(self) -> Process | None:
        """The machine's first process, as it is numbered outside."""
        return Process.load(self.directory / "init.process")

    @property
    def log(self) -> Path:
        """What was said before systemd took over."""
        return self.directory / "machine.log"

    @property
    def _record(self) -> Path:
        return self.directory / "machine.process"

    @property
    def _definition(self) -> Path:
        return self.directory / "machine.json"

    @property
    def _disks(self) -> KeptDisks:
        return KeptDisks(self.directory)


def cut_power(kept: Sequence[Hypervisor]) -> None:
    """End machines with all that runs on them, all at the same instant."""
    watchers = [process for one in kept if (process := one.process) is not None]
    inits = [process for one in kept if (process := one.init) is not None]
    end([*watchers, *inits], ask=False)
    for one in kept:
        cgroups.remove(cgroups.of(one.directory))
        for record in ("machine.process", "init.process"):
            (one.directory / record).unlink(missing_ok=True)
