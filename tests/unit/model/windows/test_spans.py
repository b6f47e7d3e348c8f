"""Spans as sets of instants: merging adds none and loses none, holes take out exactly themselves."""

import itertools
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ronde.model.windows.spans import Span, merged, without

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
SPANS = st.lists(
    st.builds(
        lambda first, length, name: Span(START + first * HOUR, START + (first + length) * HOUR, (name,)),
        st.integers(0, 40),
        st.integers(-2, 12),
        st.sampled_from("abc"),
    ),
    max_size=6,
)


def held(spans: list[Span]) -> set[int]:
    return {hour for hour in range(-5, 60) if any(span.holds(START + hour * HOUR) for span in spans)}


@given(SPANS, SPANS)
def test_holes_take_out_exactly_themselves(spans: list[Span], holes: list[Span]) -> None:
    real = [hole for hole in holes if hole.start < hole.end]
    left = without(spans, real)
    assert held(left) == held(spans) - held(real)
    assert all(span.start < span.end for span in left)


@given(SPANS)
def test_merging_keeps_every_instant_and_leaves_room_between(spans: list[Span]) -> None:
    real = without(spans, [])
    result = merged(real)
    assert held(result) == held(spans)
    assert all(a.end < b.start for a, b in itertools.pairwise(result))
    assert {name for span in result for name in span.names} == {name for span in real for name in span.names}


def test_a_part_of_a_span() -> None:
    span = Span(START, START + 4 * HOUR, ("a",))
    assert span.within(START + HOUR, START + 9 * HOUR) == Span(START + HOUR, START + 4 * HOUR, ("a",))
    assert span.length == 4 * HOUR
