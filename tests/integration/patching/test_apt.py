"""Patch runs on a real Debian machine, one of every way in which an update can go."""

import pytest

from ronde.engine.patching import planning, transaction
from ronde.engine.patching.course import Course
from ronde.model.patch.transaction import PatchEvent, PatchState
from ronde.model.procedure import StepState
from ronde.model.run import JobState
from tests.doubles.office import SCOPE
from tests.integration.machines.conftest import BUILDING
from tests.integration.patching.conftest import HOST, ORDINARY, Patcher, events, failed, offered, rules, step

pytestmark = BUILDING
HOOK = "/etc/apt/apt.conf.d/99lab"
LOCKED = ("systemd-run", "--collect", "--unit=holder", "flock", "/var/lib/dpkg/lock-frontend", "sleep")


def test_a_preview_tells_the_exact_run_and_touches_nothing(patcher: Patcher) -> None:
    with offered(patcher.machine, "simple-update", "security-update"):
        seen = step(patcher.do(dry=True))
        assert (seen.state, seen.facts["would"]) == (StepState.SKIPPED, True)
        assert "would install 1 security update (lab-security 1.0-1 → 1.0-1+deb12u1)" in seen.reason
        assert "1 other update (lab-simple 1.0-1 → 1.1-1), no removal" in seen.reason
        assert patcher.version("lab-simple") == "ii 1.0-1"
        done = patcher.do()
        assert step(done).facts["plan"] == seen.facts["plan"]
        assert done.state is JobState.SUCCEEDED


def test_updates_are_installed_and_the_host_is_kept(patcher: Patcher) -> None:
    with offered(patcher.machine, "simple-update", "security-update"):
        patcher.machine.must("apt-mark", "auto", "lab-simple")
        job = patcher.do()
        found = step(job)
        assert (job.state, found.state, found.changed) == (JobState.SUCCEEDED, StepState.DONE, True)
        assert (patcher.version("lab-simple"), patcher.version("lab-security")) == ("ii 1.1-1", "ii 1.0-1+deb12u1")
        assert found.facts["state"] == "kept"
        assert patcher.machine.must("apt-mark", "showauto", "lab-simple").strip() == "lab-simple"
        assert rules(job) >= {"patch-no-snapshot"}
        assert "without a snapshot" in found.reason
        again = patcher.do()
        assert (step(again).facts["state"], step(again).changed) == ("nothing_to_do", False)


def test_a_security_run_takes_nothing_else(patcher: Patcher) -> None:
    with offered(patcher.machine, "simple-update", "security-update"):
        found = step(patcher.do(policy="security"))
        assert (patcher.version("lab-simple"), patcher.version("lab-security")) == ("ii 1.0-1", "ii 1.0-1+deb12u1")
        assert ["lab-simple:all", "not-security", ""] in found.facts["left"]  # type: ignore[operator]  # a list


def test_what_is_excluded_stays(patcher: Patcher) -> None:
    with offered(patcher.machine, "simple-update", "security-update"):
        found = step(patcher.do(exclude="lab-sec* other"))
        assert (patcher.version("lab-simple"), patcher.version("lab-security")) == ("ii 1.1-1", "ii 1.0-1")
        assert "lab-security:all (excluded)" in found.reason


def test_a_changed_configuration_file_stays_and_the_new_one_is_told(patcher: Patcher) -> None:
    with offered(patcher.machine, "conffile-change"):
        job = patcher.do()
        assert job.state is JobState.SUCCEEDED
        assert patcher.machine.must("cat", "/etc/lab-conffile/lab.conf") == "limit = 15\n"
        assert "patch-config-left" in rules(job)


def test_a_failing_postinst_fails_with_its_state_told_and_the_rest_done(patcher: Patcher) -> None:
    with offered(patcher.machine, "failing-postinst", "simple-update"):
        job = patcher.do()
        found = step(job)
        assert (job.state, found.facts["state"]) == (JobState.FAILED, "needs_human")
        assert patcher.version("lab-simple") == "ii 1.1-1"
        assert failed(job) == ["lab-postinst:all"]
        assert {"patch-package-failed", "patch-repaired", "patch-not-reverted"} <= rules(job)
        assert "iF" in found.reason


def test_a_failing_preinst_leaves_the_old_version_and_fails(patcher: Patcher) -> None:
    with offered(patcher.machine, "failing-preinst"):
        job = patcher.do()
        assert job.state is JobState.FAILED
        assert patcher.version("lab-preinst") == "ii 1.0-1"
        assert "1.0-1 (ii)" in step(job).reason


