"""Lanes are never overfilled, nobody is left out, and nobody waits for somebody else's queue."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from ronde.model.lanes import Group, allot, has_room, held_places, lanes_text, places
from ronde.model.plan import Lane

texts = st.dictionaries(st.sampled_from(["x", "y", "z"]), st.integers(1, 3), max_size=3).map(
    lambda lanes: lanes_text([Lane(name, most) for name, most in lanes.items()])
)
groups = st.builds(Group, st.sampled_from(["a", "b", "c"]), texts)
queues = st.dictionaries(groups, st.integers(1, 6), max_size=6)
taken = st.dictionaries(st.sampled_from(["x", "y", "z"]), st.integers(0, 3)).map(Counter)
limits = st.integers(0, 12)


@given(queues, taken, limits)
def test_each_that_is_chosen_finds_room(waiting: dict[Group, int], held: Counter[str], limit: int) -> None:
    now = Counter(held)
    for group in allot(waiting, held, limit):
        assert has_room(group.lanes, now)
        now.update(name for name, _ in places(group.lanes))


@given(queues, taken, limits)
def test_nobody_is_chosen_who_does_not_wait(waiting: dict[Group, int], held: Counter[str], limit: int) -> None:
    chosen = Counter(allot(waiting, held, limit))
    assert chosen.total() <= limit
    assert all(count <= waiting[group] for group, count in chosen.items())


@given(queues, taken)
def test_no_place_stays_empty_while_somebody_waits_for_it(waiting: dict[Group, int], held: Counter[str]) -> None:
    chosen = allot(waiting, held, 99)
    after = held + held_places((group.lanes, 1) for group in chosen)
    for group, count in (Counter(waiting) - Counter(chosen)).items():
        assert count == 0 or not has_room(group.lanes, after)


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 500), min_size=2), st.integers(1, 60))
def test_clients_take_turns(queue: dict[str, int], limit: int) -> None:
    waiting = {Group(client, "{}"): count for client, count in queue.items()}
    chosen = Counter(group.client for group in allot(waiting, {}, limit))
    fair = max(chosen.values(), default=0)
    for client, count in queue.items():
        assert chosen[client] >= min(count, fair - 1)


def test_a_narrow_group_does_not_hold_up_the_wide_one_of_its_client() -> None:
    narrow, wide = Group("a", '{"jump":1}'), Group("a", "{}")
    assert Counter(allot({narrow: 50, wide: 5}, {}, 10)) == {narrow: 1, wide: 5}


@given(st.permutations([Lane("x", 1), Lane("y", 2), Lane("z", 3)]))
def test_the_order_of_lanes_means_nothing(lanes: list[Lane]) -> None:
    assert lanes_text(lanes) == '{"x":1,"y":2,"z":3}'
    assert places(lanes_text(lanes)) == (("x", 1), ("y", 2), ("z", 3))
