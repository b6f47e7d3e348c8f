"""How far the replacing of a key has come, from what stands beside it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ronde.model.rotation import Phase, Rotation, lacking, phase_of

names = st.frozensets(st.sampled_from(["srv-a", "srv-b", "srv-c"]))


@pytest.mark.parametrize(
    ("current", "pending", "former", "phase"),
    [
        ("old", None, None, Phase.NONE),
        ("old", "new", None, Phase.ADDING),
        ("old", "new", "old", Phase.ADDING),  # it died when the old one had just been kept
        ("new", "new", "old", Phase.REMOVING),  # it died when the new one had just been put in force
        ("new", None, "old", Phase.REMOVING),
    ],
)
def test_what_is_kept_tells_how_far_it_came(current: str, pending: str, former: str, phase: Phase) -> None:
    assert phase_of(current, pending, former) is phase


@given(names, names, st.text(max_size=5))
def test_notes_come_back_as_they_were(proven: frozenset[str], cleaned: frozenset[str], run: str) -> None:
    notes = Rotation("SHA256:x", proven, cleaned, run)
    assert Rotation.decoded(notes.encoded(), "SHA256:x") == notes
    assert Rotation.decoded(notes.encoded(), "SHA256:y") == Rotation("SHA256:y")
    assert b"\n" not in notes.encoded()


@pytest.mark.parametrize(
    "text", [None, b"", b"{", b"[]", b"7", b"{}", b'{"key": "k"}', b'{"key": "k", "proven": 7}', b"\xff"]
)
def test_notes_that_are_not_understood_prove_nothing(text: bytes | None) -> None:
    assert Rotation.decoded(text, "k") == Rotation("k")


def test_who_lacks_it_is_told_in_order() -> None:
    assert lacking(("c", "a", "b"), {"b"}) == ("a", "c")
    assert lacking((), {"b"}) == ()
