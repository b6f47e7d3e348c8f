"""How a change goes through its targets: in rings, a few at a time, and with an eye on what went wrong.

The rings themselves are made in `ronde.model.patch.rings`, and what comes next is decided in `ronde.model.advancing`;
these are the values that a plan freezes.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from ronde.model.check import Json


@dataclass(frozen=True, slots=True)
class Place:
    """Where a target stands.

    Attributes:
        ring: from 0, the canaries.
        apart: anti-affinity tags; targets of one client that share one are never changed at the same time.
    """

    ring: int
    apart: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast, and how much may go wrong.

    Attributes:
        at_most: targets under way at once, over the whole run.
        bake: how long the canaries must have been well before the next ring begins.
        percent: the share of a ring that may go wrong, rounded down to whole targets; one more stops the run.
        count: a number in its place, over the whole run; then no canary at all may go wrong.
    """

    at_most: int
    bake: timedelta
    percent: int = 0
    count: int | None = None


def place_json(place: Place) -> dict[str, Json]:
    return {"ring": place.ring, "apart": list(place.apart)}


def place_from_json(value: Mapping[str, Json] | None) -> Place | None:
    """The inverse of `place_json`; None for None."""
    if value is None:
        return None
    raw = json.loads(json.dumps(value))
    return Place(raw["ring"], tuple(raw["apart"]))


def pace_json(pace: Pace) -> dict[str, Json]:
    return {"at_most": pace.at_most, "bake_s": pace.bake.total_seconds(), "percent": pace.percent, "count": pace.count}


def pace_from_json(value: Mapping[str, Json] | None) -> Pace | None:
    """The inverse of `pace_json`; None for None."""
    if value is None:
        return None
    raw = json.loads(json.dumps(value))
    return Pace(raw["at_most"], timedelta(seconds=raw["bake_s"]), raw["percent"], raw["count"])
