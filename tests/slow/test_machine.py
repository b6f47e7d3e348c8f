"""The virtual machine itself: found again, ended, and gone without a trace."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.process import descendants, end, marked, wait_until
from lab.vm import VirtualMachine
from tests.integration.machines.conftest import own_network

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture
def launched(tmp_path: Path) -> Iterator[VirtualMachine]:
    """On its way up; nobody waits for it."""
    machine = VirtualMachine("own", tmp_path / "own", f"{own_network()}.1")
    machine.launch()
    yield machine
    machine.kill()


def test_a_sweep_by_its_mark_ends_it_and_all_that_is_its_own(launched: VirtualMachine) -> None:
    running = launched.process
    assert running is not None
    processes = descendants([running])
    end(marked(launched.directory))
    assert wait_until(lambda: not any(process.alive() for process in processes), 5)
    assert launched.process is None


def test_another_object_on_its_directory_finds_it_and_can_stop_it(launched: VirtualMachine) -> None:
    running = launched.process
    assert running is not None
    other = VirtualMachine(launched.name, launched.directory, launched.address, launched.port)
    assert other.process == running
    other.kill()
    assert not running.alive()
    assert not marked(launched.directory)


def test_a_snapshot_of_a_running_machine_is_removed_while_it_runs(launched: VirtualMachine) -> None:
    launched.hypervisor.take("first")
    launched.hypervisor.take("second")
    launched.hypervisor.remove("first")
    assert launched.hypervisor.tags() == ["second"]
    assert launched.process is not None


def test_a_snapshot_of_a_machine_that_is_off_is_one_as_well(launched: VirtualMachine) -> None:
    hypervisor = launched.hypervisor
    hypervisor.take("running")
    launched.kill()
    hypervisor.take("off")
    assert hypervisor.tags() == ["running", "off"]
    hypervisor.revert("running")
    hypervisor.remove("running")
    assert hypervisor.tags() == ["off"]
    assert launched.process is None


def test_what_its_guest_has_and_what_is_known_of_it_outside_are_the_same(vm: VirtualMachine) -> None:
    assert vm.must("hostname").strip() == vm.name
    keys = vm.must("sh", "-c", "cat /etc/ssh/lab_host_*_key | grep -c BEGIN").strip()
    assert int(keys) == len(vm.public_keys)
    assert vm.must("systemctl", "list-units", "--failed", "--no-legend") == ""
    assert vm.must("sh", "-c", "cat /proc/1/comm").strip() == "systemd"
    assert vm.run(["timeout", "2", "bash", "-c", ": </dev/tcp/10.0.2.2/22"]).returncode != 0
