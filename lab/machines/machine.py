"""One lab machine: a Debian with systemd as its init, in namespaces of its own, on a loopback address of its own.

It is used as an `SshServer` is, and can take its place in the lab: same keys, same address, same `root/` folder under
the same path on both sides. Beyond that it has what a server has and an sshd has not: services, a disk, a package
manager, reboots. What it shares with the machine it runs on: the kernel, its clock, and the network.

There is no `libpam-systemd`, so a login is no session of logind; nothing of a dropped login is ended but what was
attached to it.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from lab.errors import LabError
from lab.machines import base
from lab.machines.disk import Disk, personalise
from lab.machines.guest import Guest
from lab.machines.hypervisor import Hypervisor
from lab.machines.watcher import STAYS_DOWN
from lab.process import MARK, Process, tail, wait_until
from lab.sockets import free_port, greeting
from lab.vcenter.build import cache_directory

_READY_SECONDS = 60.0  # a second here; eight at once on two busy cores are slower
_OFF_SECONDS = 30.0
_POWER_OFF = signal.SIGRTMIN + 4  # systemd(1), "SIGNALS"
_UP = {"running", "degraded"}  # degraded: it is up, and a unit has failed, which a test may be about


@dataclass
class Machine(Guest):
    """A real machine; `root`, and an unprivileged `ronde`, log in by public key only. It needs root to be started.

    Attributes:
        sudoers: lines of /etc/sudoers.d/ronde, such as `ronde ALL=(root) NOPASSWD: /usr/bin/apt-get`.
        packages: Debian packages its base system has beyond the plain ones (`lab.machines.base`).
        cache: where base systems are kept; the lab's usual cache when left out.

    The machine outlives this object; another object on the same directory finds it again and can stop it.
    """

    sudoers: Sequence[str] = field(default=(), kw_only=True)
    packages: Sequence[str] = field(default=(), kw_only=True)
    cache: Path | None = field(default=None, kw_only=True)

    # ------------------------------------------------------------- its life

    def start(self) -> "Machine":
        """Switch it on and wait until it is up; does nothing when it runs.

        Raises:
            LabError: its base system could not be made, or it did not come up within a minute.
        """
        self.launch()
        return self.await_ready()

    def launch(self) -> None:
        """Switch it on without waiting for it: `await_ready` must follow. Many machines boot at once this way."""
        if self.process is not None:
            return
        if os.geteuid() != 0:
            raise LabError(f"{self.name} is a machine of its own, and only root can start one")
        self.port = self.port or free_port(self.address)
        system = base.prepare((self.cache or cache_directory()).resolve(), self.packages)
        self.root.mkdir(parents=True, exist_ok=True)
        self._archive.publish()
        disk = Disk(self.directory / "disk", system)
        disk.prepare()
        personalise(disk, self, self.sudoers)
        self.hypervisor.define(system, self.name, self.owner)
        self.hypervisor.on()

    def await_ready(self) -> "Machine":
        """Wait until the machine has booted and its sshd greets.

        Raises:
            LabError: it did not within a minute, its sshd refused to start, or it is off. It is off afterwards.
        """
        wait_until(lambda: self._stage() != "coming", _READY_SECONDS)
        if self._stage() != "up":
            message = "\n".join([tail(self.log), self._explanation()])
            self.kill()
            raise LabError(f"{self.name} on {self.address}:{self.port} did not come up:\n{message}")
        return self

    def await_reboot(self, before: str) -> "Machine":
        """Wait until it is up under another boot id than `before`; raises as `await_ready` does."""
        wait_until(lambda: self.boot_id != before or self.process is None, _READY_SECONDS)
        return self.await_ready()

    def stop(self) -> None:
        """Switch it off in order, as its power button does; by force when it has not gone down after half a minute."""
        running, init = self.process, self.init
        if running is not None and init is not None:
            init.signal(_POWER_OFF)
            wait_until(lambda: not running.alive(), _OFF_SECONDS)
        self.kill()

    def kill(self) -> None:
        """Cut its power; its disk keeps what was written."""
        self.hypervisor.off()

    def restart(self) -> "Machine":
        """Cut its power and switch it on again: the quick way to a new boot, for a change of keys or of sshd."""
        self.kill()
        return self.start()

    def come_back(self, *, wanted: bool = True) -> None:
        """Whether it boots again after a reboot; if not, the reboot ends with the machine off."""
        flag = self.directory / STAYS_DOWN
        flag.unlink(missing_ok=True) if wanted else flag.touch()

    def reinstall(self) -> None:
        """Give the machine, which is off, a blank disk; its keys and its `root` stay."""
        for folder in ("disk", "packages"):
            shutil.rmtree(self.directory / folder, ignore_errors=True)

    # --------------------------------------------------- looking at it from outside

    @property
    def hypervisor(self) -> Hypervisor:
        return Hypervisor(self.directory)

    @property
    def process(self) -> Process | None:
        """What keeps the machine going (`lab.machines.watcher`), while it is on or reboots."""
        return self.hypervisor.process

    @property
    def init(self) -> Process | None:
        """The machine's first process, as it is numbered outside."""
        return self.hypervisor.init

    @property
    def log(self) -> Path:
        """What was said before systemd took over."""
        return self.hypervisor.log

    @property
    def boot_id(self) -> str:
        """The id of the present boot, or of the last one."""
        return (self.directory / "boot-id").read_text(encoding="ascii").strip()

    def inside(self, path: str) -> Path:
        """Where a file of the running machine is for us; an absolute symbolic link on the way would lead astray.

        Raises:
            LabError: the machine is off.
        """
        return Path(f"/proc/{self._running().pid}/root") / path.lstrip("/")

    def run(self, argv: Sequence[str], *, stdin: str = "", seconds: float = 60.0) -> "subprocess.CompletedProcess[str]":
        enter = ["nsenter", f"--target={self._running().pid}", "--mount", "--uts", "--ipc", "--pid", "--cgroup"]
        settings = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}
        variables = {**settings, "LC_ALL": "C.UTF-8", MARK: str(self.owner)}
        return subprocess.run(
            [*enter, *argv],
            input=stdin,
            env=variables,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def _running(self) -> Process:
        init = self.init
        if init is None:
            raise LabError(f"{self.name} is off")
        return init

    def _stage(self) -> Literal["coming", "up", "lost"]:
        """Where it is on its way up; the cheap questions first, since this is asked often by a busy machine."""
        if self.process is None:
            return "lost"
        if self.init is None or not greeting(self.address, self.port).startswith(b"SSH-2.0-"):
            return "coming"
        try:
            if self.run(["systemctl", "is-system-running"]).stdout.strip() not in _UP:
                return "coming"
            # Asked as well: whoever greets could be a stranger on its port.
            return "up" if self.run(["systemctl", "is-active", "--quiet", "ssh.service"]).returncode == 0 else "lost"
        except LabError:
            return "coming"  # it went down between the questions

    def _explanation(self) -> str:
        if self.init is None:
            return "(it is off)"
        return self.run(["journalctl", "--boot", "--priority=notice", "--lines=15", "--no-pager"]).stdout
