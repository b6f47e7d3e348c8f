"""A Windows host patched through a real sshd, ordered as a technician orders it. Not verified on Windows."""

from dataclasses import replace
from datetime import timedelta

import pytest

from ronde.engine.patching import course, proving
from ronde.engine.patching.windows import booting
from ronde.facts.patch import windows as facts
from ronde.model.procedure import StepState
from ronde.model.run import JobState
from tests.doubles.windows_host import OFFERED, ROLLUP, TOOL
from tests.integration.windows.conftest import HOST, Desk, rules, state, step


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proving, "SETTLE", 0.0)  # nothing here comes up late
    monkeypatch.setattr(booting, "LOOK_EVERY", 0.05)


def test_what_was_planned_is_installed_once_and_the_restart_is_proven(desk: Desk) -> None:
    job = desk.patch()
    found = step(job)
    assert (job.state, state(job)) == (JobState.SUCCEEDED, "kept"), (job.trouble, found.reason)
    assert [line.split()[1:] for line in desk.windows.log("installed")] == [[ROLLUP, "201", "2"], [TOOL, "200", "2"]]
    assert len(desk.windows.log("restart ordered")) == len(desk.windows.log("restarted")) == 1
    assert str(found.facts["boot_before"]) < str(found.facts["boot_now"])
    assert "rebooted, boot 2026-11-20 03:00 before" in found.reason
    assert "installed 1 security update (Mise à jour" in found.reason
    assert desk.windows.left == []
    assert "patch-windows-unverified" in rules(job)
    assert len(desk.windows.offered) == 1, "virus signatures are left alone"


def test_a_dry_run_changes_nothing_and_exactly_its_plan_can_be_approved(desk: Desk) -> None:
    looked = desk.patch(dry=True)
    assert "would install 1 security update" in step(looked).reason
    assert desk.windows.log("installed") == []
    assert desk.windows.left == []
    assert "patch-windows-unverified" in rules(looked)
    done = desk.patch(approved=looked.run)
    assert state(done) == "kept"
    assert step(done).facts["digest"] == step(looked).facts["digest"]


def test_what_is_no_longer_what_was_approved_stops_before_anything_is_done(desk: Desk) -> None:
    looked = desk.patch(dry=True)
    desk.windows.settle(offered=[{**OFFERED[0], "revision": 202}, *OFFERED[1:]])
    job = desk.patch(approved=looked.run)
    assert (job.state, state(job)) == (JobState.FAILED, "refused")
    assert "patch-plan-differs" in rules(job)
    assert desk.windows.log("installed") == []


def test_the_policy_takes_security_updates_and_leaves_the_others_with_a_reason(desk: Desk) -> None:
    job = desk.patch(policy="security")
    assert [line.split()[1] for line in desk.windows.log("installed")] == [ROLLUP]
    assert "Removal Tool x64 (KB890830) (not-security)" in step(job).reason


@pytest.mark.parametrize("glob", ["KB5070001", "kb507*", "mise*jour*"])
def test_an_update_is_left_alone_by_its_article_or_its_title(desk: Desk, glob: str) -> None:
    desk.patch(exclude=glob)
    assert [line.split()[1] for line in desk.windows.log("installed")] == [TOOL]


def test_nothing_offered_is_nothing_to_do(desk: Desk) -> None:
    desk.windows.settle(offered=[OFFERED[1]])
    job = desk.patch()
    assert (job.state, state(job)) == (JobState.SUCCEEDED, "nothing_to_do")
    assert desk.windows.log("started install") == []


def test_an_update_that_fails_twice_is_a_failure_and_is_not_tried_a_third_time(desk: Desk) -> None:
    desk.windows.fate(codes={ROLLUP: 4})
    job = desk.patch()
    assert (job.state, state(job)) == (JobState.FAILED, "needs_human")
    assert step(job).state is StepState.FAILED, "what is wrong is known"
    assert {"patch-package-failed", "patch-not-reverted"} <= rules(job)
    assert [line.split()[1] for line in desk.windows.log("installed")] == [ROLLUP, TOOL, ROLLUP]
    assert step(job).facts["done"] == [[TOOL, "", "200"]]
    assert desk.windows.left == []


def test_an_update_that_fails_once_is_tried_once_more(desk: Desk) -> None:
    desk.windows.fate(codes={ROLLUP: [4, 2]})
    job = desk.patch()
    assert state(job) == "kept", step(job).reason
    assert len(desk.windows.log("started install")) == 2


def test_an_update_installed_with_errors_is_not_called_installed(desk: Desk) -> None:
    desk.windows.fate(codes={ROLLUP: 3})
    job = desk.patch()
    assert job.state is JobState.FAILED
    assert "installed with errors" in step(job).reason


def test_an_update_that_is_offered_again_after_the_restart_is_not_there(desk: Desk) -> None:
    desk.windows.fate(sticks=[ROLLUP])
    job = desk.patch()
    assert job.state is JobState.FAILED
    assert "called installed, and offered again" in step(job).reason
    assert step(job).facts["done"] == [[TOOL, "", "200"]]


def test_a_restart_that_is_put_off_is_told_and_nothing_is_restarted(desk: Desk) -> None:
    desk.windows.fate(sticks=[ROLLUP])  # as Windows may until it is restarted
    job = desk.patch(reboot="never")
    assert state(job) == "kept", step(job).reason
    assert "patch-reboot-pending" in rules(job)
    assert desk.windows.log("restart ordered") == []


