"""`ronde follow` as a process beside a real broker: left by Ctrl-C, read through a pipe, and without a broker."""

import signal
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ronde.adapters.queue.feed import RedisFeed
from ronde.adapters.queue.publisher import BatchingPublisher
from ronde.model.plan import JobPlan, Order, Target, TargetKind, Trigger
from ronde.model.redaction import Redactor
from ronde.model.run import RunState
from ronde.ports import Ear
from tests.e2e.installation import CLIENT, RONDE, SCOPE, Installation, poll

EVIL = b"\x1b]0;owned\x07\x1b[2J\x9b31m\xff\x00fine\xe2\x80\xae\n"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Installation]:
    """An installation with a broker and a run that no worker takes: a test says what is said in it."""
    with Installation(tmp_path) as installation:
        installation.add_host("srv-fichiers")
        installation.broker.start()
        installation.write_inventory()
        assert installation.ledger.ping()
        yield installation


@pytest.fixture
def run(house: Installation) -> str:
    job = JobPlan(Target(CLIENT, TargetKind.HOST, "srv-fichiers"), "backup/check", ())
    return house.ledger.create_run(Order("backup/check", "d" * 64, (job,), Trigger.PERSON, "alix"), datetime.now(UTC))


def cancel(house: Installation, run: str) -> None:
    now = datetime.now(UTC)
    assert house.ledger.cancel_run(SCOPE, run, "alix", now)
    house.ledger.advance(run, now)


@pytest.fixture
def say(house: Installation, run: str) -> Iterator[Ear]:
    """The ear of a step of the run's one job."""
    known = Redactor([b"hunter22-hunter22"])
    with closing(RedisFeed(house.broker.url)) as feed:
        publisher = BatchingPublisher(feed, lambda: known, lambda: datetime.now(UTC))
        yield publisher.listener(run, house.run(run).jobs[0].id, f"{CLIENT}/srv-fichiers", "restart")
        publisher.stop()


def test_lines_arrive_as_they_are_said_and_ctrl_c_only_leaves(house: Installation, run: str, say: Ear) -> None:
    following = house.start("following", *RONDE, "follow", run[:8])
    say("note", b"restart: systemctl restart cron")
    say("out", b"login hunter22-")
    say("out", b"hunter22\n" + EVIL)
    following.says("srv-fichiers ── restart: systemctl restart cron\n")
    following.says("srv-fichiers │ login [redacted]\nsrv-fichiers │ ")
    following.popen.send_signal(signal.SIGINT)
    assert following.wait(20) == 130
    assert following.said(f"Left; the run goes on.\nronde follow {run[:8]}\nronde cancel {run[:8]}\n")
    assert not following.said("Traceback")
    said = following.log.read_text()
    assert "fine\n" in said
    assert not [char for char in said if (ord(char) < 32 and char != "\n") or 0x7F <= ord(char) < 0xA0]
    assert house.run(run).state is RunState.QUEUED, "it goes on without us"


def test_it_ends_with_the_run_and_prints_its_result(house: Installation, run: str, say: Ear) -> None:
    following = house.start("following", *RONDE, "follow", run)
    say("out", b"one\n")
    following.says("srv-fichiers │ one\n")
    cancel(house, run)
    say("out", b"last words")
    say("end", b"")
    assert following.wait(20) == 3, "a cancelled run verified nothing"
    assert following.said("srv-fichiers │ last words\nsrv-fichiers ── cancelled · ◇ unknown")
    assert following.said(f"backup/check · {run} · cancelled")
    assert not following.said("lost")


def test_a_broker_that_goes_away_is_told_once_and_the_end_still_seen(house: Installation, run: str, say: Ear) -> None:
    following = house.start("following", *RONDE, "follow", run)
    say("out", b"one\n")
    say("end", b"")
    following.says("srv-fichiers │ one\n")
    house.broker.kill()
    following.says("the broker cannot be asked for live output")
    cancel(house, run)
    assert following.wait(30) == 3
    assert following.said(f"full output: ronde show {run[:8]} --output")
    assert following.log.read_text().count("cannot be asked") == 1
    assert not following.said("some live output was lost")


def test_a_reader_that_goes_away_is_no_error(house: Installation, run: str, say: Ear) -> None:
    say("out", b"one\ntwo\n")
    shell = " ".join([*RONDE, "follow", run]) + " | head -n 1; exit ${PIPESTATUS[0]}"
    reading = house.start("reading", "bash", "-c", shell)
    reading.says("srv-fichiers │ one\n")

    def it_noticed() -> bool:
        say("out", b"and on\n")
        return not reading.alive

    poll(it_noticed, within=30, what="it notices when it writes again")
    assert reading.wait(5) == 0
    assert reading.log.read_text() == "srv-fichiers │ one\n"


def test_a_run_that_is_not_there_is_a_usage_error(house: Installation) -> None:
    done = house.ronde("follow", "ffff")
    assert (done.returncode, done.stdout) == (2, "")
    assert sys.executable not in done.stderr