def test_a_run_that_was_cut_off_is_mended_first_and_told(patcher: Patcher) -> None:
    machine = patcher.machine
    with offered(machine, "simple-update"):
        machine.must("dpkg", "--unpack", "/srv/packages/main/lab-simple_1.1-1_all.deb")
        assert patcher.version("lab-simple") == "iU 1.1-1"
        job = patcher.do()
        assert (job.state, step(job).facts["state"]) == (JobState.SUCCEEDED, "nothing_to_do")
        assert patcher.version("lab-simple") == "ii 1.1-1"
        assert "patch-repaired" in rules(job)


def test_a_package_that_was_being_unpacked_is_installed_anew(patcher: Patcher) -> None:
    """What a power cut there leaves (tests/slow/test_power_cuts.py): only a name helps, no general repair does."""
    machine, cut_off = patcher.machine, "s/^Status: .*/Status: install reinstreq half-installed/"
    with offered(machine, "simple-update"):
        machine.must("apt-get", "update", "-qq")
        machine.must("sed", "-i", f"/^Package: lab-simple$/,/^$/{cut_off}", "/var/lib/dpkg/status")
        assert patcher.version("lab-simple").startswith("iHR")
        job = patcher.do()
        assert job.state is JobState.SUCCEEDED, step(job).reason
        assert patcher.version("lab-simple") == "ii 1.1-1"
        assert "patch-repaired" in rules(job)
        assert patcher.broken() == ""


def test_held_packages_stay_held(patcher: Patcher) -> None:
    with offered(patcher.machine, "held-package", "simple-update"):
        found = step(patcher.do())
        assert (patcher.version("lab-held"), patcher.version("lab-simple")) == ("hi 1.0-1", "ii 1.1-1")
        assert "lab-held:all (held)" in found.reason


def test_a_new_dependency_stops_until_exactly_that_run_is_approved(patcher: Patcher) -> None:
    with offered(patcher.machine, "new-dependency", "simple-update"):
        stopped = patcher.do()
        assert (stopped.state, step(stopped).facts["state"]) == (JobState.FAILED, "refused")
        assert "bring new packages: lab-grown:all" in step(stopped).reason
        assert patcher.version("lab-simple") == "ii 1.0-1"
        previewed = patcher.order(dry=True)
        patcher.office.work(previewed)
        done = patcher.do(approved=previewed)
        assert done.state is JobState.SUCCEEDED
        assert patcher.version("lab-grown") == "ii 1.0-1"
        assert patcher.machine.must("apt-mark", "showauto", "lab-grown").strip() == "lab-grown"


def test_another_run_than_the_approved_one_stops_with_the_difference(patcher: Patcher) -> None:
    with offered(patcher.machine, "simple-update"):
        seen = patcher.order(dry=True)
        patcher.office.work(seen)
        with offered(patcher.machine, "security-update"):
            job = patcher.do(approved=seen)
            assert (job.state, rules(job) & {"patch-plan-differs"}) == (JobState.FAILED, {"patch-plan-differs"})
            assert "upgrade lab-security:all was not approved" in step(job).reason
            assert patcher.version("lab-simple") == "ii 1.0-1"


def test_a_removal_is_left_until_it_is_allowed(patcher: Patcher) -> None:
    with offered(patcher.machine, "removes-package"):
        left = step(patcher.do())
        assert (left.facts["state"], patcher.version("lab-legacy")) == ("nothing_to_do", "ii 1.0-1")
        assert "needs-removal: apt would remove lab-legacy" in left.reason
        done = patcher.do(allow_remove="lab-legacy")
        assert done.state is JobState.SUCCEEDED
        assert patcher.version("lab-modern") == "ii 2.0-1"
        assert not patcher.version("lab-legacy").startswith("ii")


def test_a_phased_update_is_deferred_and_not_missing(patcher: Patcher) -> None:
    with offered(patcher.machine, "phased-update"):
        found = step(patcher.do())
        assert (found.state, found.facts["state"]) == (StepState.DONE, "nothing_to_do")
        assert "lab-phased:all (phased)" in found.reason


def test_a_reboot_is_made_once_and_proven(patcher: Patcher) -> None:
    with offered(patcher.machine, "reboot-required"):
        before = patcher.machine.boot_id
        found = step(patcher.do())
        patcher.machine.await_ready()
        assert (found.state, found.facts["state"]) == (StepState.DONE, "kept")
        assert (found.facts["boot_before"], found.facts["boot_now"]) == (before, patcher.machine.boot_id)
        assert before != patcher.machine.boot_id
        assert "rebooted, boot" in found.reason


