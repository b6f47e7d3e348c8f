"""One whole look at a host, as the engine makes it."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from lab.rpm import Manager
from lab.rpm.packages import LONG
from ronde.engine.backups.asking import Interview
from ronde.engine.patches.look import Look as EngineLook
from ronde.engine.patches.look import Means
from ronde.engine.patches.rpm import Dnf5Look, DnfLook, ZypperLook
from ronde.facts.patch import dnf, dnf5, dnf5_run, dnf_family, dnf_run, rpm, zypper, zypper_run
from ronde.facts.question import Question
from ronde.model.check import Finding
from ronde.model.command import Answer, Command
from ronde.model.patch.audit import Audit, Metadata
from ronde.model.patch.outcome import Outcome, judge_outcome
from ronde.model.patch.packages import Database, Package, Simulation, Transaction
from ronde.model.patch.policy import Policy, Scope, compare_plans, select
from ronde.ports import Shell
from tests.doubles.shell import WallClock

Fact = TypeVar("Fact")
Look = Callable[[Shell], Audit]
SECURITY = {"beta", "gamma", "kernel-core", LONG}


def put(shell: Shell, question: Question) -> Answer:
    return shell.run(question.command)


def told(fact: Fact | Finding) -> Fact:
    assert not isinstance(fact, Finding), fact
    return fact


REFRESH = {"dnf": dnf.refresh_question, "dnf5": dnf5.refresh_question, "zypper": zypper.refresh_question}
APPLY = {"dnf": dnf_run.apply_command, "dnf5": dnf5_run.apply_command, "zypper": zypper_run.apply_command}


def refresh(shell: Shell, manager: Manager) -> None:
    """Fill the cache, for tests that need no whole look."""
    put(shell, REFRESH[manager]())


def database(shell: Shell) -> Database:
    return told(rpm.parse_database(put(shell, rpm.database_question())))


def look_dnf(shell: Shell) -> Audit:
    return _look(DnfLook, shell)


def look_dnf5(shell: Shell) -> Audit:
    return _look(Dnf5Look, shell)


def look_zypper(shell: Shell) -> Audit:
    return _look(ZypperLook, shell)


def _look(kind: type[EngineLook], shell: Shell) -> Audit:
    look = kind(Interview(shell, WallClock()), Means(refresh=True, pause=_no_pause), Audit())
    look.run()
    return look.audit


def _no_pause(seconds: float) -> None:
    raise AssertionError(f"nothing holds a lock here, and it waits {seconds} s")


def simulation(audit: Audit) -> Simulation:
    assert isinstance(audit.simulation, Simulation), audit.simulation
    return audit.simulation


def check_waiting(audit: Audit) -> None:
    """Everything that the lab's repositories offer is told, each with what is known of it."""
    found = simulation(audit)
    waiting = {pending.name: pending for pending in found.pending}
    assert {name for name, pending in waiting.items() if pending.security} == SECURITY
    assert waiting["beta"].cves == ("CVE-2026-1111", "CVE-2026-1112")
    assert waiting["beta"].severity.lower() == "critical"
    assert waiting["thirdparty"].security is None, "its repository carries no advisories"
    assert waiting["alpha"].security is False
    assert {kept.name.partition(":")[0] for kept in found.kept} == {"broken"}
    assert "oldname" in {package.name for package in found.transaction.remove}
    assert {package.name for package in found.transaction.new_dependencies} == {"newlib", "newname"}
    assert isinstance(audit.metadata, Metadata)
    assert (audit.metadata.repositories, audit.metadata.faults) == (3, ())


def check_security_round(shell: Shell, manager: Manager, look: Look) -> None:
    """The security updates are planned, done to the letter, and wait no more."""
    before = database(shell)
    wanted = select(simulation(look(shell)), Policy(Scope.SECURITY)).wanted
    targets = [Package(pending.name, pending.arch, pending.candidate) for pending in wanted]
    approved = preview(shell, manager, targets, before)
    assert compare_plans(approved, preview(shell, manager, targets, before)).same

    status, outcome = run(shell, apply_command(manager, targets), approved, before)

    assert status == 0
    assert outcome.succeeded, outcome.findings
    assert {package.name for package in outcome.done} == SECURITY
    assert outcome.unplanned == ()
    again = simulation(look(shell))
    assert not [pending.name for pending in again.pending if pending.security]


def preview(shell: Shell, manager: Manager, targets: Sequence[Package], before: Database) -> Transaction:
    """What a run of exactly these would do."""
    if manager == "zypper":
        return told(zypper_run.parse_preview(put(shell, zypper_run.preview_question(targets)), before))
    runs: dnf_family.Runs = dnf_run if manager == "dnf" else dnf5_run
    return told(runs.parse_preview(put(shell, runs.preview_question(targets)), before))[0]


def apply_command(manager: Manager, targets: Sequence[Package]) -> Command:
    return APPLY[manager](targets)


def run(shell: Shell, command: Command, planned: Transaction, before: Database) -> tuple[int | None, Outcome]:
    """A run, and what it came to."""
    answer = shell.run(command)
    after = rpm.with_failed_scripts(database(shell), answer.text + answer.error_text)
    return answer.exit_status, judge_outcome(planned, before, after)
