"""What earlier nights knew of a machine, and what follows from the comparison."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ronde.model.check import Json
from ronde.model.vsphere.machine import POWERED_OFF

_SHORTEST_BASIS = timedelta(hours=1)  # closer readings say more about one write burst than about growth
_MOST_POINTS = 14


@dataclass(frozen=True, slots=True)
class PastMachine:
    """One earlier night's facts of a machine.

    Attributes:
        at: when they were read.
        name: the machine's name then; empty when not kept.
        instance_uuid: its identity, which a re-registration does not change; None when not kept.
        power: its power state then.
        snapshots: moIds of the snapshots it had.
        snapshot_bytes: what they occupied; None when it could not be told.
    """

    at: datetime
    name: str = ""
    instance_uuid: str | None = None
    power: str | None = None
    snapshots: frozenset[str] = frozenset()
    snapshot_bytes: int | None = None

    @classmethod
    def of(cls, at: datetime, facts: Mapping[str, Json]) -> "PastMachine":
        """From the facts that a machine's check kept; what an older version did not keep stays unknown."""
        size, ids = facts.get("snapshot_bytes"), facts.get("snapshot_ids")
        name, identity, power = (_text(facts.get(key)) for key in ("name", "instance_uuid", "power"))
        return cls(
            at=at,
            name=name or "",
            instance_uuid=identity,
            power=power,
            snapshots=frozenset(str(moid) for moid in ids) if isinstance(ids, (list, tuple)) else frozenset(),
            snapshot_bytes=int(size) if isinstance(size, (int, float)) else None,
        )


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) else None


def off_since(past: Sequence[PastMachine]) -> datetime | None:
    """The earliest night of the unbroken row of nights, up to the last one, that found the machine off."""
    earliest = None
    for night in past:
        if night.power != POWERED_OFF:
            break
        earliest = night.at
    return earliest


def growth(past: Sequence[PastMachine], today: PastMachine) -> float | None:
    """Bytes a second by which the snapshots grow, as a straight line through the nights; None without a basis.

    Only nights count that are linked to today by snapshots that still existed: after a removal the sizes start anew.

    Args:
        past: earlier nights, newest first.
        today: this night's reading.
    """
    points, newer = [today], today
    for night in past[:_MOST_POINTS]:
        if night.snapshot_bytes is None or not night.snapshots & newer.snapshots or night.at >= newer.at:
            break
        points.append(night)
        newer = night
    if today.snapshot_bytes is None or today.at - points[-1].at < _SHORTEST_BASIS:
        return None
    return _slope([((point.at - today.at).total_seconds(), float(point.snapshot_bytes or 0)) for point in points])


def _slope(points: Sequence[tuple[float, float]]) -> float:
    """Least squares."""
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
