import subprocess
import time
from pathlib import Path

import pytest

from lab.crew import Crew
from lab.errors import LabError
from lab.process import Process, descendants, end, marked, spawn, wait_until


def test_a_record_of_an_ended_process_is_not_mistaken_for_the_next_owner_of_its_pid(tmp_path: Path) -> None:
    living = spawn(["sleep", "60"], mark=tmp_path, log=tmp_path / "log")
    try:
        Process(living.pid, living.started - 1).save(tmp_path / "process")
        assert Process.load(tmp_path / "process") is None
        end([Process(living.pid, living.started - 1)], ask=False)
        assert living.alive()
    finally:
        end([living])
    assert not living.alive()


def test_what_ignores_being_asked_is_ended_all_the_same(tmp_path: Path) -> None:
    deaf = spawn(
        ["sh", "-c", "trap '' TERM; echo ready; while :; do read x; done"], mark=tmp_path, log=tmp_path / "log"
    )
    assert wait_until((tmp_path / "log").exists, 5)
    end([deaf], grace=0.2)
    assert not deaf.alive()


def test_a_process_whose_record_was_lost_is_found_by_its_mark(tmp_path: Path) -> None:
    lost = spawn(["sleep", "60"], mark=tmp_path, log=tmp_path / "log")
    assert lost in marked(tmp_path)
    assert lost not in marked(tmp_path / "other")
    end(marked(tmp_path))
    assert not lost.alive()


def test_descendants_are_found_through_every_generation(tmp_path: Path) -> None:
    root = spawn(["sh", "-c", "sh -c 'sleep 60; :'; :"], mark=tmp_path, log=tmp_path / "log")
    try:
        assert wait_until(lambda: len(descendants([root])) == 3, 5)
    finally:
        end(descendants([root]), ask=False)


def test_a_program_that_is_not_installed_is_named(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="no-such-program is not installed"):
        spawn(["no-such-program"], mark=tmp_path, log=tmp_path / "log")


def test_a_crew_raises_the_first_error_and_ends_what_the_others_run(tmp_path: Path) -> None:
    began: list[str] = []

    def sleeps() -> None:
        began.append("sleeps")
        environment = {"RONDELAB_PROCESS": str(tmp_path), "PATH": "/usr/bin:/bin"}
        subprocess.run(["sleep", "60"], env=environment, check=False)

    def fails() -> None:
        assert wait_until(lambda: bool(marked(tmp_path)), 5)
        raise LabError("this one")

    def all_at_once() -> None:
        with Crew(tmp_path, 2) as crew:
            for job in [sleeps, fails, *[sleeps] * 5]:
                crew.submit(job)

    started = time.monotonic()
    with pytest.raises(LabError, match="this one"):
        all_at_once()
    assert time.monotonic() - started < 30
    assert not marked(tmp_path)
    assert len(began) <= 2  # the failed one's thread may have begun one more before the end was called
