"""A failed update, and a snapshot that takes a real disk back to before it."""

from datetime import timedelta

import pytest

from lab.vcenter import VCenterServer
from lab.vm import VirtualMachine
from ronde.model.run import JobState
from tests.integration.patching.conftest import HOST, Patcher, events, failed, offered, rules, step

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
FILE = "/usr/share/lab-postinst/version"


def asked(server: VCenterServer) -> dict[str, int]:
    """The changes that were asked of the vCenter."""
    return {name: times for name, times in server.calls().items() if name.endswith("_Task")}


def test_a_failed_update_is_undone_by_the_snapshot_from_before_it(
    patcher: Patcher, server: VCenterServer, vm: VirtualMachine
) -> None:
    patcher.office.vcenter(server)
    with offered(vm, "failing-postinst", "simple-update"):
        before, database = vm.boot_id, vm.must("cat", "/var/lib/dpkg/status")
        job = patcher.do(revert="on-failure", bake="1h")
        found = step(job)
        assert (job.state, found.facts["state"]) == (JobState.FAILED, "reverted"), (job.trouble, found)
        assert failed(job) == ["lab-postinst:all"]
        assert "patch-reverted" in rules(job)
        assert events(job)[-3:] == ["fail", "begin", "succeed"]
        assert asked(server) == {"CreateSnapshot_Task": 1, "RevertToSnapshot_Task": 1, "PowerOnVM_Task": 1}
        vm.await_ready()
        assert (patcher.version("lab-postinst"), patcher.version("lab-simple")) == ("ii 1.0-1", "ii 1.0-1")
        assert (vm.must("cat", FILE), vm.must("cat", "/var/lib/dpkg/status")) == ("1.0\n", database)
        assert patcher.broken() == ""
        # The snapshot holds no memory, so the machine was started, and not taken back in the middle of its old boot.
        assert vm.boot_id != before
    the_snapshot_goes_when_it_has_had_its_time(patcher, server, vm)


def the_snapshot_goes_when_it_has_had_its_time(patcher: Patcher, server: VCenterServer, vm: VirtualMachine) -> None:
    assert vm.hypervisor.tags() == ["taken-1"]
    server.skew(timedelta(hours=2).total_seconds())
    swept = step(patcher.office.do("vsphere/sweep-snapshots", "vc1"))
    assert str(swept.facts["removed"]).count(f"{HOST}: ronde-") == 1
    assert vm.hypervisor.tags() == []
