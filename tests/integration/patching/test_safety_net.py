"""A patch run of a machine that is a VM on a vCenter: a snapshot before, kept or gone back to; and hosts without one.

The machine is real, the vCenter is the simulator, and what is done to the VM there happens to the machine here.
"""

from collections.abc import Iterator
from itertools import count

import pytest

from lab.vcenter import VCenterServer
from ronde.model.run import JobState
from tests.integration.machines.conftest import BUILDING
from tests.integration.patching.conftest import HOST, Patcher, events, offered, rules, step

pytestmark = BUILDING
NUMBERS = count(1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VCenterServer]:
    with VCenterServer(tmp_path_factory.mktemp("vcenter"), vms=["idle"]) as running:
        yield running


@pytest.fixture
def vm(server: VCenterServer, patcher: Patcher) -> Iterator[str]:
    """The machine's VM, which has another name than the host."""
    name = f"vm-{next(NUMBERS)}"
    server.add_vm(name)
    server.couple(name, patcher.machine.couple_command)
    server.forget_calls()
    patcher.office.vcenter(server)
    patcher.office.hosts[HOST]["vm"] = name
    patcher.office.write()
    yield name
    server.mend()
    server.remove_vm(name)


def asked(server: VCenterServer) -> dict[str, int]:
    """The changes that were asked of the vCenter."""
    return {name: times for name, times in server.calls().items() if name.endswith("_Task")}


def test_a_snapshot_is_taken_before_and_kept_for_the_janitor(patcher: Patcher, server: VCenterServer, vm: str) -> None:
    with offered(patcher.machine, "simple-update"):
        job = patcher.do(bake="2h")
    found = step(job)
    assert (job.state, found.facts["state"]) == (JobState.SUCCEEDED, "kept")
    taken = found.facts["snapshot"]
    assert isinstance(taken, dict)
    assert (taken["vcenter"], taken["vm_name"]) == ("vc1", vm)
    assert f"snapshot {taken['name']} kept until" in found.reason
    assert asked(server) == {"CreateSnapshot_Task": 1}
    assert "patch-no-snapshot" not in rules(job)
    server.skew(3 * 3600)
    swept = step(patcher.office.do("vsphere/sweep-snapshots", "vc1"))
    assert swept.facts["removed"] == [f"{vm}: {taken['name']}"]
    assert server.snapshots(vm) == []


def test_a_run_that_was_told_to_take_none_says_so(patcher: Patcher, server: VCenterServer, vm: str) -> None:
    with offered(patcher.machine, "simple-update"):
        job = patcher.do(snapshot="never")
    assert (job.state, asked(server)) == (JobState.SUCCEEDED, {})
    assert "patch-no-snapshot" in rules(job)


def test_without_the_safety_net_that_it_should_have_a_host_is_not_touched(
    patcher: Patcher, server: VCenterServer, vm: str
) -> None:
    server.consolidation_needed(vm)
    with offered(patcher.machine, "simple-update"):
        job = patcher.do()
        assert (job.state, step(job).facts["state"]) == (JobState.FAILED, "abandoned")
        assert patcher.version("lab-simple") == "ii 1.0-1"
    assert "snapshot-blocked" in rules(job)


def test_a_machine_that_no_vcenter_has_is_a_mistake_of_the_inventory(patcher: Patcher, vm: str) -> None:
    patcher.office.hosts[HOST]["vm"] = "vm-nobody-has"
    patcher.office.write()
    with offered(patcher.machine, "simple-update"):
        job = patcher.do()
        assert (job.state, step(job).facts["state"]) == (JobState.FAILED, "refused")
        assert "vm-nobody-has" in step(job).reason
        assert patcher.version("lab-simple") == "ii 1.0-1"


def test_a_host_that_is_no_machine_there_is_patched_without(patcher: Patcher, server: VCenterServer, vm: str) -> None:
    del patcher.office.hosts[HOST]["vm"]
    patcher.office.write()
    with offered(patcher.machine, "simple-update"):
        job = patcher.do()
    assert (job.state, asked(server)) == (JobState.SUCCEEDED, {})
    assert "physical host" in " ".join(finding.message for check in job.checks for finding in check.findings)


def test_a_failed_run_goes_back_when_it_was_told_to(patcher: Patcher, server: VCenterServer, vm: str) -> None:
    before = patcher.machine.boot_id
    with offered(patcher.machine, "failing-postinst", "simple-update"):
        job = patcher.do(revert="on-failure")
        found = step(job)
        assert (job.state, found.facts["state"]) == (JobState.FAILED, "reverted"), found.reason
        assert [patcher.version(name) for name in ("lab-postinst", "lab-simple")] == ["ii 1.0-1", "ii 1.0-1"]
    assert patcher.machine.boot_id != before
    assert asked(server) == {"CreateSnapshot_Task": 1, "RevertToSnapshot_Task": 1, "PowerOnVM_Task": 1}
    assert events(job)[-3:] == ["fail", "begin", "succeed"]
    assert "patch-reverted" in rules(job)


def test_a_failed_run_waits_for_a_person_when_it_was_not(patcher: Patcher, server: VCenterServer, vm: str) -> None:
    with offered(patcher.machine, "failing-preinst"):
        job = patcher.do()
    assert (job.state, step(job).facts["state"]) == (JobState.FAILED, "needs_human")
    assert asked(server) == {"CreateSnapshot_Task": 1}
    assert {"patch-not-reverted", "patch-package-failed"} <= rules(job)


def test_a_host_that_must_never_go_back_does_not(patcher: Patcher, server: VCenterServer, vm: str) -> None:
    patcher.office.hosts[HOST]["no_revert"] = True
    patcher.office.write()
    with offered(patcher.machine, "failing-preinst"):
        job = patcher.do(revert="on-failure")
    assert step(job).facts["state"] == "needs_human"
    assert asked(server) == {"CreateSnapshot_Task": 1}
    assert "no_revert" in step(job).reason


def test_a_vcenter_that_loses_its_reply_leaves_one_snapshot(patcher: Patcher, server: VCenterServer, vm: str) -> None:
    server.fault("CreateSnapshot_Task", "lost")
    with offered(patcher.machine, "simple-update"):
        job = patcher.do()
    assert job.state is JobState.SUCCEEDED
    assert asked(server) == {"CreateSnapshot_Task": 1}
    assert len(server.snapshots(vm)) == 1


def test_a_vcenter_that_is_away_keeps_the_host_as_it_is(patcher: Patcher, server: VCenterServer, vm: str) -> None:
    server.fault("RetrieveServiceContent", "refuse", -1)
    with offered(patcher.machine, "simple-update"):
        job = patcher.do(snapshot="auto")
        assert job.state is JobState.FAILED
        assert "nothing was done" in step(job).reason
        assert patcher.version("lab-simple") == "ii 1.0-1"
