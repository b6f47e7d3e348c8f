"""How a procedure goes on: the same answer for the same records, whoever asks, and interrupted anywhere."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ronde.model.plan import JobPlan, Procedure, Step, Target, TargetKind, Terms
from ronde.model.procedure import Do, End, StepRecord, StepState, next_move, values_for
from ronde.model.run import JobState

NOW = datetime(2026, 11, 27, 18, 0, tzinfo=UTC)
TERMS = Terms(changes=True, repeats=False, timeout=60)


def plan(steps: int, rescue: int = 0, always: int = 0) -> JobPlan:
    def some(name: str, count: int) -> tuple[Step, ...]:
        return tuple(Step(f"{name}{number}", "run", {}, TERMS) for number in range(count))

    procedure = Procedure("change", {"en": "x", "fr": "x"}, {"": {}}, some("r", rescue), some("a", always))
    return JobPlan(Target("c", TargetKind.HOST, "h"), "adhoc/x", some("s", steps), procedure=procedure)


def record(step: str, state: StepState) -> StepRecord:
    section = {"s": "steps", "r": "rescue", "a": "always"}[step[0]]
    return StepRecord(step, section, state, 1, NOW, None if state is StepState.BEGUN else NOW)


class Worker:
    """Does what it is told, with an outcome decided beforehand for each step; keeps everything on record."""

    def __init__(self, of: JobPlan, outcomes: dict[str, StepState]) -> None:
        self.plan = of
        self.outcomes = outcomes
        self.known: dict[str, StepRecord] = {}
        self.acted: list[str] = []

    def step(self, *, cancelled: bool = False) -> End | None:
        move = next_move(self.plan, self.known, cancelled=cancelled)
        if isinstance(move, End):
            return move
        if move.record is None:
            self.known[move.step.id] = record(move.step.id, StepState.BEGUN)
            self.acted.append(move.step.id)
        self.known[move.step.id] = record(move.step.id, self.outcomes.get(move.step.id, StepState.DONE))
        return None

    def run(self) -> End:
        for _ in range(100):
            if (end := self.step()) is not None:
                return end
        raise AssertionError("it never ends")


def test_everything_that_goes_well_is_done_in_order_with_always_last() -> None:
    worker = Worker(plan(3, rescue=2, always=1), {})
    assert worker.run() == End(JobState.SUCCEEDED)
    assert worker.acted == ["s0", "s1", "s2", "a0"]


def test_a_failed_step_ends_its_section_and_is_followed_by_rescue_and_always() -> None:
    worker = Worker(plan(3, rescue=2, always=1), {"s1": StepState.FAILED})
    end = worker.run()
    assert end.state is JobState.FAILED
    assert end.because is not None
    assert end.because.step == "s1"
    assert worker.acted == ["s0", "s1", "r0", "r1", "a0"]


def test_a_rescue_that_fails_does_not_hide_what_failed_first() -> None:
    worker = Worker(plan(2, rescue=2, always=1), {"s0": StepState.FAILED, "r0": StepState.FAILED})
    end = worker.run()
    assert end.because is not None
    assert end.because.step == "s0"
    assert worker.acted == ["s0", "r0", "a0"]


def test_nobody_touches_a_target_that_nobody_understands() -> None:
    worker = Worker(plan(3, rescue=1, always=1), {"s1": StepState.UNCLEAR})
    assert worker.run().state is JobState.NEEDS_HUMAN
    assert worker.acted == ["s0", "s1"]


def test_cancelled_between_steps_only_what_is_always_done_is_done() -> None:
    worker = Worker(plan(3, always=1), {})
    worker.step()
    assert worker.step(cancelled=True) is None
    assert worker.step(cancelled=True) == End(JobState.CANCELLED)
    assert worker.acted == ["s0", "a0"]


def test_cancelled_after_the_last_step_it_has_succeeded() -> None:
    worker = Worker(plan(1), {})
    worker.step()
    assert next_move(worker.plan, worker.known, cancelled=True) == End(JobState.SUCCEEDED)


@pytest.mark.parametrize("state", [StepState.DONE, StepState.FAILED, StepState.SKIPPED, StepState.UNCLEAR])
def test_what_was_begun_and_never_ended_comes_next_with_its_record(state: StepState) -> None:
    begun = record("s1", StepState.BEGUN)
    known = {"s0": record("s0", state if state in (StepState.DONE, StepState.SKIPPED) else StepState.DONE), "s1": begun}
    assert next_move(plan(3), known) == Do(plan(3).steps[1], "steps", begun)


OUTCOMES = st.sampled_from([StepState.DONE, StepState.SKIPPED, StepState.FAILED, StepState.UNCLEAR])


@given(st.data(), st.integers(1, 4), st.integers(0, 2), st.integers(0, 2))
def test_interrupted_anywhere_another_worker_comes_to_the_same_end(
    data: st.DataObject, steps: int, rescue: int, always: int
) -> None:
    """A worker dies after every single write, and the next one has nothing but the records."""
    of = plan(steps, rescue, always)
    outcomes = {step.id: data.draw(OUTCOMES) for section in of.sections().values() for step in section}
    whole = Worker(of, outcomes)
    wanted = whole.run()

    known: dict[str, StepRecord] = {}
    acted: list[str] = []
    for _ in range(100):
        heir = Worker(of, outcomes)
        heir.known = dict(known)
        move = next_move(of, heir.known)
        if isinstance(move, End):
            assert move == wanted
            break
        if move.record is None:  # dies between the intent and the act: the next one finds it begun
            known[move.step.id] = record(move.step.id, StepState.BEGUN)
            acted.append(move.step.id)
        else:
            known[move.step.id] = record(move.step.id, outcomes[move.step.id])
    assert acted == whole.acted


@given(st.data(), st.integers(1, 4))
def test_no_record_taken_away_makes_the_end_better(data: st.DataObject, steps: int) -> None:
    """Silence is never success: without the record of a step that ended, nothing has succeeded."""
    of = plan(steps)
    known = {step.id: record(step.id, data.draw(OUTCOMES)) for step in of.steps}
    lost = data.draw(st.sampled_from(sorted(known)))
    fewer = {name: one for name, one in known.items() if name != lost}
    assert next_move(of, fewer) != End(JobState.SUCCEEDED)


def test_a_step_sees_its_own_parameters_results_and_past_and_no_other_playbooks() -> None:
    inner = Step("inner.look", "run", {}, TERMS)
    values = {"": {"a": 1}, "inner": {"b": 2}}
    own_procedure = plan(1).procedure
    assert own_procedure is not None
    of = replace(plan(1), procedure=replace(own_procedure, values=values))
    known = {
        "s0": replace(record("s0", StepState.DONE), facts={"rc": 0}, changed=True),
        "inner.first": StepRecord("inner.first", "steps", StepState.SKIPPED, 1, NOW, NOW, reason="not x"),
    }
    before = {"s0": {"rc": 9}, "inner.look": {"rc": 8}}
    outer = values_for(of, of.steps[0], known, before)
    assert outer["a"] == 1
    assert outer["s0"] == {"rc": 0, "changed": True, "skipped": False, "failed": False, "reason": ""}
    assert outer["before"] == {"s0": {"rc": 9}, "inner.look": {"rc": 8}}
    assert "first" not in outer
    own = values_for(of, inner, known, before)
    assert (own["b"], own["before"]) == (2, {"look": {"rc": 8}})
    assert own["first"] == {"changed": False, "skipped": True, "failed": False, "reason": "not x"}
    assert "a" not in own
    assert "s0" not in own
