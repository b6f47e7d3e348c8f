"""A lab for each test: its own directory, addresses and ports, so that tests run beside each other."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.world import Lab


def own_network() -> str:
    """The first three numbers of loopback addresses that no other test has picked, as good as certainly."""
    return f"127.{100 + secrets.randbelow(100)}.{secrets.randbelow(256)}"


@pytest.fixture
def network() -> str:
    return own_network()


@pytest.fixture
def lab(tmp_path: Path, network: str) -> Iterator[Lab]:
    """A lab that is not up yet, and is down when the test ends."""
    with Lab(tmp_path / "lab", network, free_ports=True) as fresh:
        yield fresh
