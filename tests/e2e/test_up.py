"""`ronde up` keeps one machine's processes alive, and takes all of them with it, however it ends."""

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.process import Process as LabProcess
from ronde.model.run import JobState
from ronde.model.verdict import Verdict
from tests.e2e.installation import RONDE, Installation, Process, poll

NAMES = {"broker", "control", "work-1", "beat-1"}


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Installation]:
    """An installation for which nothing was set up, not even a broker."""
    with Installation(tmp_path, embedded=True) as installation:
        installation.add_host("srv-1")
        installation.write_inventory()
        yield installation


def _up(ronde: Installation) -> Process:
    up = ronde.start("up", *RONDE, "up")
    poll(lambda: _children(up).keys() >= NAMES or not up.alive, within=30, what="everything is started")
    assert up.alive, up.said_last()
    return up


def _children(up: Process) -> dict[str, int]:
    """Name to the pid that was started last."""
    said = up.log.read_text(errors="replace")
    return {name: int(pid) for name, pid in re.findall(r"^(\S+) started \(pid (\d+)\)", said, re.MULTILINE)}


def _works(ronde: Installation) -> None:
    record = ronde.finished(ronde.order())
    assert (record.verdict, record.jobs[0].attempt) == (Verdict.OK, 1)


def _family(up: Process) -> list[LabProcess]:
    """Every process that `up` looks after; Valkey writes its title over the mark that the others are known by."""
    found = [LabProcess.of(pid) for pid in _children(up).values()]
    return [process for process in found if process is not None]


def _gone(ronde: Installation, family: list[LabProcess]) -> None:
    assert len(family) == len(NAMES)

    def left() -> list[LabProcess]:
        return [*ronde.left(), *(process for process in family if process.alive())]

    poll(lambda: not left(), within=40, what="no process is left behind")


def test_a_child_that_dies_is_started_again(alone: Installation) -> None:
    up = _up(alone)
    _works(alone)
    before = _children(up)
    for name in sorted(NAMES):
        os.kill(before[name], signal.SIGKILL)
    poll(lambda: all(_children(up)[name] != before[name] for name in NAMES), within=30, what="all are started again")
    _works(alone)
    assert up.said("signal SIGKILL")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_end_it_leaves_no_process_behind(alone: Installation, number: signal.Signals) -> None:
    """Ctrl-C in mid-job: what is held is finished and recorded first."""
    up = _up(alone)
    host = alone.hosts["srv-1"]
    host.hold()
    run = alone.order()
    host.asked()
    family = _family(up)
    up.popen.send_signal(number)
    up.says("Warm shutdown")
    host.release()
    assert up.wait(60) == 0
    _gone(alone, family)
    job = alone.job(run)
    assert (job.state, job.verdict, job.attempt) == (JobState.SUCCEEDED, Verdict.OK, 1)
    assert alone.run(run).finished_at is not None  # `control` outlives the workers, and moves on what they ended
    assert not (alone.directory / "data" / "broker" / "valkey.sock").exists()


def test_killed_it_leaves_no_process_behind(alone: Installation) -> None:
    up = _up(alone)
    _works(alone)
    family = _family(up)
    up.kill()
    _gone(alone, family)
    up = _up(alone)
    _works(alone)


def test_here_needs_neither_broker_nor_worker(alone: Installation) -> None:
    done = alone.ronde("run", "backup/check", "--here", "--json")
    assert done.returncode == 0, done.stderr
    (run,) = alone.runs()
    assert (run.verdict, run.jobs[0].attempt) == (Verdict.OK, 1)
    assert alone.left() == []
