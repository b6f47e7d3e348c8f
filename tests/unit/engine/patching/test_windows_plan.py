"""What a policy takes of what a Windows offers, and how two tries at one update become one word."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from ronde.engine.patching.windows.applying import _again, _merged
from ronde.engine.patching.windows.planning import plan_of
from ronde.facts.patch.windows import Result, Update, judge_install, simulation_of
from ronde.model.patch.packages import KeptReason, Package, Simulation
from ronde.model.patch.policy import Policy, Scope
from ronde.model.patch.reboot import Signal

AT = datetime(2026, 11, 27, 20, 0, tzinfo=UTC)
CALM = Signal("windows", needed=False, reason="")
UPDATES = st.lists(
    st.builds(
        Update,
        id=st.sampled_from("abcdef"),
        revision=st.integers(1, 3),
        title=st.sampled_from(["2026-11 Cumulative Update (KB1)", "Silverlight", ".NET"]),
        kb=st.sampled_from([(), ("KB1",), ("KB2267602",)]),
        categories=st.sampled_from([(), ("Security Updates",), ("Definition Updates",)]),
        hidden=st.booleans(),
    ),
    unique_by=lambda update: update.id,
    max_size=6,
)
POLICIES = st.builds(Policy, scope=st.sampled_from(Scope), exclude=st.sampled_from([(), ("kb1",), ("*light",)]))


def result(*updates: Update, **codes: int | None) -> Result:
    results = {(name, 1): (code, "") for name, code in codes.items()}
    return Result("job", AT, AT, CALM, complete=True, updates=updates, results=results)


def offered(found: Result) -> Simulation:
    simulation = simulation_of(found)
    assert isinstance(simulation, Simulation)
    return simulation


@given(UPDATES, POLICIES)
def test_every_update_is_planned_or_left_with_a_reason_or_a_signature(updates: list[Update], policy: Policy) -> None:
    found = result(*updates)
    planned = plan_of(found, offered(found), policy)
    wanted = {package.name for package in planned.plan.install}
    left = [kept.name for kept in planned.left]
    assert len(wanted) + len(left) == sum(not update.signature for update in updates)
    for update in updates:
        if update.id not in wanted:
            continue
        assert not update.signature
        assert not update.hidden
        assert "KB1" not in update.kb or policy.exclude != ("kb1",)
        assert update.title != "Silverlight" or policy.exclude != ("*light",)
        assert policy.scope is Scope.ALL or "Security Updates" in update.categories
    assert set(planned.security) <= wanted


def test_what_is_left_is_called_by_its_title() -> None:
    found = result(Update("a", 1, "Silverlight", hidden=True), Update("b", 1, ".NET"))
    planned = plan_of(found, offered(found), Policy(scope=Scope.SECURITY))
    assert [(kept.name, kept.reason) for kept in planned.left] == [
        ("Silverlight", KeptReason.HELD),
        (".NET", KeptReason.NOT_SECURITY),
    ]


CODES = st.sampled_from([None, 0, 1, 2, 3, 4, 5, 9])


@given(first=CODES, then=CODES)
def test_an_update_is_done_only_when_windows_said_so_of_its_last_try(first: int | None, then: int | None) -> None:
    package = Package("a", "", "1")
    begun = result(a=first)
    tried = _again(begun, package)
    assert tried == (first not in (None, 2))
    merged = _merged(begun, result(a=then)) if tried else begun
    last = then if tried and then is not None else first
    assert judge_install([package], merged).succeeded == (last == 2)
