"""One virtual machine: Debian with its own kernel under QEMU, reached by ssh on a loopback address.

Its processor is emulated (`accel=tcg`), so that it boots where no hardware helps, a virtual machine included; a boot
takes half a minute of one core. It has no network but the way to its sshd: what it installs is carried into it.
"""

import base64
import io
import shlex
import subprocess
import tarfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from lab.errors import LabError
from lab.machines.disk import machine_id, personalise
from lab.machines.guest import Guest
from lab.machines.packages import INSIDE
from lab.machines.scenarios import Scenario
from lab.process import Process, tail, wait_until
from lab.sockets import free_port, greeting
from lab.tools import Tool
from lab.vcenter.build import cache_directory
from lab.vm import image
from lab.vm.hypervisor import DISK, Hypervisor
from lab.vm.seed import Seed
from lab.vm.wire import TookTooLong, Wire, agent

_GUEST_ADDRESS = ("10.0.2.15", 22)  # where QEMU's own network has its one guest (customize.sh), and its sshd
_MEMORY = "512M"
_READY_SECONDS = 600.0  # 30 s on a core of its own; ten times that on a machine that has other things to do
_OFF_SECONDS = 120.0
_ASK_SECONDS = 20.0  # for one that is there to answer
_LOOK_SECONDS = 0.5
_POLL_SECONDS = 0.05
_UP = {"running", "degraded"}  # degraded: it is up, and a unit has failed, which a test may be about
_ENVIRONMENT = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8"]


