"""The updates of a client's servers, in the report and on the board: what is not known is told, and never as good."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from ronde.cli.status import board_page
from ronde.model.check import Finding, Json
from ronde.model.inventory import Client
from ronde.model.plan import JobPlan, Step, Target, TargetKind
from ronde.model.records import CheckRecord, Health, JobRecord, Trouble
from ronde.model.run import JobState
from ronde.model.verdict import Level, Severity, Verdict
from ronde.reports.board import board
from ronde.reports.board_problems import ClientNight
from ronde.reports.night import night_view
from ronde.reports.night_json import night_json
from ronde.reports.page import night_page
from ronde.reports.render import render_night
from ronde.reports.view import NightView
from tests.doubles.night import AT, NOW, PROVIDER, check, client, host, job, material

HOSTS = {"srv-a": host(), "srv-b": host()}
NIGHTLY = {"patch-audit": {"playbook": "patch/audit", "at": "30 4 * * *", "on": "all"}}
CLIENT = client(HOSTS, schedules=NIGHTLY)


def audit(name: str, *findings: Finding, level: Level | None = Level.REACHABLE, **facts: Json) -> CheckRecord:
    told: dict[str, Json] = {"pending": 0, "security": 0, "oldest_fix": None, "reboot_needed": False, **facts}
    return check(name, "patches", "patches", *findings, level=level, facts=told if level is not None else {})


def of(name: str, state: JobState = JobState.SUCCEEDED, trouble: Trouble | None = None) -> JobRecord:
    target = Target("commune-exemple", TargetKind.HOST, name)
    plan = JobPlan(target, "patch/audit", (Step("patches", "patches", {"refresh": True}),))
    return replace(job(name, state, trouble=trouble), playbook="patch/audit", plan=plan)


def view(checks: Sequence[CheckRecord], jobs: Sequence[JobRecord] | None = None, to: Client = CLIENT) -> NightView:
    jobs = [of(check.host) for check in checks] if jobs is None else jobs
    return night_view(to, PROVIDER, material(checks, jobs), NOW)


def overdue(days: int = 20) -> Finding:
    since = (AT - timedelta(days=days)).isoformat()
    return Finding("patch-security-pending", Severity.CRITICAL, "secret technician's words", {"since": since})


def text(of: NightView, language: str = "en") -> str:
    return render_night(night_page(of, language)).text.replace("\u00a0", " ")  # type: ignore[arg-type]  # a language


def shown(of: NightView, checks: Sequence[CheckRecord]) -> str:
    found = material(checks, [job(check.host) for check in checks])
    value = board([ClientNight(of, found)], Health({}, {}, None, 0, None, 0, None), NOW)
    out = StringIO()
    Console(file=out, width=80, color_system=None, highlight=False).print(board_page(value, ZoneInfo("Europe/Paris")))
    return out.getvalue()


WELL = [audit("srv-a"), audit("srv-b")]


def test_servers_without_updates_are_in_order() -> None:
    night = view(WELL)
    assert night.verdict is Verdict.OK
    assert "Updates verified on 2 of 2 servers." in text(night)
    assert "● in order · srv-a\n    No update waits." in text(night)
    assert "Correctifs vérifiés sur 2 des 2 serveurs." in text(night, "fr")


def test_what_waits_is_counted_and_dated() -> None:
    since = (AT - timedelta(days=2)).isoformat()
    night = view([audit("srv-a", pending=12, security=3, oldest_fix=since), audit("srv-b")])
    assert "12 updates wait. 3 of them for security, the oldest since 11 Jan at 02:05." in " ".join(text(night).split())
    assert "CORRECTIFS" in text(night, "fr")
    assert "12 mises à jour en attente." in text(night, "fr")
    assert "12 pending" in shown(night, WELL)


def test_a_security_update_that_is_missing_for_too_long_fails_the_night_without_technicians_words() -> None:
    night = view([audit("srv-a", overdue(), pending=1, security=1), audit("srv-b")])
    assert night.verdict is Verdict.FAILED
    whole = " ".join(text(night).split())
    assert "The updates of server “srv-a” need attention." in whole
    assert "Security updates have been missing since 24 Dec at 02:05." in whole
    assert "secret" not in whole
    assert "updates need attention" in render_night(night_page(night, "en")).subject


def test_a_server_that_should_have_been_audited_and_was_not_is_told_with_its_reason() -> None:
    unreachable = Trouble("unreachable", "no route")
    night = view([audit("srv-a")], [of("srv-a"), of("srv-b", JobState.FAILED, unreachable)])
    assert night.verdict is Verdict.UNKNOWN
    assert [line.verdict for line in night.patches] == [Verdict.UNKNOWN, Verdict.OK]
    assert "We could not verify the updates of a server." in text(night)
    assert "◇ srv-b\n    Its updates are not verified." in text(night)
    assert "1 unknown" in shown(night, [audit("srv-a")])
    assert "ronde run patch/audit --client commune-exemple --host srv-b" in shown(night, [audit("srv-a")])


def test_a_dead_source_gives_no_figure_at_all() -> None:
    dead = Finding("patch-repository-failed", Severity.UNKNOWN, "http://internal.example/secret", {})
    night = view([audit("srv-a", dead, level=None), audit("srv-b")])
    line = next(line for line in night.patches if line.host == "srv-a")
    assert (line.verdict, line.waiting) == (Verdict.UNKNOWN, None)
    assert "A source of its updates did not answer." in text(night)
    assert "internal.example" not in text(night)


def test_a_release_out_of_maintenance_asks_the_client() -> None:
    ended = Finding("patch-end-of-life", Severity.CRITICAL, "x", {"end_of_life": "2026-06-30"})
    night = view([audit("srv-a", ended), audit("srv-b")])
    assert "Say when server srv-a may be given a newer system" in " ".join(text(night).split())


def test_without_an_audit_and_a_schedule_for_it_there_is_no_part() -> None:
    night = view([], to=client(HOSTS, schedules={}))
    assert night.patches == ()
    assert "UPDATES" not in text(night)


def test_a_schedule_for_some_servers_expects_only_these() -> None:
    some = client(HOSTS, schedules={"patch-audit": {**NIGHTLY["patch-audit"], "on": ["srv-b"]}})
    assert [line.host for line in view([], to=some).patches] == ["srv-b"]


def test_the_mail_in_html_and_the_json_say_the_same() -> None:
    night = view([audit("srv-a", pending=2, security=0), audit("srv-b")])
    page = night_page(night, "fr")
    assert "2 mises à jour en attente." in render_night(page).html.replace("\u00a0", " ")
    patches = night_json(night, page)["patches"]
    assert {
        "host": "srv-a",
        "verdict": "ok",
        "waiting": 2,
        "security": 0,
        "oldest_security_since": None,
        "restart_due": False,
    } in patches  # type: ignore[operator]  # a list


@pytest.mark.parametrize("gone", ["srv-a", "srv-b"])
@given(severity=st.sampled_from([Severity.INFO, Severity.WARNING, Severity.CRITICAL]))
def test_no_check_can_be_taken_away_and_make_a_night_better(gone: str, severity: Severity) -> None:
    found = [audit("srv-a", replace(overdue(), severity=severity)), audit("srv-b")]
    jobs = [of("srv-a"), of("srv-b")]
    without = view([one for one in found if one.host != gone], jobs)
    assert without.verdict.rank >= min(view(found, jobs).verdict.rank, Verdict.UNKNOWN.rank)
    assert without.verdict is not Verdict.OK


def test_a_later_audit_that_failed_takes_the_belief_from_the_one_before() -> None:
    later = replace(of("srv-a", JobState.FAILED), id="later", finished_at=AT + timedelta(hours=1))
    assert view(WELL, [of("srv-a"), of("srv-b"), later]).patches[0].verdict is Verdict.UNKNOWN


WINDOWS = client(
    {"win": {**host(), "system": "windows"}},
    schedules={"audit": {"playbook": "patch/audit-windows", "at": "30 4 * * *", "on": "all"}},
)
LABEL = Finding("patch-windows-unverified", Severity.UNKNOWN, "never verified on a real Windows")


def test_a_windows_server_is_told_with_the_label_that_its_way_was_not_verified() -> None:
    night = view([audit("win", LABEL)], to=WINDOWS)
    assert night.verdict is Verdict.UNKNOWN
    whole = " ".join(text(night).split())
    assert "Updates verified on 0 of 1 servers." in whole
    assert "has not been verified on a real Windows." in whole
    assert "n'a pas été vérifiée sur un vrai Windows." in " ".join(text(night, "fr").split()).replace("\u2019", "'")


def test_a_windows_server_that_was_not_audited_is_unknown_and_the_board_says_which_audit_is_its_own() -> None:
    night = view([], [], to=WINDOWS)
    assert [line.verdict for line in night.patches] == [Verdict.UNKNOWN]
    assert "ronde run patch/audit-windows --client commune-exemple --host win" in shown(night, [])
