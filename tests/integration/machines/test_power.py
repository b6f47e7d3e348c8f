"""Going down and coming back: what must be new, what must be kept, and what must not be left behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.machines import Machine, MachinePark, cgroups
from lab.machines.disk import Disk
from lab.process import Process, descendants, end, marked, wait_until
from lab.sockets import greeting
from lab.vcenter.build import cache_directory
from tests.integration.lab.clients import connect, say
from tests.integration.machines.conftest import BUILDING, MakeMachine

pytestmark = BUILDING
CHECKOUT = Path(__file__).resolve().parents[3]


def everything(machine: Machine) -> list[Process]:
    running = machine.process
    assert running is not None
    return descendants([running])


def nothing_is_left(machine: Machine, processes: list[Process]) -> bool:
    mounts = Path("/proc/self/mounts").read_text()
    return (
        not any(process.alive() for process in processes)
        and not marked(machine.owner)
        and str(machine.directory) not in mounts
        and not cgroups.of(machine.directory).exists()
    )


def test_a_reboot_from_inside_gives_a_new_boot_id_and_keeps_disk_and_keys(make: MakeMachine, key: Path) -> None:
    with make() as machine:
        before, keys = machine.boot_id, machine.public_keys
        with connect(machine, key) as client:
            say(client, "echo kept >/var/kept; touch /run/lost; sync; systemctl reboot")
        machine.await_reboot(before)
        assert machine.boot_id != before
        assert machine.public_keys == keys
        with connect(machine, key) as client:
            assert say(client, "cat /proc/sys/kernel/random/boot_id /var/kept").split() == [machine.boot_id, "kept"]
            assert say(client, "ls /run/lost 2>&1 >/dev/null | wc -l; cat /var/lib/temoin/starts").split() == ["1", "2"]


def test_a_reboot_may_be_the_last_one(make: MakeMachine) -> None:
    with make() as machine:
        processes, before = everything(machine), machine.boot_id
        machine.come_back(wanted=False)
        machine.run(["systemctl", "reboot"])
        assert wait_until(lambda: machine.process is None, 20)
        assert greeting(machine.address, machine.port) == b""
        assert nothing_is_left(machine, processes)
        machine.come_back()
        machine.start()
        assert machine.boot_id != before


def test_switched_off_it_stops_its_services_in_order_and_keeps_its_disk(make: MakeMachine) -> None:
    machine = make().start()
    machine.run(["touch", "/var/kept"])
    processes = everything(machine)
    machine.stop()
    assert nothing_is_left(machine, processes)
    with machine:
        assert machine.inside("/var/kept").exists()
        journal = machine.run(["journalctl", "--boot=-1", "--no-pager"]).stdout
        assert "Stopping temoin.service" in journal


def test_a_power_cut_keeps_what_was_written_and_leaves_nothing(make: MakeMachine) -> None:
    machine = make().start()
    machine.run(["sh", "-c", "touch /var/kept; sync"])
    processes = everything(machine)
    machine.kill()
    assert nothing_is_left(machine, processes)
    with machine:
        assert machine.inside("/var/kept").exists()


def test_reinstalled_it_has_forgotten_everything_but_its_keys(make: MakeMachine) -> None:
    machine = make().start()
    machine.run(["touch", "/var/lost"])
    keys = machine.public_keys
    machine.kill()
    machine.reinstall()
    with machine:
        assert not machine.inside("/var/lost").exists()
        assert machine.public_keys == keys


def test_another_object_on_its_directory_finds_it_and_can_stop_it(make: MakeMachine) -> None:
    with make() as machine:
        processes = everything(machine)
        other = Machine(machine.name, machine.directory, machine.address, machine.port)
        assert (other.process, other.boot_id) == (machine.process, machine.boot_id)
        other.kill()
        assert nothing_is_left(machine, processes)


@pytest.mark.parametrize("ask", [True, False], ids=["asked", "killed"])
def test_a_sweep_by_its_mark_ends_it_with_all_that_runs_on_it(make: MakeMachine, *, ask: bool) -> None:
    machine = make().start()
    machine.run(["systemd-run", "--quiet", "sleep", "300"])
    processes = everything(machine)
    end(marked(machine.directory), ask=ask)
    assert wait_until(lambda: not any(process.alive() for process in processes), 5)
    machine.kill()  # what the sweep cannot know: an empty control group
    assert nothing_is_left(machine, processes)


def test_without_its_watcher_it_does_not_live_on(make: MakeMachine) -> None:
    machine = make().start()
    processes = everything(machine)
    watcher = machine.process
    assert watcher is not None
    watcher.signal(signal.SIGKILL)
    assert wait_until(lambda: not any(process.alive() for process in processes), 5)
    with machine:
        assert machine.run(["true"]).returncode == 0


_PARK = """
import sys, time
from pathlib import Path
from lab.machines import MachinePark
with MachinePark(Path(sys.argv[1]), ["a", "b"], sys.argv[2]):
    print("up", flush=True)
    time.sleep(60)