@dataclass
class VirtualMachine(Guest):
    """A machine with a kernel of its own; `root`, and an unprivileged `ronde`, log in by public key only.

    Attributes:
        sudoers: lines of /etc/sudoers.d/ronde.
        cache: where the image is kept; the lab's usual cache when left out.

    The machine outlives this object; another object on the same directory finds it again and can stop it.
    """

    sudoers: Sequence[str] = field(default=(), kw_only=True)
    cache: Path | None = field(default=None, kw_only=True)

    # ------------------------------------------------------------- its life

    def start(self) -> "VirtualMachine":
        """Switch it on and wait until it is up; does nothing when it runs.

        Raises:
            LabError: its image could not be made, QEMU is missing, or it did not come up within ten minutes.
        """
        self.launch()
        return self.await_ready()

    def launch(self) -> None:
        """Switch it on without waiting for it: `await_ready` must follow. QEMU lets no two machines have one disk."""
        if self.process is not None:
            return
        self.port = self.port or free_port(self.address)
        made = image.prepare((self.cache or cache_directory()).resolve())
        self.directory.mkdir(parents=True, exist_ok=True)
        self._prepare_disk(made.disk)
        seed = Seed()
        personalise(seed, self, self.sudoers, _GUEST_ADDRESS)
        seed.save(self._seed)
        self.hypervisor.define(self._qemu(made), self.owner)
        self.hypervisor.on()

    def await_ready(self) -> "VirtualMachine":
        """Wait until it has booted and its sshd greets.

        Raises:
            LabError: it did not within ten minutes, or it went off. It is off afterwards.
        """
        stage = self._await_other_than("coming")
        if stage != "up":
            message = "\n".join([tail(self.hypervisor.log), tail(self.console, 15)])
            self.kill()
            raise LabError(f"{self.name} on {self.address}:{self.port} did not come up:\n{message}")
        return self

    def await_reboot(self, before: str) -> "VirtualMachine":
        """Wait until it is up under another boot id than `before`; raises as `await_ready` does."""
        wait_until(lambda: self.process is None or self._booted_since(before), _READY_SECONDS)
        return self.await_ready()

    def stop(self) -> None:
        """Switch it off in order, as its power button does; by force when it has not gone down after two minutes."""
        if (running := self.process) is not None:
            self.hypervisor.ask("system_powerdown")
            wait_until(lambda: not running.alive(), _OFF_SECONDS)
        self.kill()

    def kill(self) -> None:
        """Cut its power. Its disk keeps what had reached it; what was still in its memory is lost."""
        self.hypervisor.off()

    def reset(self) -> None:
        """Press its reset button: a new boot at once, without a farewell."""
        self.hypervisor.ask("system_reset")

    # --------------------------------------------------- looking at it from outside

    @property
    def hypervisor(self) -> Hypervisor:
        return Hypervisor(self.directory)

    @property
    def process(self) -> Process | None:
        """QEMU, while the machine is on or reboots."""
        return self.hypervisor.process

    @property
    def console(self) -> Path:
        """What its kernel and its systemd said."""
        return self.directory / "console.log"

    @property
    def boot_id(self) -> str:
        """The id of the present boot.

        Raises:
            LabError: it is off, or not yet up.
        """
        return self.must("cat", "/proc/sys/kernel/random/boot_id").strip()

    def run(self, argv: Sequence[str], *, stdin: str = "", seconds: float = 60.0) -> "subprocess.CompletedProcess[str]":
        return self._run(argv, stdin.encode(), seconds)

    def _run(self, argv: Sequence[str], stdin: bytes, seconds: float) -> "subprocess.CompletedProcess[str]":
        order = {
            "path": argv[0], "arg": list(argv[1:]), "env": _ENVIRONMENT, "capture-output": True,
            "input-data": base64.b64encode(stdin).decode(),
        }  # fmt: skip
        try:
            with agent(self._agent, seconds) as guest:
                ended = _ended(guest, guest.ask("guest-exec", order)["pid"])
        except TookTooLong as error:
            raise subprocess.TimeoutExpired(argv, seconds) from error
        out, err = (base64.b64decode(ended.get(name, "")).decode(errors="replace") for name in ("out-data", "err-data"))
        return subprocess.CompletedProcess(argv, ended.get("exitcode", -ended.get("signal", 0)), out, err)

    def _await_other_than(self, stage: str) -> str:
        """The first other stage; this one when ten minutes have gone by."""
        deadline = time.monotonic() + _READY_SECONDS
        while (found := self._stage()) == stage and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
        return found

    def _stage(self) -> Literal["coming", "up", "lost"]:
        """Where it is on its way up. Its sshd is asked last, and given time: each try costs it more than a second."""
        if self.process is None:
            return "lost"
        try:
            state = self.run(["systemctl", "is-system-running"], seconds=_ASK_SECONDS).stdout.strip()
        except (LabError, subprocess.TimeoutExpired):
            return "coming"
        if state not in _UP:
            return "coming"
        greets = greeting(self.address, self.port, seconds=_ASK_SECONDS).startswith(b"SSH-2.0-")
        return "up" if greets else "coming"

    def _booted_since(self, before: str) -> bool:
        try:
            done = self.run(["cat", "/proc/sys/kernel/random/boot_id"], seconds=_ASK_SECONDS)
        except (LabError, subprocess.TimeoutExpired):
            return False
        return done.stdout.strip() not in ("", before)

    # ------------------------------------------------------------ what it is made of

    @property
    def _seed(self) -> Path:
        return self.directory / "seed.tar"

    @property
    def _agent(self) -> Path:
        return self.directory / "agent"

    def _prepare_disk(self, base_disk: Path) -> None:
        """A blank disk, where there is none yet."""
        disk = self.hypervisor.disk
        if not disk.exists():
            unfinished = disk.with_suffix(".new")
            Tool(("qemu-img", "create", "-q", "-f", "qcow2"), self.owner).run(
                "-b", str(base_disk), "-F", "raw", str(unfinished)
            )
            unfinished.rename(disk)

    def _qemu(self, made: image.Image) -> list[str]:
        forward = f"hostfwd=tcp:{self.address}:{self.port}-{_GUEST_ADDRESS[0]}:{_GUEST_ADDRESS[1]}"
        own = f"systemd.machine_id={machine_id(self)} systemd.hostname={self.name}"
        words = f"root=/dev/vda rw quiet console=ttyS0 net.ifnames=0 systemd.unit=multi-user.target {own}"
        # cache=unsafe: what QEMU was given outlives QEMU, and no test cuts the power of the machine outside as well.
        options: Mapping[str, Any] = {
            "name": self.name, "machine": "pc,accel=tcg", "cpu": "qemu64,-svm", "m": _MEMORY, "display": "none",
            "kernel": made.kernel, "initrd": made.initrd, "append": words,
            "nic": f"user,model=virtio-net-pci,restrict=on,{forward}",
            "serial": f"file:{self.console}",
        }  # fmt: skip
        drives = [
            f"id={DISK},file={self.hypervisor.disk},format=qcow2,cache=unsafe",
            f"id=seed,file={self._seed},format=raw,readonly=on",
        ]
        devices = [
            f"virtio-blk-pci,drive={DISK}", "virtio-blk-pci,drive=seed", "virtio-rng-pci", "virtio-serial-pci",
            "virtserialport,chardev=agent,name=org.qemu.guest_agent.0",
        ]  # fmt: skip
        sockets = [
            f"socket,id=monitor,path={self.hypervisor.socket},server=on,wait=off",
            f"socket,id=agent,path={self._agent},server=on,wait=off",
        ]
        return [
            *("qemu-system-x86_64", "-nodefaults", "-no-user-config"),
            *(word for name, value in options.items() for word in (f"-{name}", str(value))),
            *(word for drive in drives for word in ("-drive", f"if=none,{drive}")),
            *(word for socket in sockets for word in ("-chardev", socket)),
            *(word for device in devices for word in ("-device", device)),
            *("-mon", "chardev=monitor,mode=control"),
        ]

    # ---------------------------------------------------------- its packages

    def offer(self, scenario: str) -> Scenario:
        """As `Guest.offer`; and all of it is on the disk by then, as it would be on a server that had a calm hour."""
        chosen = super().offer(scenario)
        self.must("sync")
        return chosen

    def _hand_over(self) -> None:
        """Carry the repositories into the machine."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as file:
            file.add(self.directory / "packages", arcname=".")
        script = f"rm -rf {shlex.quote(INSIDE)} && mkdir -p {shlex.quote(INSIDE)} && tar -xC {shlex.quote(INSIDE)}"
        done = self._run(["sh", "-c", script], packed.getvalue(), _OFF_SECONDS)
        if done.returncode != 0:
            raise LabError(f"{self.name} did not take its repositories: {done.stderr.strip()}")


def _ended(guest: Wire, pid: int) -> Mapping[str, Any]:
    """How a command ended, once it has."""
    while True:
        told: Mapping[str, Any] = guest.ask("guest-exec-status", {"pid": pid})
        if told["exited"]:
            return told
        time.sleep(_POLL_SECONDS)
