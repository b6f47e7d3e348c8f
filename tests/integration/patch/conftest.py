"""Machines with real dnf and zypper, reached through a real sshd."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from lab.rpm import Manager, RpmMachine, RpmRoots
from ronde.adapters.ssh import SshShells
from ronde.ports import Shell
from tests.doubles.shell import NeverStop, WallClock
from tests.doubles.ssh_hosts import Grounds, PathSecrets

Machines = Callable[[Manager], tuple[RpmMachine, Shell]]


@pytest.fixture(scope="session")
def roots() -> RpmRoots:
    """The lab's tools; made on first use, which needs root and a Debian mirror (`python -m lab.rpm`)."""
    return RpmRoots()


@pytest.fixture
def machines(roots: RpmRoots, tmp_path: Path) -> Iterator[Machines]:
    """Makes a fresh machine and a session on it."""
    (tmp_path / "ssh").mkdir()
    grounds = Grounds(tmp_path / "ssh")
    with ExitStack() as stack:

        def start(manager: Manager) -> tuple[RpmMachine, Shell]:
            roots.prepare(manager)
            machine = roots.machine(tmp_path / manager, manager)
            path = f"{machine.bin}:/usr/sbin:/usr/bin:/sbin:/bin"
            server = stack.enter_context(grounds.server(manager, extra_config=[f"SetEnv PATH={path}"]))
            grounds.hosts[manager] = grounds.entry(server)
            shells = SshShells(PathSecrets(), WallClock())
            return machine, stack.enter_context(shells.open(grounds.client(), manager, NeverStop()))

        yield start