"""


def test_ctrl_c_switches_a_whole_park_off(tmp_path: Path, network: str) -> None:
    argv = [sys.executable, "-c", _PARK, str(tmp_path), network]
    environment = {**os.environ, "RONDELAB_CACHE": str(cache_directory())}
    with subprocess.Popen(argv, cwd=CHECKOUT, env=environment, stdout=subprocess.PIPE) as command:
        assert command.stdout is not None
        assert command.stdout.readline() == b"up\n"
        machine = Machine("a", tmp_path / "a", mark=tmp_path)
        processes = everything(machine)
        command.send_signal(signal.SIGINT)
        assert command.wait(20) != 0
    assert nothing_is_left(machine, processes)


def test_machines_of_a_park_are_strangers_to_each_other(tmp_path: Path, network: str) -> None:
    with MachinePark(tmp_path, ["a", "b", "c"], network) as park:
        machines = list(park.machines.values())
        for path in ("/proc/sys/kernel/random/boot_id", "/etc/machine-id", "/etc/hostname"):
            assert len({machine.run(["cat", path]).stdout for machine in machines}) == 3
        machines[0].run(["touch", "/var/own"])
        assert not machines[1].inside("/var/own").exists()
        machines[0].stop()
        assert machines[1].run(["systemctl", "is-system-running"]).stdout.strip() == "running"
        with connect(machines[2], park.key) as client:
            assert say(client, "hostname") == "c"
    assert not marked(tmp_path)


@contextmanager
def overlay(folder: Path) -> Iterator[Path]:
    """A folder on an overlay, as everything in a container is: no other overlay can write to it."""
    for name in ("lower", "upper", "work", "merged"):
        (folder / name).mkdir()
    options = f"lowerdir={folder}/lower,upperdir={folder}/upper,workdir={folder}/work"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, str(folder / "merged")], check=True)
    try:
        yield folder / "merged"
    finally:
        subprocess.run(["umount", str(folder / "merged")], check=True)


def test_where_no_overlay_can_be_its_disk_is_a_copy(tmp_path: Path, network: str) -> None:
    with overlay(tmp_path) as folder, Machine("srv", folder / "srv", f"{network}.1") as machine:
        assert (machine.directory / "disk/copy/etc/debian_version").exists()
        before = machine.boot_id
        machine.run(["sh", "-c", "touch /var/kept; systemctl reboot"])
        machine.await_reboot(before)
        assert machine.inside("/var/kept").exists()


def test_a_file_of_the_disk_hides_none_of_the_base_and_opens_no_folder(tmp_path: Path) -> None:
    base = tmp_path / "base"
    (base / "etc/private").mkdir(parents=True)
    (base / "etc/private").chmod(0o700)
    disk = Disk(tmp_path / "disk", base)
    disk.prepare()
    disk.write("/etc/private/new", "secret", 0o600)
    written = tmp_path / "disk/upper/etc/private/new"
    assert (written.read_text(), written.stat().st_mode & 0o777) == ("secret", 0o600)
    assert written.parent.stat().st_mode & 0o777 == 0o700
