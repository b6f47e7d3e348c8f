"""Who may start next: places that jobs share, and turns between clients.

Jobs of one client that pass the same lanes share one fate, so they are decided upon as a group.
"""

import json
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from ronde.model.plan import Lane, canonical


@dataclass(frozen=True, slots=True)
class Group:
    """Jobs of one client with the same lanes, as `lanes_text` writes these."""

    client: str
    lanes: str


def lanes_text(lanes: Iterable[Lane]) -> str:
    """Lanes and their places as canonical JSON: equal lanes, in whatever order, have equal texts."""
    return canonical({lane.name: lane.places for lane in lanes}).decode()


@lru_cache(maxsize=4096)
def places(lanes: str) -> tuple[tuple[str, int], ...]:
    """The lanes and their places, read back from their text."""
    return tuple(json.loads(lanes).items())


def held_places(counts: Iterable[tuple[str, int]]) -> Counter[str]:
    """How many places of each lane are taken, from pairs of a text of lanes and how many jobs have it."""
    held: Counter[str] = Counter()
    for lanes, count in counts:
        for lane, _ in places(lanes):
            held[lane] += count
    return held


def has_room(lanes: str, held: Mapping[str, int]) -> bool:
    """Whether one more job with these lanes may hold its places."""
    return all(held.get(lane, 0) < most for lane, most in places(lanes))


def allot(waiting: Mapping[Group, int], held: Mapping[str, int], limit: int) -> list[Group]:
    """The groups whose oldest waiting job is woken next, in order; a group may come several times.

    Clients take turns, one job each, and within a client its groups do: a thousand jobs of one client hold up nobody.
    A group without room leaves the round, since places only fill up here.
    """
    left, taken = dict(waiting), Counter(held)
    clients: dict[str, deque[Group]] = defaultdict(deque)
    for group in sorted(waiting, key=lambda group: (group.client, group.lanes)):
        clients[group.client].append(group)
    chosen: list[Group] = []
    turns = deque(clients.values())
    while turns and len(chosen) < limit:
        groups = turns.popleft()
        while groups and not (left[groups[0]] and has_room(groups[0].lanes, taken)):
            groups.popleft()
        if not groups:
            continue
        group = groups[0]
        groups.rotate(-1)
        taken.update(lane for lane, _ in places(group.lanes))
        left[group] -= 1
        chosen.append(group)
        turns.append(groups)
    return chosen
