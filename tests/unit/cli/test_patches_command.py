"""`ronde patches`: one row a host, worst first; what is not known is never a zero, and never left out."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console, RenderableType

from ronde.cli.patches import host_page, patches_page
from ronde.model.check import Finding, Json
from ronde.model.records import CheckRecord
from ronde.model.verdict import Level, Severity, Verdict
from ronde.reports.patches import STALE, PatchRow, patch_json, patch_rows, worst_first
from tests.doubles.night import NOW, check, client, host

HOURS = timedelta(hours=1)
CLIENT = client({"srv-a": host(), "srv-b": host(), "srv-c": host(), "win": {**host(), "system": "windows"}})
WHOLE: Mapping[str, Json] = {
    "pending": 3,
    "security": 2,
    "security_untold": 0,
    "oldest_fix": (NOW - timedelta(days=20)).isoformat(),
    "kept": {"libc6:amd64": "held", "bash:amd64": "phased"},
    "held": ["libc6:amd64"],
    "reboot_needed": True,
    "reboot_reasons": ["Kernel 6.1.0-35 is installed, 6.1.0-31 runs."],
    "refreshed": (NOW - 4 * HOURS).isoformat(),
    "release": "Debian GNU/Linux 12 (bookworm)",
    "end_of_life": "2028-06-30",
    "manager": "apt 2.6.2",
    "services": ["cron.service"],
    "leftovers": [],
    "packages": [
        {"package": "openssl:amd64", "installed": "3.0.1", "candidate": "3.0.2", "security": True, "origins": [],
         "advisories": [], "kept": None, "detail": ""},
        {"package": "libc6:amd64", "installed": "2.36-9", "candidate": "2.36-9+deb12u1", "security": True,
         "origins": [], "advisories": [], "kept": "held", "detail": ""},
        {"package": "vim:all", "installed": "9.0", "candidate": "9.1", "security": None, "origins": [],
         "advisories": [], "kept": None, "detail": ""},
    ],
}  # fmt: skip


def audit(name: str, *findings: Finding, at: datetime = NOW - 4 * HOURS, **facts: Json) -> CheckRecord:
    return check(name, "patches", "patches", *findings, level=Level.REACHABLE, at=at, facts={**WHOLE, **facts})


def overdue(severity: Severity = Severity.CRITICAL) -> Finding:
    return Finding("patch-security-pending", severity, "2 security updates wait, the longest since 2026-12-24.")


def rows(*checks: CheckRecord) -> list[PatchRow]:
    return worst_first(patch_rows(CLIENT, checks, NOW))


def shown(page: RenderableType, width: int = 80) -> str:
    out = StringIO()
    Console(file=out, width=width, color_system=None, highlight=False).print(page, crop=False)
    return out.getvalue()


def test_the_table_tells_each_host_in_80_columns_worst_first() -> None:
    text = shown(
        patches_page(rows(audit("srv-a", overdue()), audit("srv-b", pending=0, security=0, oldest_fix=None)), NOW)
    )
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["security", "other", "oldest", "kept", "restart", "lists"]
    assert lines[1].split() == ["■", "commune-exemple", "·", "srv-a", "2", "1", "20", "days", "1", "due", "4", "h"]
    assert [line.split()[3] for line in lines[2:5]] == ["srv-c", "win", "srv-b"]
    assert lines[2].split()[4:] == ["never"]
    assert "2 security updates wait" in text
    assert "ronde run patch/audit --client commune-exemple --host srv-c" in text


def test_a_host_whose_lists_are_not_believed_has_question_marks_and_no_zero() -> None:
    dead = Finding("patch-repository-failed", Severity.UNKNOWN, "A repository could not be read: deb.example")
    unread = check("srv-a", "patches", "patches", dead, level=None, facts={"reboot_needed": None})
    row = next(row for row in rows(unread) if row.host == "srv-a")
    line = next(line for line in shown(patches_page([row], NOW)).splitlines() if "srv-a" in line)
    assert line.split()[4:] == ["?"] * 6
    assert row.verdict is Verdict.UNKNOWN


def test_updates_of_which_nobody_says_what_they_are_stand_beside_the_security_updates() -> None:
    line = shown(patches_page(rows(audit("srv-a", security_untold=1))[-1:], NOW)).splitlines()[1]
    assert line.split()[4:6] == ["2+1?", "0"]


def test_an_audit_of_three_days_ago_is_unknown_however_good_it_was() -> None:
    old = audit("srv-a", at=NOW - STALE - 2 * HOURS)
    row = next(row for row in rows(old) if row.host == "srv-a")
    assert row.verdict is Verdict.UNKNOWN
    assert "too old" in row.words[0]


def test_what_the_vendor_defers_is_not_counted_as_kept() -> None:
    assert next(row for row in rows(audit("srv-a")) if row.host == "srv-a").kept == {"libc6:amd64": "held"}


def test_one_host_is_told_package_by_package_with_reasons() -> None:
    row = next(row for row in rows(audit("srv-a", overdue())) if row.host == "srv-a")
    text = shown(host_page(row, NOW))
    assert max(map(len, text.splitlines())) <= 80
    assert "due: Kernel 6.1.0-35 is installed" in text
    assert "cron.service" in text
    assert any("libc6:amd64" in line and "stays: held" in line for line in text.splitlines())
    assert any("vim:all" in line and "security?" in line for line in text.splitlines())
    assert "ronde show 8f2c1a7b --output" in text


def test_a_host_that_was_never_audited_says_how_to() -> None:
    text = shown(host_page(next(row for row in rows() if row.host == "srv-b"), NOW))
    assert "never audited" in text
    assert "ronde run patch/audit --client commune-exemple --host srv-b" in text


def test_words_of_a_host_cannot_forge_a_line_or_colour_the_terminal() -> None:
    evil = Finding("patch-repository-failed", Severity.UNKNOWN, "http://x\n● commune · srv [red]ok[/]\x1b[2J")
    row = next(row for row in rows(audit("srv-a", evil, manager="apt\x1b[31m\n2")) if row.host == "srv-a")
    for page in (patches_page([row], NOW), host_page(row, NOW)):
        assert "\x1b" not in shown(page)
        assert "\n● commune" not in shown(page)


@pytest.mark.parametrize("missing", sorted(WHOLE))
def test_whatever_fact_is_missing_the_pages_are_made_and_nothing_looks_better(missing: str) -> None:
    found = audit("srv-a")
    found = replace(found, facts={key: value for key, value in found.facts.items() if key != missing})
    row = next(row for row in rows(found) if row.host == "srv-a")
    assert shown(patches_page([row], NOW))
    assert shown(host_page(row, NOW))
    assert patch_json(row)["host"] == "srv-a"


@given(st.permutations(["srv-a", "srv-b", "srv-c"]), st.sampled_from(list(Severity)))
def test_no_order_of_checks_changes_the_order_of_rows(order: list[str], severity: Severity) -> None:
    found = {"srv-a": audit("srv-a", overdue(severity)), "srv-b": audit("srv-b"), "srv-c": audit("srv-c", overdue())}
    assert rows(*(found[name] for name in order)) == rows(*found.values())


def test_a_windows_host_has_an_audit_of_its_own_and_its_answer_keeps_the_label() -> None:
    never = next(row for row in rows() if row.host == "win")
    assert "ronde run patch/audit-windows --client commune-exemple --host win" in shown(host_page(never, NOW))
    label = Finding("patch-windows-unverified", Severity.INFO, "This was never verified on a real Windows.")
    row = next(row for row in rows(audit("win", label)) if row.host == "win")
    assert "never verified on a real Windows" in shown(patches_page([row], NOW))
