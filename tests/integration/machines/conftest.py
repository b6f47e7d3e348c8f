"""Machines for tests: one for a whole module where nothing is broken for good, and makers of throw-away ones."""

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.keys import client_key
from lab.machines import Machine
from lab.machines.hypervisor import cut_power

MakeMachine = Callable[..., Machine]

BUILDING = pytest.mark.timeout(900)
"""For modules whose first test may find that a base system has to be made, or is being made by another."""


def own_network() -> str:
    """The first three numbers of loopback addresses that no other test has picked, as good as certainly."""
    return f"127.{200 + secrets.randbelow(50)}.{secrets.randbelow(256)}"


@pytest.fixture
def network() -> str:
    return own_network()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("machines")


@pytest.fixture(scope="module")
def key(folder: Path) -> Path:
    return client_key(folder)[0]


@pytest.fixture(scope="module")
def machine(folder: Path, key: Path) -> Iterator[Machine]:
    """A machine that is up for the length of the module."""
    sudoers = ["ronde ALL=(root) NOPASSWD: /usr/bin/systemctl restart temoin.service"]
    line = client_key(folder)[1]
    with Machine("srv", folder / "srv", f"{own_network()}.1", authorized_keys=[line], sudoers=sudoers) as running:
        yield running


@pytest.fixture
def make(tmp_path: Path, network: str, key: Path) -> Iterator[MakeMachine]:
    """Makes machines that are off; all are off again when the test ends."""
    made: list[Machine] = []

    def one(name: str = "own", **options: Any) -> Machine:
        address = f"{network}.{len(made) + 1}"
        made.append(Machine(name, tmp_path / name, address, authorized_keys=[client_key(key.parent)[1]], **options))
        return made[-1]

    yield one
    cut_power([machine.hypervisor for machine in made])
