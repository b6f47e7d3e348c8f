"""Hosts and vCenters that vanish or fall silent: the job ends in bounded time, as unknown, and disturbs no other."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab.mute import MuteListener
from lab.vcenter.server import VCenterServer
from ronde.model.run import JobState, RunState
from ronde.model.verdict import Verdict
from tests.e2e.installation import CLIENT, Installation


def test_a_link_cut_in_mid_command_is_tried_again(ronde: Installation) -> None:
    host = ronde.hosts["srv-1"]
    ronde.awaken("one")
    host.hold()
    run = ronde.order()
    host.asked()
    host.server.close_sessions()
    host.asked(2)
    host.release()
    record = ronde.finished(run)
    assert (record.verdict, record.jobs[0].attempt) == (Verdict.OK, 2)
    assert Counter(ronde.events(run))["job.defer"] == 1


def test_a_link_cut_every_time_ends_as_unknown_with_the_reason(ronde: Installation) -> None:
    host = ronde.hosts["srv-1"]
    ronde.awaken("one")
    host.hold()
    run = ronde.order()
    for attempt in (1, 2, 3):
        host.asked(attempt)
        host.server.close_sessions()
    record = ronde.finished(run)
    (job,) = record.jobs
    assert (record.state, record.verdict, job.state) == (RunState.FAILED, Verdict.UNKNOWN, JobState.FAILED)
    assert (job.attempt, job.trouble and job.trouble.code) == (3, "connection-lost")
    (check,) = [check for check in ronde.checks() if check.subject == "mairie-db"]
    assert (check.verdict, check.level) == (Verdict.UNKNOWN, None)
    host.release()


def test_a_host_that_accepts_and_says_nothing_holds_nobody_up(ronde: Installation) -> None:
    """Two mute hosts on a worker with three places: a good one passes them by, and their places come free again."""
    ronde.try_once()
    good, mutes = ["srv-1", "srv-2", "srv-3"], ["mute-1", "mute-2"]
    for name in good[1:]:
        ronde.add_host(name)
    for name in mutes:
        server = ronde.add_host(name).server
        server.stop()
        mute = MuteListener(server.directory, server.address, server.port, server.owner)
        mute.start()
        ronde.resources.callback(mute.stop)
    ronde.write_inventory()
    ronde.start_worker("one", threads=3)
    with ThreadPoolExecutor(2) as pool:  # at the same time: a busy machine may take longer for an order than for a mute
        silent = pool.submit(ronde.order, *(f"--host={name}" for name in mutes))
        spoken = pool.submit(ronde.order, "--host=srv-1")
    passing = ronde.finished(spoken.result())
    record = ronde.finished(silent.result())
    assert passing.verdict is Verdict.OK
    assert (record.state, record.verdict) == (RunState.FAILED, Verdict.UNKNOWN)
    for job in record.jobs:
        assert job.trouble is not None
        assert job.trouble.code in {"unreachable", "timed-out", "protocol"}
        assert [check.verdict for check in job.checks] == [Verdict.UNKNOWN]
        assert job.finished_at is not None
        assert passing.finished_at is not None
        assert passing.finished_at < job.finished_at
    for name in good:
        ronde.hosts[name].hold()
    together = ronde.order(*(f"--host={name}" for name in good))
    for name in good:
        ronde.hosts[name].asked()  # all three places are in use at once
    for name in good:
        ronde.hosts[name].release()
    assert ronde.finished(together).verdict is Verdict.OK


def test_a_vcenter_that_never_answers_holds_nobody_up(ronde: Installation, tmp_path: Path) -> None:
    ronde.try_once()
    vcenter = VCenterServer(tmp_path / "vcenter")
    ronde.resources.enter_context(vcenter)
    certificates = tmp_path / "inventory" / "certificates" / CLIENT
    certificates.mkdir(parents=True)
    (certificates / "vc1.pem").write_text(vcenter.certificate_pem)
    (tmp_path / "password").write_text(vcenter.password)
    ronde.vcenters["vc1"] = {
        "address": vcenter.address,
        "port": vcenter.port,
        "user": vcenter.user,
        "password": f"file://{tmp_path / 'password'}",
        "certificate": f"{CLIENT}/vc1.pem",
    }
    ronde.write_inventory()
    ronde.start_worker("one", threads=2)
    spoken = ronde.finished(_snapshots(ronde))
    assert spoken.state is RunState.SUCCEEDED
    vcenter.mute()
    run = _snapshots(ronde)
    good = ronde.finished(ronde.order())
    silent = ronde.finished(run)
    assert good.verdict is Verdict.OK
    assert (silent.state, silent.verdict) == (RunState.FAILED, Verdict.UNKNOWN)
    assert silent.jobs[0].trouble is not None
    assert silent.jobs[0].trouble.code == "vcenter-unreachable"
    assert ronde.show(run)["jobs"][0]["verdict"] == "unknown"
    vcenter.mute(on=False)
    assert ronde.finished(_snapshots(ronde)).state is RunState.SUCCEEDED


def _snapshots(ronde: Installation) -> str:
    done = ronde.ronde("run", "vsphere/snapshots", "--client", CLIENT, "--detach")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
