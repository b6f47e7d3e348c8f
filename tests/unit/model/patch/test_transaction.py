"""A host is never patched or reverted twice, wherever its worker dies, and never called well without a look at it."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ronde.model.patch.transaction import (
    AWAITING,
    DOING,
    FINAL,
    PATCH_CHANGES,
    UNTOUCHED,
    PatchEvent,
    PatchRecord,
    PatchState,
    Resume,
    change_patch,
    host_state,
    patch_sources,
    resume,
)
from ronde.model.patch.waves import HostState
from ronde.model.run import IllegalChange

S, E = PatchState, PatchEvent
GOOD_NIGHT = (
    E.PLAN,
    E.APPROVE,
    E.PASS,
    E.PASS,
    E.BEGIN,
    E.SUCCEED,
    E.BEGIN,
    E.SUCCEED,
    E.BEGIN,
    E.SUCCEED,
    E.PASS,
    E.PASS,
)
ACTS = {S.SNAPSHOT_DUE: "snapshot", S.PATCH_DUE: "patch", S.REBOOT_DUE: "reboot", S.REVERT_DUE: "revert"}
OUTCOMES = (E.SUCCEED, E.FAIL, E.LOSE)


def out_of(state: PatchState) -> list[PatchEvent]:
    return sorted(event for source, event in PATCH_CHANGES if source is state)


def test_a_good_night_ends_kept() -> None:
    record = PatchRecord(GOOD_NIGHT)
    assert record.state is S.KEPT
    assert record.snapshot
    assert not record.reboot_deferred


def test_every_state_is_reached_and_only_final_ones_lead_nowhere() -> None:
    assert {*PATCH_CHANGES.values(), S.AUDITING} == set(S)
    assert {state for state in S if not out_of(state)} == FINAL


def test_an_act_is_only_entered_by_storing_its_beginning() -> None:
    into = {(source, event) for (source, event), target in PATCH_CHANGES.items() if target in DOING}
    assert {event for _, event in into} == {E.BEGIN}
    assert {source for source, _ in into} == set(ACTS)
    assert patch_sources(E.BEGIN) == frozenset(ACTS)


def test_every_act_knows_all_its_ends_and_none_leads_back_to_its_beginning() -> None:
    for state in DOING:
        assert set(out_of(state)) == {E.SUCCEED, E.FAIL, E.NOT_BEGUN, E.LOSE}
        assert PATCH_CHANGES[state, E.LOSE] is S.NEEDS_HUMAN


def test_the_table_has_no_way_back() -> None:
    """Whatever was left is never met again, so that no act can come twice."""

    def beyond(state: PatchState) -> set[PatchState]:
        after = {PATCH_CHANGES[state, event] for event in out_of(state)}
        return after.union(*(beyond(one) for one in after)) if after else after

    assert all(state not in beyond(state) for state in S)


def test_kept_is_only_reached_through_both_checks_after_the_patch() -> None:
    assert {pair for pair, target in PATCH_CHANGES.items() if target is S.KEPT} == {(S.PROBING, E.PASS)}
    assert {pair for pair, target in PATCH_CHANGES.items() if target is S.PROBING} == {(S.CHECKING, E.PASS)}


def test_nothing_that_was_touched_can_be_called_off() -> None:
    touched = {S.PATCHING, S.REBOOT_DUE, S.REBOOTING, S.CHECKING, S.PROBING, S.REVERT_DUE, S.REVERTING}
    assert not touched & UNTOUCHED
    assert S.SNAPSHOTTING not in UNTOUCHED


def test_how_a_stored_state_goes_on() -> None:
    assert {state for state in S if resume(state) is Resume.RECONCILE} == DOING
    assert {state for state in S if resume(state) is Resume.WAIT} == AWAITING
    assert {state for state in S if resume(state) is Resume.NOTHING} == FINAL


@pytest.mark.parametrize(("state", "event"), [(S.KEPT, E.BEGIN), (S.PATCHING, E.BEGIN), (S.PATCHING, E.STOP)])
def test_what_the_table_does_not_have_is_refused(state: PatchState, event: PatchEvent) -> None:
    with pytest.raises(IllegalChange):
        change_patch(state, event)
    with pytest.raises(IllegalChange):
        PatchRecord((E.PLAN,)).after(E.PASS)


def test_what_a_host_s_state_means_to_its_run() -> None:
    assert {host_state(state) for state in FINAL - {S.KEPT, S.NOTHING_TO_DO, S.REFUSED}} == {
        HostState.FAILED,
        HostState.UNKNOWN,
    }
    assert host_state(S.KEPT) is HostState.SUCCEEDED
    assert host_state(S.PLANNED) is HostState.WAITING
    assert host_state(S.REVERT_DUE) is HostState.RUNNING


class Host:
    """A host whose acts are counted, and workers that may die between any two things they do."""

    def __init__(self, draw: Callable[[st.SearchStrategy[PatchEvent]], PatchEvent], dies: Callable[[], bool]) -> None:
        self.draw, self.dies = draw, dies
        self.stored = PatchRecord()
        self.done: dict[str, PatchEvent] = {}

    def work(self) -> bool:
        """One worker's life; True when nothing is left to do. What was not stored is forgotten."""
        while True:
            state = self.stored.state
            way = resume(state)
            if way is Resume.NOTHING:
                return True
            if way is Resume.RECONCILE:
                self.stored = self.stored.after(self.look_up(state))
            elif state in ACTS and (event := self.choose(state)) is E.BEGIN:
                self.stored = self.stored.after(event)
                if self.dies():
                    return False
                self.act(state)
                if self.dies():
                    return False
                self.stored = self.stored.after(self.look_up(self.stored.state))
            else:
                event = self.choose(state) if state not in ACTS else event
                if self.dies():
                    return False
                self.stored = self.stored.after(event)

    def choose(self, state: PatchState) -> PatchEvent:
        return self.draw(st.sampled_from(out_of(state)))

    def act(self, due: PatchState) -> None:
        name = ACTS[due]
        assert name not in self.done, f"{name} happened twice"
        self.done[name] = self.draw(st.sampled_from(OUTCOMES))

    def look_up(self, doing: PatchState) -> PatchEvent:
        """What the host and the hypervisor tell of an act: never more than what really happened."""
        name = next(ACTS[due] for due in ACTS if PATCH_CHANGES[due, E.BEGIN] is doing)
        return self.done.get(name, E.NOT_BEGUN)


@given(st.data())
def test_wherever_workers_die_no_act_happens_twice_and_the_host_ends_in_a_state_that_is_true(
    data: st.DataObject,
) -> None:
    host = Host(data.draw, lambda: data.draw(st.booleans()))
    for _ in range(200):
        if host.work():
            break
    state = host.stored.state
    assert state in FINAL
    if state is S.KEPT:
        assert host.done.get("patch") is E.SUCCEED
    if state in {S.REFUSED, S.NOTHING_TO_DO, S.ABANDONED}:
        assert "patch" not in host.done, "called untouched, and is not"
    if state is S.REVERTED:
        assert host.done["revert"] is E.SUCCEED
    assert host.stored.snapshot == (host.done.get("snapshot") is E.SUCCEED)


def test_a_reboot_that_was_put_off_is_told() -> None:
    to_reboot = GOOD_NIGHT[:8]
    assert PatchRecord((*to_reboot, E.SKIP)).reboot_deferred
    assert PatchRecord((*to_reboot, E.BEGIN, E.NOT_BEGUN)).reboot_deferred
    assert not PatchRecord((*to_reboot, E.BEGIN)).reboot_deferred
