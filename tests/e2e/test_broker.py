"""The broker restarted, emptied and away: messages are hints, so nothing that was ordered is lost or done twice."""

import os
import time
from collections import Counter

import pytest

from ronde.model.run import JobState
from ronde.model.verdict import Verdict
from tests.e2e.installation import Installation, poll

# How long the broker stays away; longer than every socket and reconnection time limit from about twenty seconds on.
OUTAGE = float(os.environ.get("E2E_OUTAGE_SECONDS", "20"))


def test_a_restarted_broker_interrupts_nothing(ronde: Installation) -> None:
    host = ronde.hosts["srv-1"]
    (worker,) = ronde.awaken("one")
    host.hold()
    run = ronde.order()
    host.asked()
    ronde.broker.stop()
    ronde.broker.start()
    host.release()
    record = ronde.finished(run)
    assert (record.verdict, record.jobs[0].attempt) == (Verdict.OK, 1)
    assert ronde.finished(ronde.order()).verdict is Verdict.OK
    assert worker.alive
    assert all(process.alive for process in ronde.processes)


def test_jobs_queued_in_a_broker_that_lost_everything_are_sent_again(ronde: Installation) -> None:
    """One worker with one place, held; what waits behind it in the broker vanishes with the broker's disk."""
    for name in ("srv-2", "srv-3", "srv-4"):
        ronde.add_host(name)
    ronde.write_inventory()
    ronde.start_beat()
    ronde.start_worker("control", queues="control")
    ronde.start_worker("work", queues="work", threads=1)
    for host in ronde.hosts.values():
        host.hold()
    run = ronde.order()
    states = poll(lambda: _states(ronde, run) if ronde.busy(run) else None, within=20, what="one is at work")
    assert states == {JobState.RUNNING: 1, JobState.QUEUED: 3}
    assert all(job.sends for job in ronde.run(run).jobs)
    ronde.broker.wipe()
    for host in ronde.hosts.values():
        host.release()
    record = ronde.finished(run)
    assert record.verdict is Verdict.OK
    assert [job.attempt for job in record.jobs] == [1] * 4
    counted = Counter(ronde.events(run))
    assert (counted["job.claim"], counted["job.succeed"]) == (4, 4)


def _states(ronde: Installation, run: str) -> Counter[JobState]:
    return Counter(job.state for job in ronde.run(run).jobs)


def test_a_broker_that_is_away_loses_no_order(ronde: Installation) -> None:
    host = ronde.hosts["srv-1"]
    ronde.awaken("one")
    host.hold()
    begun = ronde.order()
    host.asked()
    ronde.broker.kill()
    away_until = time.monotonic() + OUTAGE
    ordered = ronde.order()  # taken by the ledger, broker or not
    assert ronde.job(ordered).state is JobState.QUEUED
    host.release()
    poll(lambda: ronde.job(begun).state is JobState.SUCCEEDED, within=45, what="what was begun ends meanwhile")
    poll(lambda: time.monotonic() > away_until, within=OUTAGE + 5, what="the outage lasts")
    assert all(process.alive for process in ronde.processes)
    assert ronde.job(ordered).state is JobState.QUEUED
    ronde.broker.start()
    for run in (begun, ordered):
        record = ronde.finished(run)
        assert (record.verdict, record.jobs[0].attempt) == (Verdict.OK, 1)
        assert Counter(ronde.events(run))["job.claim"] == 1


@pytest.mark.parametrize("command", [("run", "backup/check"), ("round",)])
def test_an_order_while_no_broker_runs_is_accepted_in_seconds(ronde: Installation, command: tuple[str, ...]) -> None:
    ronde.broker.stop()
    started = time.monotonic()
    done = ronde.ronde(*command, "--detach")
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - started < 40
    assert ronde.job(done.stdout.strip()).state is JobState.QUEUED
