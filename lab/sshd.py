"""One real OpenSSH server per host of the lab: its own keys, address, port and home; the invoking user logs in."""

import os
import pwd
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from lab.errors import LabError
from lab.identity import Identity
from lab.keys import client_key, host_keys
from lab.process import MARK, Process, descendants, end, marked, spawn, tail, variables_of
from lab.sockets import free_port, greeting

__all__ = ["SshServer", "client_key"]

_PROGRAM = "/usr/sbin/sshd"  # sshd insists on being started by its absolute path
_PRIVSEP = Path("/run/sshd")
_READY_SECONDS = 10.0
_PORT_TRIES = 5

_CONFIG = """\
Port {port}
ListenAddress {address}
PidFile none
AuthorizedKeysFile "{directory}/authorized_keys"
AllowUsers {user}
PermitRootLogin prohibit-password
PubkeyAuthentication yes
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM {pam}
StrictModes no
UseDNS no
PrintMotd no
PrintLastLog no
LogLevel VERBOSE
MaxStartups 1000:30:2000
MaxSessions 100
LoginGraceTime 60
Subsystem sftp internal-sftp
SetEnv "HOME={home}" "{mark_name}={mark}" TZ={zone}
"""

_ZONE = "Europe/Paris"  # a client's server does not run in UTC: whoever reads zone-less times has to ask for UTC


@dataclass
class SshServer(Identity):
    """A real sshd, for the user who runs this (root or not), by public key only.

    The server outlives this object; another object on the same directory finds it again and can stop it.
    """

    _port_is_ours: bool = field(default=False, init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.user = pwd.getpwuid(os.geteuid()).pw_name

    @property
    def home(self) -> Path:
        """$HOME of every session on this host."""
        return self.root / "home"

    @property
    def log(self) -> Path:
        return self.directory / "sshd.log"

    @property
    def process(self) -> Process | None:
        """The listening sshd, when it runs."""
        return Process.load(self.directory / "sshd.process")

    def start(self) -> "SshServer":
        """Start the server and wait until it greets; does nothing when it runs.

        Raises:
            LabError: sshd refused its configuration or its port, or did not greet within ten seconds.
        """
        self.launch()
        return self.await_ready()

    def launch(self) -> None:
        """Start the server without waiting for it: `await_ready` must follow. Many servers start at once this way."""
        if self.process is not None:
            return
        self._prepare()
        self._port_is_ours = self.port == 0
        self._spawn()

    def _spawn(self) -> None:
        self.port = self.port or free_port(self.address)
        config = self.directory / "sshd_config"
        config.write_text(self._config(), encoding="utf-8")
        self.log.unlink(missing_ok=True)
        argv = [_PROGRAM, "-D", "-e", "-f", str(config)]
        spawn(argv, mark=self.owner, log=self.log).save(self.directory / "sshd.process")

    def await_ready(self) -> "SshServer":
        """Wait until the launched server greets; a free port that was lost to another process is replaced."""
        for _ in range(_PORT_TRIES):
            if self._greets():
                return self
            if not self._port_is_ours or "Address already in use" not in tail(self.log):
                break
            self.port = 0
            self._spawn()
        message = tail(self.log)
        self.stop()
        raise LabError(f"sshd of {self.name} on {self.address}:{self.port} did not come up:\n{message}")

    def _greets(self) -> bool:
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline and self.process is not None:
            # The log line tells our server from a stranger on the same port; the greeting tells that it serves.
            listening = f"Server listening on {self.address} port {self.port}." in tail(self.log)
            if listening and greeting(self.address, self.port).startswith(b"SSH-2.0-"):
                return True
            time.sleep(0.005)
        return False

    def stop(self) -> None:
        """End the server with all its sessions and whatever they left running, as a power cut would."""
        stop_all([self])

    def close_sessions(self) -> None:
        """Cut every open connection, at once and without a farewell; the server goes on listening."""
        listener = self.process
        if listener is not None:
            for process in descendants([listener]):
                if process != listener:
                    process.signal(signal.SIGKILL)

    def restart(self) -> "SshServer":
        self.stop()
        return self.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _prepare(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        (self.directory / "authorized_keys").write_text(
            "".join(f"{line}\n" for line in self.authorized_keys), encoding="utf-8"
        )
        if os.geteuid() == 0:
            _PRIVSEP.mkdir(mode=0o755, exist_ok=True)

    def _config(self) -> str:
        keys = [f'HostKey "{path}"\n' for path in host_keys(self.keys, self.host_key_types).values()]
        return "".join([*(f"{line}\n" for line in self.extra_config), *keys]) + _CONFIG.format(
            port=self.port,
            address=self.address,
            directory=self.directory,
            user=self.user,
            pam="yes" if _account_is_locked(self.user) else "no",
            home=self.home,
            mark_name=MARK,
            mark=self.owner,
            zone=_ZONE,
        )


def stop_all(servers: Sequence[SshServer]) -> None:
    """End servers with all that runs on them, with one look at the process table for all of them."""
    listeners = [process for server in servers if (process := server.process) is not None]
    for listener in listeners:
        listener.signal(signal.SIGSTOP)  # no new session between the look and the end
    doomed = descendants(listeners)
    for mark in {server.owner for server in servers}:
        doomed += [process for process in marked(mark) if _home_of(process) in {str(s.home) for s in servers}]
    end(doomed, ask=False)
    for server in servers:
        (server.directory / "sshd.process").unlink(missing_ok=True)


def _home_of(process: Process) -> str | None:
    """$HOME of a process: what a session started and detached is known by."""
    return next((value[5:] for value in variables_of(process.pid) if value.startswith("HOME=")), None)


def _account_is_locked(user: str) -> bool:
    """Without PAM, sshd refuses an account whose password field starts with "!" even for a public key."""
    try:
        entries = Path("/etc/shadow").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False  # an ordinary user's sshd cannot read it either, and so does not refuse
    return any(entry.startswith(f"{user}:!") for entry in entries)
