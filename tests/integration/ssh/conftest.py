from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ronde.adapters.ssh import SshLimits, SshShells
from tests.doubles.shell import WallClock
from tests.doubles.ssh_hosts import Grounds, PathSecrets

PATIENT = SshLimits(connect=20, banner=30, login=30, channel=30, queue=60, keepalive=15, silence=60, close=3, linger=1)
"""Long enough for a busy machine; a test of a limit shortens that one."""


def shells_with(**limits: float) -> SshShells:
    """Shells with some limits of their own."""
    return SshShells(PathSecrets(), WallClock(), replace(PATIENT, **limits))  # type: ignore[arg-type]  # handshakes is an int


@pytest.fixture
def grounds(tmp_path: Path) -> Grounds:
    return Grounds(tmp_path)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grounds]:
    """One server, `srv`, for tests that do it no harm."""
    grounds = Grounds(tmp_path_factory.mktemp("shared"))
    with grounds.server("srv") as server:
        grounds.servers["srv"] = server
        grounds.hosts["srv"] = grounds.entry(server)
        yield grounds


@pytest.fixture
def shells() -> SshShells:
    return shells_with()
