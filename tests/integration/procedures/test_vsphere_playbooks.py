"""The shipped playbooks of vSphere as they are ordered, previewed and worked through, against the simulator."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from lab.vcenter import VCenterServer
from ronde.model.procedure import StepRecord, StepState
from ronde.model.records import JobRecord
from ronde.model.run import JobState
from ronde.model.verdict import Verdict
from tests.doubles.office import Office

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VCenterServer]:
    with VCenterServer(tmp_path_factory.mktemp("vcenter"), vms=["idle"]) as running:
        yield running


@pytest.fixture
def vm(server: VCenterServer, office: Office) -> Iterator[str]:
    """A machine that no other test touches, on a vCenter that the office looks after."""
    name = f"web-{office.directory.name[-12:].replace('_', '-')}"
    server.add_vm(name)
    server.forget_calls()
    office.vcenter(server)
    yield name
    server.mend()
    server.remove_vm(name)


def only(job: JobRecord) -> StepRecord:
    (step,) = job.steps
    return step


def create(office: Office, vm: str, **more: object) -> JobRecord:
    return office.do("vsphere/snapshot-create", "vc1", parameters={"vm": vm, **more})


def test_a_snapshot_is_taken_and_known_as_ours_by_the_night_round(office: Office, vm: str) -> None:
    job = create(office, vm, keep="2h")
    step = only(job)
    assert (job.state, step.state, step.changed) == (JobState.SUCCEEDED, StepState.DONE, True)
    assert str(step.facts["name"]).startswith("ronde-")
    round_ = office.do("vsphere/snapshots", "vc1")
    (seen,) = [check for check in round_.checks if (check.kind, check.subject) == ("vm", vm)]
    assert {finding.rule for finding in seen.findings} & {"unknown-owner", "foreign-mark"} == set()


def test_it_is_removed_by_its_name_after_a_second_technician_has_agreed(office: Office, vm: str) -> None:
    taken = only(create(office, vm)).facts
    job = office.do("vsphere/snapshot-remove", "vc1", parameters={"vm": vm, "snapshot": taken["name"]})
    assert (job.state, only(job).changed) == (JobState.SUCCEEDED, True)
    again = office.do("vsphere/snapshot-remove", "vc1", parameters={"vm": vm, "snapshot": taken["snapshot"]})
    assert again.state is JobState.FAILED
    assert "has no snapshot" in only(again).reason


def test_what_is_not_provably_ours_is_never_removed(office: Office, server: VCenterServer, vm: str) -> None:
    server.add_snapshot(vm, "avant mise à jour", DAY)
    words = {"vm": vm, "snapshot": "avant mise à jour"}
    job = office.do("vsphere/snapshot-remove", "vc1", parameters=words)
    assert job.state is JobState.FAILED
    assert "marker of ours" in only(job).reason
    assert server.calls().get("RemoveSnapshot_Task", 0) == 0


def test_a_machine_goes_back_when_two_people_say_so(office: Office, server: VCenterServer, vm: str) -> None:
    taken = only(create(office, vm)).facts
    words = {"vm": vm, "snapshot": taken["name"]}
    assert only(office.do("vsphere/snapshot-revert", "vc1", parameters=words, dry=True)).facts["would"] is True
    job = office.do("vsphere/snapshot-revert", "vc1", parameters=words)
    assert (job.state, only(job).changed, only(job).facts["power"]) == (JobState.SUCCEEDED, True, "poweredOn")
    assert server.calls()["RevertToSnapshot_Task"] == 1


def test_a_machine_that_never_goes_back_does_not_whoever_says_so(
    office: Office, server: VCenterServer, vm: str
) -> None:
    office.hosts["dc1"] = {"address": "192.0.2.1", "user": "ronde", "key": "file:///k", "vm": vm, "no_revert": True}
    office.write()
    taken = only(create(office, vm)).facts
    job = office.do("vsphere/snapshot-revert", "vc1", parameters={"vm": vm, "snapshot": taken["name"]})
    assert (job.state, "no_revert of dc1" in only(job).reason) == (JobState.FAILED, True)
    assert server.calls().get("RevertToSnapshot_Task", 0) == 0


def test_power_is_switched_and_what_is_so_already_says_so(office: Office, vm: str) -> None:
    def power(state: str) -> StepRecord:
        return only(office.do("vsphere/vm-power", "vc1", parameters={"vm": vm, "state": state}))

    on, off, on_again = power("start"), power("stop"), power("start")
    assert (on.state, on.changed, on.reason) == (StepState.DONE, False, "The machine was powered on already.")
    assert (off.changed, off.facts["power"]) == (True, "poweredOff")
    assert (on_again.changed, on_again.facts["power"]) == (True, "poweredOn")


def test_a_guest_that_cannot_be_asked_is_a_failure_and_not_a_hard_stop(
    office: Office, server: VCenterServer, vm: str
) -> None:
    server.set(vm, "guest.toolsRunningStatus", "guestToolsNotRunning")
    job = office.do("vsphere/vm-power", "vc1", parameters={"vm": vm, "state": "reboot"})
    assert (job.state, only(job).changed) == (JobState.FAILED, False)
    assert "VMware Tools" in only(job).reason


def test_a_preview_looks_and_changes_nothing(office: Office, server: VCenterServer, vm: str) -> None:
    taken = only(create(office, vm)).facts
    server.forget_calls()
    orders = [
        ("vsphere/snapshot-create", {"vm": vm}, True),
        ("vsphere/snapshot-remove", {"vm": vm, "snapshot": taken["name"]}, True),
        ("vsphere/vm-power", {"vm": vm, "state": "stop"}, True),
        ("vsphere/vm-power", {"vm": vm, "state": "start"}, False),
    ]
    for playbook, parameters, would in orders:
        step = only(office.do(playbook, "vc1", parameters=parameters, dry=True))
        assert (step.state, step.facts["would"]) == (StepState.SKIPPED, would), step
    assert not {name for name in server.calls() if name.endswith("_Task")}


def test_a_preview_says_what_would_stand_in_the_way(office: Office, server: VCenterServer, vm: str) -> None:
    server.consolidation_needed(vm)
    job = office.do("vsphere/snapshot-create", "vc1", parameters={"vm": vm}, dry=True)
    assert "would run" in only(job).reason
    assert "refused" in only(job).reason
    assert job.verdict is Verdict.FAILED
    real = create(office, vm)
    assert (real.state, only(real).changed) == (JobState.FAILED, False)


def test_a_lost_reply_leaves_one_snapshot(office: Office, server: VCenterServer, vm: str) -> None:
    server.fault("CreateSnapshot_Task", "lost")
    job = create(office, vm)
    assert job.state is JobState.SUCCEEDED
    assert server.calls()["CreateSnapshot_Task"] == 1


def test_a_vcenter_without_such_a_machine_says_so(office: Office, vm: str) -> None:
    job = create(office, "wbe")
    assert job.state is JobState.FAILED
    assert 'no machine "wbe"' in only(job).reason


def test_the_janitor_removes_ours_whose_time_is_over_and_nobody_elses(
    office: Office, server: VCenterServer, vm: str
) -> None:
    server.add_snapshot(vm, "avant mise à jour", 30 * DAY)
    name = only(create(office, vm, keep="1h")).facts["name"]
    early = office.do("vsphere/sweep-snapshots", "vc1")
    assert (early.state, only(early).changed) == (JobState.SUCCEEDED, False)
    server.skew(2 * 3600)
    seen = only(office.do("vsphere/sweep-snapshots", "vc1", dry=True))
    assert (seen.facts["would"], f"{vm}: {name}" in seen.reason) == (True, True)
    job = office.do("vsphere/sweep-snapshots", "vc1")
    assert (job.state, only(job).facts["removed"]) == (JobState.SUCCEEDED, [f"{vm}: {name}"])
    assert server.calls()["RemoveSnapshot_Task"] == 1
