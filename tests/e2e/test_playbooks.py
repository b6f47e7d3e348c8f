"""Playbooks under fault, with real processes: each change takes effect once, or a person is asked, whatever dies."""

import random
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from lab.hosts import many_hosts
from lab.mute import MuteListener
from ronde.model.procedure import StepState
from ronde.model.records import JobRecord
from ronde.model.run import JobState, RunState
from tests.e2e.installation import CLIENT, SCOPE, Installation, poll

PLAYBOOKS = Path(__file__).parent / "playbooks"
STEPS = ("one", "two", "three", "four", "last")
SEED = 20261127
KILLS = 20


@pytest.fixture
def acting(ronde: Installation) -> Installation:
    """An installation whose playbooks are those of these tests."""
    ronde.more |= {"RONDE_PLAYBOOKS": str(PLAYBOOKS), "RONDE_LEASE": "3s"}
    return ronde


def place_of(ronde: Installation, host: str) -> Path:
    """A folder on a host that nobody else writes to."""
    place = ronde.directory / "count" / host
    place.mkdir(parents=True, exist_ok=True)
    return place


def emptied(ronde: Installation, host: str) -> Path:
    place = place_of(ronde, host)
    for path in place.iterdir():
        path.unlink()
    return place


def ended_or_late(ronde: Installation, run: str, until: float) -> bool:
    return bool(ronde.run(run).finished_at) or time.monotonic() > until


def effects(place: Path) -> dict[str, int]:
    """How often each step took effect."""
    return {path.name: len(path.read_text().splitlines()) for path in place.iterdir()}


def order(ronde: Installation, place: Path, *more: str) -> str:
    done = ronde.ronde("run", "test/count", "--client", CLIENT, "--param", f"folder={place.parent}", "--detach", *more)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def assert_once(job: JobRecord, place: Path) -> None:
    """Each change took effect exactly once; or a person is asked, and nothing took effect twice."""
    seen = effects(place)
    assert all(count == 1 for count in seen.values()), (job, seen)
    if job.state is JobState.NEEDS_HUMAN:
        assert any(step.state is StepState.UNCLEAR for step in job.steps) or job.trouble is not None
        return
    assert job.state is JobState.SUCCEEDED, job
    assert seen.keys() == set(STEPS)


def test_a_change_is_made_step_by_step_and_leaves_its_record(acting: Installation) -> None:
    place = place_of(acting, "srv-1")
    acting.awaken()
    record = acting.finished(order(acting, place, "--host", "srv-1"))
    (job,) = record.jobs
    assert (record.state, job.state) == (RunState.SUCCEEDED, JobState.SUCCEEDED)
    assert effects(place) == dict.fromkeys(STEPS, 1)
    assert [step.step for step in job.steps] == ["one", "look", "two", "three", "four", "last"]
    said = acting.ronde("show", record.id, "--output").stdout
    assert "begin one" in said
    assert "end four" in said


@pytest.mark.timeout(600)
def test_twenty_kills_of_the_worker_and_each_change_is_made_once(acting: Installation) -> None:
    """kill -9 at random points of runs with change steps; another worker takes up what was under way."""
    chance = random.Random(SEED)  # noqa: S311 - which moment, not a secret
    for name in ("srv-2", "srv-3", "srv-4"):
        acting.add_host(name)
    acting.write_inventory()
    acting.start_beat()
    acting.start_worker("control", queues="control")
    crew = acting.start_workers("work-0", "work-1", "work-2", queues="work", threads=4)
    kills = 0
    while kills < KILLS:
        places = {name: emptied(acting, name) for name in acting.hosts}
        run = order(acting, places["srv-1"])
        while kills < KILLS and not acting.run(run).finished_at:
            until = time.monotonic() + chance.uniform(0.2, 2.0)
            poll(partial(ended_or_late, acting, run, until), within=30, what="the moment to kill")
            crew.pop(chance.randrange(len(crew))).kill()
            kills += 1
            crew.append(acting.start_worker_unheard(f"work-{kills + 2}", queues="work", threads=4))
        for job in acting.finished(run, within=120).jobs:
            assert_once(job, places[job.target.name])


