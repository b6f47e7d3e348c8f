"""What the ledger promises about procedures: steps, locks and approvals."""

from dataclasses import replace
from datetime import timedelta

import pytest

from ronde.model.approvals import Answer, Approval, ApprovalState, decide
from ronde.model.errors import NotAllowed
from ronde.model.inventory import TechnicianEntry
from ronde.model.people import Technician, technician_of
from ronde.model.plan import AwaitedApproval
from ronde.model.procedure import StepState
from ronde.model.records import JobOutcome, Trouble
from ronde.model.run import JobState, RunState
from ronde.model.verdict import Verdict
from ronde.ports import Claim, Ledger, Refusal
from tests.contract.ledger.making import (
    ACME,
    LEASE,
    NOW,
    at,
    begun,
    change,
    check,
    done,
    hints_of,
    job,
    order,
    seen,
    started,
)


def second(login: str = "bob", **more: object) -> Technician:
    fields = {"name": login, "email": f"{login}@x.example", "roles": ["operate", "approve"], "clients": "all", **more}
    return technician_of({login: TechnicianEntry.model_validate(fields)}, login)


def waiting(ledger: Ledger) -> tuple[str, Approval]:
    run = ledger.create_run(replace(order(change()), approval=AwaitedApproval("destructive", at(600))), NOW)
    approval = ledger.approval(ACME, run)
    assert approval is not None
    return run, approval


def test_a_step_is_kept_read_back_and_seen_with_its_run(ledger: Ledger) -> None:
    (claim,) = started(ledger, change())
    first = begun("restart", journal={"boot": "é"})
    assert ledger.keep_step(claim, first, at(1))
    ended = replace(first, state=StepState.DONE, ended_at=at(2), changed=True, reason="was active", facts={"rc": 0})
    assert ledger.keep_step(claim, ended, at(2), check("restart", kind="step"))
    assert list(ledger.steps(claim)) == [ended]
    (one,) = seen(ledger, claim.run).jobs
    assert one.steps == (ended,)
    assert [found.subject for found in one.checks] == ["restart"]


def test_the_steps_of_a_dead_worker_are_what_its_heir_starts_from(ledger: Ledger) -> None:
    (claim,) = started(ledger, change())
    ledger.keep_step(claim, begun("restart"), at(1))
    ledger.reap(at(60))
    (hint,) = hints_of(ledger, claim.run)
    heir = ledger.claim(hint, "w2", at(61), LEASE)
    assert isinstance(heir, Claim)
    assert [step.step for step in ledger.steps(heir)] == ["restart"]
    assert not ledger.keep_step(claim, begun("look"), at(62)), "the dead one comes back and is refused"
    assert ledger.keep_step(heir, begun("look"), at(62))


def test_what_its_steps_found_counts_for_the_job(ledger: Ledger) -> None:
    (claim,) = started(ledger, change())
    ledger.keep_step(claim, begun("restart"), at(1), check("restart", kind="step", level=None))
    ledger.record(claim, done(check()), at(2))
    assert seen(ledger, claim.run).jobs[0].verdict is Verdict.UNKNOWN


def test_one_change_a_host_at_a_time_also_while_nobody_works_on_it(ledger: Ledger) -> None:
    (first,) = started(ledger, change())
    run = ledger.create_run(order(change(), change(target="other")), at(1))
    here, other = hints_of(ledger, run)
    assert ledger.claim(here, "w2", at(2), LEASE) is Refusal.LOCKED
    assert isinstance(ledger.claim(other, "w2", at(2), LEASE), Claim)
    ledger.reap(at(60))
    assert ledger.claim(here, "w2", at(61), LEASE) is Refusal.LOCKED, "its worker died, its change has not ended"
    held = ledger.lock_on(ACME, "srv", at(61))
    assert held is not None
    assert (held.run, held.owner) == (first.run, "alice")


def test_a_job_that_only_looks_is_held_up_by_no_lock(ledger: Ledger) -> None:
    started(ledger, change())
    assert len(started(ledger, job(), now=at(1))) == 1


@pytest.mark.parametrize("state", [JobState.SUCCEEDED, JobState.FAILED, JobState.SKIPPED, JobState.CANCELLED])
def test_an_ended_change_gives_the_host_back(ledger: Ledger, state: JobState) -> None:
    (claim,) = started(ledger, change())
    assert ledger.record(claim, JobOutcome(state, (check(),)), at(1))
    assert seen(ledger, claim.run).jobs[0].state is state
    assert ledger.lock_on(ACME, "srv", at(2)) is None
    assert len(started(ledger, change(), now=at(2))) == 1


