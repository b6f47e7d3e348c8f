import subprocess
from pathlib import Path

import paramiko
import pytest

from lab.errors import LabError
from lab.keys import client_key
from lab.machines import Machine
from lab.process import wait_until
from lab.sockets import greeting
from tests.integration.lab.clients import connect, say
from tests.integration.machines.conftest import BUILDING, MakeMachine

pytestmark = BUILDING


def said(machine: Machine, *argv: str) -> str:
    return machine.run(argv).stdout.strip()


def starts(machine: Machine) -> int:
    """How often temoin.service was started since the disk was new."""
    return int(machine.inside("/var/lib/temoin/starts").read_text())


def test_it_runs_systemd_as_its_init_and_nothing_of_it_has_failed(machine: Machine) -> None:
    assert said(machine, "systemctl", "is-system-running") == "running"
    assert said(machine, "cat", "/proc/1/comm") == "systemd"
    assert said(machine, "systemctl", "is-active", "cron", "ssh", "temoin").split() == ["active"] * 3


def test_it_has_a_name_a_boot_id_and_a_machine_id_of_its_own(machine: Machine) -> None:
    assert said(machine, "hostname") == "srv"
    assert said(machine, "cat", "/proc/sys/kernel/random/boot_id") == machine.boot_id
    assert Path("/proc/sys/kernel/random/boot_id").read_text().strip() != machine.boot_id
    assert len(said(machine, "cat", "/etc/machine-id")) == 32


def test_root_logs_in_by_key_and_sees_the_pinned_host_key(machine: Machine, key: Path) -> None:
    with connect(machine, key) as client:
        assert say(client, "id -un; hostname; echo $HOME").split() == ["root", "srv", str(machine.home)]
    scan = ["ssh-keyscan", "-p", str(machine.port), machine.address]
    scanned = subprocess.run(scan, capture_output=True, text=True, check=True).stdout
    assert {" ".join(line.split()[1:3]) for line in scanned.splitlines()} == set(machine.public_keys)


def test_a_strangers_key_is_refused(machine: Machine, tmp_path: Path) -> None:
    with pytest.raises(paramiko.AuthenticationException):
        connect(machine, client_key(tmp_path)[0])


def test_the_unprivileged_user_may_do_as_root_what_sudoers_says_and_nothing_else(machine: Machine, key: Path) -> None:
    before = starts(machine)
    ronde = Machine("srv", machine.directory, machine.address, machine.port)
    ronde.user = "ronde"
    with connect(ronde, key) as client:
        assert say(client, "id -un") == "ronde"
        assert say(client, "sudo -n systemctl restart temoin.service; echo $?") == "0"
        assert say(client, "sudo -n systemctl restart cron.service; echo $?") == "1"
    assert starts(machine) == before + 1


def test_a_restart_of_the_witness_is_counted_once(machine: Machine) -> None:
    before = starts(machine)
    assert machine.run(["systemctl", "restart", "temoin.service"]).returncode == 0
    assert starts(machine) == before + 1


def test_its_root_folder_has_the_same_path_and_content_on_both_sides(machine: Machine) -> None:
    (machine.root / "from-outside").write_text("seen")
    assert said(machine, "cat", str(machine.root / "from-outside")) == "seen"
    machine.run(["tee", str(machine.root / "from-inside")], stdin="seen too")
    assert (machine.root / "from-inside").read_text() == "seen too"


def test_it_has_what_playbooks_use_and_no_python(machine: Machine) -> None:
    for program in ("systemd-run", "journalctl", "logrotate", "openssl", "flock", "ss", "ps", "apt-get", "crontab"):
        assert said(machine, "sh", "-c", 'command -v "$1"', "sh", program).endswith(program)
    assert said(machine, "sh", "-c", "command -v python3") == ""


def test_it_cannot_change_the_kernel_or_the_clock_that_it_shares(machine: Machine) -> None:
    assert machine.run(["sh", "-c", "echo 1 >/proc/sys/vm/overcommit_memory"]).returncode != 0
    # Run by systemd, so with what the machine's own processes may do; the time is the present one, in case it works.
    denied = machine.run(
        ["systemd-run", "--wait", "--collect", "--pipe", "--quiet", "sh", "-c", 'date -s "@$(date +%s)"']
    )
    assert denied.returncode != 0


def test_a_unit_goes_on_when_the_link_that_started_it_breaks(machine: Machine, key: Path) -> None:
    with connect(machine, key) as client:
        detached = "while [ ! -e /run/go-on ]; do sleep 0.05; done; echo done >/var/lib/witnessed"
        say(client, f"systemd-run --quiet --collect --unit=detached sh -c '{detached}'")
        attached = client.get_transport()
        assert attached is not None
        machine.close_sessions()
        assert wait_until(lambda: not attached.is_active(), 10)
    assert said(machine, "systemctl", "is-active", "detached") == "active"
    machine.run(["touch", "/run/go-on"])
    assert wait_until(machine.inside("/var/lib/witnessed").exists, 10)
    connect(machine, key).close()


def test_a_machine_that_is_off_says_so(make: MakeMachine) -> None:
    off = make()
    with pytest.raises(LabError, match="own is off"):
        off.run(["true"])
    with pytest.raises(LabError, match="own is off"):
        off.inside("/etc/hostname")


def test_a_port_that_is_taken_is_an_error_and_leaves_the_machine_off(machine: Machine, make: MakeMachine) -> None:
    late = make()
    late.address, late.port = machine.address, machine.port
    with pytest.raises(LabError, match="did not come up"):
        late.start()
    assert late.process is None
    assert greeting(machine.address, machine.port).startswith(b"SSH-2.0-")
