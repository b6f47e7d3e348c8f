"""The protocol with Windows, through a real sshd and a `powershell` that keeps tasks. Not verified on Windows."""

import base64
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ronde.adapters.ssh import SshShells
from ronde.facts.patch import windows, windows_look
from ronde.facts.patch.windows_scripts import DELETE, JOB, LAUNCHER, LOOK, POLL, PROBE, REBOOT, START
from ronde.facts.question import Question
from ronde.model.check import Finding
from ronde.model.inventory import Probe
from ronde.model.patch.packages import Package, Simulation
from ronde.ports import Shell
from tests.doubles.shell import NeverStop, WallClock
from tests.doubles.ssh_hosts import Grounds, PathSecrets
from tests.doubles.windows_host import OFFERED, ROLLUP, TOOL, WindowsHost


@pytest.fixture
def bin_(tmp_path: Path) -> Path:
    return WindowsHost(tmp_path / "bin").bin


def settle(folder: Path, **files: Any) -> None:
    for name, value in files.items():
        (folder / "tasks" / f"{name}.json").write_text(json.dumps(value), encoding="utf-8")


@contextmanager
def session(tmp_path: Path, folder: Path) -> Iterator[Shell]:
    (tmp_path / "ssh").mkdir(exist_ok=True)
    grounds = Grounds(tmp_path / "ssh")
    with grounds.server("win", extra_config=[f"SetEnv PATH={folder}:/usr/bin:/bin"]) as server:
        grounds.hosts["win"] = grounds.entry(server)
        with SshShells(PathSecrets(), WallClock()).open(grounds.client(), "win", NeverStop()) as shell:
            yield shell


def put(shell: Shell, question: Question, job: str) -> windows.Progress:
    progress = windows.parse_progress(shell.run(question.command), job)
    assert isinstance(progress, windows.Progress), progress
    return progress


def follow(shell: Shell, job: str) -> windows.Progress:
    """Poll until the job has ended; the double ends it after a number of polls, so no time is waited."""
    for _ in range(10):
        progress = put(shell, windows.poll_question(job), job)
        if progress.state is not windows.State.RUNNING:
            return progress
    raise AssertionError("it runs for ever")


def test_a_search_is_started_followed_read_and_cleared_away(tmp_path: Path, bin_: Path) -> None:
    with session(tmp_path, bin_) as shell:
        started = put(shell, windows.search_question("job-1"), "job-1")
        running = put(shell, windows.poll_question("job-1"), "job-1")
        done = follow(shell, "job-1")
        cleared = put(shell, windows.delete_question("job-1"), "job-1")
        after = put(shell, windows.poll_question("job-1"), "job-1")
    assert [one.state for one in (started, running, done, cleared, after)] == [
        windows.State.STARTED,
        windows.State.RUNNING,
        windows.State.DONE,
        windows.State.ABSENT,
        windows.State.ABSENT,
    ]
    assert done.result is not None
    assert done.result.updates[0].title == OFFERED[0]["title"], "text passes whatever is in it"
    simulation = windows.simulation_of(done.result)
    assert isinstance(simulation, Simulation)
    assert [(one.name, one.security, one.cves) for one in simulation.pending] == [
        (ROLLUP, True, ("CVE-2026-3333",)),
        (TOOL, False, ()),
    ]
    assert not (bin_ / "tasks" / "job-1").exists()


def test_an_order_that_is_given_twice_starts_the_job_once(tmp_path: Path, bin_: Path) -> None:
    with session(tmp_path, bin_) as shell:
        question = windows.install_question("job-2", [Package(ROLLUP, "", "201")])
        states = [put(shell, question, "job-2").state for _ in range(3)]
        follow(shell, "job-2")
        states.append(put(shell, question, "job-2").state)
    assert states == [windows.State.STARTED, windows.State.RUNNING, windows.State.RUNNING, windows.State.DONE]
    assert (bin_ / "tasks" / "job-2" / "starts").read_text(encoding="utf-8").count("started") == 1


def test_an_install_ends_with_what_windows_says_of_each_update(tmp_path: Path, bin_: Path) -> None:
    planned = [Package(ROLLUP, "", "201")]
    with session(tmp_path, bin_) as shell:
        put(shell, windows.install_question("job-3", planned), "job-3")
        result = follow(shell, "job-3").result
    assert result is not None
    assert windows.judge_install(planned, result).succeeded
    assert result.reboot.needed is True


def test_an_update_that_failed_is_a_failure(tmp_path: Path, bin_: Path) -> None:
    settle(bin_, fate={"polls": 0, "codes": {ROLLUP: 4}})
    planned = [Package(ROLLUP, "", "201")]
    with session(tmp_path, bin_) as shell:
        put(shell, windows.install_question("job-4", planned), "job-4")
        outcome = windows.judge_install(planned, follow(shell, "job-4").result)
    assert [miss.found for miss in outcome.failed] == ["failed 0x80242017"]


def test_a_job_that_died_leaves_an_unknown_outcome(tmp_path: Path, bin_: Path) -> None:
    settle(bin_, fate={"polls": 1, "dies": True})
    with session(tmp_path, bin_) as shell:
        put(shell, windows.search_question("job-5"), "job-5")
        progress = follow(shell, "job-5")
    assert progress.state is windows.State.DEAD
    assert not windows.judge_install([Package(ROLLUP, "", "201")], progress.result).known


def test_a_refusal_is_told_as_such(tmp_path: Path, bin_: Path) -> None:
    settle(bin_, fate={"denied": True})
    with session(tmp_path, bin_) as shell:
        found = windows.parse_progress(shell.run(windows.search_question("job-6").command), "job-6")
    assert isinstance(found, Finding)
    assert found.rule == "patch-denied"


def test_a_host_without_powershell_says_so(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with session(tmp_path, empty) as shell:
        found = windows.parse_progress(shell.run(windows.search_question("job-7").command), "job-7")
    assert shutil.which("powershell") is None
    assert isinstance(found, Finding)
    assert found.rule == "patch-tool-missing"


def test_the_command_line_is_the_same_whatever_is_asked_and_short_enough_for_cmd() -> None:
    questions = [
        windows.search_question("a"),
        windows.install_question("b", [Package(ROLLUP, "", str(number)) for number in range(500)]),
        windows.poll_question("c"),
        windows.delete_question("d"),
        windows_look.look_question(),
        windows_look.reboot_question(datetime(2026, 11, 20, tzinfo=UTC)),
        windows_look.probes_question([Probe(command=("a b", "$(c)"))]),
    ]
    lines = {question.command.line for question in questions}
    assert len(lines) == 1
    (line,) = lines
    assert len(line) < 8191
    assert base64.b64decode(line.rpartition(" ")[2]).decode("utf-16-le") == LAUNCHER
    assert not set(line) & set("'\"$&|<>^%`;()"), "safe for cmd, PowerShell and sh"


@pytest.mark.parametrize("job", ["", "../x", "a b", "a;b", "-a", "x" * 65])
def test_a_job_whose_id_could_be_a_path_is_refused(job: str) -> None:
    with pytest.raises(ValueError, match="not a job's id"):
        windows.search_question(job)


@pytest.mark.parametrize("script", [START, POLL, DELETE, JOB, LAUNCHER, LOOK, REBOOT, PROBE])
def test_the_scripts_are_ascii_and_close_what_they_open(script: str) -> None:
    """As far as a script can be held without a PowerShell."""
    script.encode("ascii")
    for opening, closing in ("{}", "()", "[]"):
        assert script.count(opening) == script.count(closing), (opening, closing)
