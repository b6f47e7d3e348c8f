"""The audit of a Windows host through a real sshd, ordered as a technician orders it. Not verified on Windows."""

from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import pytest

from ronde.facts.patch import windows as facts
from ronde.model.command import Command
from ronde.model.run import JobState
from ronde.model.verdict import Level, Severity, Verdict
from ronde.reports.patches import patch_rows
from tests.doubles.office import SCOPE
from tests.doubles.ssh_hosts import Proxy
from tests.doubles.windows_host import OFFERED, ROLLUP, TOOL
from tests.integration.windows.conftest import HOST, Desk, rules


def test_what_waits_is_told_in_the_words_of_every_audit_and_nothing_is_left(desk: Desk) -> None:
    job, check = desk.audit()
    assert job.state is JobState.SUCCEEDED
    assert (check.verdict, check.level) == (Verdict.UNKNOWN, Level.REACHABLE)
    unknown = [found.rule for found in check.findings if found.severity is Severity.UNKNOWN]
    assert unknown == ["patch-windows-unverified"]
    assert (check.facts["pending"], check.facts["security"]) == (2, 1), "virus signatures are never counted"
    assert check.facts["cves"] == ["CVE-2026-3333"]
    assert check.facts["reboot_needed"] is False
    assert check.facts["release"] == "Microsoft Windows Server 2022 Standard"
    assert check.facts["manager"] == "Windows Update 10.0.20348"
    assert desk.windows.left == []
    assert len(desk.windows.log("started search")) == 1


def test_the_answer_carries_its_label_wherever_it_is_read(desk: Desk) -> None:
    _, check = desk.audit()
    assert "patch-windows-unverified" in rules(check)
    services = desk.office.services
    client = services.inventories.current().clients["commune"]
    (row,) = patch_rows(client, services.ledger.history(SCOPE, HOST, ("patches",), before=_later(desk)), _later(desk))
    assert (row.security, row.others, row.audit) == (1, 1, "patch/audit-windows")
    assert any("never verified on a real Windows" in words for words in row.words)


def _later(desk: Desk) -> datetime:
    return desk.office.engine.clock.now() + timedelta(seconds=1)


def test_a_hole_is_as_old_as_its_first_offer_although_each_month_offers_another(desk: Desk) -> None:
    january = {**OFFERED[0], "title": "2026-10 Cumulative Update for Windows Server 2022 (KB5060001)"}
    february = {**january, "id": TOOL, "title": "2026-11 Cumulative Update for Windows Server 2022 (KB5070001)"}
    desk.windows.settle(offered=[january])
    _, first = desk.audit()
    desk.windows.settle(offered=[february])
    _, second = desk.audit()
    assert first.facts["security_since"] == second.facts["security_since"]
    assert len(str(first.facts["security_since"])) > 5


def test_an_update_hidden_on_the_host_is_told_as_kept_back(desk: Desk) -> None:
    desk.windows.settle(offered=[{**OFFERED[0], "hidden": True}])
    _, check = desk.audit()
    assert "patch-kept-back" in rules(check)
    assert check.facts["kept"] == {ROLLUP: "held"}


def test_a_restart_that_is_due_is_a_warning(desk: Desk) -> None:
    desk.windows.fate(pending=True)
    _, check = desk.audit()
    assert "patch-reboot-pending" in rules(check)
    assert check.facts["reboot_needed"] is True


@pytest.mark.parametrize(
    ("fate", "rule"),
    [
        ({"failed": True}, "patch-not-understood"),
        ({"dies": True}, "patch-not-understood"),
        ({"denied": True}, "patch-denied"),
        ({"garbled": ["poll"]}, "patch-not-understood"),
        ({"garbled": ["start"]}, "patch-not-understood"),
    ],
    ids=["failed", "dead", "denied", "garbled", "garbled-start"],
)
def test_a_search_that_came_to_nothing_is_unknown_and_never_zero(
    desk: Desk, fate: dict[str, object], rule: str
) -> None:
    desk.windows.fate(**fate)
    _, check = desk.audit()
    assert (check.verdict, check.level) == (Verdict.UNKNOWN, None)
    assert rule in rules(check)
    assert "patch-windows-unverified" in rules(check)
    assert "pending" not in check.facts
    assert "packages" not in check.facts


def test_an_answer_that_was_cut_is_unknown(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "Command", partial(Command, cap=200))
    _, check = desk.audit()
    assert check.verdict is Verdict.UNKNOWN
    assert "patch-answer-cut" in rules(check)
    assert "pending" not in check.facts


def test_no_evidence_that_is_missing_makes_it_better(desk: Desk) -> None:
    """A host whose every update is gone has the label alone against it; one that cannot say so has more."""
    desk.windows.settle(offered=[])
    _, whole = desk.audit()
    assert (rules(whole), whole.facts["pending"]) == ({"patch-windows-unverified"}, 0)
    desk.windows.fate(failed=True)
    _, failed = desk.audit()
    assert failed.verdict is Verdict.UNKNOWN
    assert rules(failed) > rules(whole)
    assert "pending" not in failed.facts


def test_a_call_that_hangs_is_given_up_and_asked_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "CALL_LIMIT", 2.0)
    desk.windows.fate(hangs=["start", "poll", "delete"])
    job, check = desk.audit()
    assert job.state is JobState.SUCCEEDED
    assert check.facts["pending"] == 2
    assert len(desk.windows.log("started search")) == 1
    assert desk.windows.left == []


def test_a_search_that_does_not_end_is_ended_at_our_own_limit(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ronde.engine.patches.windows_task.SEARCH_PATIENCE", 0.5)
    desk.windows.fate(polls=10_000)
    _, check = desk.audit()
    assert check.verdict is Verdict.UNKNOWN
    assert "patch-timed-out" in rules(check)
    assert desk.windows.left == []


def test_a_host_that_vanishes_is_asked_again_and_its_search_taken_up(desk: Desk) -> None:
    """The link is cut in mid-search; the next attempt finds the task and starts no other."""
    desk.windows.fate(polls=3)
    with Proxy(desk.server.address, desk.server.port) as proxy:
        entry = desk.office.hosts[HOST]
        desk.office.hosts[HOST] = {**entry, "address": proxy.address, "port": proxy.port}
        desk.office.write()
        cuts = iter([True])

        def pause(_seconds: float) -> None:
            if next(cuts, False):
                proxy.cut()

        engine = replace(desk.office.engine, pause=pause)
        desk.office.services.__dict__["engine"] = engine
        job, check = desk.audit()
    assert (job.state, job.attempt) == (JobState.SUCCEEDED, 2)
    assert check.facts["pending"] == 2
    assert len(desk.windows.log("started search")) == 1


def test_a_host_that_stays_away_is_unknown(desk: Desk) -> None:
    desk.server.stop()
    job, check = desk.audit()
    assert job.state is JobState.FAILED
    assert check.verdict is Verdict.UNKNOWN
    assert "pending" not in check.facts