def test_two_workers_that_claim_one_job_and_a_message_that_comes_twice(acting: Installation) -> None:
    place = place_of(acting, "srv-1")
    acting.awaken("one", "two")
    run = order(acting, place, "--host", "srv-1")
    job = acting.job(run).id
    for _ in range(5):
        acting.send("ronde.work", [job, 1], queue="work")
    record = acting.finished(run)
    assert_once(record.jobs[0], place)
    assert acting.events(run).count("job.claim") == 1


def test_a_broker_that_is_restarted_and_wiped_in_mid_run(acting: Installation) -> None:
    place = place_of(acting, "srv-1")
    acting.awaken()
    run = order(acting, place, "--host", "srv-1", "--param", "pause=1")
    poll(lambda: effects(place), within=30, what="the first step has begun")
    acting.broker.wipe()
    record = acting.finished(run)
    assert_once(record.jobs[0], place)


def test_cancel_stops_before_the_next_step_and_tells_what_was_done(acting: Installation) -> None:
    place = place_of(acting, "srv-1")
    acting.awaken()
    run = order(acting, place, "--host", "srv-1", "--param", "pause=3")
    poll(lambda: "two" in effects(place), within=40, what="the second step has begun")
    assert acting.ledger.cancel_run(SCOPE, run, "root", datetime.now(UTC))
    (job,) = acting.finished(run).jobs
    assert job.state is JobState.CANCELLED
    assert effects(place) == {"one": 1, "two": 1, "last": 1}  # what had begun came to its end; the rest was not begun
    assert job.trouble is not None
    assert "one, two" in job.trouble.message


def test_cancel_now_ends_the_step_in_hand_on_the_host(acting: Installation) -> None:
    place = place_of(acting, "srv-1")
    acting.awaken()
    run = order(acting, place, "--host", "srv-1", "--param", "pause=45")
    poll(lambda: "one" in effects(place), within=30, what="the first step has begun")
    began = time.monotonic()
    assert acting.ronde("cancel", run, "--now").returncode == 0
    (job,) = acting.finished(run).jobs
    assert time.monotonic() - began < 40
    assert job.state is JobState.CANCELLED
    assert effects(place) == {"one": 1, "last": 1}
    sleeping = [process for process in acting.hosts["srv-1"].running() if b"sleep\x0045" in _argv(process.pid)]
    assert not sleeping


