"""The ledger's disk full, and the ledger locked: nothing is invented, nothing is lost, and work goes on afterwards."""

import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ronde.model.run import JobState
from ronde.model.verdict import Verdict
from tests.e2e.installation import CLIENT, Host, Installation, Process, poll

SIZE_MB = 8


class SmallDisk:
    """A disk of a few megabytes, mounted where the ledger is kept; needs root, as mounting does."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._ballast = place / "ballast"

    def mount(self) -> None:
        self._place.mkdir(mode=0o700, parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "tmpfs", self._place], check=True)

    def unmount(self) -> None:
        subprocess.run(["umount", "--lazy", self._place], check=True)

    def fill(self) -> None:
        """Take every byte that is left."""
        with self._ballast.open("wb", buffering=0) as file:
            free = os.statvfs(self._place).f_bavail * os.statvfs(self._place).f_frsize
            file.write(bytes(free))
        assert os.statvfs(self._place).f_bavail == 0

    def free(self) -> None:
        self._ballast.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    made = SmallDisk(tmp_path / "data")
    made.mount()
    yield made
    made.unmount()


@pytest.fixture
def on_small_disk(disk: SmallDisk, tmp_path: Path) -> Iterator[Installation]:
    with Installation(tmp_path) as installation:
        installation.add_host("srv-1")
        installation.broker.start()
        installation.write_inventory()
        assert installation.ledger.ping()
        yield installation


def test_a_full_disk_invents_nothing_and_loses_nothing(on_small_disk: Installation, disk: SmallDisk) -> None:
    ronde = on_small_disk
    (worker,) = ronde.awaken("one")
    host, run = _in_mid_job(ronde)
    disk.fill()
    host.release()
    worker.says("the ledger did not take the result")
    assert ronde.job(run).state is JobState.RUNNING
    _refuses_orders(ronde, "no room left")
    disk.free()
    _goes_on(ronde, run, worker)


def test_a_locked_ledger_is_waited_for(ronde: Installation) -> None:
    (worker,) = ronde.awaken("one")
    host, run = _in_mid_job(ronde)
    with closing(ronde.raw()) as somebody:
        somebody.execute("BEGIN EXCLUSIVE")
        host.release()
        worker.says("the ledger did not take the result")
        assert ronde.job(run).state is JobState.RUNNING
        _refuses_orders(ronde, "locked")
        ronde.start_worker("two")
        somebody.rollback()
    _goes_on(ronde, run, worker)
    poll(lambda: _known(ronde) == 2, within=20, what="the worker that was started meanwhile is known")


def _in_mid_job(ronde: Installation) -> tuple[Host, str]:
    host = ronde.hosts["srv-1"]
    host.hold()
    run = ronde.order()
    host.asked()
    return host, run


def _refuses_orders(ronde: Installation, why: str) -> None:
    """What cannot be written down is not accepted, and the person who ordered it hears why."""
    known = [run.id for run in ronde.runs()]
    refused = ronde.ronde("run", "backup/check", "--client", CLIENT, "--detach")
    assert (refused.returncode, refused.stdout) == (3, "")
    assert why in refused.stderr
    assert [run.id for run in ronde.runs()] == known


def _goes_on(ronde: Installation, run: str, worker: Process) -> None:
    record = ronde.finished(run)
    assert record.verdict is Verdict.OK
    counted = Counter(ronde.events(run))
    assert counted["job.succeed"] == 1
    assert counted["job.claim"] == record.jobs[0].attempt
    assert worker.alive
    assert ronde.finished(ronde.order()).verdict is Verdict.OK


def _known(ronde: Installation) -> int:
    workers = ronde.ledger.health(datetime.now(UTC)).workers
    return sum("work" in queues for _, queues in workers.values())
