"""One vCenter of the lab, started, steered and stopped."""

import json
import shutil
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from lab.errors import LabError
from lab.process import Process, end, spawn, tail, wait_until
from lab.vcenter.build import front
from lab.vcenter.certificate import write_certificate

_READY_SECONDS = 120.0  # five thousand machines are created before the front listens
_CONTROL_SECONDS = 30.0
GIB = 1024**3

Value = str | int | float | bool | None | Sequence["Value"] | Mapping[str, "Value"]


@dataclass
class VCenterServer:
    """A vCenter: govmomi's simulator behind our front, on its own address, with its own certificate.

    Attributes:
        directory: everything of this vCenter: certificate, log, the simulator's datastores.
        address: the loopback address it listens on; not 127.0.0.1, where pyVmomi would not verify a certificate.
        port: its TCP port; 0 takes a free one, kept from then on.
        vms: how many machines, or their names.
        tls: whether it speaks TLS; off only for measuring.
        identity: its instanceUuid; a random one when left out.
        mark: the lab this server belongs to; its own directory when it stands alone.
        cache: where the built front is kept; `RONDELAB_CACHE` or var/lab/cache when left out.

    The server outlives this object; another object on the same directory finds it again and can steer and stop it.
    """

    directory: Path
    address: str = "127.0.0.2"
    port: int = 0
    vms: int | Sequence[str] = field(default=4, kw_only=True)
    tls: bool = field(default=True, kw_only=True)
    identity: str = field(default="", kw_only=True)
    mark: Path | None = field(default=None, kw_only=True)
    cache: Path | None = field(default=None, kw_only=True)
    user: str = field(default="ronde-audit@vsphere.local", kw_only=True)
    password: str = field(default="correct-horse-battery", kw_only=True, repr=False)

    def __post_init__(self) -> None:
        self.directory = self.directory.resolve()
        if (known := self._ready()) is not None:
            self.port = self.port or known["port"]

    def start(self) -> "VCenterServer":
        """Start it and wait until it listens; does nothing when it runs.

        Raises:
            LabError: the front could not be built or did not come up.
        """
        if self.process is None:
            self._launch()
        return self

    def _launch(self) -> None:
        (self.directory / "tmp").mkdir(parents=True, exist_ok=True)
        if not self.certificate.exists():
            write_certificate(self.certificate, self._key, self.address)
        ready, log = self.directory / "ready.json", self.directory / "vcenter.log"
        ready.unlink(missing_ok=True)
        secrets = {"VCENTER_USER": self.user, "VCENTER_PASSWORD": self.password, "TMPDIR": str(self.directory / "tmp")}
        process = spawn(self._command(ready), mark=self.mark or self.directory, log=log, extra=secrets)
        process.save(self.directory / "vcenter.process")
        if not wait_until(lambda: ready.exists() or not process.alive(), _READY_SECONDS) or not ready.exists():
            self.stop()
            raise LabError(f"the vCenter on {self.address}:{self.port} did not come up:\n{tail(log)}")
        self.port = (self._ready() or {})["port"]

    def _command(self, ready: Path) -> list[str]:
        names = self.directory / "names.json"
        command = [str(front(self.cache)), "-address", f"{self.address}:{self.port}", "-ready", str(ready)]
        if isinstance(self.vms, int):
            command += ["-machines", str(self.vms)]
        else:
            names.write_text(json.dumps(list(self.vms)), encoding="utf-8")
            command += ["-names", str(names)]
        if self.tls:
            command += ["-certificate", str(self.certificate), "-key", str(self._key)]
        return [*command, "-identity", self.identity or str(uuid.uuid4())]

    def stop(self) -> None:
        """End it; the certificate stays, so that it comes back as the same vCenter on the same port."""
        if (process := self.process) is not None:
            end([process], ask=False)
        (self.directory / "vcenter.process").unlink(missing_ok=True)
        shutil.rmtree(self.directory / "tmp", ignore_errors=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def process(self) -> Process | None:
        """The server's process, when it runs."""
        return Process.load(self.directory / "vcenter.process")

    @property
    def certificate(self) -> Path:
        """The PEM file to pin."""
        return self.directory / "certificate.pem"

    @property
    def _key(self) -> Path:
        return self.directory / "key.pem"

    @property
    def certificate_pem(self) -> str:
        return self.certificate.read_text(encoding="ascii")

    def _ready(self) -> dict[str, int] | None:
        try:
            return dict(json.loads((self.directory / "ready.json").read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None

    def _order(self, **order: object) -> object:
        """Send one order to the control port and return its answer.

        Raises:
            LabError: the front does not run, or refused the order.
        """
        ready = self._ready()
        if ready is None or self.process is None:
            raise LabError("the vCenter does not run")
        request = urllib.request.Request(
            f"http://127.0.0.1:{ready['control']}/", data=json.dumps(order).encode(), method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=_CONTROL_SECONDS) as answer:  # noqa: S310 - the same
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise LabError(f"the vCenter refused {order}: {error.read().decode().strip()}") from error

    # --------------------------------------------------------------- manners

    def fault(self, method: str, kind: str, times: int = 1) -> None:
        """Let the next `times` calls of a SOAP method go wrong; -1 = until mended.

        Kinds: `refuse` (dropped before it was done), `lost` (done, its answer never arrives), `hang` (never answered),
        `drip` (a byte at a time), `truncate` (half an answer), `garbage` (no SOAP), `http503`, or the name of a fault
        of the API: `NotAuthenticated`, `NoPermission`, `InvalidLogin`.
        """
        self._order(op="set-manner", kind="fault", name=method, path=kind, count=times)

    def task_time(self, seconds: float) -> None:
        """Let the tasks of changes (snapshots, power, consolidation) run this long; 0 = done before they are told."""
        self._order(op="set-manner", kind="task-time", seconds=seconds)

    def task_fault(self, method: str, fault: str, times: int = 1) -> None:
        """Let the next tasks of a method end with a fault of the API, having changed nothing."""
        self._order(op="set-manner", kind="task-fault", name=method, path=fault, count=times)

    def forget_tasks(self, vm: str) -> None:
        """Drop all tasks of a machine, as a vCenter does some time after their end."""
        self._order(op="forget-tasks", vm=vm)

    def latency(self, seconds: float) -> None:
        """Answer every call only after this time."""
        self._order(op="set-manner", kind="latency", seconds=seconds)

    def skew(self, seconds: float) -> None:
        """Set the vCenter's clock ahead (or behind); ages of snapshots made from now on follow it."""
        self._order(op="set-manner", kind="skew", seconds=seconds)

    def pages(self, size: int) -> None:
        """Never answer with more than `size` objects at once, whatever was asked for; 0 = as asked."""
        self._order(op="set-manner", kind="pages", count=size)

    def compress(self, on: bool = True) -> None:  # noqa: FBT001, FBT002 - reads as a switch
        """Compress answers with gzip for clients that take it, as a vCenter does."""
        self._order(op="set-manner", kind="compress", on=on)

    def mute(self, on: bool = True) -> None:  # noqa: FBT001, FBT002 - reads as a switch
        """Accept connections and never say a word, or speak again."""
        self._order(op="mute", on=on)

    def expire_sessions(self) -> None:
        """End every open session, as if it had been idle for too long."""
        self._order(op="expire")

    def replace_certificate(self, *, days: float = 3650) -> str:
        """Show another certificate from now on; `certificate_pem` stays the old one. Returns the new PEM."""
        pem, key = self.directory / "other.pem", self.directory / "other-key.pem"
        write_certificate(pem, key, self.address, days=days)
        self._order(op="certificate", path=str(pem), key=str(key))
        return pem.read_text(encoding="ascii")

    def restore_certificate(self) -> None:
        self._order(op="certificate", path=str(self.certificate), key=str(self._key))

    def mend(self) -> None:
        """Take back all faults, latency, skew, paging, compression and hidden properties, and speak again."""
        self.mute(on=False)
        self._order(op="set-manner", kind="mend")

    # ------------------------------------------------------------- observing

    def calls(self) -> dict[str, int]:
        """How often each SOAP method was called (a plain GET counts as `GET /path`)."""
        return {str(name): int(count) for name, count in self._report("calls").items()}

    def bytes(self) -> int:
        """How many bytes of answers were sent."""
        return int(self._order(op="report")["bytes"])  # type: ignore[index] # the report is a mapping

    def sessions(self) -> int:
        """How many sessions are open."""
        return int(self._order(op="report")["sessions"])  # type: ignore[index] # the report is a mapping

    def machines(self) -> dict[str, str]:
        """Name to moId."""
        return {str(name): str(identity) for name, identity in self._report("machines").items()}

    def _report(self, part: str) -> dict[str, str | int]:
        return dict(self._order(op="report")[part])  # type: ignore[index] # the report is a mapping

    def forget_calls(self) -> None:
        """Start counting calls and bytes from zero."""
        self._order(op="set-manner", kind="forget")

    # -------------------------------------------------------------- the world

    def add_vm(self, name: str) -> None:
        """Create a powered-on machine with one disk."""
        self._order(op="add-machine", name=name)

    def couple(self, vm: str, command: Sequence[str]) -> None:
        """Let what is done to a machine be done to a real one too: its power, and snapshots of its disk without memory.

        Each is a run of `command` with `on`, `off`, `take TAG`, `revert TAG` or `remove TAG` behind it, before the
        simulator does the same; where it does not exit with 0, the task ends with a fault and nothing changes here.
        """
        self._order(op="couple", vm=vm, command=list(command))

    def remove_vm(self, name: str) -> None:
        self._order(op="remove-machine", vm=name)

    def snapshots(self, vm: str) -> list[str]:
        """The names of a machine's snapshots, each before those that were taken upon it."""
        return [str(name) for name in self._order(op="snapshots", vm=vm) or ()]  # type: ignore[attr-defined] # a list

    def rename(self, vm: str, name: str) -> None:
        self._order(op="rename", vm=vm, name=name)

    def set(self, vm: str, path: str, value: Value) -> None:
        """Give a machine's property a value: `set("web", "config.changeTrackingEnabled", True)`."""
        self._order(op="set", vm=vm, path=path, value=value)

    def unset(self, vm: str, path: str) -> None:
        """Take a machine's property away."""
        self._order(op="clear", vm=vm, path=path)

    def hide(self, vm: str, path: str) -> None:
        """Refuse to show a property of a machine, as for a user without the privilege."""
        self._order(op="hide", vm=vm, path=path)

    def set_datastore(self, *, free: int, capacity: int) -> None:
        """Bytes free and in all on the datastore."""
        self._order(op="set-object", kind="Datastore", path="summary.freeSpace", value=free)
        self._order(op="set-object", kind="Datastore", path="summary.capacity", value=capacity)

    def set_attribute(self, vm: str, name: str, value: str) -> None:
        """Give a machine a value of a custom attribute, such as `Last Backup`."""
        self._order(op="attribute", vm=vm, name=name, value=value)

    def add_snapshot(
        self,
        vm: str,
        name: str,
        age: timedelta,
        *,
        memory: bool = False,
        size: int = GIB,
        **more: Value,
    ) -> None:
        """Take a snapshot on top of the current one.

        Args:
            vm: the machine's name.
            name: the snapshot's name.
            age: how long ago it seems to have been taken.
            memory: whether the machine's memory was kept (`memory_size` bytes of it).
            size: bytes written since, in each disk's delta.
            more: `description`, `quiesced`, `memory_size`, and `parent`, the name of a snapshot to branch from.
        """
        snapshot = {"name": name, "age": age.total_seconds(), "memory": memory, "size": size, **more}
        self._order(op="snapshot", vm=vm, snapshot=snapshot)

    def deep_chain(self, vm: str, depth: int) -> None:
        """Take `depth` small snapshots, one on top of the other, all in the last hour."""
        for level in range(depth):
            self.add_snapshot(vm, f"step {level + 1}", timedelta(minutes=59) - timedelta(seconds=level), size=1024**2)

    def drop_snapshots(self, vm: str) -> None:
        """Remove all snapshots, consolidate the disks, clear the flag."""
        self._order(op="drop-snapshots", vm=vm)

    def consolidation_needed(self, vm: str, needed: bool = True) -> None:  # noqa: FBT001, FBT002 - reads as a switch
        self.set(vm, "runtime.consolidationNeeded", needed)

    def orphan_delta(self, vm: str, size: int = GIB) -> None:
        """Leave a delta in every disk's chain that belongs to no snapshot."""
        self._order(op="orphan", vm=vm, bytes=size)

    def device(self, vm: str, kind: str, name: str = "") -> None:
        """Change the hardware: `disk-mode`, `raw`, `passthrough`, `shared-bus`, or `foreign-disk` of machine `name`."""
        self._order(op="device", vm=vm, kind=kind, name=name)
