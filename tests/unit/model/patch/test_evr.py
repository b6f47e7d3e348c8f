"""rpm's order of versions, against what rpm itself said, and as an order."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ronde.model.patch.evr import compare_evr, compare_part, evr, evr_key, split_evr

RECORDED = (Path(__file__).parents[3] / "cases" / "patch" / "rpm-order.txt").read_text(encoding="utf-8").splitlines()
parts = st.text("01a~^._9Zb", max_size=8)
whole = st.builds(evr, st.integers(0, 3), st.text("012.a~", min_size=1, max_size=5), st.text("01.el", max_size=4))


@pytest.mark.parametrize("line", [line for line in RECORDED if not line.startswith("#")])
def test_two_versions_stand_as_rpm_says(line: str) -> None:
    one, other, said = line.split(" ")
    assert compare_part(one, other) == int(said)
    assert compare_part(other, one) == -int(said)


def test_the_recording_is_there() -> None:
    assert len(RECORDED) > 300


@given(parts, parts, parts)
def test_it_is_an_order(one: str, two: str, three: str) -> None:
    assert compare_part(one, two) == -compare_part(two, one)
    if compare_part(one, two) <= 0 and compare_part(two, three) <= 0:
        assert compare_part(one, three) <= 0


@given(whole)
def test_a_version_is_as_old_as_itself(text: str) -> None:
    assert compare_evr(text, text) == 0


def test_numbers_are_not_compared_as_text() -> None:
    assert max("5.14.0-99.el9", "5.14.0-100.el9", key=evr_key) == "5.14.0-100.el9"


def test_an_epoch_outweighs_every_version() -> None:
    assert compare_evr("2:0.9-1", "1.0-1") == 1


def test_a_release_only_counts_where_both_have_one() -> None:
    assert compare_evr("1.1", "1.1-5") == 0
    assert compare_evr("1.1-4", "1.1-5") == -1


def test_an_epoch_of_zero_is_not_written() -> None:
    assert (evr(0, "1.0", "1"), evr(2, "0.9", "1")) == ("1.0-1", "2:0.9-1")
    assert split_evr("2:0.9-1") == (2, "0.9", "1")
