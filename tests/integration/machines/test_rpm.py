"""The real dnf and zypper on lab machines: the codes and words that the field trips over."""

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.machines import Machine
from lab.machines.rpm import DNF, RPM_SCENARIOS, ZYPPER, RpmRoot
from tests.integration.machines.conftest import BUILDING, own_network

pytestmark = BUILDING


def rpm_machine(folder: Path, tools: Sequence[str]) -> Iterator[Machine]:
    """A machine with every scenario on offer; each is about a package of its own."""
    with Machine("srv", folder, f"{own_network()}.1", packages=tools) as running:
        root = RpmRoot(running)
        root.prepare()
        root.offer(*RPM_SCENARIOS)
        yield running


@pytest.fixture(scope="module")
def dnf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    yield from rpm_machine(tmp_path_factory.mktemp("dnf"), DNF)


@pytest.fixture(scope="module")
def zypper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    yield from rpm_machine(tmp_path_factory.mktemp("zypper"), ZYPPER)


def ask(machine: Machine, command: str) -> "subprocess.CompletedProcess[str]":
    return machine.run(command.split())


def version(machine: Machine, package: str) -> str:
    return machine.must("rpm", "-q", "--qf", "%{VERSION}", package)


def test_dnf_knows_which_updates_are_for_security(dnf: Machine) -> None:
    every, security = ask(dnf, "dnf -q check-update"), ask(dnf, "dnf -q check-update --security")
    assert (every.returncode, security.returncode) == (100, 100)
    assert "lab-broken.noarch" in every.stdout
    assert [line.split()[0] for line in security.stdout.splitlines() if line] == ["lab-security.noarch"]
    assert "CVE-2026-0001 Important/Sec." in ask(dnf, "dnf -q updateinfo list --security --with-cve").stdout


def test_dnf_calls_it_complete_when_it_skipped_a_package_unless_it_must_take_the_best(dnf: Machine) -> None:
    skipped = ask(dnf, "dnf -y upgrade lab-broken")
    assert skipped.returncode == 0
    assert "Complete!" in skipped.stdout
    assert ask(dnf, "dnf -y --setopt=best=1 upgrade lab-broken").returncode == 1
    assert version(dnf, "lab-broken") == "1.0"


def test_dnf_exits_with_zero_after_a_failed_post_and_with_one_after_a_failed_pre(dnf: Machine) -> None:
    after = ask(dnf, "dnf -y upgrade lab-post")
    assert (after.returncode, version(dnf, "lab-post")) == (0, "1.1")
    assert "Error in POSTIN scriptlet" in after.stderr
    assert (ask(dnf, "dnf -y upgrade lab-pre").returncode, version(dnf, "lab-pre")) == (1, "1.0")


def test_dnf_installs_an_update(dnf: Machine) -> None:
    assert ask(dnf, "dnf -y upgrade lab-simple").returncode == 0
    assert version(dnf, "lab-simple") == "1.1"


def test_zypper_tells_patches_and_installs_them_with_the_wish_for_a_reboot(zypper: Machine) -> None:
    assert ask(zypper, "zypper --non-interactive refresh -f").returncode == 0
    assert ask(zypper, "zypper --non-interactive patch-check").returncode == 101
    listed = ask(zypper, "zypper --non-interactive --xmlout list-patches --category security").stdout
    assert 'name="LAB-security-update"' in listed
    assert 'id="CVE-2026-0001"' in listed
    assert ask(zypper, "zypper --non-interactive patch --with-interactive").returncode == 102
    assert (version(zypper, "lab-security"), version(zypper, "lab-kernel")) == ("1.1", "6.2")
    assert ask(zypper, "zypper --non-interactive patch-check").returncode == 0


def test_zypper_has_a_code_for_each_failing_script(zypper: Machine) -> None:
    assert ask(zypper, "zypper --non-interactive update lab-post").returncode == 107
    assert version(zypper, "lab-post") == "1.1"
    assert ask(zypper, "zypper --non-interactive update lab-pre").returncode == 8
    assert version(zypper, "lab-pre") == "1.0"


def test_an_rpm_scenario_that_does_not_exist_is_an_error_that_names_those_that_do(dnf: Machine) -> None:
    with pytest.raises(LabError, match="simple-update, security-update"):
        RpmRoot(dnf).offer("miracle")
