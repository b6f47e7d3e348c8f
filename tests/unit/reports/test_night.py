"""What is told to a client about a night: everything expected, worst first, nothing better than its evidence."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from ronde.model.plan import JobPlan, Occurrence, Step, Target, TargetKind
from ronde.model.records import CheckRecord, JobRecord, OccurrenceRecord, Trouble
from ronde.model.run import JobState
from ronde.model.verdict import Level, Severity, Verdict
from ronde.reports.night import night_view
from ronde.reports.page import night_page
from ronde.reports.render import render_night
from ronde.reports.view import NightView
from tests.doubles.night import (
    AT,
    NEWEST,
    NOW,
    PERIOD,
    PROVIDER,
    VCENTER,
    check,
    client,
    host,
    job,
    material,
    problem,
    proofs,
    restic,
)

GOOD_CHECKS = [check("srv-fichiers", "documents"), check("srv-compta", "mairie-db", "dump")]
GOOD_JOBS = [job("srv-fichiers"), job("srv-compta")]


def good(checks: list[CheckRecord] | None = None, jobs: list[JobRecord] | None = None, **more: object) -> NightView:
    return night_view(client(), PROVIDER, material(checks or GOOD_CHECKS, jobs or GOOD_JOBS, **more), NOW)


def text(view: NightView, language: str = "en") -> str:
    rendered = render_night(night_page(view, "fr" if language == "fr" else "en"))
    return " ".join(rendered.text.split())


def test_a_night_with_every_backup_verified_is_in_order() -> None:
    view = good()
    assert view.verdict is Verdict.OK
    assert view.gaps == ()
    assert "Everything is in order." in text(view)
    assert "Nothing: everything that was to be verified was verified." in text(view)


def test_an_expected_backup_without_a_check_is_unknown_and_listed() -> None:
    view = good(GOOD_CHECKS[:1])
    assert view.verdict is Verdict.UNKNOWN
    line = next(line for line in view.backups if line.name == "mairie-db")
    assert line.verdict is Verdict.UNKNOWN
    assert [gap.where for gap in view.gaps] == ["srv-compta"]
    assert "The night's check ran without examining it." in text(view)
    assert "Nothing: everything" not in text(view)


def test_a_night_in_which_nothing_ran_says_so_for_everything() -> None:
    view = night_view(client(), PROVIDER, material([], []), NOW)
    assert {line.verdict for line in view.backups} == {Verdict.UNKNOWN}
    assert "We could not verify your backups." in text(view)
    assert "No check ran in this period." in text(view)


def test_a_missed_occurrence_is_the_reason_when_there_is_no_job() -> None:
    due = datetime(2027, 1, 13, 1, 0, tzinfo=UTC)
    missed = OccurrenceRecord("commune-exemple", "night-backups", due, due + timedelta(hours=1), None, "beat was down")
    view = night_view(client(), PROVIDER, material([], [], occurrences=[missed]), NOW)
    assert "No check ran: the one due on 13 Jan at 02:00 did not start in time." in text(view)
    assert "beat was down" not in text(view)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (JobState.RUNNING, "still running"),
        (JobState.QUEUED, "had not started"),
        (JobState.EXPIRED, "could not start in time"),
        (JobState.CANCELLED, "stopped by a technician"),
        (JobState.CRASHED, "a fault on our side"),
        (JobState.LOST, "a fault on our side"),
        (JobState.NEEDS_HUMAN, "a fault on our side"),
        (JobState.FAILED, "came to no result"),
    ],
)
def test_a_check_whose_job_did_not_succeed_is_not_believed(state: JobState, words: str) -> None:
    view = good(jobs=[GOOD_JOBS[0], job("srv-compta", state)])
    line = next(line for line in view.backups if line.name == "mairie-db")
    assert line.verdict is Verdict.UNKNOWN
    assert line.proofs == ()
    assert words in text(view)


def test_a_check_whose_job_is_not_on_record_is_not_believed() -> None:
    assert good(jobs=GOOD_JOBS[:1]).verdict is Verdict.UNKNOWN


def test_an_unreachable_host_is_told_with_its_span_and_tries() -> None:
    trouble = Trouble("unreachable", "ssh: connect to host 10.20.0.11 port 22: No route to host")
    ended = datetime(2027, 1, 13, 4, 30, tzinfo=UTC)
    jobs = [GOOD_JOBS[0], job("srv-compta", JobState.FAILED, trouble=trouble, attempt=3, ended=ended)]
    view = good(GOOD_CHECKS[:1], jobs)
    assert "The server could not be reached. 3 tries on 13 Jan from 02:00 to 05:30." in text(view)
    assert "10.20.0.11" not in text(view)


@pytest.mark.parametrize("code", ["unreachable", "host-key-changed", "auth-refused"])
def test_a_server_never_reached_is_not_said_to_have_broken_off(code: str) -> None:
    found = problem("backup-unreachable", Severity.UNKNOWN, code=code)
    jobs = [GOOD_JOBS[0], job("srv-compta", JobState.FAILED, trouble=Trouble(code, "words of a technician"))]
    view = good([GOOD_CHECKS[0], check("srv-compta", "mairie-db", "dump", found, level=None)], jobs)
    [gap] = view.gaps
    assert len(gap.reasons) == 1, "the reason is told once, by what happened to the job"
    assert "broke off" not in text(view)


def test_a_later_failed_look_at_the_same_backup_outweighs_an_earlier_good_one() -> None:
    later = replace(job("srv-compta", JobState.FAILED, ended=AT + timedelta(hours=2)), id="later")
    view = good(jobs=[*GOOD_JOBS, later])
    assert view.verdict is Verdict.UNKNOWN


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.RUNNING, JobState.CANCELLED])
def test_a_later_look_that_is_not_over_says_nothing_against_an_earlier_one(state: JobState) -> None:
    later = replace(job("srv-compta", state, ended=AT + timedelta(hours=2)), id="later")
    assert good(jobs=[*GOOD_JOBS, later]).verdict is Verdict.OK


def test_a_technicians_failed_command_says_nothing_about_backups() -> None:
    command = replace(job("srv-compta", JobState.FAILED, ended=AT + timedelta(hours=2)), playbook="adhoc/command")
    planned = JobPlan(
        Target("commune-exemple", TargetKind.HOST, "srv-compta"), "adhoc/command", (Step("one", "command"),)
    )
    other = JobPlan(
        Target("commune-exemple", TargetKind.HOST, "srv-compta"),
        "backup/check",
        (Step("backups", "backups", {"backups": [{"name": "another"}]}),),
    )
    for later in (
        replace(command, id="a"),
        replace(command, id="b", plan=planned),
        replace(command, id="c", plan=other, playbook="backup/check"),
    ):
        assert good(jobs=[*GOOD_JOBS, later]).verdict is Verdict.OK


@pytest.mark.parametrize(
    "change",
    [
        {"recorded_at": PERIOD.since - timedelta(seconds=1)},
        {"recorded_at": PERIOD.until + timedelta(seconds=1)},
        {"evidence_at": PERIOD.since - timedelta(hours=2, minutes=1)},
        {"evidence_at": NOW + timedelta(minutes=6)},
        {"evidence_at": None},
        {"level": None},
        {"verdict": Verdict.UNKNOWN},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_check_without_timely_proof_is_unknown(change: dict[str, object]) -> None:
    doubtful = replace(GOOD_CHECKS[1], **change)  # type: ignore[arg-type]  # fields of CheckRecord
    view = good([GOOD_CHECKS[0], doubtful])
    assert view.verdict is Verdict.UNKNOWN
    assert [gap.where for gap in view.gaps] == ["srv-compta"]


def test_another_clients_check_is_never_used() -> None:
    foreign = replace(GOOD_CHECKS[1], client="another-client")
    assert good([GOOD_CHECKS[0], foreign]).verdict is Verdict.UNKNOWN


def test_a_check_by_another_tool_than_the_inventory_names_is_not_this_backups() -> None:
    assert good([GOOD_CHECKS[0], replace(GOOD_CHECKS[1], kind="borg")]).verdict is Verdict.UNKNOWN


def test_a_missing_backup_is_told_first_with_its_last_copy() -> None:
    newest = "2027-01-10T01:14:00+00:00"
    old = check("srv-compta", "mairie-db", "dump", problem("backup-too-old", age_s=3 * 86400), facts={"newest": newest})
    view = good([GOOD_CHECKS[0], old])
    assert view.verdict is Verdict.FAILED
    assert view.backups[0].name == "mairie-db"
    assert "A backup is missing: “mairie-db” (srv-compta) has had no copy since 10 Jan at 02:14." in text(view)
    assert "We are taking care of it. There is nothing for you to do." in text(view)
    assert "Your decision: none." in text(view)


def test_a_damaged_backup_is_called_damaged() -> None:
    view = good([GOOD_CHECKS[0], check("srv-compta", "mairie-db", "dump", problem("backup-truncated"))])
    assert "A backup is damaged: “mairie-db” (srv-compta)." in text(view)


def test_a_failure_does_not_hide_what_could_not_be_verified() -> None:
    view = good([check("srv-fichiers", "documents", "restic", problem("backup-corrupt"))])
    assert view.verdict is Verdict.FAILED
    assert "In addition, one item could not be verified." in text(view)


def test_a_rule_nobody_translated_gets_a_neutral_sentence_and_no_technical_word() -> None:
    view = good([GOOD_CHECKS[0], check("srv-compta", "mairie-db", "dump", problem("backup-brand-new-rule"))])
    assert "A check failed; our technicians have the details." in text(view)
    assert "/srv/secret/path" not in text(view)


def test_tonights_proof_comes_first_and_stronger_older_ones_keep_their_day() -> None:
    old = datetime(2027, 1, 9, 3, 0, tzinfo=UTC)
    known = proofs(Level.PRESENT, AT) | {"2": old.isoformat(), "3": old.isoformat()}
    facts = {"newest": NEWEST.isoformat(), "proofs": known}
    view = good([check("srv-fichiers", "documents", facts=facts), GOOD_CHECKS[1]])  # type: ignore[arg-type]  # JSON
    assert "Present, intact (1/20 read back) on 9 January." in text(view)
    assert "Présente, intègre (1/20 relu) le 9\u00a0janvier." in render_night(night_page(view, "fr")).text


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({}, "no trial restore is on record"),
        ({"proofs": {"5": "2026-12-02T09:30:00+00:00"}}, "last successful trial restore on 2 Dec at 10:30"),
        ({"proofs": {"6": "2026-12-02T09:30:00+00:00"}}, "last successful trial restore on 2 Dec at 10:30"),
        ({"proofs": {"5": "2030-01-01T00:00:00+00:00"}}, "no trial restore is on record"),
        ({"proofs": {"5": "yesterday"}}, "no trial restore is on record"),
        ({"proofs": ["5"]}, "no trial restore is on record"),
    ],
)
def test_verifying_is_not_restoring(facts: dict[str, object], words: str) -> None:
    view = good([check("srv-fichiers", "documents", facts=facts), GOOD_CHECKS[1]])  # type: ignore[arg-type]  # JSON
    assert words in text(view)


def test_an_unverified_backup_tells_when_it_was_verified_last() -> None:
    before = check("srv-compta", "mairie-db", "dump", at=AT - timedelta(days=2))
    view = good(GOOD_CHECKS[:1], earlier=[before])
    assert "Last verified on 11 Jan at 02:05." in text(view)


def machines(*checks: CheckRecord, count: int, **more: object) -> NightView:
    one = client(hosts={}, vcenters={"vc1": VCENTER}, **more)
    own = check("vc1", "vc1", "vcenter", facts={"machines": count})
    return night_view(one, PROVIDER, material([own, *checks], [job("vc1", kind=TargetKind.VCENTER)]), NOW)


def test_machines_are_summed_up_and_the_exceptions_listed() -> None:
    names = [f"vm-{number}" for number in range(12)]
    old = check("vc1", "GED", "vm", problem("snap-age", Severity.WARNING, figure=9 * 86400))
    view = machines(old, *(check("vc1", name, "vm") for name in names), count=13)
    assert view.verdict is Verdict.WARNING
    assert "13 virtual machines, 12 in order." in text(view)
    assert "Its oldest snapshot is 9 days old." in text(view)
    assert "vm-3" not in text(view)


def test_a_machine_that_was_counted_but_has_no_check_is_a_gap() -> None:
    view = machines(check("vc1", "GED", "vm"), count=2)
    assert view.verdict is Verdict.UNKNOWN
    assert "1 of 2 machines have no result." in text(view)


def test_a_vcenter_that_was_not_looked_at_is_a_gap() -> None:
    one = client(hosts={}, vcenters={"vc1": VCENTER})
    failed = job("vc1", JobState.FAILED, kind=TargetKind.VCENTER, trouble=Trouble("vcenter-unreachable", "timed out"))
    view = night_view(one, PROVIDER, material([], [failed]), NOW)
    assert view.verdict is Verdict.UNKNOWN
    assert "The virtualisation platform could not be reached. 1 try" in text(view)


def test_uncovered_machines_ask_for_one_decision() -> None:
    names = ["a", "b", "c", "d", "e"]
    uncovered = [check("vc1", name, "coverage", problem("vm-uncovered", Severity.WARNING)) for name in names]
    view = machines(*uncovered, *(check("vc1", name, "vm") for name in names), count=5)
    assert len(view.decisions) == 1
    assert "machines “a”, “b”, “c”, and 2 more need a backup" in text(view)
    assert "One point awaits your decision." in text(view)


@pytest.mark.parametrize(
    ("until", "words", "verdict"),
    [
        (date(2027, 1, 12), "its exemption ended on 12 January", Verdict.WARNING),
        (date(2027, 1, 13), "its exemption ends on 13 January", Verdict.WARNING),
        (date(2027, 2, 12), "its exemption ends on 12 February", Verdict.WARNING),
        (date(2027, 2, 13), "Your decision: none.", Verdict.OK),
    ],
)
def test_an_exemption_that_ends_is_the_clients_decision(until: date, words: str, verdict: Verdict) -> None:
    exempt = [{"vm": "modele", "reason": "template", "until": until}]
    view = machines(check("vc1", "GED", "vm"), count=1, exempt=exempt)
    assert words in text(view)
    assert view.verdict is verdict


def test_what_is_left_out_on_purpose_is_named() -> None:
    one = client(
        hosts={"srv": host(restic("documents")), "bastion": host(), "kiosk": host()},
        exempt=[
            {"vm": "modele", "reason": "template", "until": date(2027, 6, 30)},
            {"vm": "Kiosk", "reason": "holds no data", "until": date(2027, 6, 30)},
        ],
    )
    view = night_view(one, PROVIDER, material([check("srv", "documents")], [job("srv")]), NOW)
    assert "Without a backup, as agreed: “modele” (template, until 30 June), “Kiosk” (holds" in text(view)
    assert "Servers without a declared backup: bastion." in text(view)


def test_a_wrong_clock_is_told_under_its_server() -> None:
    clock = check("srv-compta", "clock", "clock", problem("clock-skew", Severity.WARNING))
    view = good([*GOOD_CHECKS, clock])
    assert view.verdict is Verdict.WARNING
    assert "▲ to watch · srv-compta Its clock is wrong." in text(view)


def test_the_reports_own_check_is_no_part_of_the_night() -> None:
    own = check("commune-exemple", "night", "report", problem("report-no-reader", Severity.WARNING))
    view = good([*GOOD_CHECKS, replace(own, run="the-reports-own-run")])
    assert view.verdict is Verdict.OK
    assert view.runs == ("8f2c1a7be0d24c55",)
    assert view.digest == good().digest


def test_a_client_of_whom_nothing_is_expected_is_not_in_order() -> None:
    view = night_view(client(hosts={}), PROVIDER, material([], []), NOW)
    assert view.verdict is Verdict.UNKNOWN
    assert "Nothing has been entrusted to us for verification yet." in text(view)
    assert "Nothing: everything" not in text(view)


def test_runs_and_a_digest_refer_to_the_evidence() -> None:
    view = good()
    again = good()
    changed = good([GOOD_CHECKS[0], replace(GOOD_CHECKS[1], facts={"newest": "2027-01-12T00:00:00+00:00"})])
    assert view.runs == ("8f2c1a7be0d24c55",)
    assert view.digest == again.digest != changed.digest
    assert f"Run 8f2c1a7b · record {view.digest[:16]}" in text(view)


def test_the_next_check_is_announced() -> None:
    assert "Next check: 14 Jan at 02:00." in text(good(next_night=datetime(2027, 1, 14, 1, 0, tzinfo=UTC)))


def test_an_occurrence_that_fired_is_no_excuse() -> None:
    fired = OccurrenceRecord("commune-exemple", "night-backups", AT, AT, "run-1")
    assert Occurrence("commune-exemple", "night-backups", AT).due == fired.due
    view = night_view(client(), PROVIDER, material([], [], occurrences=[fired]), NOW)
    assert "No check ran in this period." in text(view)
