"""What becomes of a change whose target went away: waited for, tried again, given up, or left to a person."""

from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ronde.engine.procedure.attempt import after_trouble
from ronde.engine.steps import JobContext
from ronde.model.errors import AuthRefused, ConnectionLost, RondeError, Unreachable
from ronde.model.plan import JobPlan, Procedure, Retry, Step, Target, TargetKind, Terms
from ronde.model.procedure import StepRecord, StepState
from ronde.model.run import JobState, Policy
from ronde.ports import Claim
from tests.doubles.engine import START, Surroundings, client
from tests.doubles.shell import NeverStop

STEP = Step("restart", "run", {}, Terms(changes=True, repeats=False, timeout=60))
BEGUN = StepRecord("restart", "steps", StepState.BEGUN, 1, START)
LAUNCHED = replace(BEGUN, journal={"launched.restart": True})


def context(attempt: int, *, most: int = 3, **procedure: Any) -> JobContext:
    plan = JobPlan(
        Target("commune", TargetKind.HOST, "srv"),
        "adhoc/x",
        (STEP,),
        policy=Policy.AT_MOST_ONCE,
        retry=Retry(most, (timedelta(minutes=2),)),
        procedure=Procedure("change", {"en": "x", "fr": "x"}, {"": {}}, **procedure),
    )
    claim = Claim("j", "r", attempt, "t", plan, START, START, "alice", None, "w", most)
    return JobContext(Surroundings().engine(), claim, client(), NeverStop(), START, ExitStack())


def test_a_passing_trouble_is_tried_again_later() -> None:
    outcome = after_trouble(context(1), {}, Unreachable("no route"), START)
    assert (outcome.state, outcome.not_before, outcome.waits) == (JobState.QUEUED, START + timedelta(minutes=2), False)


def test_the_last_try_of_something_that_was_never_begun_has_failed() -> None:
    outcome = after_trouble(context(3), {"restart": BEGUN}, Unreachable("no route"), START)
    assert outcome.state is JobState.FAILED


def test_the_last_try_of_something_that_may_have_begun_needs_a_person() -> None:
    outcome = after_trouble(context(3), {"restart": LAUNCHED}, ConnectionLost("the link broke"), START)
    assert outcome.state is JobState.NEEDS_HUMAN
    assert outcome.trouble is not None
    assert "restart was begun" in outcome.trouble.message


CALLED: dict[str, Any] = {"called": "2026-11-24T01:00:00+00:00", "task": None, "adopted": False, "calls": 1, "past": []}


@pytest.mark.parametrize(
    ("journal", "state"),
    [
        ({"machine": "50-1", "name": "ronde-1-patch", "way": 0}, JobState.FAILED),
        ({"machine": "50-1", "create-0": {**CALLED, "called": None}}, JobState.FAILED),  # the vCenter refused it
        ({"machine": "50-1", "create-0": CALLED}, JobState.NEEDS_HUMAN),
        ({"step-9": {"node": "snapshot-1", "remove-snapshot-1": CALLED}}, JobState.NEEDS_HUMAN),
    ],
)
def test_a_machine_is_in_doubt_only_once_its_vcenter_was_asked(journal: dict[str, Any], state: JobState) -> None:
    step = replace(STEP, id="take", use="vsphere.snapshot")
    job = context(3)
    job.claim = replace(job.claim, plan=replace(job.claim.plan, steps=(step,)))
    record = StepRecord("take", "steps", StepState.BEGUN, 1, START, journal=journal)
    assert after_trouble(job, {"take": record}, Unreachable("no vCenter"), START).state is state


@pytest.mark.parametrize("error", [Unreachable("no route"), AuthRefused("no")])
def test_a_host_that_is_waited_for_is_looked_at_again_only_while_it_may_come_back(error: RondeError) -> None:
    until = START + timedelta(hours=48)
    outcome = after_trouble(context(3, wait_until=until), {"restart": BEGUN}, error, START)
    waits = isinstance(error, Unreachable)
    assert (outcome.state is JobState.QUEUED, outcome.waits) == (waits, waits)
    late = after_trouble(context(3, wait_until=until), {"restart": BEGUN}, error, until)
    assert late.state is JobState.FAILED


def test_a_host_that_went_away_in_the_middle_is_not_waited_for_as_if_nothing_had_begun() -> None:
    until = START + timedelta(hours=48)
    outcome = after_trouble(context(3, wait_until=until), {"restart": LAUNCHED}, Unreachable("no route"), START)
    assert outcome.state is JobState.NEEDS_HUMAN
