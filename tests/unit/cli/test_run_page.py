"""`ronde show` of a run that acts: plan, approval, guards, and each step with what was done and why not."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from io import StringIO

import pytest
from rich.console import Console

from ronde.cli.runs_view import run_page, runs_table
from ronde.model.approvals import Answer, Approval, ApprovalRequest, ApprovalState, Decision
from ronde.model.check import Finding
from ronde.model.procedure import StepState
from ronde.model.records import EvidenceRecord, RunRecord, Trouble
from ronde.model.run import JobState, RunState
from ronde.model.verdict import Severity
from tests.doubles.night import AT, NOW
from tests.doubles.night import check as backup_check
from tests.doubles.work import BEGAN, BROKEN, DONE, NOTHING, acted, found, plan, ruling, run_of, step, waits_for

LATER = NOW + timedelta(hours=18)


def shown(
    run: RunRecord, approval: Approval | None = None, evidence: Sequence[EvidenceRecord] = (), width: int = 80
) -> str:
    """The page as a terminal without colours shows it, without the blanks at line ends."""
    out = StringIO()
    page = run_page(run, {run.jobs[0].id: evidence}, NOW, approval)
    Console(file=out, width=width, color_system=None, highlight=False).print(page)
    return "\n".join(line.rstrip() for line in out.getvalue().rstrip().splitlines())


def asked(run: RunRecord) -> ApprovalRequest:
    return ApprovalRequest(run.id, run.plan, "ana", AT, LATER, frozenset({"commune-exemple", "ecole"}))


def decided(run: RunRecord, state: ApprovalState, reason: str = "") -> Approval:
    agreed = state is not ApprovalState.REFUSED
    return Approval(
        asked(run), state, Decision(Answer(approve=agreed, plan_digest=run.plan, reason=reason), "bob", BEGAN)
    )


def test_a_run_that_failed_tells_each_step_in_order_with_its_reason() -> None:
    trouble = Trouble("step-failed", "restart: the unit did not come up", permanent=True)
    run = run_of(acted(state=JobState.FAILED, steps=(*BROKEN, step("log")), trouble=trouble), state=RunState.FAILED)
    assert shown(run).splitlines() == [
        "adhoc/restart-service · 5e1d0c2a7be0d24c55 · failed · ◇ unknown",
        "ordered by ana 13 Jan 2027 00:59 UTC: fuite de mémoire",
        "plan d1ge57d1ge57 · with service=nginx",
        "",
        "■ commune-exemple · srv-web  adhoc/restart-service · failed",
        "  restart: the unit did not come up",
        "  · guards not asked: window, backup",
        "  ● at_first             did at_first                                      4.0 s",
        "  ■ restart              did restart                                       4.0 s",
        "                         failed: the unit did not come up",
        "  · after                look at unit name=nginx                       not begun",
        "  because a step failed",
        "  ● log                  did log                                           4.0 s",
    ]


def test_what_was_done_and_what_was_not_necessary_differ() -> None:
    assert "changed: it was active" in shown(run_of(acted(steps=DONE)))
    assert "nothing changed: it runs as wanted" in shown(run_of(acted(steps=NOTHING)))


def test_a_run_that_waits_shows_the_whole_plan_and_how_to_agree_to_it() -> None:
    run = run_of(acted(state=JobState.HELD), state=RunState.PENDING_APPROVAL, events=waits_for("destructive"))
    page = shown(run, Approval(asked(run)))
    assert "▲ waits for a second technician until 14 Jan 2027 00:00 UTC: destructive" in page
    assert "  ronde approve 5e1d0c2a    # exactly this plan; or: ronde refuse 5e1d0c2a" in page
    assert "  · restart              systemctl restart nginx" in page
    assert "  if a step fails" in page


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (ApprovalState.USED, "● approved by bob 13 Jan 2027 01:00 UTC: convenu"),
        (ApprovalState.APPROVED, "● approved by bob 13 Jan 2027 01:00 UTC: convenu"),
        (ApprovalState.REFUSED, "■ refused by bob 13 Jan 2027 01:00 UTC: convenu"),
    ],
)
def test_who_decided_and_when_is_told(state: ApprovalState, words: str) -> None:
    run = run_of(acted(steps=DONE))
    page = shown(run, decided(run, state, "convenu"))
    assert words in page
    assert "ecole" not in page, "the other clients of the request are not the reader's business"


def test_a_request_whose_time_is_over_is_not_told_as_waiting() -> None:
    run = run_of(acted(state=JobState.HELD))
    over = Approval(replace(asked(run), expires_at=NOW))
    page = shown(run, over)
    assert "▲ nobody approved it in time; that ended 13 Jan 2027 06:00 UTC" in page
    assert "ronde approve" not in page


def test_guards_are_told_with_their_rulings() -> None:
    rulings = [ruling("window", override="site en panne"), replace(ruling("backup", passed=True), subject="backup")]
    page = shown(run_of(acted(steps=DONE, rulings=rulings)), width=120)
    assert "▲ guard window: set aside (site en panne): no maintenance window is open; opens Thu 22:00" in page
    assert "● guard backup: no maintenance window is open" in page
    assert "guards not asked" not in page
    held = shown(run_of(acted(state=JobState.SKIPPED, rulings=[ruling("window")])), width=120)
    assert "▲ guard window: held it back: no maintenance window is open; opens Thu 22:00" in held


def test_the_evidence_of_a_step_stands_below_it() -> None:
    run = run_of(acted(state=JobState.FAILED, steps=BROKEN))
    kept = EvidenceRecord(
        job=run.jobs[0].id,
        subject="restart",
        question="systemctl restart nginx",
        tool="systemd 252",
        started=BEGAN,
        ended=AT,
        exit_status=1,
        output=b"Job for nginx.service failed.",
        errors=b"",
        truncated=False,
        digest="ab" * 32,
    )
    lines = shown(run, evidence=[kept]).splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("  ■ restart"))
    assert lines[at + 2] == "    $ systemctl restart nginx"
    assert lines[at + 4] == "    Job for nginx.service failed."
    assert sum("Job for nginx" in line for line in lines) == 1
    other = replace(kept, subject="elsewhere")
    assert "Job for nginx" in shown(run, evidence=[other]), "nothing that was kept is left out"


def test_a_finding_of_a_step_stands_below_it_and_a_backup_beside_them() -> None:
    remark = Finding("assert-warning", Severity.WARNING, "the disk is 91 % full", {})
    one = acted(steps=DONE)
    checks = (found("at_first", remark, shown="did at_first"), *one.checks[1:], backup_check("srv-web", "www"))
    page = shown(run_of(replace(one, checks=checks)))
    assert "▲ the disk is 91 % full assert-warning" in page
    assert "L1 present" in page


def test_a_step_without_an_end_is_not_shown_as_done() -> None:
    page = shown(run_of(acted(state=JobState.RUNNING, steps=(step("at_first", StepState.BEGUN),))))
    assert "◇ at_first" in page
    assert "no end on record" in page


def test_hostile_words_neither_move_the_cursor_nor_forge_a_line_nor_leave_the_page() -> None:
    bad = "x\x1b[2J\n● all well [red]" + "y" * 200
    steps = (step("at_first", reason=bad), step("restart", changed=True, reason=bad), step("after"))
    own = plan(overrides={"window": bad})
    one = acted(steps=steps, rulings=[ruling("window", override=bad)], of=own, trouble=Trouble("x", bad))
    run = run_of(one, who=bad, reason=bad, request={"overrides": [bad], "parameters": {bad: bad}})
    page = shown(run, decided(run, ApprovalState.USED, bad))
    assert "\x1b" not in page
    assert max(map(len, page.splitlines())) <= 80
    assert not any(line.lstrip().startswith("● all well") for line in page.splitlines())


def test_the_list_of_runs_shows_which_ones_wait() -> None:
    out = StringIO()
    waiting = run_of(acted(state=JobState.HELD), state=RunState.PENDING_APPROVAL)
    Console(file=out, width=80, color_system=None).print(runs_table([waiting], NOW, wide=False))
    assert "◇ to approve " in out.getvalue()
    assert max(map(len, out.getvalue().splitlines())) <= 80
