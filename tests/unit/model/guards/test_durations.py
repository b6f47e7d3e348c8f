"""How long a run will take: nearest rank, and what counts when too little is known."""

from datetime import timedelta
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ronde.model.guards.durations import estimate, percentile
from ronde.model.guards.situation import PastRuns

MINUTE = timedelta(minutes=1)
DURATIONS = st.lists(st.integers(0, 7200).map(lambda seconds: timedelta(seconds=seconds)), min_size=1, max_size=40)


def minutes(*numbers: int) -> tuple[timedelta, ...]:
    return tuple(number * MINUTE for number in numbers)


@pytest.mark.parametrize(
    ("durations", "percent", "expected"),
    [
        (minutes(15, 20, 35, 40, 50), 30, 20),
        (minutes(15, 20, 35, 40, 50), 40, 20),
        (minutes(15, 20, 35, 40, 50), 100, 50),
        (minutes(*range(1, 11)), 90, 9),
        (minutes(*range(1, 12)), 90, 10),
        (minutes(*range(1, 101)), 90, 90),
        (minutes(3, 1, 2), 90, 3),
        (minutes(7), 1, 7),
    ],
)
def test_nearest_rank(durations: tuple[timedelta, ...], percent: int, expected: int) -> None:
    assert percentile(durations, percent) == expected * MINUTE


@given(DURATIONS, st.integers(1, 100))
def test_a_percentile_was_measured_and_enough_are_not_longer(durations: list[timedelta], percent: int) -> None:
    found = percentile(durations, percent)
    needed = ceil(percent * len(durations) / 100)
    assert found in durations
    assert sum(duration <= found for duration in durations) >= needed
    assert sum(duration < found for duration in durations) < needed


@pytest.mark.parametrize(("durations", "percent"), [((), 90), (minutes(1), 0), (minutes(1), 101)])
def test_there_is_no_percentile_of_nothing(durations: tuple[timedelta, ...], percent: int) -> None:
    with pytest.raises(ValueError, match="there is no p"):
        percentile(durations, percent)


@pytest.mark.parametrize(
    ("past", "expected", "words"),
    [
        (PastRuns(60 * MINUTE, minutes(10, 12, 14)), 14, "p90 of 3 past runs on this host: 14 min"),
        (
            PastRuns(60 * MINUTE, minutes(10, 12), minutes(20, 21, 22, 23)),
            23,
            "p90 of 4 past runs at this client: 23 min",
        ),
        (
            PastRuns(60 * MINUTE, minutes(10, 12), minutes(10, 12)),
            60,
            "fewer than 3 past runs, so the playbook's limit counts: 1 h",
        ),
        (
            PastRuns(60 * MINUTE, minutes(90, 90, 90)),
            60,
            "p90 of 3 past runs on this host: 1 h, the playbook's limit",
        ),
        (
            PastRuns(60 * MINUTE, (timedelta(seconds=61),) * 3),
            None,
            "p90 of 3 past runs on this host: 2 min",
        ),
    ],
)
def test_the_host_s_own_runs_then_the_client_s_then_the_limit(past: PastRuns, expected: int | None, words: str) -> None:
    found = estimate(past)
    assert found.words == words
    assert expected is None or found.duration == expected * MINUTE


@given(st.lists(DURATIONS, min_size=2, max_size=2), st.integers(1, 7200))
def test_knowing_nothing_never_makes_a_run_look_shorter(known: list[list[timedelta]], limit: int) -> None:
    past = PastRuns(timedelta(seconds=limit), tuple(known[0]), tuple(known[1]))
    assert estimate(PastRuns(past.limit)).duration >= estimate(past).duration
