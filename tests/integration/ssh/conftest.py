from collections.abc import Iterator
from pathlib import Path

import pytest

from ronde.adapters.ssh import SshLimits, SshShells
from tests.doubles.shell import WallClock
from tests.doubles.ssh_hosts import Grounds, PathSecrets

HASTY = SshLimits(connect=2, banner=1, login=3, channel=3, queue=5, keepalive=0.5, silence=2, close=2, linger=1)


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
    return SshShells(PathSecrets(), WallClock(), HASTY)