def test_a_reboot_that_is_not_wanted_is_told_as_pending(patcher: Patcher) -> None:
    with offered(patcher.machine, "reboot-required"):
        before = patcher.machine.boot_id
        job = patcher.do(reboot="never")
        assert (job.state, patcher.machine.boot_id) == (JobState.SUCCEEDED, before)
        assert "patch-reboot-pending" in rules(job)
        patcher.machine.must("rm", "-f", "/run/reboot-required", "/run/reboot-required.pkgs")


def test_a_service_that_answers_no_more_fails_the_host(patcher: Patcher) -> None:
    office, machine = patcher.office, patcher.machine
    office.hosts["srv"]["probes"] = [{"unit": "cron"}, {"command": ["test", "-e", "/srv/works"]}, {"port": 1}]
    office.write()
    with offered(machine, "simple-update"):
        machine.must("touch", "/srv/works")
        machine.must("tee", HOOK, stdin='DPkg::Post-Invoke {"rm -f /srv/works"; };\n')
        job = patcher.do()
        machine.must("rm", HOOK)
    assert (job.state, step(job).facts["state"]) == (JobState.FAILED, "needs_human")
    assert {"patch-probe-failed", "patch-probe-was-failing"} <= rules(job)
    assert events(job)[-2:] == ["worse", "decline"]
    assert "test -e /srv/works" in step(job).reason


def test_a_script_that_hangs_ends_at_the_limit_and_is_told(patcher: Patcher) -> None:
    patcher.hurried("30s")
    with offered(patcher.machine, "hanging-postinst"):
        job = patcher.do()
        assert job.state is JobState.FAILED
        assert {"patch-timed-out-run", "patch-package-failed", "patch-interrupted"} <= rules(job)
        assert patcher.version("lab-hanging") == "iF 1.1-1"
        assert patcher.machine.run(["pgrep", "-x", "apt-get"]).stdout == ""


def test_an_ordinary_user_patches_and_reboots_by_the_lines_that_we_print_for_sudoers(patcher: Patcher) -> None:
    patcher.office.hosts[HOST]["user"] = ORDINARY
    patcher.office.write()
    with offered(patcher.machine, "reboot-required", "simple-update"):
        patcher.machine.must("apt-mark", "auto", "lab-simple")
        job = patcher.do()
        patcher.machine.await_ready()
        assert (job.state, step(job).facts["state"]) == (JobState.SUCCEEDED, "kept")
        assert step(job).facts["boot_now"] == patcher.machine.boot_id
        assert patcher.machine.must("apt-mark", "showauto", "lab-simple").strip() == "lab-simple"


def test_a_wish_to_stop_counts_until_something_is_touched(patcher: Patcher, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, run = patcher.office.engine, ""

    def then_stop(state: PatchState) -> None:
        phase = transaction.PHASES[state]

        def doing(course: Course) -> PatchEvent:
            engine.ledger.cancel_run(SCOPE, run, "alice", engine.clock.now())
            engine.holding.beat()
            return phase(course)

        monkeypatch.setitem(transaction.PHASES, state, doing)

    with offered(patcher.machine, "simple-update"):
        then_stop(PatchState.PRECHECKING)
        run = patcher.order()
        job = patcher.office.work(run)
        assert (job.state, step(job).facts["state"]) == (JobState.CANCELLED, "refused")
        assert patcher.version("lab-simple") == "ii 1.0-1"
    monkeypatch.undo()
    with offered(patcher.machine, "simple-update"):
        then_stop(PatchState.PATCHING)
        run = patcher.order()
        job = patcher.office.work(run)
        assert (step(job).facts["state"], patcher.version("lab-simple")) == ("kept", "ii 1.1-1")


def test_a_lock_is_waited_for_and_its_holder_is_named(patcher: Patcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "LOCK_PATIENCE", 2.0)
    monkeypatch.setattr(planning, "LOCK_LOOK", 0.5)
    with offered(patcher.machine, "simple-update"):
        patcher.machine.must(*LOCKED, "120")
        job = patcher.do()
        patcher.machine.must("systemctl", "stop", "holder")
        assert (job.state, rules(job) & {"patch-locked"}) == (JobState.FAILED, {"patch-locked"})
        assert "sleep 120" in step(job).reason
        monkeypatch.setattr(planning, "LOCK_PATIENCE", 60.0)
        patcher.machine.must(*LOCKED, "2")
        assert patcher.do().state is JobState.SUCCEEDED
