"""One attempt at one job: what each way of going wrong is recorded as."""

from datetime import timedelta
from typing import Never

import pytest

from ronde.engine.firing import roll_call
from ronde.engine.parts import ReportOrder
from ronde.engine.planning import report_job
from ronde.engine.work import LEDGER_PAUSES, work
from ronde.model.check import Check
from ronde.model.errors import Cancelled, Fenced, InputError, InventoryError, RondeError, Unreachable
from ronde.model.plan import Order, Trigger
from ronde.model.records import JobRecord
from ronde.model.run import JobState
from ronde.model.verdict import Verdict
from ronde.ports import Claim, Hint
from tests.doubles.engine import SCOPE, Surroundings, client, good_check, inventory


@pytest.fixture
def around() -> Surroundings:
    return Surroundings()


def ordered(around: Surroundings) -> Hint:
    plan = report_job(client(), "night", None, around.delays)
    order = Order("report/night", "0" * 64, (plan,), Trigger.PERSON, "somebody")
    run = around.ledger.create_run(order, around.hands.now())
    return Hint(around.ledger.run(SCOPE, run).jobs[0].id, 1)


def job(around: Surroundings) -> JobRecord:
    (run,) = around.runs()
    return run.jobs[0]


def raising(error: Exception) -> Never:
    raise error


def test_a_job_that_is_done_names_its_run(around: Surroundings) -> None:
    assert work(around.engine(), ordered(around)) == around.runs()[0].id
    assert (job(around).state, job(around).verdict) == (JobState.SUCCEEDED, Verdict.OK)


def test_a_doubled_message_does_nothing(around: Surroundings) -> None:
    hint = ordered(around)
    calls: list[ReportOrder] = []

    def counted(order: ReportOrder) -> Check:
        calls.append(order)
        return good_check(order)

    around.work = counted
    engine = around.engine()
    work(engine, hint)
    assert work(engine, hint) is None
    assert work(engine, Hint(hint.job, 2)) is None
    assert len(calls) == 1


def test_our_own_mistake_is_a_recorded_outcome(around: Surroundings) -> None:
    around.work = lambda _: raising(ZeroDivisionError("division by zero"))
    assert work(around.engine(), ordered(around)) is not None
    crashed = job(around)
    assert (crashed.state, crashed.verdict) == (JobState.CRASHED, Verdict.UNKNOWN)
    assert crashed.trouble is not None
    assert "ZeroDivisionError: division by zero" in crashed.trouble.message


def test_a_passing_trouble_is_tried_again_later_and_not_for_ever(around: Surroundings) -> None:
    around.work = lambda _: raising(Unreachable("no answer"))
    engine, hint = around.engine(), ordered(around)
    for attempt in (1, 2, 3):
        assert job(around).attempt == attempt
        assert work(engine, Hint(hint.job, attempt)) is not None
        around.hands.move(61)
    assert (job(around).state, job(around).verdict) == (JobState.FAILED, Verdict.UNKNOWN)
    assert job(around).trouble is not None
    assert "no answer" in str(job(around).trouble)


def test_a_lasting_trouble_is_not_tried_again(around: Surroundings) -> None:
    around.work = lambda _: raising(InputError("no such report"))
    assert work(around.engine(), ordered(around)) is not None
    assert (job(around).state, job(around).attempt) == (JobState.FAILED, 1)


def test_a_try_before_its_time_waits(around: Surroundings) -> None:
    around.work = lambda _: raising(Unreachable("no answer"))
    engine, hint = around.engine(), ordered(around)
    work(engine, hint)
    assert work(engine, Hint(hint.job, 2)) is None
    assert (job(around).state, job(around).attempt) == (JobState.QUEUED, 2)


def test_a_cancelled_job_says_so(around: Surroundings) -> None:
    around.work = lambda _: raising(Cancelled("a person asked"))
    assert work(around.engine(), ordered(around)) is not None
    assert (job(around).state, job(around).verdict) == (JobState.CANCELLED, Verdict.UNKNOWN)


