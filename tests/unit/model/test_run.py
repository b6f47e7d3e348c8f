"""The state tables: everything legal is in them, and nothing that happens in between can break a job."""

from itertools import product
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ronde.model.records import JobOutcome, trouble_of_ending
from ronde.model.run import (
    JOB_CHANGES,
    JOB_OPEN,
    MAIL_CHANGES,
    RUN_OPEN,
    IllegalChange,
    JobEvent,
    JobState,
    MailEvent,
    MailState,
    Policy,
    Progress,
    RunState,
    change_job,
    change_mail,
    job_sources,
    job_verdict,
    lapse_event,
    mail_sources,
    run_state,
    run_verdict,
)
from ronde.model.verdict import Verdict

job_states = st.sampled_from(JobState)
verdicts = st.sampled_from(Verdict)


@given(job_states, st.sampled_from(JobEvent))
def test_a_change_is_legal_exactly_when_the_table_has_it(state: JobState, event: JobEvent) -> None:
    if state in job_sources(event):
        assert change_job(state, event) is JOB_CHANGES[state, event]
    else:
        with pytest.raises(IllegalChange, match=state.value):
            change_job(state, event)


@given(st.sampled_from(MailState), st.sampled_from(MailEvent))
def test_a_message_changes_exactly_as_its_table_says(state: MailState, event: MailEvent) -> None:
    if state in mail_sources(event):
        assert change_mail(state, event) is MAIL_CHANGES[state, event]
    else:
        with pytest.raises(IllegalChange, match=state.value):
            change_mail(state, event)


def test_an_event_has_one_target_whatever_it_meets() -> None:
    """What the ledger's updates rely on: their target follows from the event alone."""
    for event in JobEvent:
        assert len({change_job(state, event) for state in job_sources(event)}) == 1
    for mail_event in MailEvent:
        assert len({change_mail(state, mail_event) for state in mail_sources(mail_event)}) == 1


def test_an_ended_job_never_changes_again() -> None:
    for state, event in product(set(JobState) - JOB_OPEN, JobEvent):
        assert state not in job_sources(event)


def test_every_open_job_can_end_and_every_state_can_be_reached() -> None:
    reached = {JobState.HELD}  # the two ways to begin, of which one leads to the other
    for _ in JobState:
        reached |= {target for (state, _), target in JOB_CHANGES.items() if state in reached}
    assert reached == set(JobState)
    assert all(any(state in job_sources(event) for event in JobEvent) for state in JOB_OPEN)


def test_what_waits_for_its_ring_is_not_begun_before_it_is_let_go() -> None:
    assert {event for state, event in JOB_CHANGES if state is JobState.WAITING} == {
        *(JobEvent.ADMIT, JobEvent.SKIP, JobEvent.CANCEL)
    }
    assert run_state(Progress((JobState.WAITING,), ())) is RunState.QUEUED
    assert run_state(Progress((JobState.SUCCEEDED, JobState.WAITING), ())) is RunState.RUNNING


def test_nothing_but_a_claim_starts_a_job() -> None:
    assert {event for (_, event), target in JOB_CHANGES.items() if target is JobState.RUNNING} == {JobEvent.CLAIM}


@given(st.sampled_from(Policy), st.integers(1, 5), st.lists(st.sampled_from(["die", "succeed", "defer"]), max_size=12))
def test_a_worker_may_die_at_any_step_and_the_job_still_ends_once(policy: Policy, most: int, fates: list[str]) -> None:
    """Interruption at every point of a job's life: no state without a way on, no dangerous second start."""
    state, attempt, starts = JobState.QUEUED, 1, 0
    for fate in fates:
        if state not in JOB_OPEN:
            break
        state = change_job(state, JobEvent.CLAIM)
        starts += 1
        event = {"succeed": JobEvent.SUCCEED, "defer": JobEvent.DEFER}.get(fate) or lapse_event(policy, attempt, most)
        died = fate == "die"
        state = change_job(state, event)
        if died and attempt >= most:
            assert state is (JobState.NEEDS_HUMAN if policy is Policy.AT_MOST_ONCE else JobState.LOST)
        if state is JobState.QUEUED:
            assert not died or attempt < most
            attempt += 1
    assert starts == attempt or state is JobState.QUEUED


