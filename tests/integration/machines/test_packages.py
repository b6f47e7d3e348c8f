"""Each scenario of updates comes out as its name says, with the machine's own apt."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lab.errors import LabError
from lab.machines import Machine
from lab.machines.debs import Deb
from lab.machines.scenarios import SCENARIOS
from lab.process import wait_until
from tests.integration.machines.conftest import BUILDING

pytestmark = BUILDING
UPGRADE = (
    *("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-y", "-q"),
    *("-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold"),
)


@contextmanager
def offered(machine: Machine, *names: str) -> Iterator[None]:
    """The scenarios, with the machine's lists up to date; gone afterwards."""
    try:
        for name in names:
            machine.offer(name)
        refreshed = machine.run(["apt-get", "update", "-q", "--error-on=any"])
        assert refreshed.returncode == 0, refreshed.stderr
        yield
    finally:
        for name in names:
            machine.withdraw(name)


def simulated(machine: Machine, *arguments: str) -> str:
    done = machine.run(["apt-get", "-s", "-o", "Debug::NoLocking=true", *arguments])
    assert done.returncode == 0, done.stderr
    return done.stdout


def state(machine: Machine, package: str) -> tuple[str, str]:
    """Status as dpkg abbreviates it, and version."""
    shown = machine.run(["dpkg-query", "-W", "-f=${db:Status-Abbrev}\t${Version}", package]).stdout
    status, _, version = shown.partition("\t")
    return status.strip(), version


def test_a_simple_update_comes_from_main_and_installs(machine: Machine) -> None:
    with offered(machine, "simple-update"):
        assert "Inst lab-simple [1.0-1] (1.1-1 Debian:stable [all])" in simulated(machine, "upgrade")
        assert machine.run([*UPGRADE, "upgrade"]).returncode == 0
        assert state(machine, "lab-simple") == ("ii", "1.1-1")
        assert "Inst" not in simulated(machine, "upgrade")


def test_an_update_can_be_taken_back_from_the_repository(machine: Machine) -> None:
    with offered(machine, "simple-update"):
        machine.run([*UPGRADE, "upgrade"])
        assert machine.run([*UPGRADE, "install", "--allow-downgrades", "lab-simple=1.0-1"]).returncode == 0
        assert state(machine, "lab-simple") == ("ii", "1.0-1")


def test_a_security_update_says_that_it_is_one(machine: Machine) -> None:
    with offered(machine, "security-update", "simple-update"):
        plan = simulated(machine, "upgrade")
        assert "Inst lab-security [1.0-1] (1.0-1+deb12u1 Debian-Security:stable-security [all])" in plan
        assert "Inst lab-simple [1.0-1] (1.1-1 Debian:stable [all])" in plan