def test_a_fenced_attempt_records_nothing(around: Surroundings) -> None:
    around.work = lambda _: raising(Fenced("somebody else holds it"))
    assert work(around.engine(), ordered(around)) is None
    assert job(around).state is JobState.RUNNING  # until its lease is over


def test_a_worker_that_slept_past_its_lease_does_not_even_try_to_record(around: Surroundings) -> None:
    def slow(order: ReportOrder) -> Check:
        around.hands.move(61)
        return good_check(order)

    around.work = slow
    around.ledger.locked = 99
    assert work(around.engine(), ordered(around)) is None
    assert around.ledger.locked == 99


def test_a_result_of_a_machine_that_was_suspended_is_refused(around: Surroundings) -> None:
    """It does not notice that time went by, so the ledger has to: somebody else holds the job by then."""
    hint, later = ordered(around), around.engine("later")

    def suspended(order: ReportOrder) -> Check:
        around.hands.sleep(61)
        roll_call(later, "beat")
        claim = around.ledger.claim(Hint(hint.job, 2), "later", around.hands.now(), 60)
        assert isinstance(claim, Claim)
        return good_check(order)

    around.work = suspended
    assert work(around.engine(), hint) is None
    assert (job(around).state, job(around).attempt, job(around).worker) == (JobState.RUNNING, 2, "later")


def test_a_result_waits_for_a_locked_ledger_as_long_as_the_lease_lasts(around: Surroundings) -> None:
    around.ledger.locked = len(LEDGER_PAUSES) + 2
    assert work(around.engine(), ordered(around)) is not None
    assert around.pauses == [*LEDGER_PAUSES, LEDGER_PAUSES[-1], LEDGER_PAUSES[-1]]
    assert job(around).state is JobState.SUCCEEDED


def test_a_result_is_given_up_with_the_lease(around: Surroundings) -> None:
    around.ledger.locked = 1000
    assert work(around.engine(), ordered(around)) is None
    assert 60 <= sum(around.pauses) < 60 + LEDGER_PAUSES[-1]


def test_without_an_inventory_nothing_is_claimed(around: Surroundings) -> None:
    hint = ordered(around)
    around.inventories.inventory = None
    with pytest.raises(InventoryError):
        work(around.engine(), hint)
    assert job(around).state is JobState.QUEUED


def test_a_client_that_has_left_is_not_examined(around: Surroundings) -> None:
    hint = ordered(around)
    around.inventories.inventory = inventory()
    assert work(around.engine(), hint) is not None
    assert job(around).state is JobState.FAILED
    assert "no longer in the inventory" in str(job(around).trouble)


@pytest.mark.parametrize("error", [Unreachable, ZeroDivisionError])
def test_secrets_are_taken_out_of_what_went_wrong(around: Surroundings, error: type[Exception]) -> None:
    around.secrets.values["file:///p"] = b"correct-horse"
    engine = around.engine()
    engine.secrets.read("file:///p")
    around.work = lambda _: raising(error("refused correct-horse"))
    around.delays = (timedelta(0),)
    hint = ordered(around)
    for attempt in (1, 2, 3):
        work(engine, Hint(hint.job, attempt))
    assert job(around).trouble is not None
    assert "correct-horse" not in str(job(around).trouble)


def test_every_error_of_ours_has_an_outcome(around: Surroundings) -> None:
    """No error leaves a job running, except being fenced out."""
    kinds = [kind for kind in _below(RondeError) if kind not in {Fenced, InventoryError}]
    for kind in kinds:
        fresh = Surroundings(delays=(timedelta(0),))
        fresh.work = lambda _, kind=kind: raising(kind("x"))  # type: ignore[misc]  # bound now
        assert work(fresh.engine(), ordered(fresh)) is not None, kind
        assert job(fresh).state is not JobState.RUNNING, kind


def _below(kind: type[RondeError]) -> list[type[RondeError]]:
    return [found for child in kind.__subclasses__() for found in (child, *_below(child))]
