"""A Debian that is looked after from outside: what holds of a machine in namespaces and of one under QEMU alike."""

import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from lab.errors import LabError
from lab.hypervisor import command_of
from lab.identity import Identity
from lab.machines.packages import Archive
from lab.machines.scenarios import Scenario, known_scenario


@dataclass
class Guest(Identity, ABC):
    """A whole system, with services and packages, and a way into it past its sshd."""

    @abstractmethod
    def start(self) -> "Guest":
        """Switch it on and wait until it is up; does nothing when it runs.

        Raises:
            LabError: it could not be made, or did not come up in time.
        """

    @abstractmethod
    def kill(self) -> None:
        """Cut its power; its disk keeps what had reached it."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    @property
    def home(self) -> Path:
        """$HOME of root's sessions, on the machine."""
        return Path("/root")

    @abstractmethod
    def await_ready(self) -> "Guest":
        """Wait until it has booted and its sshd greets.

        Raises:
            LabError: it did not in time, or it is off. It is off afterwards.
        """

    @abstractmethod
    def await_reboot(self, before: str) -> "Guest":
        """Wait until it is up under another boot id than `before`; raises as `await_ready` does."""

    @property
    def couple_command(self) -> list[str]:
        """What a vCenter runs, with a verb behind it, to have something done to this machine."""
        return command_of(type(self).__module__.rpartition(".")[0], sys.executable, self.directory)

    @property
    @abstractmethod
    def boot_id(self) -> str:
        """The id of the present boot."""

    @abstractmethod
    def run(self, argv: Sequence[str], *, stdin: str = "", seconds: float = 60.0) -> "subprocess.CompletedProcess[str]":
        """Run a command on the machine as root, past its sshd; whatever its exit status.

        Raises:
            LabError: the machine is off.
            subprocess.TimeoutExpired: the command took longer than `seconds`.
        """

    def must(self, *argv: str, stdin: str = "") -> str:
        """Run a command on the machine as root and return what it wrote.

        Raises:
            LabError: the machine is off, or the command did not exit with 0.
        """
        done = self.run(argv, stdin=stdin)
        if done.returncode != 0:
            raise LabError(f"{' '.join(argv[:2])} on {self.name} exited with {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def close_sessions(self) -> None:
        """Cut every open connection, at once and without a farewell; sshd goes on listening.

        What ran in a session finds its ends closed, as after a broken link; it is not killed.
        """
        # sshd names its processes: "sshd: /usr/sbin/sshd -D [listener] …" listens, "sshd: root@notty" has a client.
        self.run(["pkill", "-KILL", "--full", "^sshd: [^/]"])

    # ---------------------------------------------------------- its packages

    def offer(self, scenario: str) -> Scenario:
        """Install a scenario's packages and put their updates into the repositories, for the next `apt-get update`.

        Raises:
            LabError: there is no such scenario, the machine is off, or dpkg failed.
        """
        chosen = known_scenario(scenario)
        there = self._archive.add(chosen)
        self._hand_over()
        self.must("dpkg", "--install", *there)
        if chosen.held:
            self.must("apt-mark", "hold", *chosen.held)
        for path, content in chosen.edited.items():
            self.must("tee", path, stdin=content)
        return chosen

    def withdraw(self, scenario: str) -> None:
        """Purge a scenario's packages, in whatever state they are, and take them out of the repositories.

        Raises:
            LabError: there is no such scenario, the machine is off, or dpkg failed.
        """
        chosen = known_scenario(scenario)
        self._archive.remove(chosen)
        self._hand_over()
        self.must("dpkg", "--purge", "--force-all", *chosen.packages)

    def _hand_over(self) -> None:
        """Let the machine see its repositories as they are now."""

    @property
    def _archive(self) -> Archive:
        return Archive(self.directory / "packages", self.owner)
