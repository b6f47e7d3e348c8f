"""The real dnf and zypper as they are: the exit statuses and words that the field trips over."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.rpm import Manager, RpmMachine, RpmRoots

pytestmark = pytest.mark.timeout(900)  # the first may find that the lab's tools have to be made
Start = Callable[[Manager], RpmMachine]


@pytest.fixture
def start(roots: RpmRoots, tmp_path: Path) -> Start:
    def start(manager: Manager) -> RpmMachine:
        roots.prepare(manager)
        return roots.machine(tmp_path / manager, manager)

    return start


def ask(machine: RpmMachine, words: str) -> "subprocess.CompletedProcess[bytes]":
    return machine.tool(machine.manager).attempt(*words.split())


def version(machine: RpmMachine, package: str) -> str:
    return machine.tool("rpm").run("-q", "--qf", "%{VERSION}", package).decode()


def test_dnf_knows_which_updates_are_for_security(start: Start) -> None:
    machine = start("dnf")
    every, security = ask(machine, "-q check-update"), ask(machine, "-q check-update --security")
    assert (every.returncode, security.returncode) == (100, 100)
    assert b"broken.noarch" in every.stdout
    assert b"beta.noarch" in security.stdout
    assert b"alpha.noarch" not in security.stdout
    assert b"CVE-2026-1111 Critical/Sec." in ask(machine, "-q updateinfo list --security --with-cve").stdout


def test_dnf_calls_it_complete_when_it_skipped_a_package_unless_it_must_take_the_best(start: Start) -> None:
    machine = start("dnf")
    skipped = ask(machine, "-y upgrade broken")
    assert skipped.returncode == 0
    assert b"Complete!" in skipped.stdout
    assert ask(machine, "-y --setopt=best=1 upgrade broken").returncode == 1
    assert version(machine, "broken") == "1.0"


def test_dnf_exits_with_zero_after_a_failed_post_and_with_one_after_a_failed_pre(start: Start) -> None:
    machine = start("dnf")
    after = ask(machine, "-y upgrade postfail")
    assert (after.returncode, version(machine, "postfail")) == (0, "1.1")
    assert b"Error in POSTIN scriptlet" in after.stderr
    assert (ask(machine, "-y upgrade prefail").returncode, version(machine, "prefail")) == (1, "1.0")


def test_zypper_tells_patches_and_installs_them_with_the_wish_for_a_reboot(start: Start) -> None:
    machine = start("zypper")
    assert ask(machine, "--non-interactive refresh -f").returncode == 0
    assert ask(machine, "--non-interactive patch-check").returncode == 101
    listed = ask(machine, "--non-interactive --xmlout list-patches --category security").stdout
    assert b'name="LAB-2026:0001"' in listed
    assert b'id="CVE-2026-1111"' in listed
    assert ask(machine, "--non-interactive patch --with-interactive").returncode == 102
    assert version(machine, "beta") == "1.1"
    assert ask(machine, "--non-interactive patch-check").returncode == 0


def test_zypper_has_a_code_for_each_failing_script(start: Start) -> None:
    machine = start("zypper")
    assert ask(machine, "--non-interactive refresh -f").returncode == 0
    assert ask(machine, "--non-interactive update postfail").returncode == 107
    assert version(machine, "postfail") == "1.1"
    assert ask(machine, "--non-interactive update prefail").returncode == 8
    assert version(machine, "prefail") == "1.0"
