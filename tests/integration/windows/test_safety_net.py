"""A Windows host that is a VM on a vCenter: a snapshot before its updates, kept or gone back to.

The vCenter is the simulator: a revert there brings nothing back here, so a host that was really changed cannot pass for
one that was taken back.
"""

from collections.abc import Iterator

import pytest

from lab.vcenter import VCenterServer
from ronde.engine.patching import proving
from ronde.engine.patching.windows import booting
from ronde.model.run import JobState
from tests.doubles.windows_host import OFFERED, ROLLUP
from tests.integration.windows.conftest import HOST, Desk, rules, state, step

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proving, "SETTLE", 0.0)
    monkeypatch.setattr(booting, "LOOK_EVERY", 0.05)


@pytest.fixture(scope="module")
def server_of_machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VCenterServer]:
    with VCenterServer(tmp_path_factory.mktemp("vcenter"), vms=[HOST]) as running:
        yield running


@pytest.fixture
def vcenter(server_of_machines: VCenterServer, desk: Desk) -> VCenterServer:
    server_of_machines.forget_calls()
    desk.office.vcenter(server_of_machines)
    return server_of_machines


def asked(vcenter: VCenterServer) -> dict[str, int]:
    """The changes that were asked of the vCenter."""
    return {name: times for name, times in vcenter.calls().items() if name.endswith("_Task")}


def test_a_snapshot_is_taken_before_and_kept_for_the_janitor(desk: Desk, vcenter: VCenterServer) -> None:
    job = desk.patch(bake="2h")
    assert (job.state, state(job)) == (JobState.SUCCEEDED, "kept"), step(job).reason
    assert asked(vcenter) == {"CreateSnapshot_Task": 1}
    assert "kept until" in step(job).reason


def test_a_host_that_offers_again_what_was_planned_was_taken_back(desk: Desk, vcenter: VCenterServer) -> None:
    desk.windows.settle(offered=OFFERED[:1])
    desk.windows.fate(codes={ROLLUP: 4})
    job = desk.patch(revert="on-failure")
    assert (job.state, state(job)) == (JobState.FAILED, "reverted"), step(job).reason
    assert asked(vcenter)["RevertToSnapshot_Task"] == 1
    assert "patch-reverted" in rules(job)


def test_a_host_that_still_has_an_update_was_not_taken_back(desk: Desk, vcenter: VCenterServer) -> None:
    desk.windows.fate(codes={ROLLUP: 4})
    job = desk.patch(revert="on-failure")
    assert (job.state, state(job)) == (JobState.NEEDS_HUMAN, "needs_human"), step(job).reason
    assert asked(vcenter)["RevertToSnapshot_Task"] == 1
    assert "is it this host's?" in " ".join(one.message for check in job.checks for one in check.findings)
