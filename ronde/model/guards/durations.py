"""How long a run will take, by those before it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from ronde.model.guards.situation import PastRuns
from ronde.model.units import spoken_duration

FEWEST: Final = 3  # past runs below which they tell nothing: one slow mirror would be the rule
PERCENT: Final = 90  # one run in ten may take longer
_MINUTE: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A duration and how it was found: `p90 of 12 past runs on this host: 14 min`."""

    duration: timedelta
    words: str


def percentile(durations: Sequence[timedelta], percent: int) -> timedelta:
    """The smallest duration that at least `percent` (1 to 100) of all do not exceed: the nearest-rank method.

    It is always one that was measured, never a mean of two, and of few values it is the longest: below eleven values,
    p90 is the longest or the second longest.

    Raises:
        ValueError: there is no duration, or the percentage is none.
    """
    if not durations or not 1 <= percent <= 100:
        raise ValueError(f"there is no p{percent} of {len(durations)} durations")
    rank = -(-percent * len(durations) // 100)  # rounded up
    return sorted(durations)[rank - 1]


def estimate(past: PastRuns) -> Estimate:
    """The p90 of this host, else of the client, else the limit; never more than the limit, which cuts a run off."""
    for where, durations in (("on this host", past.on_host), ("at this client", past.on_client)):
        if len(durations) >= FEWEST:
            measured = percentile(durations, PERCENT)
            words = f"p{PERCENT} of {len(durations)} past runs {where}: {spoken(min(measured, past.limit))}"
            return Estimate(min(measured, past.limit), words + (", the playbook's limit" * (measured >= past.limit)))
    return Estimate(past.limit, f"fewer than {FEWEST} past runs, so the playbook's limit counts: {spoken(past.limit)}")


def spoken(duration: timedelta) -> str:
    """In whole minutes, a started one counted: what a run needs is never told as less."""
    return spoken_duration(-(-duration // _MINUTE) * _MINUTE)