@given(st.integers(1, 9), st.integers(1, 9))
def test_the_budget_of_tries_is_the_only_limit_of_a_repeatable_job(attempt: int, most: int) -> None:
    assert lapse_event(Policy.RETRY_SAFE, attempt, most) is (JobEvent.LAPSE if attempt < most else JobEvent.LOSE)
    last = JobEvent.LAPSE if attempt < most else JobEvent.ESCALATE  # taken up by one that looks at the target first
    assert lapse_event(Policy.AT_MOST_ONCE, attempt, most) is last


@given(st.lists(job_states, min_size=1))
def test_a_run_is_open_while_one_of_its_jobs_is(states: list[JobState]) -> None:
    state = run_state(Progress(tuple(states), ()))
    assert (state in RUN_OPEN) == any(one in JOB_OPEN for one in states)
    assert (state is RunState.SUCCEEDED) == (set(states) == {JobState.SUCCEEDED})
    assert (state is RunState.CANCELLED) == (set(states) == {JobState.CANCELLED})
    assert (state is RunState.PENDING_APPROVAL) == (set(states) == {JobState.HELD})
    nobody_began = set(states) <= {JobState.QUEUED, JobState.HELD, JobState.WAITING}
    assert (state is RunState.QUEUED) == (nobody_began and set(states) != {JobState.HELD})


@given(st.lists(job_states, min_size=1), st.randoms())
def test_a_run_depends_on_which_states_there_are_and_on_nothing_else(states: list[JobState], random: Random) -> None:
    """Why the ledger may count states instead of reading every job."""
    shuffled = [*states, *random.choices(states, k=3)]
    random.shuffle(shuffled)
    assert run_state(Progress(tuple(shuffled), ())) is run_state(Progress(tuple(set(states)), ()))


def test_a_run_without_jobs_has_failed() -> None:
    assert run_state(Progress((), ())) is RunState.FAILED
    assert run_verdict(Progress((), ())) is Verdict.UNKNOWN


@given(st.lists(verdicts, min_size=1), verdicts)
def test_taking_evidence_away_never_makes_a_verdict_better(seen: list[Verdict], more: Verdict) -> None:
    with_all = run_verdict(Progress((), (*seen, more)))
    assert with_all.rank >= run_verdict(Progress((), tuple(seen))).rank
    assert with_all.rank == max(one.rank for one in [*seen, more])


@given(job_states, st.lists(verdicts).map(tuple))
def test_only_a_job_that_was_fully_examined_can_be_ok(state: JobState, checks: tuple[Verdict, ...]) -> None:
    verdict = job_verdict(state, checks)
    assert verdict is not Verdict.OK or (state is JobState.SUCCEEDED and set(checks) == {Verdict.OK})
    assert all(verdict.rank >= check.rank for check in checks)
    assert checks or verdict is Verdict.UNKNOWN


@given(job_states)
def test_an_outcome_is_an_event_of_a_running_job(state: JobState) -> None:
    outcome = JobOutcome(state)
    if state in {JobState.HELD, JobState.WAITING, JobState.RUNNING, JobState.LOST, JobState.EXPIRED}:
        with pytest.raises(IllegalChange, match=state.value):
            _ = outcome.event
    else:
        assert change_job(JobState.RUNNING, outcome.event) is state


def test_whatever_the_ledger_does_to_a_job_by_itself_has_a_reason() -> None:
    by_ledger = {JobEvent.LAPSE, JobEvent.LOSE, JobEvent.ESCALATE, JobEvent.EXPIRE, JobEvent.CANCEL}
    for event in JobEvent:
        trouble = trouble_of_ending(event, "w1", "bob")
        assert (trouble is not None) == (event in by_ledger)
        assert trouble is None or (trouble.code and trouble.message)
