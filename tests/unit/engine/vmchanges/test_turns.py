"""Changes take turns: so many at once on a vCenter and on each datastore, and none is asked for without a place."""

from datetime import timedelta

from ronde.engine.vmchanges import CreateRequest, RemoveRequest, create_snapshot, remove_snapshot
from ronde.model.plan import Lane
from ronde.model.vsphere.changes.guards import Taken
from ronde.model.vsphere.changes.result import Outcome
from tests.doubles.changing import FreeTurns, Queue, access, vcenter_with
from tests.doubles.journal import MemoryJournal

CREATE = CreateRequest("web", "run-1", "step-1", "patch")


def test_a_snapshot_takes_a_place_on_the_vcenter_and_on_each_datastore_of_the_machine() -> None:
    fake, keeper = vcenter_with("web")
    turns = FreeTurns()
    made = create_snapshot(access(fake, keeper, turns=turns), CREATE, MemoryJournal())
    (store,) = {lane.name.rpartition("/")[2] for lane in turns.taken if "/" in lane.name}
    assert turns.taken == (Lane("changes:vc1", 8), Lane(f"creates:vc1/{store}", 4))
    assert turns.log == ["take", "leave"]

    again = FreeTurns()
    gone = remove_snapshot(
        access(fake, keeper, turns=again), RemoveRequest("web", Taken.of(made.facts)), MemoryJournal()
    )
    assert gone.outcome is Outcome.CHANGED
    assert again.taken == (Lane("changes:vc1", 8), Lane(f"removes:vc1/{store}", 2))
    assert again.log == ["take", "leave"]


def test_where_there_is_no_room_a_change_waits_for_its_turn() -> None:
    fake, keeper = vcenter_with("web")
    made = create_snapshot(access(fake, keeper, turns=Queue(3)), CREATE, MemoryJournal())
    assert made.outcome is Outcome.CHANGED
    assert len(fake.started) == 1
    assert sum(keeper.waited) > 0


def test_a_turn_that_never_comes_is_told_and_nothing_was_begun() -> None:
    fake, keeper = vcenter_with("web")
    request = CreateRequest("web", "run-1", "step-1", "patch", patience=timedelta(minutes=2))
    result = create_snapshot(access(fake, keeper, turns=Queue(10_000)), request, MemoryJournal())
    assert result.outcome is Outcome.REFUSED
    assert "was not begun: as many changes as may be at once are under way" in result.reason
    assert fake.started == []


def test_a_task_that_outlives_our_patience_keeps_its_place() -> None:
    fake, keeper = vcenter_with("web")
    fake.task_seconds = 3600
    turns = FreeTurns()
    request = CreateRequest("web", "run-1", "step-1", "patch", patience=timedelta(minutes=2))
    assert create_snapshot(access(fake, keeper, turns=turns), request, MemoryJournal()).outcome is Outcome.RUNNING
    assert turns.log == ["take"]
