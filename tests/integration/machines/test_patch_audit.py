"""The audit of a real Debian over real SSH: every state it can be in, each of which a naive look takes for another."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lab.machines import Machine
from lab.process import wait_until
from ronde.adapters.ssh import SshShells
from ronde.engine.patches import AuditRequest, check_patches, sudoers_lines
from ronde.model.check import Check
from ronde.model.verdict import Level, Verdict
from tests.doubles.shell import NeverStop, WallClock
from tests.doubles.ssh_hosts import Grounds, PathSecrets
from tests.integration.machines.conftest import BUILDING
from tests.integration.machines.test_packages import UPGRADE, state

pytestmark = BUILDING
LISTS = "/var/lib/apt/lists"
SOURCES = "/etc/apt/sources.list.d/gone.list"


BASE = ("simple-update", "security-update")


@pytest.fixture(scope="module", autouse=True)
def current(machine: Machine) -> Machine:
    """The machine is up to date, with packages in both of its repositories.

    It runs the kernel of another machine, and says here that it is a container, which is the truth.
    """
    machine.must("tee", "/usr/local/bin/systemd-detect-virt", stdin="#!/bin/sh\necho systemd-nspawn\n")
    machine.must("chmod", "+x", "/usr/local/bin/systemd-detect-virt")
    for name in BASE:
        machine.offer(name)
    upgrade(machine)
    return machine


def upgrade(machine: Machine) -> None:
    machine.must("apt-get", "update", "-q", "--error-on=any")
    machine.must(*UPGRADE, "upgrade")


@contextmanager
def offered(machine: Machine, *scenarios: str) -> Iterator[None]:
    """Updates are in the repositories, which the host has not read yet."""
    try:
        for name in scenarios:
            machine.offer(name)
        yield
    finally:
        for name in scenarios:
            machine.withdraw(name)


@dataclass(frozen=True)
class Desk:
    """Where audits of the machine are asked for."""

    machine: Machine
    folder: Path

    def audit(self, user: str = "root", *, before: Check | None = None, refresh: bool = True) -> Check:
        grounds = Grounds(self.folder)
        grounds.hosts["srv"] = grounds.entry(self.machine, user=user)
        history = [before.facts] if before else []
        with SshShells(PathSecrets(), WallClock()).open(grounds.client(), "srv", NeverStop()) as shell:
            request = AuditRequest("srv", WallClock().now(), history, WallClock(), _no_pause, refresh)
            return check_patches(shell, request)


def _no_pause(seconds: float) -> None:
    raise AssertionError(f"nothing holds a lock here, and it waits {seconds} s")


@pytest.fixture
def desk(machine: Machine, folder: Path) -> Desk:
    return Desk(machine, folder)


def rules(check: Check) -> set[str]:
    return {finding.rule for finding in check.findings}


def kept(check: Check) -> dict[str, tuple[object, object]]:
    """Each waiting package of the lab, with why it stays and what that would need."""
    packages = check.facts["packages"]
    assert isinstance(packages, list)
    return {one["package"].partition(":")[0]: (one["kept"], one["detail"]) for one in packages}


def test_nothing_waits_and_that_is_proven(desk: Desk) -> None:
    check = desk.audit()
    assert (check.verdict, check.level) == (Verdict.OK, Level.REACHABLE), check.findings
    assert (check.facts["pending"], check.facts["security"], check.facts["repositories"]) == (0, 0, 2)
    assert check.facts["reboot_needed"] is False


def test_it_takes_three_round_trips_and_one_more_when_something_waits(desk: Desk) -> None:
    def trips(check: Check) -> int:
        return len({exchange.started for exchange in check.exchanges})

    assert trips(desk.audit()) == 3
    with offered(desk.machine, "new-dependency"):
        assert trips(desk.audit()) == 4


def test_a_security_update_is_found_in_lists_that_the_host_had_not_read(desk: Desk) -> None:
    desk.machine.offer("security-update")  # the older version again
    check = desk.audit()
    upgrade(desk.machine)
    assert (check.facts["pending"], check.facts["security"]) == (1, 1)
    assert rules(check) == {"patch-security-pending"}
    assert check.verdict is Verdict.OK, "it waits since today"


def test_a_security_update_waits_since_it_was_first_seen(desk: Desk) -> None:
    desk.machine.offer("security-update")
    first = desk.audit()
    old = (datetime.now(UTC) - timedelta(days=20)).isoformat()
    since = first.facts["security_since"]
    assert isinstance(since, Mapping)
    seen = dict.fromkeys(since, old)
    later = desk.audit(before=replace(first, facts={**first.facts, "security_since": seen}))
    upgrade(desk.machine)
    assert later.verdict is Verdict.FAILED
    assert later.facts["oldest_security_age_s"] == pytest.approx(20 * 86400, abs=300)
    assert desk.audit(before=later).facts["security_since"] == {}, "what was installed is forgotten"


def test_everything_that_stays_behind_says_why(desk: Desk) -> None:
    with offered(desk.machine, "held-package", "new-dependency", "removes-package", "phased-update"):
        check = desk.audit()
        assert check.facts["pending"] == 4
        assert kept(check) == {
            "lab-held": ("held", ""),
            "lab-growing": (None, ""),
            "lab-modern": ("needs-removal", "apt would remove lab-legacy"),
            "lab-phased": ("phased", ""),
        }
        assert check.facts["held"] == ["lab-held:all"]
        assert "patch-phased" in rules(check)


def test_a_reboot_is_due_when_the_host_says_so_and_for_what(desk: Desk) -> None:
    with offered(desk.machine, "reboot-required"):
        upgrade(desk.machine)
        check = desk.audit()
    assert check.facts["reboot_needed"] is True
    assert check.facts["reboot_reasons"] == ["/run/reboot-required asks for a reboot for lab-kernel."]
    assert (check.verdict, rules(check)) == (Verdict.WARNING, {"patch-reboot-pending"})


def test_a_dead_repository_is_unknown_and_nothing_is_counted(desk: Desk) -> None:
    desk.machine.must("tee", SOURCES, stdin="deb [trusted=yes] file:/srv/packages/gone ./\n")
    check = desk.audit()
    again = desk.audit(refresh=False)
    desk.machine.must("rm", SOURCES)
    for one in (check, again):
        assert (one.verdict, one.level) == (Verdict.UNKNOWN, None)
        assert "patch-repository-failed" in rules(one)
        assert "pending" not in one.facts


def test_without_lists_nothing_is_said_to_be_up_to_date(desk: Desk) -> None:
    desk.machine.must("sh", "-c", f"rm -rf {LISTS}/*")
    check = desk.audit(refresh=False)
    upgrade(desk.machine)
    assert check.verdict is Verdict.UNKNOWN
    assert {"patch-repository-failed", "patch-not-refreshed"} <= rules(check)
    assert "pending" not in check.facts


def test_a_plain_user_judges_by_the_age_of_the_lists_and_changes_nothing(desk: Desk) -> None:
    before = desk.machine.must("ls", "-lA", "--time-style=full-iso", LISTS)
    check = desk.audit("ronde")
    assert desk.machine.must("ls", "-lA", "--time-style=full-iso", LISTS) == before
    assert {"patch-not-refreshed", "patch-denied"} <= rules(check)
    assert check.facts["pending"] == 0, "its lists are of today"
    assert check.verdict is Verdict.UNKNOWN, "nobody could tell which programs run on old files"


def test_the_exact_lines_of_sudoers_are_enough(desk: Desk) -> None:
    lines = "\n".join(sudoers_lines("ronde"))
    desk.machine.must("tee", "/etc/sudoers.d/audit", stdin=f"{lines}\n")
    desk.machine.must("chmod", "0440", "/etc/sudoers.d/audit")
    desk.machine.must("visudo", "--check")
    check = desk.audit("ronde")
    desk.machine.must("rm", "/etc/sudoers.d/audit")
    assert "patch-not-refreshed" not in rules(check)
    assert check.facts["leftovers"] == []


def test_an_interrupted_run_is_a_failure_that_apt_itself_does_not_see(desk: Desk) -> None:
    with offered(desk.machine, "hanging-postinst"):
        desk.machine.must("apt-get", "update", "-q")
        desk.machine.must("systemd-run", "--unit=cut-off", *UPGRADE, "upgrade")
        wait_until(lambda: state(desk.machine, "lab-hanging")[0] == "iF", 30.0)
        desk.machine.must("systemctl", "kill", "--signal=KILL", "cut-off")
        wait_until(lambda: desk.machine.run(["systemctl", "is-active", "--quiet", "cut-off"]).returncode != 0, 30.0)
        assert desk.machine.run(["apt-get", "-s", "upgrade"]).returncode == 0
        check = desk.audit()
        desk.machine.run(["sh", "-c", "rm -f /var/lib/dpkg/updates/*"])
    assert check.verdict is Verdict.FAILED
    assert {"patch-interrupted", "patch-broken-package"} <= rules(check)
    assert check.facts["interrupted"] is True
