"""An office that patches a virtual machine with a kernel of its own, whose snapshots a vCenter takes and goes back to.

The machine and the vCenter are a session's, the office a test's. A boot takes half a minute and more, so there is one
machine for all; each test leaves it up and whole.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.keys import client_key
from lab.vcenter import VCenterServer
from lab.vm import VirtualMachine
from ronde.engine.patching import proving
from tests.doubles.office import Office
from tests.integration.machines.conftest import own_network
from tests.integration.patch.conftest import machines, roots
from tests.integration.patching.conftest import HOST, Patcher, at_rest

__all__ = ["machines", "roots"]


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("slow")


@pytest.fixture(scope="session")
def vm(home: Path) -> Iterator[VirtualMachine]:
    line = client_key(home)[1]
    with VirtualMachine(HOST, home / HOST, f"{own_network()}.1", authorized_keys=[line]) as running:
        at_rest(running)
        yield running


@pytest.fixture(scope="session")
def server(home: Path, vm: VirtualMachine) -> Iterator[VCenterServer]:
    """A vCenter whose machine `srv` is the real one."""
    with VCenterServer(home / "vcenter", vms=["idle", HOST]) as running:
        running.couple(HOST, vm.couple_command)
        yield running


@pytest.fixture
def patcher(home: Path, vm: VirtualMachine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Patcher]:
    """Patches the machine as a host of which no vCenter is known."""
    monkeypatch.setattr(proving, "SETTLE", 60.0)  # under emulation, services come up one after the other
    with Office(tmp_path, more={"windows": {"always": {"at": "00:00-24:00"}}}) as office:
        office.host(vm, client_key(home)[0])
        yield Patcher(office, vm)
