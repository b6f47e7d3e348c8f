"""Whatever dies wherever: afterwards there is exactly one snapshot of ours, or none, and each thing was done once."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from ronde.engine.vmchanges import (
    Access,
    CreateRequest,
    PowerRequest,
    RemoveRequest,
    RevertRequest,
    Wanted,
    create_snapshot,
    remove_snapshot,
    revert_snapshot,
    set_power,
)
from ronde.model.errors import VCenterUnreachable
from ronde.model.vsphere.changes.guards import Revert, Taken
from ronde.model.vsphere.changes.orders import CreateSnapshot, PowerOff, RemoveSnapshot, RevertToSnapshot
from ronde.model.vsphere.changes.result import Outcome, Result
from ronde.ports import Journal
from tests.doubles.changing import Died, Fate, MortalJournal, Timekeeper, access, vcenter_with
from tests.doubles.journal import MemoryJournal
from tests.doubles.vcenter import FakeVCenter
from tests.doubles.vm_tasks import nodes

CREATE = CreateRequest("web", "run-1", "step-1", "patch")
MOST_ATTEMPTS = 40

Attempt = Callable[[Access, Journal], Result]
fates = st.lists(st.builds(Fate, st.integers(0, 14), st.booleans()), max_size=5)


@dataclass
class Trouble:
    """What goes wrong besides: how long tasks run, what becomes of the first calls, whether tasks are forgotten."""

    seconds: int
    lost: list[str]
    forgets: bool
    gap: int


troubles = st.builds(
    Trouble,
    st.sampled_from([0, 5, 300]),
    st.lists(st.sampled_from(["", "reply", "call"]), max_size=2),
    st.booleans(),
    st.sampled_from([0, 1, 40, 900]),
)


def drive(stage: tuple[FakeVCenter, Timekeeper], deaths: list[Fate], trouble: Trouble, attempt: Attempt) -> Result:
    """Attempts that die as it is their fate, then some that live, until there is a result."""
    fake, keeper = stage
    fake.task_seconds, fake.lost = trouble.seconds, list(trouble.lost)
    journal = MemoryJournal()
    for fate in [*deaths, *[Fate() for _ in range(MOST_ATTEMPTS)]]:
        try:
            result = attempt(access(fake, keeper, fate), MortalJournal(journal, fate))
        except (Died, VCenterUnreachable):
            keeper.pause(trouble.gap)
            if trouble.forgets:
                fake.now()
                fake.forget_tasks("web")
            continue
        if result.outcome is not Outcome.RUNNING:
            return result
        keeper.pause(60)
    raise AssertionError("no attempt came to an end")


def given_up(result: Result, fake: FakeVCenter) -> bool:
    """Three calls left no trace, each cut off before it was made or lost on its way: only then may a human be asked."""
    if result.outcome is Outcome.CHANGED:
        return False
    assert result.outcome is Outcome.NEEDS_HUMAN
    assert "3 times and left no trace" in result.reason
    return True


def counted(fake: FakeVCenter) -> Counter[type]:
    return Counter(type(change) for change in fake.started)


def prepared() -> tuple[tuple[FakeVCenter, Timekeeper], Taken]:
    stage = vcenter_with("web")
    result = create_snapshot(access(*stage), CREATE, MemoryJournal())
    stage[0].started.clear()
    return stage, Taken.of(result.facts)


@given(fates, troubles)
def test_a_creation_leaves_exactly_one_snapshot(deaths: list[Fate], trouble: Trouble) -> None:
    stage = vcenter_with("web")
    result = drive(stage, deaths, trouble, lambda reach, journal: create_snapshot(reach, CREATE, journal))
    if given_up(result, stage[0]):
        assert stage[0].started == []
        return
    assert [node["snapshot"] for node in nodes(stage[0].vm("web").properties)] == [result.facts["snapshot"]]
    assert counted(stage[0]) == {CreateSnapshot: 1}


@given(fates, troubles)
def test_a_removal_leaves_none_and_touches_no_other(deaths: list[Fate], trouble: Trouble) -> None:
    stage, taken = prepared()
    request = RemoveRequest("web", taken)
    result = drive(stage, deaths, trouble, lambda reach, journal: remove_snapshot(reach, request, journal))
    if given_up(result, stage[0]):
        assert stage[0].started == []
        return
    assert nodes(stage[0].vm("web").properties) == []
    assert counted(stage[0]) == {RemoveSnapshot: 1}


@given(fates, troubles)
def test_a_revert_is_done_once_and_the_machine_runs_again(deaths: list[Fate], trouble: Trouble) -> None:
    """Once, or again only while the machine was still off: nothing can have been written in between."""
    stage, taken = prepared()
    request = RevertRequest("web", Revert(taken, "ops"))
    result = drive(stage, deaths, trouble, lambda reach, journal: revert_snapshot(reach, request, journal))
    found, fake = stage[0].vm("web").properties, stage[0]
    if given_up(result, fake):
        assert trouble.forgets or fake.started == []
        return
    assert found["snapshot"]["currentSnapshot"] == taken.id
    assert found["runtime.powerState"] == "poweredOn"
    assert not isinstance(fake.started[-1], RevertToSnapshot), "no revert after the start"
    if not trouble.forgets:
        assert counted(fake)[RevertToSnapshot] == 1


@given(fates, troubles)
def test_a_machine_is_switched_off_once(deaths: list[Fate], trouble: Trouble) -> None:
    stage = vcenter_with("web")
    request = PowerRequest("web", Wanted.OFF)
    result = drive(stage, deaths, trouble, lambda reach, journal: set_power(reach, request, journal))
    assert counted(stage[0]) == ({} if given_up(result, stage[0]) else {PowerOff: 1})
