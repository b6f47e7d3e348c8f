"""Only what provably is ours is removed, once; what it leaves behind is told."""

from datetime import timedelta
from typing import Any

import pytest

from ronde.engine.vmchanges import CreateRequest, RemoveRequest, create_snapshot, remove_snapshot, sweep_expired
from ronde.model.vsphere.changes.guards import Taken
from ronde.model.vsphere.changes.orders import ConsolidateDisks, RemoveSnapshot
from ronde.model.vsphere.changes.result import Outcome, Result
from tests.doubles.changing import Died, Fate, Timekeeper, access, vcenter_with
from tests.doubles.journal import MemoryJournal
from tests.doubles.vcenter import FakeVCenter
from tests.doubles.vm_tasks import nodes

Stage = tuple[FakeVCenter, Timekeeper]
HOUR = timedelta(hours=1)


@pytest.fixture
def stage() -> Stage:
    return vcenter_with("web", "db")


def take(stage: Stage, vm: str = "web", step: str = "step-1", **changes: Any) -> Taken:
    result = create_snapshot(access(*stage), CreateRequest(vm, "run-1", step, "patch", **changes), MemoryJournal())
    assert result.outcome is Outcome.CHANGED
    stage[0].started.clear()
    return Taken.of(result.facts)


def remove(stage: Stage, taken: Taken, journal: MemoryJournal | None = None, **changes: Any) -> Result:
    return remove_snapshot(access(*stage), RemoveRequest("web", taken, **changes), journal or MemoryJournal())


def tree(stage: Stage, vm: str = "web") -> list[dict[str, Any]]:
    return nodes(stage[0].vm(vm).properties)


def test_our_snapshot_is_removed_and_nothing_is_left(stage: Stage) -> None:
    result = remove(stage, take(stage))
    assert (result.outcome, result.findings) == (Outcome.CHANGED, ())
    assert tree(stage) == []
    assert len(stage[0].vm("web").properties["layoutEx"]["disk"][0]["chain"]) == 1


def test_snapshots_of_others_stay_where_they_are(stage: Stage) -> None:
    stage[0].add_snapshot("web", "below", HOUR)
    taken = take(stage)
    stage[0].add_snapshot("web", "above", timedelta())
    assert remove(stage, taken).outcome is Outcome.CHANGED
    assert [node["name"] for node in tree(stage)] == ["below", "above"]
    assert stage[0].started == [RemoveSnapshot(taken.id)]


def test_what_is_gone_already_is_told(stage: Stage) -> None:
    taken = take(stage)
    remove(stage, taken)
    result = remove(stage, taken)
    assert result.outcome is Outcome.UNCHANGED
    assert "already" in result.reason
    assert len(stage[0].started) == 1


def test_a_snapshot_of_somebody_else_is_not_removed(stage: Stage) -> None:
    taken = take(stage)
    moid = stage[0].add_snapshot("web", "theirs", HOUR)
    theirs = Taken(moid, None, "theirs", taken.created, "step-9", "run-9")
    result = remove(stage, theirs)
    assert result.outcome is Outcome.REFUSED
    assert stage[0].started == []


@pytest.mark.parametrize(
    ("before", "after"),
    [("step=step-1", "step=step-2"), ("consistency=crash", "consistency=off"), ("sig=", "sig=0"), ("run=run-1 ", "")],
)
def test_a_snapshot_whose_marker_was_edited_is_not_removed(stage: Stage, before: str, after: str) -> None:
    taken = take(stage)
    (node,) = tree(stage)
    node["description"] = node["description"].replace(before, after)
    result = remove(stage, taken)
    assert result.outcome is Outcome.REFUSED
    assert "believed" in result.reason
    assert (stage[0].started, len(tree(stage))) == ([], 1)


def test_a_marker_that_was_copied_from_another_machine_is_not_believed(stage: Stage) -> None:
    taken = take(stage, vm="db")
    (node,) = tree(stage, "db")
    stage[0].add_snapshot("web", node["name"], HOUR, description=node["description"])
    result = remove(stage, taken)
    assert (result.outcome, stage[0].started) == (Outcome.REFUSED, [])


def test_a_machine_that_was_registered_anew_has_new_ids_and_the_same_markers(stage: Stage) -> None:
    taken = take(stage)
    kept, frozen = stage[0].vm("web").properties["snapshot"], stage[0].vm("web").properties["layoutEx"]["snapshot"]
    kept["currentSnapshot"] = kept["rootSnapshotList"][0]["snapshot"] = frozen[0]["key"] = "snapshot-new"
    assert remove(stage, taken).outcome is Outcome.CHANGED
    assert tree(stage) == []


def test_that_is_so_also_when_it_was_registered_anew_between_two_attempts(stage: Stage) -> None:
    taken, journal, fate = take(stage), MemoryJournal(), Fate(left=5)
    with pytest.raises(Died):
        remove_snapshot(access(*stage, fate), RemoveRequest("web", taken), journal)
    assert "node" in journal.values
    kept, frozen = stage[0].vm("web").properties["snapshot"], stage[0].vm("web").properties["layoutEx"]["snapshot"]
    kept["currentSnapshot"] = kept["rootSnapshotList"][0]["snapshot"] = frozen[0]["key"] = "snapshot-new"
    assert remove(stage, taken, journal).outcome is Outcome.CHANGED
    assert tree(stage) == []


