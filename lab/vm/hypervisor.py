"""The side of a virtual machine that a vCenter has to do with: its power, and snapshots of its disk.

Fulfils `lab.hypervisor.Hypervisor`; the lab's vCenter reaches it by a command (`__main__`). A snapshot is one of the
disk alone, as those are that Ronde orders: of a running machine it is what a power cut at that instant would have
left on the disk, and the way back ends with the machine off.
"""

import fcntl
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from lab.process import Process, end, spawn, tail, wait_until
from lab.tools import Tool
from lab.vm.wire import monitor

DISK = "disk"
"""What QEMU calls the one disk that can be written to."""

_MONITOR_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Hypervisor:
    """The QEMU process of the machine in `directory`, which may be off."""

    directory: Path

    def define(self, argv: Sequence[str], mark: Path) -> None:
        """How QEMU is started from now on; its processes are marked with `mark`."""
        definition = {"argv": list(argv), "mark": str(mark)}
        self._definition.write_text(json.dumps(definition), encoding="utf-8")

    def on(self) -> None:
        """Switch it on, without waiting for its guest; does nothing when it is on.

        Raises:
            LabError: QEMU is missing, or refused what it was given.
        """
        with self._alone():
            if self.process is None:
                known = json.loads(self._definition.read_text(encoding="utf-8"))
                process = spawn(known["argv"], mark=Path(known["mark"]), log=self.log)
                process.save(self._record)
                wait_until(lambda: self._listens() or not process.alive(), _MONITOR_SECONDS)
                if not process.alive():
                    self._cut()
                    raise LabError(f"QEMU did not start:\n{tail(self.log)}")

    def off(self) -> None:
        """Cut its power; its disk keeps what had reached it."""
        with self._alone():
            self._cut()

    def take(self, tag: str) -> None:
        """Take a snapshot of its disk.

        Raises:
            LabError: QEMU refused.
        """
        with self._alone():
            if self.process is None:
                self._image("-c", tag)
            else:
                self.ask("blockdev-snapshot-internal-sync", device=DISK, name=tag)

    def revert(self, tag: str) -> None:
        """Put its disk back to what it was when the snapshot was taken. The machine is off then, the snapshot is kept.

        Raises:
            LabError: there is no such snapshot.
        """
        with self._alone():
            self._cut()
            self._image("-a", tag)

    def remove(self, tag: str) -> None:
        """Forget a snapshot; the disk stays as it is.

        Raises:
            LabError: there is no such snapshot.
        """
        with self._alone():
            if self.process is None:
                self._image("-d", tag)
            else:
                self.ask("blockdev-snapshot-delete-internal-sync", device=DISK, name=tag)

    def tags(self) -> list[str]:
        """The snapshots of its disk, oldest first."""
        told = self._qemu_img("info", "--force-share", "--output=json", str(self.disk))
        return [entry["name"] for entry in json.loads(told).get("snapshots", [])]

    def ask(self, command: str, **arguments: str) -> None:
        """Give QEMU's monitor one order, such as `system_powerdown`.

        Raises:
            LabError: the machine is off, or QEMU refused.
        """
        with monitor(self.socket, _MONITOR_SECONDS) as wire:
            wire.ask(command, arguments)

    @property
    def process(self) -> Process | None:
        """QEMU, while the machine is on or reboots."""
        return Process.load(self._record)

    @property
    def disk(self) -> Path:
        """What the machine has written, on top of the image, and its snapshots."""
        return self.directory / "disk.qcow2"

    @property
    def socket(self) -> Path:
        return self.directory / "qmp"

    @property
    def log(self) -> Path:
        """What QEMU had to say."""
        return self.directory / "qemu.log"

    @property
    def _definition(self) -> Path:
        return self.directory / "qemu.json"

    @property
    def _record(self) -> Path:
        return self.directory / "machine.process"

    def _listens(self) -> bool:
        try:
            with monitor(self.socket, _MONITOR_SECONDS):
                return True
        except LabError:
            return False

    def _cut(self) -> None:
        if (running := self.process) is not None:
            end([running], ask=False)
        self._record.unlink(missing_ok=True)

    def _image(self, option: str, tag: str) -> None:
        self._qemu_img("snapshot", option, tag, str(self.disk))

    def _qemu_img(self, *arguments: str) -> bytes:
        return Tool(("qemu-img",), self.directory).run(*arguments)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """The vCenter and a test may want something of one machine at the same time."""
        with (self.directory / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
