"""An inventory broken while workers run: the last good one stays in force, and a mended one is taken up."""

from datetime import UTC, datetime, timedelta

from ronde.model.run import JobState
from ronde.model.verdict import Verdict
from tests.e2e.installation import CLIENT, Installation, poll


def test_the_last_good_inventory_stays_in_force(ronde: Installation) -> None:
    due = datetime.now(UTC) - timedelta(minutes=2)
    ronde.schedules["night"] = {
        "playbook": "backup/check",
        "at": f"{due.minute} {due.hour} * * *",
        "catch_up": {"within": "4h"},
    }
    ronde.write_inventory()
    (worker,) = ronde.awaken("one")
    good = ronde.client_file.read_text()
    ronde.client_file.write_text(good.replace("address:", "adress:"))
    worker.says("inventory invalid")
    worker.says(f"{CLIENT}.yml:")
    ronde.seen_since("night", due - timedelta(minutes=1))
    (occurrence,) = poll(lambda: ronde.occurrences("night"), within=20, what="it fires all the same")
    assert occurrence.run is not None
    assert ronde.finished(occurrence.run).verdict is Verdict.OK
    refused = ronde.ronde("run", "backup/check", "--detach")
    assert refused.returncode == 2
    assert f"{CLIENT}.yml:" in refused.stderr
    ronde.add_host("srv-2")
    ronde.write_inventory()
    record = ronde.finished(ronde.order("--host", "srv-2"))
    assert [(job.target.name, job.verdict) for job in record.jobs] == [("srv-2", Verdict.OK)]


def test_a_worker_that_never_had_an_inventory_leaves_the_work_to_others(ronde: Installation) -> None:
    """And a roll call that cannot fire still looks after what is under way."""
    ronde.broker.stop()
    run = ronde.order()
    good = ronde.client_file.read_text()
    ronde.client_file.write_text("client: [")
    ronde.broker.start()
    (worker,) = ronde.awaken("blind")
    worker.says("left to the roll call")
    worker.says("nothing is fired")
    assert (ronde.job(run).state, ronde.job(run).attempt) == (JobState.QUEUED, 1)
    ronde.client_file.write_text(good)
    assert ronde.finished(run).verdict is Verdict.OK