def test_a_changed_configuration_file_is_asked_about_and_kept_when_so_told(machine: Machine) -> None:
    with offered(machine, "conffile-change"):
        asking = machine.run(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-y", "-q", "upgrade"])
        assert asking.returncode == 100
        assert state(machine, "lab-conffile")[0] == "iU"
        assert machine.run(["dpkg", "--configure", "-a", "--force-confdef", "--force-confold"]).returncode == 0
        assert state(machine, "lab-conffile") == ("ii", "1.1-1")
        assert machine.inside("/etc/lab-conffile/lab.conf").read_text() == "limit = 15\n"
        assert machine.inside("/etc/lab-conffile/lab.conf.dpkg-dist").read_text() == "limit = 20\n"


def test_a_failing_postinst_leaves_the_package_half_configured(machine: Machine) -> None:
    with offered(machine, "failing-postinst"):
        assert machine.run([*UPGRADE, "upgrade"]).returncode == 100
        assert state(machine, "lab-postinst") == ("iF", "1.1-1")


def test_a_failing_preinst_leaves_the_old_version(machine: Machine) -> None:
    with offered(machine, "failing-preinst"):
        assert machine.run([*UPGRADE, "upgrade"]).returncode == 100
        assert state(machine, "lab-preinst") == ("ii", "1.0-1")


def test_a_held_package_is_kept_back(machine: Machine) -> None:
    with offered(machine, "held-package"):
        assert machine.run(["apt-mark", "showhold"]).stdout.split() == ["lab-held"]
        assert "kept back:\n  lab-held" in simulated(machine, "upgrade")
        assert state(machine, "lab-held") == ("hi", "1.0-1")
    assert machine.run(["apt-mark", "showhold"]).stdout == ""


def test_an_update_with_a_new_dependency_needs_new_packages_allowed(machine: Machine) -> None:
    with offered(machine, "new-dependency"):
        assert "kept back:\n  lab-growing" in simulated(machine, "upgrade")
        assert "Inst lab-grown (1.0-1" in simulated(machine, "--with-new-pkgs", "upgrade")


def test_an_update_that_removes_a_package_waits_for_a_full_upgrade(machine: Machine) -> None:
    with offered(machine, "removes-package"):
        assert "kept back:\n  lab-modern" in simulated(machine, "--with-new-pkgs", "upgrade")
        assert "Remv lab-legacy [1.0-1]" in simulated(machine, "dist-upgrade")


def test_a_phased_update_is_deferred(machine: Machine) -> None:
    with offered(machine, "phased-update"):
        assert "Inst" not in simulated(machine, "upgrade")
        phased = ("-o", "APT::Get::Always-Include-Phased-Updates=1")
        assert "Inst lab-phased [1.0-1] (1.1-1" in simulated(machine, *phased, "upgrade")


def test_a_hanging_postinst_ends_only_when_it_is_killed(machine: Machine) -> None:
    with offered(machine, "hanging-postinst"):
        machine.run(["systemd-run", "--quiet", "--unit=patch", *UPGRADE, "upgrade"])
        # The script has become its sleep; only the unit's own one counts, not that of temoin.service.
        hanging = ["systemd-cgls", "--no-pager", "--unit", "patch.service"]
        assert wait_until(lambda: "sleep infinity" in machine.run(hanging).stdout, 20)
        assert machine.run(["systemctl", "is-active", "patch"]).stdout.strip() == "active"
        machine.run(["systemctl", "kill", "--signal=KILL", "patch"])
        assert wait_until(lambda: machine.run(["systemctl", "is-active", "patch"]).stdout.strip() == "failed", 10)
        assert state(machine, "lab-hanging") == ("iF", "1.1-1")
        machine.run(["systemctl", "reset-failed", "patch"])


def test_an_update_of_the_kernel_asks_for_a_reboot(machine: Machine) -> None:
    with offered(machine, "reboot-required"):
        assert not machine.inside("/run/reboot-required").exists()
        assert machine.run([*UPGRADE, "upgrade"]).returncode == 0
        assert machine.inside("/run/reboot-required").exists()
        assert machine.inside("/run/reboot-required.pkgs").read_text() == "lab-kernel\n"
    assert not machine.inside("/run/reboot-required").exists()


def test_its_own_repositories_are_the_only_ones_it_knows(machine: Machine) -> None:
    uris = machine.run(["apt-get", "indextargets", "--format", "$(SITE)$(URI)"]).stdout.splitlines()
    assert uris
    assert all(uri.startswith("file:/srv/packages/") for uri in uris)


def test_a_scenario_that_does_not_exist_is_an_error_that_names_those_that_do(machine: Machine) -> None:
    with pytest.raises(LabError, match="simple-update, security-update"):
        machine.offer("miracle")


def test_no_two_scenarios_share_a_package() -> None:
    names = [name for scenario in SCENARIOS.values() for name in scenario.packages]
    assert len(names) == len(set(names))


def test_a_package_is_described_as_dpkg_reads_it() -> None:
    control = Deb("lab-x", "1.0-1", {"Depends": "lab-y"}).control
    assert control.splitlines()[:3] == ["Package: lab-x", "Version: 1.0-1", "Architecture: all"]
    assert "Depends: lab-y" in control.splitlines()
