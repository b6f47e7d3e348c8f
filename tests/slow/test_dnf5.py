"""The real dnf5, of a Debian suite that moves until it is released: what it says, does, and is asked by us."""

import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, sleep
from typing import Self

import pytest

from lab.rpm import Manager, RpmMachine, RpmRoots
from ronde.facts.patch import dnf5_run, file_locks
from ronde.model.patch.audit import Integrity, Memory, Metadata
from ronde.model.patch.conclusion import decide_audit
from ronde.model.patch.packages import KeptReason, Package
from ronde.model.procedure import StepState
from ronde.model.run import JobState
from ronde.model.verdict import Verdict
from ronde.ports import Shell
from tests.integration.patch.conftest import Machines
from tests.integration.patch.looks import (
    SECURITY,
    apply_command,
    check_security_round,
    check_waiting,
    database,
    look_dnf5,
    preview,
    put,
    refresh,
    run,
    simulation,
    told,
)
from tests.integration.patching import rpm_office
from tests.integration.patching.conftest import failed, rules, step

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # the first may find that the tools have to be made
SLOW = Package("slow", "noarch", "1.1-1")


@pytest.fixture
def started(machines: Machines) -> tuple[RpmMachine, Shell]:
    return machines("dnf5")


def integrity(shell: Shell) -> Integrity:
    answers = put(shell, dnf5_run.integrity_question()), put(shell, dnf5_run.history_question())
    return told(dnf5_run.parse_integrity(*answers))


def test_what_waits_is_told_with_its_reasons(started: tuple[RpmMachine, Shell]) -> None:
    audit = look_dnf5(started[1])
    check_waiting(audit)
    assert isinstance(audit.integrity, Integrity)
    assert [kept.reason for kept in simulation(audit).kept] == [KeptReason.BROKEN]


def test_a_security_round_does_exactly_what_was_approved(started: tuple[RpmMachine, Shell]) -> None:
    check_security_round(started[1], "dnf5", look_dnf5)


@pytest.mark.parametrize("name", ["postfail", "prefail"])
def test_a_failed_script_is_no_success(started: tuple[RpmMachine, Shell], name: str) -> None:
    _, shell = started
    refresh(shell, "dnf5")
    before, targets = database(shell), [Package(name, "noarch", "1.1-1")]
    planned = preview(shell, "dnf5", targets, before)
    status, outcome = run(shell, apply_command("dnf5", targets), planned, before)
    assert status == 1
    assert [miss.label for miss in outcome.failed] == [f"{name}:noarch"]


@pytest.mark.parametrize("before", [refresh, lambda *_: None], ids=["cached", "never read"])
def test_a_repository_that_has_gone_makes_the_whole_look_unknown(
    started: tuple[RpmMachine, Shell], before: Callable[[Shell, Manager], None]
) -> None:
    machine, shell = started
    before(shell, "dnf5")
    machine.lose_repository("thirdparty")
    audit = look_dnf5(shell)
    assert isinstance(audit.metadata, Metadata)
    assert [fault.name for fault in audit.metadata.faults] == ["thirdparty"]
    assert decide_audit(audit, Memory(), datetime.now(UTC)).verdict is Verdict.UNKNOWN


def test_its_own_refresh_would_not_have_seen_that(started: tuple[RpmMachine, Shell]) -> None:
    """Why we set the age of the cache instead: a day on which this fails is one to simplify our question."""
    machine, shell = started
    refresh(shell, "dnf5")
    machine.lose_repository("thirdparty")
    assert machine.tool("dnf5").attempt("--refresh", "makecache").returncode == 0


def test_without_any_advisory_no_number_of_security_updates_is_given(
    started: tuple[RpmMachine, Shell], roots: RpmRoots
) -> None:
    machine, shell = started
    roots.publish(machine, ())
    found = simulation(look_dnf5(shell))
    assert found.pending
    assert {pending.security for pending in found.pending} == {None}


def test_a_lock_of_the_host_is_kept_and_told(started: tuple[RpmMachine, Shell]) -> None:
    machine, shell = started
    refresh(shell, "dnf5")
    machine.tool("dnf5").run("versionlock", "add", "gamma")
    reasons = {kept.name: kept.reason for kept in simulation(look_dnf5(shell)).kept}
    assert reasons["gamma:noarch"] is KeptReason.HELD


def test_an_exclude_in_the_configuration_hides_nothing(started: tuple[RpmMachine, Shell]) -> None:
    machine, shell = started
    conf = machine.directory / "dnf.conf"
    conf.write_text(conf.read_text(encoding="utf-8") + "excludepkgs=beta\n", encoding="utf-8")
    found = simulation(look_dnf5(shell))
    assert {pending.name for pending in found.pending if pending.security} == SECURITY
    assert {kept.name: kept.reason for kept in found.kept}["beta:noarch"] is KeptReason.PINNED


