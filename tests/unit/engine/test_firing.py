"""Firing and the roll call: each due instant once, whatever else is broken."""

from datetime import timedelta
from typing import Any

import pytest

from ronde.engine.firing import RollCall, advance, fire, roll_call, send_due
from ronde.engine.work import work
from ronde.model.records import OccurrenceRecord
from ronde.model.run import JobState, RunState
from tests.doubles.engine import CLIENT, SCOPE, START, Surroundings, client, inventory

EVERY_TEN = {"report": "night", "at": "*/10 * * * *"}


def night(**more: Any) -> dict[str, Any]:
    return {**EVERY_TEN, **more}


@pytest.fixture
def around() -> Surroundings:
    return Surroundings()


def occurrences(around: Surroundings) -> list[OccurrenceRecord]:
    return list(around.ledger.occurrences(SCOPE, since=START - timedelta(days=9), until=START + timedelta(days=9)))


def test_a_new_schedule_does_not_fire_for_the_past(around: Surroundings) -> None:
    around.schedules(night=night())
    assert roll_call(around.engine(), "beat") == RollCall()
    assert occurrences(around) == []


def test_what_is_due_fires_once_whoever_notices(around: Surroundings) -> None:
    engine = around.engine()
    around.schedules(night=night())
    roll_call(engine, "beat")
    around.hands.move(600)
    assert fire(engine, CLIENT, "night") == 1
    assert fire(engine, CLIENT, "night") == 0
    assert roll_call(engine, "other beat").fired == 0
    (run,) = around.runs()
    assert (run.due, run.schedule) == (START + timedelta(minutes=10), "night")
    assert [hint.job for hint in around.queue.hints] == [run.jobs[0].id]


def test_an_entry_that_beat_still_has_and_the_inventory_has_not_is_nothing(around: Surroundings) -> None:
    assert fire(around.engine(), CLIENT, "gone") == 0
    assert fire(around.engine(), "nobody", "gone") == 0


def test_what_passed_while_nobody_called_is_missed_except_the_newest(around: Surroundings) -> None:
    engine = around.engine()
    around.schedules(night=night(catch_up={"within": "5m"}))
    roll_call(engine, "beat")
    around.hands.move(1800 + 60)
    assert roll_call(engine, "beat") == RollCall(fired=1, missed=2, sent=1)
    assert [(one.due, one.run is None) for one in occurrences(around)] == [
        (START + timedelta(minutes=minutes), missed) for minutes, missed in ((10, True), (20, True), (30, False))
    ]


@pytest.mark.parametrize("change", [{"at": "*/5 * * * *"}, {"timezone": "Europe/Paris"}, {"enabled": True}])
def test_a_changed_schedule_starts_anew(around: Surroundings, change: dict[str, Any]) -> None:
    """Other times, another zone, or switched on again: nothing fires or is missed for when it was another one."""
    engine = around.engine()
    before = night(enabled=False) if "enabled" in change else night()
    around.schedules(night=before)
    roll_call(engine, "beat")
    around.hands.move(1801)
    zone = change.pop("timezone", "UTC")
    around.inventories.inventory = inventory(client({"night": {**before, **change}}, timezone=zone))
    assert roll_call(engine, "beat") == RollCall()
    around.hands.move(600)
    assert roll_call(engine, "beat").fired == 1


def test_a_schedule_that_is_switched_off_is_not_missed(around: Surroundings) -> None:
    around.schedules(night=night(enabled=False))
    engine = around.engine()
    for _ in range(5):
        assert roll_call(engine, "beat") == RollCall()
        around.hands.move(700)


def test_an_occurrence_without_a_target_is_missed_with_the_reason(around: Surroundings) -> None:
    around.schedules(check={"playbook": "no/such", "at": "*/10 * * * *"})
    engine = around.engine()
    roll_call(engine, "beat")
    around.hands.move(601)
    assert roll_call(engine, "beat") == RollCall(missed=1)
    (missed,) = occurrences(around)
    assert missed.run is None
    assert "no/such" in missed.reason


def test_a_broker_that_is_away_costs_nothing_but_time(around: Surroundings) -> None:
    engine = around.engine()
    around.schedules(night=night())
    roll_call(engine, "beat")
    around.hands.move(600)
    around.queue.away = True
    assert roll_call(engine, "beat") == RollCall(fired=1)
    around.queue.away = False
    assert send_due(engine) == 0  # it was sent, as far as the ledger knows
    around.hands.move(61)
    assert roll_call(engine, "beat").sent == 1
    (hint,) = around.queue.hints
    assert work(engine, hint) == around.runs()[0].id


def test_without_an_inventory_what_is_under_way_is_looked_after(around: Surroundings) -> None:
    engine = around.engine()
    around.schedules(night=night())
    roll_call(engine, "beat")
    around.hands.move(600)
    fire(engine, CLIENT, "night")
    claim = around.ledger.claim(around.queue.hints.popleft(), "dead", around.hands.now(), 60)
    assert claim
    around.inventories.inventory = None
    around.hands.move(61)
    assert roll_call(engine, "beat") == RollCall(reaped=1, sent=1)
    (run,) = around.runs()
    assert (run.jobs[0].state, run.jobs[0].attempt) == (JobState.QUEUED, 2)
    assert around.queue.deliveries == 2


def test_a_run_whose_last_message_was_lost_is_moved_on(around: Surroundings) -> None:
    engine = around.engine()
    around.schedules(night=night())
    roll_call(engine, "beat")
    around.hands.move(600)
    fire(engine, CLIENT, "night")
    run = work(engine, around.queue.hints.popleft())
    assert run is not None
    assert around.runs()[0].state is RunState.RUNNING
    roll_call(engine, "beat")
    assert around.runs()[0].state is RunState.SUCCEEDED
    assert not advance(engine, run)


def test_clients_do_not_stand_in_each_others_way(around: Surroundings) -> None:
    """One client's schedule cannot be planned; the other's fires."""
    lame = client({"check": {"playbook": "no/such", "at": "*/10 * * * *"}}, client="aaa")
    around.inventories.inventory = inventory(lame, client({"night": night()}))
    engine = around.engine()
    roll_call(engine, "beat")
    around.hands.move(600)
    assert roll_call(engine, "beat") == RollCall(fired=1, missed=1, sent=1)


def test_technicians_are_told_before_a_run_is_moved_on_and_by_the_roll_call_where_its_message_was_lost(
    around: Surroundings,
) -> None:
    engine = around.engine()
    around.schedules(night=night())
    roll_call(engine, "beat")
    around.hands.move(600)
    roll_call(engine, "beat")
    (run,) = around.runs()
    work(engine, around.queue.hints.popleft())
    assert around.alerts == []
    roll_call(engine, "beat")
    assert around.alerts == [run.id]
    advance(engine, run.id)
    assert around.alerts == [run.id] * 2
