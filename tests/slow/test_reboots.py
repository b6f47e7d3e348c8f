"""Reboots of a real kernel: what counts as one, and what does not."""

import shutil
from collections.abc import Iterator

import pytest

from lab.vm import VirtualMachine
from ronde.model.procedure import StepState
from ronde.model.run import JobState
from tests.integration.patching.conftest import HOST, PLAYBOOKS, Patcher, events, offered, rules, step

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

# Says "done" to an order to reboot, and restarts sshd: the port goes away and comes back, and nothing else does.
_PRETENDER = """\
#!/bin/sh
[ "$1" != reboot ] || exec /usr/bin/systemctl restart ssh.service
exec /usr/bin/systemctl "$@"
"""
_PRETENDING = "/usr/local/bin/systemctl"


@pytest.fixture
def pretending(vm: VirtualMachine) -> Iterator[None]:
    vm.must("tee", _PRETENDING, stdin=_PRETENDER)
    vm.must("chmod", "0755", _PRETENDING)
    yield
    vm.must("rm", _PRETENDING)


def hasten(patcher: Patcher) -> None:
    """Wait 20 s where the shipped playbook waits five minutes: the false reboot is over in two."""
    copy = patcher.office.directory / "playbooks"
    shutil.copytree(PLAYBOOKS, copy)
    path = copy / "adhoc" / "reboot.yaml"
    text = path.read_text(encoding="utf-8").replace("within: 5m", "within: 20s")
    path.write_text(text, encoding="utf-8")
    patcher.office.settings["playbooks"] = copy


def test_an_update_that_asks_for_it_is_followed_by_a_reboot_and_the_same_health(
    patcher: Patcher, vm: VirtualMachine
) -> None:
    before = vm.boot_id
    with offered(vm, "reboot-required", "simple-update"):
        job = patcher.do()
        found = step(job)
        assert (job.state, found.facts["state"]) == (JobState.SUCCEEDED, "kept"), (job.trouble, found)
        assert (found.facts["boot_before"], found.facts["boot_now"]) == (before, vm.boot_id)
        assert found.facts["boot_now"] != before
        assert (patcher.version("lab-kernel"), patcher.version("lab-simple")) == ("ii 6.2-1", "ii 1.1-1")
        assert not rules(job) & {"patch-unit-failed", "patch-port-closed", "patch-mount-gone", "patch-health-unknown"}
        assert events(job)[-2:] == ["pass", "pass"]


def test_a_reboot_is_believed_by_the_kernel_s_own_word(patcher: Patcher, vm: VirtualMachine) -> None:
    before = vm.boot_id
    job = patcher.office.do("adhoc/reboot", HOST)
    assert job.state is JobState.SUCCEEDED, job
    (made,) = [each for each in job.steps if each.step == "usual"]
    assert (made.facts["boot_before"], made.facts["boot_now"]) == (before, vm.boot_id)
    assert vm.boot_id != before


@pytest.mark.usefixtures("pretending")
def test_a_restarted_sshd_is_no_reboot(patcher: Patcher, vm: VirtualMachine) -> None:
    before = vm.boot_id
    hasten(patcher)
    job = patcher.office.do("adhoc/reboot", HOST, parameters={"within": "5m"})
    (made,) = [each for each in job.steps if each.step == "short"]
    assert (job.state, made.state) == (JobState.FAILED, StepState.FAILED)
    assert "did not come back within" in made.reason
    assert made.facts["back"] is False
    assert vm.boot_id == before
