"""Whatever happens in whatever order, a patch run keeps its promises."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ronde.model.errors import InputError
from ronde.model.patch.rings import Member, Portion, Rings, plan_rings
from ronde.model.patch.waves import BAD, Decision, HostState, Limits, Progress, next_starts

NOW = datetime(2026, 11, 27, 22, tzinfo=UTC)
P95 = timedelta(minutes=20)
TAGS = st.frozensets(st.sampled_from(["dns", "dc", "db"]), max_size=2)
MEMBERS = st.lists(
    st.builds(Member, st.sampled_from(["commune", "ecole"]), st.sampled_from([f"h{n}" for n in range(9)]), TAGS, TAGS),
    unique_by=lambda member: member.key,
    max_size=12,
)
PORTIONS = st.lists(
    st.one_of(st.builds(Portion, count=st.integers(1, 4)), st.builds(Portion, percent=st.integers(1, 100))),
    min_size=1,
    max_size=3,
)
LIMITS = st.builds(
    Limits,
    in_flight=st.integers(1, 4),
    per_client=st.integers(1, 3),
    clients=st.just({"ecole": 1}),
    failures_percent=st.integers(0, 60),
    bake=st.sampled_from([timedelta(0), timedelta(minutes=30)]),
)
OUTCOMES = [HostState.SUCCEEDED] * 12 + sorted(BAD)


def hosts(count: int, **more: frozenset[str]) -> list[Member]:
    return [Member("c", f"h{n:02}", **more) for n in range(count)]


def decide(
    plan: Rings, progress: Progress, limits: Limits, now: datetime = NOW, end: datetime | None = None
) -> Decision:
    return next_starts(plan, progress, now, end, P95, limits)


@given(MEMBERS, PORTIONS)
def test_every_host_stands_in_one_ring_and_partners_never_share_one(
    members: list[Member], portions: list[Portion]
) -> None:
    plan = plan_rings(members, portions)

    assert sorted(plan.members) == sorted(members)
    for ring in plan.rings:
        assert not any(one.clashes(other) for one in ring for other in ring if one is not other)
    assert plan_rings(list(reversed(members)), portions).digest == plan.digest


@given(MEMBERS, PORTIONS)
def test_the_canary_has_one_host_of_each_role_that_allows_it(members: list[Member], portions: list[Portion]) -> None:
    plan = plan_rings(members, portions)
    if not members:
        return
    canary = plan.rings[0]
    for role in {role for member in members for role in member.roles}:
        able = [m for m in members if role in m.roles and not any(m.clashes(c) for c in canary if c is not m)]
        assert any(role in member.roles for member in canary) or not able


class World:
    """Hosts that run and end as hypothesis wills, and everything that must hold at every moment."""

    def __init__(self, plan: Rings, limits: Limits, end: datetime | None) -> None:
        self.plan, self.limits, self.end, self.now = plan, limits, end, NOW
        self.states = {member.key: HostState.WAITING for member in plan.members}
        self.ended: dict[str, datetime] = {}
        self.by_key = {member.key: member for member in plan.members}

    @property
    def progress(self) -> Progress:
        return Progress(dict(self.states), dict(self.ended))

    @property
    def running(self) -> list[Member]:
        return [self.by_key[key] for key, state in self.states.items() if state is HostState.RUNNING]

    def decide(self) -> Decision:
        return decide(self.plan, self.progress, self.limits, self.now, self.end)

    def start(self, key: str) -> None:
        assert self.states[key] is HostState.WAITING, "a host is started once"
        assert self.end is None or self.now + P95 <= self.end, "no start that the window cannot hold"
        self.no_ring_has_gone_wrong_too_often()
        self.earlier_rings_are_over_and_baked(key)
        self.states[key] = HostState.RUNNING
        flying = self.running
        assert len(flying) <= self.limits.in_flight
        assert all(n <= self.limits.of(client) for client, n in Counter(m.client for m in flying).items())
        assert not any(self.by_key[key].clashes(other) for other in flying if other.key != key)
        down = [member for member in self.plan.members if self.states[member.key] in BAD]
        assert not any(self.by_key[key].clashes(other) for other in down), "its partner is down"

    def no_ring_has_gone_wrong_too_often(self) -> None:
        for ring in self.plan.rings:
            bad = sum(self.states[member.key] in BAD for member in ring)
            assert bad <= self.limits.failures_percent * len(ring) / 100

    def earlier_rings_are_over_and_baked(self, key: str) -> None:
        number = next(n for n, ring in enumerate(self.plan.rings) if any(member.key == key for member in ring))
        earlier = [member for ring in self.plan.rings[:number] for member in ring]
        assert all(self.states[m.key] not in {HostState.WAITING, HostState.RUNNING} for m in earlier)
        if number:
            last = max(self.ended[member.key] for member in self.plan.rings[0])
            assert self.now >= last + self.limits.bake

    def finish(self, key: str, outcome: HostState) -> None:
        assert self.states[key] is HostState.RUNNING
        self.states[key], self.ended[key] = outcome, self.now

    def skip(self, key: str) -> None:
        assert self.states[key] is HostState.WAITING, "only what waits is skipped"
        self.states[key], self.ended[key] = HostState.SKIPPED, self.now


@settings(max_examples=200)
@given(MEMBERS, PORTIONS, LIMITS, st.none() | st.integers(0, 6), st.integers(0, 2**32))
def test_a_run_keeps_its_promises_and_ends_with_every_host_in_one_state(
    members: list[Member], portions: list[Portion], limits: Limits, hours: int | None, seed: int
) -> None:
    end = None if hours is None else NOW + timedelta(hours=hours)
    world, chance = World(plan_rings(members, portions), limits, end), Random(seed)  # noqa: S311 - chance of a test, not of a cipher
    for _ in range(1000):
        decision = world.decide()
        for skip in decision.skip:
            world.skip(skip.host)
        if decision.done or (decision.stop and end is None and not world.running):
            break  # without a window a stopped run waits for a person, every host keeping its place
        # the caller may die after any number of its starts: what follows is the same
        for key in decision.start[: chance.randint(0, len(decision.start))]:
            world.start(key)
        if world.running and chance.random() < 0.7:
            world.finish(chance.choice(world.running).key, chance.choice(OUTCOMES))
        else:
            world.now = decision.again or world.now + timedelta(minutes=chance.randint(0, 30))
    final = world.decide()
    assert final.done or final.stop, "the run does not come to an end"
    assert not final.start
    if final.done:
        assert not {HostState.WAITING, HostState.RUNNING} & set(world.states.values())


@given(MEMBERS, PORTIONS, LIMITS, st.data())
def test_a_decision_taken_again_after_some_of_its_starts_holds_just_the_others(
    members: list[Member], portions: list[Portion], limits: Limits, data: st.DataObject
) -> None:
    plan = plan_rings(members, portions)
    start = decide(plan, Progress(), limits).start
    cut = data.draw(st.integers(0, len(start)))
    begun = Progress(dict.fromkeys(start[:cut], HostState.RUNNING))
    assert decide(plan, begun, limits).start == start[cut:]


def canary_done(plan: Rings) -> Progress:
    keys = [member.key for member in plan.rings[0]]
    return Progress(dict.fromkeys(keys, HostState.SUCCEEDED), dict.fromkeys(keys, NOW - timedelta(hours=1)))


@pytest.mark.parametrize(
    ("size", "percent", "bad", "goes_on"),
    [(5, 20, 1, True), (5, 20, 2, False), (4, 20, 1, False), (9, 20, 1, True), (9, 20, 2, False), (9, 0, 1, False)],
)
def test_the_share_that_may_go_wrong_is_rounded_down_and_must_be_exceeded(
    *, size: int, percent: int, bad: int, goes_on: bool
) -> None:
    plan = plan_rings(hosts(size + 2), [Portion(count=size)])
    progress = canary_done(plan)
    states = {**progress.states, **{member.key: HostState.FAILED for member in plan.rings[1][:bad]}}
    decision = decide(plan, Progress(states, progress.ended), Limits(failures_percent=percent, in_flight=1))
    assert bool(decision.start) is goes_on
    assert (decision.stop is None) is goes_on


@pytest.mark.parametrize("state", sorted(BAD))
def test_a_canary_that_went_wrong_stops_the_run_in_whatever_way_it_did(state: HostState) -> None:
    plan = plan_rings(hosts(20), [Portion(percent=50)])
    failed = Progress({"c/h00": state}, {"c/h00": NOW - timedelta(days=1)})
    decision = decide(plan, failed, Limits(failures_percent=90))
    assert decision.start == ()
    assert f"c/h00 {state}" in str(decision.stop)
    assert not decision.skip, "every host keeps its place"
    forgiven = Progress(failed.states, failed.ended, forgiven=frozenset({"c/h00"}))
    assert decide(plan, forgiven, Limits()).start


def test_a_canary_that_was_skipped_proves_nothing() -> None:
    plan = plan_rings(hosts(4), [Portion(count=3)])
    decision = decide(plan, Progress({"c/h00": HostState.SKIPPED}, {"c/h00": NOW - timedelta(days=1)}), Limits())
    assert decision.start == ()
    assert "no canary" in str(decision.stop)


def test_the_next_ring_waits_until_the_canary_has_baked_also_when_nobody_knows_since_when() -> None:
    plan = plan_rings(hosts(3), [Portion(count=2)])
    states = {"c/h00": HostState.SUCCEEDED}
    just = decide(plan, Progress(states, {"c/h00": NOW - timedelta(minutes=29)}), Limits())
    assert (just.start, just.again) == ((), NOW + timedelta(minutes=1))
    assert decide(plan, Progress(states, {"c/h00": NOW - timedelta(minutes=30)}), Limits()).start
    assert decide(plan, Progress(states), Limits()).again == NOW + timedelta(minutes=30)


def test_a_window_that_closes_lets_running_hosts_finish_and_skips_the_others() -> None:
    plan = plan_rings(hosts(4), [Portion(count=3)])
    running = Progress({"c/h00": HostState.RUNNING})
    just_fits = decide(plan, canary_done(plan), Limits(), end=NOW + P95)
    assert len(just_fits.start) == 3
    closing = decide(plan, running, Limits(), end=NOW + P95 - timedelta(seconds=1))
    assert not closing.start
    assert not closing.done
    assert [skip.reason for skip in closing.skip] == ["window closed"] * 3


def test_a_pause_keeps_every_place_and_a_cancellation_ends_the_run() -> None:
    plan = plan_rings(hosts(3), [Portion(count=2)])
    paused = decide(plan, Progress(paused=True), Limits())
    assert (paused.start, paused.skip, paused.stop) == ((), (), "paused")
    assert decide(plan, Progress(), Limits()).start == ("c/h00",)
    cancelled = decide(plan, Progress(cancelled="ada: wrong night"), Limits())
    assert {skip.reason for skip in cancelled.skip} == {"cancelled: ada: wrong night"}
    assert cancelled.done


def test_the_partner_of_a_host_that_is_down_is_left_alone() -> None:
    pair = [Member("c", "dc1", apart=frozenset({"dc"})), Member("c", "dc2", apart=frozenset({"dc"}))]
    plan = Rings(((Member("c", "a"),), (pair[0], *hosts(9)), (pair[1], Member("c", "z"))))
    states = {member.key: HostState.SUCCEEDED for member in plan.members[:-2]} | {"c/dc1": HostState.UNREACHABLE}
    decision = decide(plan, Progress(states, {"c/a": NOW - timedelta(hours=2)}), Limits())
    assert decision.start == ("c/z",)
    assert [skip.host for skip in decision.skip] == ["c/dc2"]


def test_rings_that_cannot_be_are_refused() -> None:
    with pytest.raises(InputError):
        plan_rings([*hosts(2), *hosts(1)], [Portion(count=1)])
    with pytest.raises(InputError):
        plan_rings(hosts(2), [])
    for count, percent in ((0, 0), (1, 1), (0, 101), (-1, 5)):
        with pytest.raises(InputError):
            Portion(count, percent)


def test_partners_never_fly_together_even_where_a_ring_was_made_by_hand() -> None:
    pair = tuple(Member("c", f"dc{n}", apart=frozenset({"dc"})) for n in (1, 2))
    stranger = Member("other", "dc1", apart=frozenset({"dc"}))
    decision = decide(Rings(((*pair, stranger),)), Progress(), Limits())
    assert decision.start == ("c/dc1", "other/dc1")
