"""Waves of real machines through real workers: what stops them, what is taken back, and who is told at once."""

from datetime import UTC, datetime

from lab.mail import Received
from ronde.model.records import JobRecord
from ronde.model.run import JobState
from tests.e2e.installation import poll
from tests.e2e.patching.site import ON_CALL, Site, assert_whole, boots, database, upgraded, version
from tests.integration.machines.conftest import BUILDING

pytestmark = BUILDING
OTHERS = {"tags": ["role:files"]}  # the first of them is the canary of its kind


def state_of(job: JobRecord) -> object:
    (step,) = job.steps
    return step.facts["state"]


def code_of(job: JobRecord) -> str:
    assert job.trouble is not None, job
    return job.trouble.code


def test_a_failing_canary_is_taken_back_and_the_next_ring_is_not_touched(site: Site) -> None:
    first, *others = site.look_after(
        *("srv-1", "srv-2", "srv-3"), srv_1={**OTHERS, "vm": "web"}, srv_2=OTHERS, srv_3=OTHERS
    )
    site.offer([first], "failing-postinst", "simple-update")
    site.offer(others, "simple-update", "reboot-required")
    site.as_vm(first, "web")
    before = {machine.name: (machine.boot_id, database(machine)) for machine in (first, *others)}
    with site.crew("work"):
        jobs = site.jobs(site.order("together", revert="on-failure"))
    canary = jobs.pop("srv-1")
    assert (canary.state, state_of(canary)) == (JobState.FAILED, "reverted"), canary
    first.await_ready()
    assert database(first) == before["srv-1"][1]
    assert version(first, "lab-postinst") == "ii 1.0-1"
    assert first.boot_id != before["srv-1"][0]
    for machine in others:
        assert (machine.boot_id, database(machine)) == before[machine.name]
        assert upgraded(machine) == []
    assert {(job.state, code_of(job), len(job.steps)) for job in jobs.values()} == {
        (JobState.SKIPPED, "wave-stopped", 0)
    }
    assert site.vcenter.calls()["RevertToSnapshot_Task"] == 1


def test_a_vcenter_that_loses_its_reply_leaves_one_snapshot(site: Site) -> None:
    (machine,) = site.look_after("srv-1", srv_1={"vm": "web"})
    site.offer([machine], "simple-update")
    site.as_vm(machine, "web")
    site.vcenter.fault("CreateSnapshot_Task", "lost")
    with site.crew("work"):
        (job,) = site.jobs(site.order("together")).values()
    assert (job.state, state_of(job)) == (JobState.SUCCEEDED, "kept"), job
    assert site.vcenter.calls()["CreateSnapshot_Task"] == 1
    taken = job.steps[0].facts["snapshot"]
    assert isinstance(taken, dict)
    assert site.vcenter.snapshots("web") == [taken["name"]]
    assert version(machine, "lab-simple") == "ii 1.1-1"


def test_a_window_that_closes_in_mid_wave_lets_run_what_runs_and_begins_nothing(site: Site) -> None:
    machines = site.look_after("srv-1", "srv-2", "srv-3", "srv-4")
    site.offer(machines, "slow-update")
    before = {machine.name: database(machine) for machine in machines}
    with site.crew("work"):
        run = site.order("pairs")
        running = poll(lambda: _in_mid_patch(site, run), within=60, what="two machines are being patched")
        # What was frozen with the plan when the window was open: that its end has come now.
        now = (datetime.now(UTC) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
        site.ronde.change("UPDATE jobs SET not_after = ? WHERE run_id = ?", int(now * 1_000_000), run)
        jobs = site.jobs(run)
    for machine in machines:
        job = jobs[machine.name]
        if machine.name in running:
            assert (job.state, state_of(job)) == (JobState.SUCCEEDED, "kept"), job
            assert version(machine, "lab-slow") == "ii 1.1-1"
            assert_whole(machine)
        else:
            assert (job.state, code_of(job), job.steps) == (JobState.SKIPPED, "window-closed", ()), job
            assert database(machine) == before[machine.name]
    assert len(running) == 2


def _in_mid_patch(site: Site, run: str) -> set[str] | None:
    """The two hosts of a run that are being patched; None before both are."""
    busy = site.ronde.busy(run)
    begun = {job.target.name for job in busy for step in job.steps if "launched.patch.apply-1" in step.journal}
    return begun if len(begun) == 2 else None


def test_a_host_that_stays_away_stops_the_wave_and_wakes_somebody_up(site: Site) -> None:
    first, other = site.look_after("srv-1", "srv-2", srv_1=OTHERS, srv_2=OTHERS)
    site.offer([first, other], "reboot-required")
    before = database(other)
    first.come_back(wanted=False)
    with site.crew("work"):
        jobs = site.jobs(site.order("impatient"))
    assert first.process is None
    assert (jobs["srv-1"].state, code_of(jobs["srv-1"])) == (JobState.FAILED, "unreachable"), jobs["srv-1"]
    assert (jobs["srv-2"].state, code_of(jobs["srv-2"])) == (JobState.SKIPPED, "wave-stopped"), jobs["srv-2"]
    assert "srv-1 unreachable" in str(jobs["srv-2"].trouble)
    assert (database(other), boots(other)) == (before, [])
    (told,) = poll(lambda: _told_of(site, "patch/impatient"), within=20, what="the technician on call is told")
    assert told.recipients == (ON_CALL,)
    assert told.message["Subject"] == "Commune: srv-1 needs you now (patch/impatient)"
    assert "did not come back within" in told.message.get_content()


def _told_of(site: Site, playbook: str) -> list[Received]:
    return [mail for mail in site.ronde.mail.received() if playbook in str(mail.message["Subject"])]
