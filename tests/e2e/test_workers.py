"""Workers that die, freeze and are stopped: every job ends once, with a verdict that evidence stands behind."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from ronde.model.plan import JobPlan, Order, Retry, Step, Target, TargetKind, Trigger
from ronde.model.run import JobState, RunState
from ronde.model.verdict import Verdict
from tests.e2e.installation import CLIENT, Installation, poll


def test_another_worker_finishes_the_job_of_one_that_was_killed(ronde: Installation) -> None:
    host = ronde.hosts["srv-1"]
    before = host.files()
    ronde.awaken("one", "two")
    host.hold()
    run = ronde.order()
    host.asked()
    ronde.holder(run).kill()
    host.asked(2)
    host.release()
    record = ronde.finished(run)
    (job,) = record.jobs
    assert (record.state, record.verdict, job.attempt) == (RunState.SUCCEEDED, Verdict.OK, 2)
    assert ronde.events(run) == ["run.order", "job.claim", "job.lapse", "job.claim", "job.succeed", "run.end"]
    poll(lambda: not host.running(), within=10, what="nothing is left running on the host")
    assert host.files() == before


def test_a_job_that_kills_every_worker_is_given_up_and_says_so(ronde: Installation) -> None:
    host = ronde.hosts["srv-1"]
    host.hold()
    ronde.awaken("one", "two", "three")
    run = ronde.order()
    for attempt in (1, 2, 3):
        host.asked(attempt)
        ronde.holder(run).kill()
    ronde.start_worker("four")
    record = ronde.finished(run)
    (job,) = record.jobs
    assert (record.state, record.verdict, job.state) == (RunState.FAILED, Verdict.UNKNOWN, JobState.LOST)
    assert job.trouble is not None
    assert "vanished in mid-job" in job.trouble.message
    assert Counter(ronde.events(run))["job.claim"] == 3
    (shown,) = ronde.show(run)["jobs"]
    assert (shown["state"], shown["verdict"], shown["checks"]) == ("lost", "unknown", [])
    assert "vanished" in ronde.ronde("status").stdout
    _, _, unverified = ronde.ronde("report", "night", CLIENT).stdout.partition("N'AVONS PAS PU VÉRIFIER")
    assert "srv-1" in unverified
    assert "mairie-db" in unverified


def test_the_late_result_of_a_frozen_worker_is_refused(ronde: Installation) -> None:
    host = ronde.hosts["srv-1"]
    ronde.awaken("one", "two")
    host.hold()
    run = ronde.order()
    host.asked()
    frozen = ronde.holder(run)
    frozen.freeze()
    host.asked(2)
    host.release()
    record = ronde.finished(run)
    frozen.thaw()
    frozen.says("fenced")
    assert ronde.run(run) == record
    assert Counter(ronde.events(run))["job.succeed"] == 1
    (job,) = record.jobs
    assert (job.attempt, job.verdict, len(job.checks)) == (2, Verdict.OK, len({c.subject for c in job.checks}))
    for other in ronde.processes:
        if other.name in {"one", "two"} and other is not frozen:
            other.kill()
    assert ronde.finished(ronde.order()).verdict is Verdict.OK  # by the one that was frozen


def test_a_worker_that_is_stopped_finishes_what_it_holds(ronde: Installation) -> None:
    names = ["srv-1", "srv-2", "srv-3", "srv-4"]
    for name in names[1:]:
        ronde.add_host(name)
    ronde.write_inventory()
    (worker,) = ronde.awaken("one")
    for host in ronde.hosts.values():
        host.hold()
    run = ronde.order()
    for host in ronde.hosts.values():
        host.asked()
    worker.popen.terminate()
    worker.says("Warm shutdown")
    for host in ronde.hosts.values():
        host.release()
    assert worker.wait(30) == 0
    jobs = ronde.run(run).jobs
    assert [(job.state, job.attempt, job.verdict) for job in jobs] == [(JobState.SUCCEEDED, 1, Verdict.OK)] * len(names)
    ronde.start_worker("two")
    assert ronde.finished(run).verdict is Verdict.OK  # the roll call moves on the run whose last message nobody took


def test_what_this_version_cannot_do_ends_with_its_reason(ronde: Installation) -> None:
    """Two poisonous plans beside a good one: a step of a later version, and one whose values break our own code."""
    later = Step("x", "teleport")
    broken = Step("x", "backups", {"backups": [{"tool": "sundial"}]})
    runs = [_order(ronde, step) for step in (later, broken)]
    ronde.awaken("one")
    good = ronde.order()
    first, second = (ronde.finished(run) for run in runs)
    assert (first.jobs[0].state, first.verdict) == (JobState.FAILED, Verdict.UNKNOWN)
    assert first.jobs[0].trouble is not None
    assert "teleport" in first.jobs[0].trouble.message
    assert (second.jobs[0].state, second.verdict) == (JobState.CRASHED, Verdict.UNKNOWN)
    assert second.jobs[0].trouble is not None
    assert "sundial" in second.jobs[0].trouble.message
    assert [Counter(ronde.events(run))["job.claim"] for run in runs] == [1, 1]
    assert ronde.finished(good).verdict is Verdict.OK


def _order(ronde: Installation, step: Step) -> str:
    plan = JobPlan(Target(CLIENT, TargetKind.HOST, "srv-1"), "backup/check", (step,), retry=Retry(3, (timedelta(0),)))
    order = Order("backup/check", "0" * 64, (plan,), Trigger.PERSON, "somebody")
    return ronde.ledger.create_run(order, datetime.now(UTC))