def test_after_an_unclear_end_the_host_stays_locked_for_a_day(ledger: Ledger) -> None:
    (claim,) = started(ledger, change())
    ledger.record(claim, JobOutcome(JobState.NEEDS_HUMAN, (), Trouble("needs-human", "who knows")), at(1))
    day = timedelta(hours=24).total_seconds()
    assert ledger.lock_on(ACME, "srv", at(day)) is not None
    assert ledger.lock_on(ACME, "srv", at(day + 2)) is None
    assert len(started(ledger, change(), now=at(day + 2))) == 1


def test_a_host_that_is_waited_for_costs_no_try_and_keeps_its_end(ledger: Ledger) -> None:
    plan = change(not_after=at(1000))
    assert plan.procedure is not None
    (claim,) = started(ledger, replace(plan, procedure=replace(plan.procedure, wait_until=at(1000))))
    away = JobOutcome(JobState.QUEUED, (), Trouble("unreachable", "no route"), at(60), waits=True)
    assert ledger.record(claim, away, at(1))
    (hint,) = hints_of(ledger, claim.run)
    again = ledger.claim(hint, "w2", at(61), LEASE)
    assert isinstance(again, Claim)
    assert (again.attempt, again.most - again.attempt) == (2, claim.most - claim.attempt)
    assert ledger.record(again, replace(away, not_before=at(120)), at(62))
    assert list(ledger.reap(at(1001))) == [claim.run]
    assert seen(ledger, claim.run).jobs[0].state is JobState.EXPIRED


def test_an_approved_run_is_released_once_and_only_for_its_plan(ledger: Ledger) -> None:
    run, approval = waiting(ledger)
    assert seen(ledger, run).state is RunState.PENDING_APPROVAL
    assert list(ledger.to_send(at(1), resend_after=60)) == []
    agreed = decide(approval, second(), at(2), Answer(approve=True, plan_digest=approval.request.plan_digest))
    assert ledger.decide_run(agreed, at(2))
    assert not ledger.decide_run(agreed, at(3)), "an approval counts once"
    assert len(ledger.to_send(at(3), resend_after=60)) == 1
    used = ledger.approval(ACME, run)
    assert used is not None
    assert used.state is ApprovalState.USED
    assert used.decision is not None
    assert used.decision.by == "bob"


def test_a_refused_run_ends_with_the_reason(ledger: Ledger) -> None:
    run, approval = waiting(ledger)
    no = decide(approval, second(), at(2), Answer(approve=False, plan_digest=approval.request.plan_digest, reason="no"))
    assert ledger.decide_run(no, at(2))
    ledger.advance(run, at(3))
    record = seen(ledger, run)
    assert record.state is RunState.CANCELLED
    assert record.jobs[0].trouble is not None
    assert "bob refused it: no" in record.jobs[0].trouble.message


def test_nobody_decides_after_the_time_is_over(ledger: Ledger) -> None:
    run, approval = waiting(ledger)
    agreed = decide(approval, second(), at(2), Answer(approve=True, plan_digest=approval.request.plan_digest))
    assert not ledger.decide_run(agreed, at(601))
    ledger.reap(at(601))
    (one,) = seen(ledger, run).jobs
    assert one.state is JobState.EXPIRED
    assert one.trouble is not None
    assert one.trouble.code == "not-approved"
    with pytest.raises(NotAllowed):
        decide(approval, second(), at(601), Answer(approve=True, plan_digest=approval.request.plan_digest))


def test_a_run_that_needs_nobody_has_no_approval(ledger: Ledger) -> None:
    run = ledger.create_run(order(change()), NOW)
    assert ledger.approval(ACME, run) is None


def test_a_wish_to_stop_at_once_reaches_the_worker_as_such(ledger: Ledger) -> None:
    (claim,) = started(ledger, change())
    ledger.cancel_run(ACME, claim.run, "bob", at(1))
    renewal = ledger.renew("w1", [claim.token], at(2), LEASE)
    assert renewal.cancelled == {claim.token}
    assert not renewal.at_once
    ledger.cancel_run(ACME, claim.run, "bob", at(3), at_once=True)
    assert ledger.renew("w1", [claim.token], at(4), LEASE).at_once == {claim.token}


def test_the_last_facts_and_durations_are_those_of_jobs_that_succeeded(ledger: Ledger) -> None:
    (good,) = started(ledger, change())
    ledger.keep_step(good, replace(begun("restart", facts={"rc": 0}), state=StepState.DONE, ended_at=at(2)), at(2))
    ledger.record(good, done(check()), at(10))
    (bad,) = started(ledger, change(), now=at(20))
    ledger.keep_step(bad, begun("restart", facts={"rc": 9}), at(21))
    ledger.record(bad, JobOutcome(JobState.FAILED, (check(),)), at(99))
    assert ledger.last_facts(ACME, "adhoc/restart", "srv") == {"restart": {"rc": 0}}
    assert list(ledger.durations(ACME, "adhoc/restart", "srv")) == [10.0]
    assert list(ledger.durations(ACME, "adhoc/other", None)) == []