def test_a_lost_reply_is_not_a_second_removal(stage: Stage) -> None:
    taken = take(stage)
    stage[0].lost, stage[0].task_seconds = ["reply"], 300
    assert remove(stage, taken).outcome is Outcome.CHANGED
    assert stage[0].started == [RemoveSnapshot(taken.id)]


def test_a_removal_that_takes_longer_goes_on_and_is_followed(stage: Stage) -> None:
    taken, journal = take(stage), MemoryJournal()
    stage[0].task_seconds = 3 * 3600
    result = remove(stage, taken, journal)
    assert result.outcome is Outcome.RUNNING
    assert str(result.facts["task"]).startswith("task-")
    assert stage[0].time is not None
    stage[0].time += timedelta(hours=3)
    assert remove(stage, taken, journal).outcome is Outcome.CHANGED
    assert len(stage[0].started) == 1


def test_disks_left_in_need_are_consolidated_once(stage: Stage) -> None:
    taken = take(stage)
    stage[0].vm("web").properties["runtime.consolidationNeeded"] = True
    result = remove(stage, taken)
    assert (result.outcome, result.findings) == (Outcome.CHANGED, ())
    assert stage[0].started == [RemoveSnapshot(taken.id), ConsolidateDisks("vm-1")]


def test_outside_the_window_the_need_is_only_told(stage: Stage) -> None:
    taken = take(stage)
    stage[0].vm("web").properties["runtime.consolidationNeeded"] = True
    result = remove(stage, taken, consolidate=False)
    assert (result.outcome, [f.rule for f in result.findings]) == (Outcome.CHANGED, ["consolidation-needed"])
    assert stage[0].started == [RemoveSnapshot(taken.id)]


def test_a_consolidation_that_fails_is_told(stage: Stage) -> None:
    taken, journal = take(stage), MemoryJournal()
    stage[0].vm("web").properties["runtime.consolidationNeeded"] = True
    stage[0].task_faults = ["", "FileNotFound"]
    result = remove(stage, taken, journal)
    assert result.outcome is Outcome.CHANGED
    assert {finding.rule for finding in result.findings} == {"consolidation-needed", "change-failed"}
    assert remove(stage, taken, journal).outcome is Outcome.CHANGED
    assert len(stage[0].started) == 2, "it is not asked for again"


def test_deltas_that_belong_to_nothing_afterwards_are_told(stage: Stage) -> None:
    taken = take(stage)
    layout = stage[0].vm("web").properties["layoutEx"]
    layout["disk"][0]["chain"].append({"fileKey": [5]})
    assert [finding.rule for finding in remove(stage, taken).findings] == ["chain-orphan"]


@pytest.mark.parametrize("fault", ["NoPermission", "SnapshotDisabled"])
def test_a_removal_that_fails_leaves_the_snapshot(stage: Stage, fault: str) -> None:
    taken = take(stage)
    stage[0].task_faults = [fault]
    assert remove(stage, taken).outcome is Outcome.FAILED
    assert len(tree(stage)) == 1


def test_a_machine_out_of_reach_is_left_alone(stage: Stage) -> None:
    taken = take(stage)
    stage[0].vm("web").properties["runtime.connectionState"] = "disconnected"
    assert remove(stage, taken).outcome is Outcome.REFUSED


# --------------------------------------------------------------- the janitor


def sweep(stage: Stage, **changes: Any) -> list[Result]:
    journals: dict[str, MemoryJournal] = {}
    found = sweep_expired(access(*stage), lambda step: journals.setdefault(step, MemoryJournal()), **changes)
    return [result for _, result in found]


def later(stage: Stage, time: timedelta) -> None:
    assert stage[0].time is not None
    stage[0].time += time


def test_the_janitor_removes_only_what_is_ours_and_has_had_its_time(stage: Stage) -> None:
    stage[0].add_snapshot("web", "ronde-theirs", timedelta(days=9), description="ronde/1 run=a step=b expires=2020")
    take(stage, step="old", lifetime=2 * HOUR)
    take(stage, step="young", lifetime=20 * HOUR)
    take(stage, vm="db", step="old-db", lifetime=HOUR)
    later(stage, 3 * HOUR)
    assert [result.outcome for result in sweep(stage)] == [Outcome.CHANGED] * 2
    assert [node["name"] for node in tree(stage)] == ["ronde-theirs", "ronde-run-1-patch"]
    assert tree(stage, "db") == []
    assert sweep(stage) == []


def test_the_janitor_leaves_what_expires_later_than_it_looks(stage: Stage) -> None:
    take(stage, lifetime=2 * HOUR)
    later(stage, 2 * HOUR - timedelta(seconds=1))
    assert sweep(stage) == []


def test_the_janitor_believes_no_edited_marker(stage: Stage) -> None:
    take(stage, lifetime=20 * HOUR)
    (node,) = tree(stage)
    node["description"] = node["description"].replace("expires=2026-11-24", "expires=2026-11-22")
    assert sweep(stage) == []


def test_the_janitor_does_a_bounded_amount(stage: Stage) -> None:
    take(stage, lifetime=HOUR)
    take(stage, vm="db", step="step-2", lifetime=HOUR)
    later(stage, 2 * HOUR)
    assert len(sweep(stage, limit=1)) == 1
    assert len(sweep(stage, limit=1)) == 1
    assert sweep(stage) == []