def _argv(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@pytest.mark.parametrize(
    "word",
    ["; rm -rf /", "$(id)", "`id`", "two\nlines", "-rf", "' \" \\ *", "{{ secret }}", "é€😀", "x" * 100_000],
    ids=["semicolon", "substitution", "backticks", "newline", "dash", "quotes", "template", "unicode", "long"],
)
def test_a_parameter_never_becomes_shell(acting: Installation, word: str) -> None:
    target = place_of(acting, "srv-1") / "word"
    source = acting.directory / "word.txt"
    source.write_text(word, encoding="utf-8")
    done = acting.ronde(
        *("run", "test/echo", "--client", CLIENT, "--host", "srv-1", "--here"),
        *("--param", f"file={target}", "--param", f"word=@{source}"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert target.read_text(encoding="utf-8") == word
    assert target.with_suffix(".script").read_text(encoding="utf-8") == word


@pytest.mark.parametrize("word", ["y" * 1_000_000, "a\x00b"], ids=["a-mebibyte", "zero"])
def test_a_parameter_that_no_program_can_be_given_is_refused_with_words(acting: Installation, word: str) -> None:
    target = place_of(acting, "srv-1") / "word"
    source = acting.directory / "word.txt"
    source.write_text(word, encoding="utf-8")
    done = acting.ronde(
        *("run", "test/echo", "--client", CLIENT, "--host", "srv-1", "--here", "--json"),
        *("--param", f"file={target}", "--param", f"word=@{source}"),
    )
    assert done.returncode in (1, 2)
    assert "longer than a program can be given" in done.stdout or "not allowed here" in done.stderr
    assert not target.exists()


def test_an_offline_host_is_waited_for_and_begun_when_it_returns(acting: Installation) -> None:
    place = place_of(acting, "srv-1")
    server = acting.hosts["srv-1"].server
    server.stop()
    acting.awaken()
    run = order(acting, place, "--host", "srv-1", "--queue-until", "1h")
    poll(lambda: acting.job(run).trouble, within=30, what="it was not reached")
    assert acting.job(run).state is JobState.QUEUED
    server.start()
    acting.change("UPDATE jobs SET wake_at = 0, not_before = NULL WHERE state = 'queued'")  # the minute has passed
    record = acting.finished(run)
    assert_once(record.jobs[0], place)


def test_what_waits_too_long_for_its_host_says_so(acting: Installation) -> None:
    place = place_of(acting, "srv-1")
    acting.hosts["srv-1"].server.stop()
    acting.awaken()
    run = order(acting, place, "--host", "srv-1", "--queue-until", "6s")
    (job,) = acting.finished(run).jobs
    assert job.state in (JobState.EXPIRED, JobState.FAILED)
    assert effects(place) == {}
    assert job.trouble is not None


def test_a_second_change_of_the_same_host_waits_for_the_first(acting: Installation) -> None:
    place = place_of(acting, "srv-1")
    acting.awaken("one", "two")
    first = order(acting, place, "--host", "srv-1", "--param", "pause=6")
    poll(lambda: "one" in effects(place), within=30, what="the first has begun")
    second = acting.ronde(
        "run", "test/count", "--client", CLIENT, "--param", f"folder={place.parent}", "--detach", "--host", "srv-1"
    )
    assert second.returncode == 2
    assert "holds the host" in second.stderr
    acting.finished(first)


def test_what_is_approved_is_what_runs_and_nobody_approves_his_own(acting: Installation) -> None:
    acting.technicians({"root": ["operate"], "nobody": ["operate", "approve"]}, {"playbook": "test/*"})
    place = place_of(acting, "srv-1")
    acting.awaken()
    run = order(acting, place, "--host", "srv-1")
    assert acting.run(run).state is RunState.PENDING_APPROVAL
    own = acting.ronde("approve", run)
    assert own.returncode == 2
    assert "cannot decide" in own.stderr or "may not" in own.stderr
    other = acting.ronde_as("nobody", "approve", run)
    assert other.returncode == 0, other.stderr
    record = acting.finished(run)
    assert_once(record.jobs[0], place)
    again = acting.ronde_as("nobody", "approve", run)
    assert again.returncode == 2


def test_a_refused_run_does_nothing(acting: Installation) -> None:
    acting.technicians({"root": ["operate"], "nobody": ["approve"]}, {"playbook": "test/*"})
    place = place_of(acting, "srv-1")
    acting.awaken()
    run = order(acting, place, "--host", "srv-1")
    assert acting.ronde_as("nobody", "refuse", run, "--reason", "pas ce soir").returncode == 0
    (job,) = acting.finished(run).jobs
    assert job.state is JobState.CANCELLED
    assert job.trouble is not None
    assert "pas ce soir" in job.trouble.message
    assert effects(place) == {}


def test_seventy_hosts_finish_as_if_thirty_others_did_not_hang(acting: Installation) -> None:
    """A hundred targets of one run, of which thirty accept and then say nothing."""
    mute = MuteListener(acting.directory, "127.83.9.1", 2222, acting.directory)
    mute.start()
    acting.resources.callback(mute.stop)
    hosts = acting.resources.enter_context(many_hosts(70, acting.directory / "many", "127.83"))
    shared = {"user": hosts.servers[0].user, "key": f"file://{hosts.key}", "host_key": hosts.host_key}
    acting.entries = {one.name: {**shared, "address": one.address, "port": one.port} for one in hosts.servers}
    acting.entries |= {f"mute-{n:02}": {**shared, "address": mute.address, "port": mute.port} for n in range(30)}
    acting.client = {"limits": {"per_client": 100, "changes": 100}}
    acting.write_inventory()
    acting.start_beat()
    acting.start_worker(threads=100)
    done = acting.ronde("run", "test/look", "--client", CLIENT, "--on", "host-* or mute-*", "--detach")
    assert done.returncode == 0, done.stderr
    record = acting.finished(done.stdout.strip(), within=120)
    took = {job.target.name: (job.finished_at or record.created_at) - record.created_at for job in record.jobs}
    ended = {job.target.name: job.state for job in record.jobs}
    good = [name for name in took if name.startswith("host-")]
    assert len(good) == 70
    assert {ended[name] for name in good} == {JobState.SUCCEEDED}
    assert {ended[name] for name in took if name not in good} == {JobState.FAILED}
    assert max(took[name] for name in good) < min(took[name] for name in took if name not in good)
