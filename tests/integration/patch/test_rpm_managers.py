"""From the first question to the judged outcome: real OpenSSH, real dnf and zypper, real rpm databases."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from lab.rpm import Manager, RpmRoots
from lab.rpm.packages import ADVISORIES, MANAGER_ADVISORY
from ronde.facts.patch import dnf_run, zypper_run
from ronde.model.command import Command
from ronde.model.patch.audit import Memory, Metadata
from ronde.model.patch.conclusion import decide_audit
from ronde.model.patch.packages import Database, KeptReason, Package
from ronde.model.verdict import Verdict
from tests.integration.patch.conftest import Machines
from tests.integration.patch.looks import (
    SECURITY,
    Look,
    apply_command,
    check_security_round,
    check_waiting,
    database,
    look_dnf,
    look_zypper,
    preview,
    refresh,
    run,
    simulation,
    told,
)

BOTH = pytest.mark.parametrize(("manager", "look"), [("dnf", look_dnf), ("zypper", look_zypper)])
EACH = pytest.mark.parametrize("manager", ["dnf", "zypper"])


@BOTH
def test_what_waits_is_told_with_its_reasons(machines: Machines, manager: Manager, look: Look) -> None:
    _, shell = machines(manager)
    check_waiting(look(shell))


@BOTH
def test_a_security_round_does_exactly_what_was_approved(machines: Machines, manager: Manager, look: Look) -> None:
    _, shell = machines(manager)
    check_security_round(shell, manager, look)


@EACH
def test_a_failed_post_script_is_no_success(machines: Machines, manager: Manager) -> None:
    _, shell = machines(manager)
    refresh(shell, manager)
    before, targets = database(shell), [Package("postfail", "noarch", "1.1-1")]
    planned = preview(shell, manager, targets, before)
    status, outcome = run(shell, apply_command(manager, targets), planned, before)
    assert status == (0 if manager == "dnf" else zypper_run.SCRIPT)
    assert [miss.label for miss in outcome.failed] == ["postfail:noarch"]


@EACH
def test_a_failed_pre_script_fails_its_package(machines: Machines, manager: Manager) -> None:
    _, shell = machines(manager)
    refresh(shell, manager)
    before, targets = database(shell), [Package("prefail", "noarch", "1.1-1")]
    planned = preview(shell, manager, targets, before)
    _, outcome = run(shell, apply_command(manager, targets), planned, before)
    assert [(miss.label, miss.meant) for miss in outcome.failed] == [("prefail:noarch", "1.1-1")]


@BOTH
def test_a_repository_that_has_gone_makes_the_whole_look_unknown(
    machines: Machines, manager: Manager, look: Look
) -> None:
    machine, shell = machines(manager)
    refresh(shell, manager)  # so that there is a cache to answer from
    machine.lose_repository("thirdparty")
    audit = look(shell)
    assert isinstance(audit.metadata, Metadata)
    assert [fault.name for fault in audit.metadata.faults] == ["thirdparty"]
    conclusion = decide_audit(audit, Memory(), datetime.now(UTC))
    assert conclusion.level is None
    assert conclusion.verdict is Verdict.UNKNOWN


@BOTH
def test_without_any_advisory_no_number_of_security_updates_is_given(
    machines: Machines, roots: RpmRoots, manager: Manager, look: Look
) -> None:
    machine, shell = machines(manager)
    roots.publish(machine, ())
    found = simulation(look(shell))
    assert found.pending
    assert {pending.security for pending in found.pending} == {None}


@BOTH
def test_a_lock_of_the_host_is_kept_and_told(machines: Machines, manager: Manager, look: Look) -> None:
    machine, shell = machines(manager)
    lock = ("versionlock", "add", "gamma") if manager == "dnf" else ("addlock", "gamma")
    refresh(shell, manager)  # versionlock looks for the package in the repositories
    machine.tool(manager).run(*lock)
    audit = look(shell)
    reasons = {kept.name: kept.reason for kept in simulation(audit).kept}
    assert reasons["gamma:noarch"] is KeptReason.HELD
    assert isinstance(audit.database, Database)
    assert audit.database.holds == {"gamma:noarch"}


def test_an_exclude_in_the_configuration_of_dnf_hides_nothing(machines: Machines) -> None:
    machine, shell = machines("dnf")
    conf = machine.directory / "dnf.conf"
    conf.write_text(conf.read_text(encoding="utf-8") + "exclude=beta\n", encoding="utf-8")
    found = simulation(look_dnf(shell))
    assert {pending.name for pending in found.pending if pending.security} == SECURITY
    assert {kept.name: kept.reason for kept in found.kept}["beta:noarch"] is KeptReason.PINNED


def test_security_patches_behind_one_for_zypper_itself_are_seen(machines: Machines, roots: RpmRoots) -> None:
    machine, shell = machines("zypper")
    roots.publish(machine, (*ADVISORIES, MANAGER_ADVISORY))
    found = simulation(look_zypper(shell))
    assert {pending.name for pending in found.pending if pending.security} == SECURITY


def test_dnf_sees_a_reboot_only_until_the_machine_was_rebooted(machines: Machines) -> None:
    machine, shell = machines("dnf")
    refresh(shell, "dnf")
    shell.run(dnf_run.apply_command([Package("linux-firmware", "noarch", "1.1-1")]))
    needed = told(dnf_run.parse_reboot(shell.run(dnf_run.reboot_question().command))).needed
    machine.reboot()
    after = told(dnf_run.parse_reboot(shell.run(dnf_run.reboot_question().command))).needed
    assert (needed, after) == (True, False)


def test_zypper_forgets_what_came_as_a_dependency_and_is_told_again(machines: Machines) -> None:
    machine, shell = machines("zypper")
    refresh(shell, "zypper")
    grows, beta = Package("grows", "noarch", "1.1-1"), Package("beta", "noarch", "1.1-1")
    shell.run(zypper_run.apply_command([grows]))
    listed = str(machine.root / "var/lib/zypp/AutoInstalled")
    shell.run(Command(("sh", "-c", 'echo beta >>"$1"', "sh", listed)))

    def marked() -> frozenset[str]:
        return told(zypper_run.parse_auto(shell.run(zypper_run.auto_question(listed).command)))

    before = marked()
    assert before == {"newlib", "beta"}
    planned = preview(shell, "zypper", [beta], database(shell))
    shell.run(zypper_run.apply_command([beta]))
    assert marked() == {"newlib"}, "zypper now keeps the mark by itself"

    give_back = zypper_run.auto_command(planned, before, listed)
    assert give_back is not None
    for _ in range(2):  # another worker may do it once more
        assert shell.run(give_back).exit_status == 0
        assert Path(listed).read_text(encoding="utf-8").splitlines().count("beta") == 1
    assert marked() == before
    assert zypper_run.auto_command(planned, {"newlib"}, listed) is None
