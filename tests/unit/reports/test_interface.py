"""The stable JSON of run, round and show: its keys, its schema, and that nothing unknown turns into ok."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from ronde.model.approvals import Answer, Approval, ApprovalRequest, ApprovalState, Decision
from ronde.model.records import CheckRecord, JobRecord, RunRecord, Trouble
from ronde.model.run import JobState, RunState
from ronde.model.verdict import Level, Severity, Verdict
from ronde.reports.interface import run_schema, run_view
from tests.doubles.night import AT, NOW, check, job, problem
from tests.doubles.work import BEGAN, BROKEN, DONE, acted, run_of, step

PROMISED = {
    "run": {"run", "playbook", "state", "verdict", "jobs"},
    "job": {"client", "target", "state", "verdict", "error", "checks"},
    "check": {"subject", "verdict", "level", "evidence_age_s", "findings"},
    "finding": {"rule", "severity", "message", "evidence"},
}
FURTHER = {
    "run": {"plan", "requested_by", "reason", "approval", "paused_by"},
    "job": {"playbook", "attempt", "steps", "ring", "not_before", "not_after"},
    "check": {"kind"},
    "finding": set[str](),
}


def record(*jobs: JobRecord, verdict: Verdict | None = None, state: RunState = RunState.SUCCEEDED) -> RunRecord:
    return RunRecord("8f2c1a7be0d24c55", "round/night", "d", state, verdict, "person", "ana", "", AT, jobs=jobs)


def printed(run: RunRecord) -> dict[str, Any]:
    """What --json prints, by way of the text."""
    document: dict[str, Any] = json.loads(json.dumps(run_view(run, NOW).model_dump(mode="json")))
    Draft202012Validator(run_schema()).validate(document)
    return document


def with_checks(one: JobRecord, *checks: CheckRecord) -> JobRecord:
    return JobRecord(one.id, one.run, one.target, one.playbook, one.state, Verdict.OK, 1, AT, checks=checks)


FULL = record(
    with_checks(job("srv-compta"), check("srv-compta", "mairie-db", "dump", problem("backup-too-old", limit_s=93600))),
    verdict=Verdict.FAILED,
)


def test_a_change_that_goes_in_rings_says_which_and_who_paused_it() -> None:
    waiting = replace(job("srv-web"), state=JobState.WAITING, ring=2)
    document = printed(replace(record(waiting, state=RunState.RUNNING), paused_by="ana"))
    assert document["paused_by"] == "ana"
    assert [(one["state"], one["ring"], one["verdict"]) for one in document["jobs"]] == [("waiting", 2, "unknown")]
    assert (printed(FULL)["paused_by"], printed(FULL)["jobs"][0]["ring"]) == (None, None)


def test_the_keys_are_those_promised_and_few_more() -> None:
    document = printed(FULL)
    [one] = document["jobs"]
    [found] = one["checks"]
    [said] = found["findings"]
    for name, part in (("run", document), ("job", one), ("check", found), ("finding", said)):
        assert set(part) == PROMISED[name] | FURTHER[name]


def test_the_values_of_a_full_run() -> None:
    [one] = printed(FULL)["jobs"]
    assert (one["client"], one["target"], one["error"]) == ("commune-exemple", "srv-compta", None)
    [found] = one["checks"]
    assert found["evidence_age_s"] == (NOW - AT).total_seconds()
    assert (found["subject"], found["verdict"], found["level"]) == ("mairie-db", "failed", "L1")
    assert found["findings"][0]["evidence"] == {"limit_s": 93600}


def test_the_schema_is_one_and_says_what_it_requires() -> None:
    schema: dict[str, Any] = run_schema()  # a JSON document
    Draft202012Validator.check_schema(schema)
    assert set(schema["required"]) == PROMISED["run"]
    assert PROMISED["job"] <= set(schema["$defs"]["JobView"]["required"])
    assert PROMISED["check"] <= set(schema["$defs"]["CheckView"]["required"])


@pytest.mark.parametrize("state", list(JobState))
def test_a_job_in_any_state_has_a_place_in_it(state: JobState) -> None:
    trouble = Trouble("unreachable", "srv: no route to host", "Look at the link.")
    [one] = printed(record(job("srv", state, trouble=trouble), state=RunState.RUNNING))["jobs"]
    assert (one["state"], one["verdict"]) == (state.value, "unknown")
    assert one["error"] == {
        "code": "unreachable",
        "message": "srv: no route to host",
        "advice": "Look at the link.",
        "permanent": False,
    }


def test_what_has_no_verdict_yet_is_unknown_never_ok() -> None:
    document = printed(record(job("srv", JobState.QUEUED), state=RunState.QUEUED))
    assert (document["verdict"], document["jobs"][0]["verdict"]) == ("unknown", "unknown")


def test_evidence_from_a_clock_ahead_of_ours_is_not_of_negative_age() -> None:
    found = check("srv", "base", "dump", at=NOW + timedelta(minutes=5))
    assert printed(record(with_checks(job("srv"), found)))["jobs"][0]["checks"][0]["evidence_age_s"] == 0


def test_the_steps_of_a_procedure_are_told_in_the_order_of_its_plan() -> None:
    one = acted(state=JobState.FAILED, steps=BROKEN, not_after=NOW)
    document = printed(run_of(one))
    [told] = document["jobs"]
    assert told["not_after"] == NOW.isoformat().replace("+00:00", "Z")
    assert [(each["step"], each["state"], each["shown"]) for each in told["steps"]] == [
        ("at_first", "done", "did at_first"),
        ("restart", "failed", "did restart"),
        ("after", "not_begun", "look at unit name=nginx"),
    ]
    assert told["steps"][1] | {"ended_at": None} == {
        "step": "restart",
        "section": "steps",
        "state": "failed",
        "changed": True,
        "reason": "the unit did not come up",
        "shown": "did restart",
        "began_at": BEGAN.isoformat().replace("+00:00", "Z"),
        "ended_at": None,
    }
    assert (document["plan"][:6], document["requested_by"], document["reason"]) == ("d1ge57", "ana", "fuite de mémoire")


def test_what_is_done_on_failure_is_told_while_it_can_happen_and_once_it_has() -> None:
    sections = {
        state: [each["section"] for each in printed(run_of(acted(state=state, steps=steps)))["jobs"][0]["steps"]]
        for state, steps in ((JobState.HELD, ()), (JobState.SUCCEEDED, DONE), (JobState.FAILED, (*BROKEN, step("log"))))
    }
    assert {state: "rescue" in told for state, told in sections.items()} == {
        JobState.HELD: True,
        JobState.SUCCEEDED: False,
        JobState.FAILED: True,
    }


def test_an_approval_tells_who_and_when_and_none_of_the_clients() -> None:
    run = run_of(acted(state=JobState.HELD))
    asked = ApprovalRequest(run.id, run.plan, "ana", AT, NOW, frozenset({"commune-exemple", "ecole-secrete"}))
    waiting = run_view(run, NOW, Approval(asked)).model_dump(mode="json")["approval"]
    assert (waiting["state"], waiting["decided_by"], waiting["reason"]) == ("pending", None, "")
    agreed = Approval(
        asked, ApprovalState.USED, Decision(Answer(approve=True, plan_digest=run.plan, reason="convenu"), "bob", AT)
    )
    document = run_view(run, NOW, agreed).model_dump(mode="json")
    Draft202012Validator(run_schema()).validate(document)
    assert (document["approval"]["state"], document["approval"]["decided_by"]) == ("used", "bob")
    assert "ecole-secrete" not in json.dumps(document)


@given(
    level=st.none() | st.sampled_from(list(Level)),
    severity=st.sampled_from(list(Severity)),
    words=st.text(max_size=40),
    figures=st.dictionaries(
        st.text(max_size=5).filter(lambda name: name != "rule"),
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    ),
)
def test_whatever_was_recorded_fits_the_schema(
    level: Level | None, severity: Severity, words: str, figures: dict[str, Any]
) -> None:
    found = check("srv", words or "x", "restic", problem("any-rule", severity, **figures), level=level)
    [one] = printed(record(with_checks(job("srv"), found)))["jobs"][0]["checks"]
    assert one["level"] == (None if level is None else f"L{int(level)}")
    assert (one["verdict"] == "ok") <= (level is not None)