def test_an_sshd_that_comes_and_goes_is_no_restart(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    told = course.options_of
    monkeypatch.setattr(course, "options_of", lambda stage: replace(told(stage), within=timedelta(seconds=3)))
    desk.windows.fate(restarts=False)
    looks: list[str] = []
    seen = booting._seen

    def restarting(its: object) -> object:
        if not looks:
            desk.server.stop()
            desk.server.start()
        looks.append("look")
        return seen(its)  # type: ignore[arg-type]  # the course it was given

    monkeypatch.setattr(booting, "_seen", restarting)
    job = desk.patch()
    assert job.state is JobState.FAILED
    assert "it still is in its start of 2026-11-20 03:00 UTC" in step(job).reason
    assert "boot_now" not in step(job).facts
    assert len(desk.windows.log("restart ordered")) == 1


def test_a_host_that_does_not_come_back_is_unreachable(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    told, seen = course.options_of, booting._seen
    monkeypatch.setattr(course, "options_of", lambda stage: replace(told(stage), within=timedelta(seconds=3)))

    def away(its: object) -> object:
        desk.server.stop()
        return seen(its)  # type: ignore[arg-type]  # the course it was given

    monkeypatch.setattr(booting, "_seen", away)
    job = desk.patch()
    assert (job.state, job.trouble and job.trouble.code) == (JobState.FAILED, "unreachable")
    assert "it is not back within" in step(job).reason


def test_a_restart_that_is_refused_stays_pending(desk: Desk) -> None:
    desk.windows.fate(refuses=True)
    job = desk.patch()
    assert "patch-reboot-failed" in rules(job)
    assert desk.windows.log("restarted") == []


def test_a_host_without_room_is_left_as_it_is(desk: Desk) -> None:
    drive = {"place": "%SystemDrive%", "kind": "NTFS", "size": 10**11, "free": 10**9}
    desk.windows.settle(host={"drives": [drive]})
    job = desk.patch()
    assert state(job) == "refused"
    assert "patch-no-room" in rules(job)
    assert desk.windows.log("started install") == []


def test_a_service_that_fails_with_the_updates_is_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object) -> object:
        desk.windows.settle(host={"boot": "2026-11-20T03:00:00Z", "services": ["W3SVC"]})
        return judged(*arguments)  # type: ignore[arg-type]  # handed on

    judged = facts.judge_install
    monkeypatch.setattr("ronde.engine.patching.windows.applying.judge_install", broken)
    job = desk.patch()
    assert job.state is JobState.FAILED
    assert "patch-unit-failed" in rules(job)


def test_a_probe_that_no_longer_answers_is_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.office.hosts[HOST]["probes"] = [{"unit": "W3SVC"}, {"port": 443}]
    desk.office.write()

    def broken(*arguments: object) -> object:
        desk.windows.fate(probes={"port": "nothing answers"})
        return judged(*arguments)  # type: ignore[arg-type]  # handed on

    judged = facts.judge_install
    monkeypatch.setattr("ronde.engine.patching.windows.applying.judge_install", broken)
    job = desk.patch()
    assert job.state is JobState.FAILED
    assert "patch-probe-failed" in rules(job)
    assert step(job).facts["probes"] == ["unit W3SVC", "127.0.0.1 port 443"]


def test_a_probe_that_failed_before_is_told_and_not_held_against_the_run(desk: Desk) -> None:
    desk.office.hosts[HOST]["probes"] = [{"port": 443}]
    desk.office.write()
    desk.windows.fate(probes={"port": "nothing answers"})
    job = desk.patch()
    assert state(job) == "kept"
    assert "patch-probe-was-failing" in rules(job)


def test_a_task_that_died_leaves_what_came_of_it_to_a_person(desk: Desk) -> None:
    desk.windows.fate(dies="install")
    job = desk.patch()
    assert (job.state, state(job)) == (JobState.NEEDS_HUMAN, "needs_human")
    assert "patch-outcome-unknown" in rules(job)
    assert len(desk.windows.left) == 1, "what the task left is evidence"


def on_install(desk: Desk, monkeypatch: pytest.MonkeyPatch, **fate: object) -> None:
    """From the order to install on, the host's fate is this."""

    def turned(*arguments: object) -> object:
        desk.windows.fate(**fate)
        return begun(*arguments)  # type: ignore[arg-type]  # handed on

    begun = facts.install_question
    monkeypatch.setattr("ronde.engine.patching.windows.applying.install_question", turned)


def test_an_installation_that_windows_refuses_to_start_has_touched_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_install(desk, monkeypatch, denied=True)
    job = desk.patch()
    assert (job.state, state(job)) == (JobState.FAILED, "abandoned")
    assert "patch-denied" in rules(job)


def test_a_start_that_answers_with_something_else_may_have_begun_and_is_followed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_install(desk, monkeypatch, garbled=["start"], garbled_late=True)
    job = desk.patch()
    assert len(desk.windows.log("started install")) == 1
    assert len(desk.windows.log("installed")) == 2
    assert state(job) == "needs_human", "the search afterwards cannot be started either"


def test_a_search_that_fails_plans_nothing(desk: Desk) -> None:
    desk.windows.fate(failed=True)
    job = desk.patch()
    assert state(job) == "refused"
    assert desk.windows.log("started install") == []


def test_calls_that_hang_are_given_up_and_asked_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "CALL_LIMIT", 2.0)
    desk.windows.fate(hangs=["start", "poll", "delete", "look", "reboot"])
    job = desk.patch()
    assert state(job) == "kept", step(job).reason
    assert len(desk.windows.log("started install")) == 1
    assert len(desk.windows.log("restarted")) == 1


def test_an_installation_that_does_not_end_is_left_to_a_person(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ronde.engine.patching.windows.applying.INSTALL_LIMIT_S", 0.5)
    on_install(desk, monkeypatch, polls=10_000)
    job = desk.patch()
    assert job.state is JobState.NEEDS_HUMAN
    assert "patch-outcome-unknown" in rules(job)
    assert len(desk.windows.log("started install")) == 1
