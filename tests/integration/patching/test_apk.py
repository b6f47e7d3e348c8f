"""Patch runs with apk as its documentation describes it: a double of it, behind a real sshd, shell and detached run.

No real apk takes part: what these tests hold is our side of it.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.keys import client_key
from lab.machines import Machine
from ronde.engine.patching import proving
from ronde.model.procedure import StepState
from ronde.model.run import JobState
from ronde.model.verdict import Verdict
from tests.doubles.office import Office
from tests.integration.machines.conftest import BUILDING, own_network
from tests.integration.patching.conftest import HOST, Patcher, failed, rules, see_only_its_own, step

pytestmark = BUILDING
DOUBLE = Path(__file__).parents[2] / "doubles" / "apk.sh"
BEFORE = {"busybox": "1.36.1-r0", "openssl": "3.3.2-r0"}
WORLD = "alpine-base\nbusybox\nopenssl\n"


@pytest.fixture(scope="module")
def machine(folder: Path) -> Iterator[Machine]:
    line = client_key(folder)[1]
    with Machine(HOST, folder / HOST, f"{own_network()}.1", authorized_keys=[line]) as running:
        see_only_its_own(running)
        running.must("mkdir", "-p", "/lib/apk/db", "/etc/apk", "/srv/apk")
        running.must("tee", "/usr/sbin/apk", stdin=DOUBLE.read_text(encoding="utf-8"))
        running.must("chmod", "0755", "/usr/sbin/apk")
        running.must("tee", "/usr/local/lib/os-release", stdin="ID=alpine\nVERSION_ID=3.20.3\n")
        running.must("ln", "-sf", "/usr/local/lib/os-release", "/etc/os-release")
        yield running


@pytest.fixture
def patcher(folder: Path, machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Patcher]:
    monkeypatch.setattr(proving, "SETTLE", 3.0)  # nothing here comes up late
    for name in ("offered", "patience", "fixed", "unfixable", "spoils-world"):
        machine.must("rm", "-f", f"/srv/apk/{name}")
    installed(machine, **BEFORE)
    machine.must("tee", "/etc/apk/world", stdin=WORLD)
    with Office(tmp_path, more={"windows": {"always": {"at": "00:00-24:00"}}}) as office:
        office.host(machine, client_key(folder)[0])
        yield Patcher(office, machine)


def installed(machine: Machine, **versions: str) -> None:
    blocks = "".join(f"P:{name}\nV:{version}\n\n" for name, version in versions.items())
    machine.must("tee", "/lib/apk/db/installed", stdin=blocks)


def offer(patcher: Patcher, *lines: str) -> None:
    patcher.machine.must("tee", "/srv/apk/offered", stdin="".join(f"{line}\n" for line in lines))


def has(patcher: Patcher) -> set[str]:
    return set(patcher.machine.must("apk", "info", "-v").split())


def test_the_plan_is_done_and_the_run_says_that_apk_was_never_verified(patcher: Patcher) -> None:
    offer(patcher, "busybox 1.36.1-r1 well", "openssl 3.3.2-r1 well")
    seen = step(patcher.do(dry=True, exclude="openssl"))
    assert "not verified" in seen.reason
    assert has(patcher) == {"busybox-1.36.1-r0", "openssl-3.3.2-r0"}
    job = patcher.do(exclude="openssl")
    found = step(job)
    assert (job.state, found.facts["state"]) == (JobState.SUCCEEDED, "kept"), found.reason
    assert (found.facts["plan"], found.facts["documented"]) == (seen.facts["plan"], True)
    assert "apk is known from its documentation alone: not verified" in found.reason
    assert has(patcher) == {"busybox-1.36.1-r1", "openssl-3.3.2-r0"}
    assert patcher.machine.must("cat", "/etc/apk/world") == WORLD


def test_nothing_is_taken_for_security_that_nobody_calls_so(patcher: Patcher) -> None:
    offer(patcher, "busybox 1.36.1-r1 well")
    found = step(patcher.do(policy="security"))
    assert found.facts["state"] == "nothing_to_do"
    assert "do not say whether it is a security update" in str(found.facts["left"])


def test_a_new_package_that_comes_along_stops_for_a_person(patcher: Patcher) -> None:
    offer(patcher, "busybox 1.36.1-r1 brings")
    assert "patch-needs-approval" in rules(patcher.do())
    assert has(patcher) == {"busybox-1.36.1-r0", "openssl-3.3.2-r0"}
    approved = patcher.order(dry=True)
    patcher.office.work(approved)
    assert patcher.do(approved=approved).state is JobState.SUCCEEDED
    assert has(patcher) == {"busybox-1.36.1-r1", "openssl-3.3.2-r0", "libnew-1.0-r0"}


@pytest.mark.parametrize("looks", [2, 3], ids=["before the last look", "after it"])
def test_another_version_on_offer_by_then_is_not_installed(patcher: Patcher, looks: int) -> None:
    """Three looks come before the run, which takes one itself."""
    offer(patcher, "busybox 1.36.1-r1 well")
    patcher.machine.must("tee", "/srv/apk/patience", stdin=str(looks))
    job = patcher.do()
    assert job.state is JobState.FAILED, step(job).reason
    assert "patch-plan-differs" in rules(job)
    assert has(patcher) == {"busybox-1.36.1-r0", "openssl-3.3.2-r0"}
    assert step(job).state is StepState.FAILED


def test_a_package_that_cannot_be_had_is_a_failed_host(patcher: Patcher) -> None:
    offer(patcher, "busybox 1.36.1-r1 well", "openssl 3.3.2-r1 fails")
    job = patcher.do()
    assert (job.state, failed(job)) == (JobState.FAILED, ["openssl"])
    assert has(patcher) == {"busybox-1.36.1-r1", "openssl-3.3.2-r0"}
    assert "package mentioned in index not found" in step(job).reason


def test_a_failed_script_is_mended_by_fix(patcher: Patcher) -> None:
    offer(patcher, "busybox 1.36.1-r1 script")
    job = patcher.do()
    assert job.state is JobState.SUCCEEDED, step(job).reason
    assert "patch-repaired" in rules(job)
    assert patcher.machine.must("cat", "/srv/apk/fixed") == "fix\n"


def test_what_cannot_be_mended_is_a_failed_host_after_two_tries(patcher: Patcher) -> None:
    offer(patcher, "busybox 1.36.1-r1 script")
    patcher.machine.must("touch", "/srv/apk/unfixable")
    job = patcher.do()
    assert (job.state, failed(job)) == (JobState.FAILED, ["busybox"])
    assert patcher.machine.must("cat", "/srv/apk/fixed") == "fix\nfix\n"


def test_what_a_person_asked_for_stays_what_it_was(patcher: Patcher) -> None:
    offer(patcher, "busybox 1.36.1-r1 well")
    patcher.machine.must("touch", "/srv/apk/spoils-world")
    assert patcher.do().state is JobState.SUCCEEDED
    assert patcher.machine.must("cat", "/etc/apk/world") == WORLD


def test_who_holds_the_lock_is_named_and_waited_for(patcher: Patcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ronde.engine.patching.planning.LOCK_PATIENCE", 0.0)
    offer(patcher, "busybox 1.36.1-r1 well")
    patcher.machine.must("systemd-run", "--collect", "--unit=holder", "flock", "/lib/apk/db/lock", "sleep", "60")
    try:
        job = patcher.do()
    finally:
        patcher.machine.must("systemctl", "stop", "holder")
    assert "patch-locked" in rules(job)
    assert "flock /lib/apk/db/lock" in step(job).reason
    assert has(patcher) == {"busybox-1.36.1-r0", "openssl-3.3.2-r0"}


def test_the_audit_is_never_better_than_unknown(patcher: Patcher) -> None:
    offer(patcher)
    job = patcher.office.work(patcher.office.order("patch/audit", HOST))
    (check,) = (check for check in job.checks if check.kind == "patches")
    assert check.verdict is Verdict.UNKNOWN
    assert "patch-not-read" in {finding.rule for finding in check.findings}