def test_a_reboot_is_seen_only_until_the_machine_was_rebooted(started: tuple[RpmMachine, Shell]) -> None:
    machine, shell = started
    refresh(shell, "dnf5")
    shell.run(dnf5_run.apply_command([Package("linux-firmware", "noarch", "1.1-1")]))
    needed = told(dnf5_run.parse_reboot(put(shell, dnf5_run.reboot_question()))).needed
    machine.reboot()
    after = told(dnf5_run.parse_reboot(put(shell, dnf5_run.reboot_question()))).needed
    assert (needed, after) == (True, False)


def test_no_repository_is_not_nothing_to_do(started: tuple[RpmMachine, Shell]) -> None:
    machine, shell = started
    (machine.root / "etc/yum.repos.d/lab.repo").unlink()
    audit = look_dnf5(shell)
    assert decide_audit(audit, Memory(), datetime.now(UTC)).verdict is Verdict.UNKNOWN


# ---- in the middle of a run


class Running:
    """A run of `slow`, whose script takes its time; `machine` is in the middle of it."""

    def __init__(self, machine: RpmMachine) -> None:
        self.machine = machine
        self.ended: subprocess.CompletedProcess[bytes] | None = None
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        self.ended = self.machine.tool("dnf5").attempt(*dnf5_run.apply_command([SLOW]).argv[1:])

    def __enter__(self) -> Self:
        self._thread.start()
        until(lambda: (self.machine.root / "opt/slow/1.1-1").exists() and bool(self.holders()))
        return self

    def __exit__(self, *_: object) -> None:
        self.wait()

    def wait(self) -> None:
        self._thread.join(timeout=120)

    def holders(self) -> tuple[str, ...]:
        """Who holds dnf5's locks, asked with our own question about the files in the machine's root."""
        files = [f"{self.machine.root}{path}" for path in dnf5_run.LOCKS]
        question = file_locks.holders_question(files).command
        done = subprocess.run(question.argv, capture_output=True, check=True, text=True)
        return tuple(line.split("\t")[0] for line in done.stdout.splitlines())


def until(reached: Callable[[], bool]) -> None:
    ends = monotonic() + 60
    while not reached():
        assert monotonic() < ends, "it never came to that"
        sleep(0.05)


@pytest.fixture
def running(started: tuple[RpmMachine, Shell]) -> Iterator[Running]:
    refresh(started[1], "dnf5")
    with Running(started[0]) as run:
        yield run


def test_the_kernel_names_who_holds_the_locks_and_nobody_afterwards(running: Running) -> None:
    holders = running.holders()
    assert holders
    command = Path(f"/proc/{holders[0]}/cmdline").read_bytes()
    assert command.startswith(b"dnf5\0")
    running.wait()
    assert running.holders() == ()


def test_a_run_that_was_killed_is_broken_and_mended(running: Running, started: tuple[RpmMachine, Shell]) -> None:
    _, shell = started
    subprocess.run(["kill", f"-{signal.SIGKILL.value}", running.holders()[0]], check=True)
    running.wait()
    found = integrity(shell)
    assert [line.partition(" ")[0] for line in found.journal] == ["transaction"]
    assert len([line for line in found.audit if "duplicate with" in line]) == 2
    (mend,) = dnf5_run.recovery_commands(found)
    assert shell.run(mend).exit_status == 0
    assert integrity(shell) == Integrity()
    assert SLOW in database(shell).packages


# ---- whole runs


@pytest.fixture
def patched(tmp_path: Path) -> Iterator[rpm_office.Rpm]:
    with rpm_office.patched_machine(RpmRoots(), "dnf5", tmp_path) as patched:
        yield patched


def test_a_security_run_does_exactly_what_its_preview_said(patched: rpm_office.Rpm) -> None:
    seen = step(patched.do(dry=True))
    assert seen.state is StepState.SKIPPED, rpm_office.told(seen)
    job = patched.do()
    found = step(job)
    assert (job.state, found.facts["state"]) == (JobState.SUCCEEDED, "kept"), rpm_office.told(found)
    assert (found.facts["plan"], found.facts["manager"]) == (seen.facts["plan"], "dnf5")
    assert (patched.version("beta"), patched.version("alpha")) == ("1.1-1", "1.0-1")


def test_a_failed_script_is_a_failed_host(patched: rpm_office.Rpm) -> None:
    others = "alpha beta gamma broken* grows old* new* pre* slow* epochal* third* installer* kernel* linux* a-* very*"
    job = patched.do(policy="all", exclude=others)
    assert job.state is JobState.FAILED, rpm_office.told(step(job))
    assert "patch-package-failed" in rules(job)
    assert failed(job) == ["postfail:noarch"]
