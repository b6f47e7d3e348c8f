"""Who is patched when: hosts in rings, one after the other, so that a bad update meets few hosts first.

Ring 0 is the canary: one host of each role. The others follow in rings of a number or a share of them. Hosts that share
an anti-affinity tag (two domain controllers, the members of a cluster) never stand in one ring.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import ceil

from ronde.model.check import Json
from ronde.model.errors import InputError
from ronde.model.plan import digest


@dataclass(frozen=True, slots=True, order=True)
class Member:
    """One host of a patch run.

    Attributes:
        host: its name, unique within the client.
        roles: tags that say what it does; one host of each goes first.
        apart: anti-affinity tags; hosts that share one are never touched together.
    """

    client: str
    host: str
    roles: frozenset[str] = field(default=frozenset(), compare=False)
    apart: frozenset[str] = field(default=frozenset(), compare=False)

    @property
    def key(self) -> str:
        return f"{self.client}/{self.host}"

    def clashes(self, other: "Member") -> bool:
        """Whether the two must not be in flight together; tags of different clients have nothing in common."""
        return self.client == other.client and bool(self.apart & other.apart)


@dataclass(frozen=True, slots=True)
class Portion:
    """How many hosts a ring takes: a number, or a share (in percent) of those that are not canaries."""

    count: int = 0
    percent: int = 0

    def __post_init__(self) -> None:
        if (self.count > 0) == (self.percent > 0) or self.percent > 100 or self.count < 0:
            raise InputError("A ring takes a number of hosts or a share of 1 to 100 percent, one of the two.")

    def of(self, total: int) -> int:
        """At least one host, else a ring would never get anywhere."""
        return self.count or max(1, ceil(total * self.percent / 100))


@dataclass(frozen=True, slots=True)
class Rings:
    """The plan: every host stands in exactly one ring, in a fixed order."""

    rings: tuple[tuple[Member, ...], ...]

    @property
    def members(self) -> tuple[Member, ...]:
        return tuple(member for ring in self.rings for member in ring)

    @property
    def digest(self) -> str:
        """SHA-256 over who stands where; a paused run that goes on must find the same."""
        return digest(rings_json(self))


def rings_json(plan: Rings) -> list[Json]:
    return [[{"host": m.key, "roles": sorted(m.roles), "apart": sorted(m.apart)} for m in ring] for ring in plan.rings]


def plan_rings(members: Iterable[Member], portions: Sequence[Portion]) -> Rings:
    """The rings of a run; the same members always make the same rings. The last portion repeats until all stand.

    A ring takes fewer than its portion where anti-affinity leaves no more, and more rings than portions follow then.

    Raises:
        InputError: a host stands in the list twice, or there is no portion although hosts remain for one.
    """
    waiting = sorted(members)
    if len({member.key for member in waiting}) != len(waiting):
        raise InputError("A host stands in the patch run twice.")
    canary = list(_canaries(waiting))
    rings = [canary] if canary else []
    waiting = [member for member in waiting if member not in canary]
    total, number = len(waiting), 0
    while waiting:
        if not portions:
            raise InputError("A patch run of several hosts needs the size of its rings.")
        size = portions[min(number, len(portions) - 1)].of(total)
        ring = _compatible(waiting, size)
        waiting = [member for member in waiting if member not in ring]
        rings.append(ring)
        number += 1
    return Rings(tuple(tuple(ring) for ring in rings))


def _canaries(members: Sequence[Member]) -> Iterator[Member]:
    """One host of each role, as few as it takes in alphabetical order; without roles the first host of all.

    A role whose hosts are all apart from canaries already chosen has none; it meets the update in a later ring.
    """
    chosen: list[Member] = []
    for role in sorted({role for member in members for role in member.roles}):
        if any(role in member.roles for member in chosen):
            continue
        able = (m for m in members if role in m.roles and not any(m.clashes(other) for other in chosen))
        chosen += [member for member in [next(able, None)] if member is not None]
    yield from chosen or members[:1]


def _compatible(waiting: Sequence[Member], size: int) -> list[Member]:
    """The first members, up to `size`, of whom no two clash; never none as long as somebody waits."""
    ring: list[Member] = []
    for member in waiting:
        if len(ring) < size and not any(member.clashes(other) for other in ring):
            ring.append(member)
    return ring
