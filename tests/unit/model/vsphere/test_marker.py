"""The marker: what was written is read back, and nothing else is believed."""

import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ronde.model.errors import InputError
from ronde.model.vsphere.marker import Consistency, Marker, claims_to_be_ours, read, snapshot_name, written

KEY = b"sixteen bytes or so"
words = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,40}", fullmatch=True)
times = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.timezones()).map(  # noqa: DTZ001 - the strategy adds the zone
    lambda time: time.astimezone(UTC).replace(microsecond=0)
)
markers = st.builds(Marker, words, words, words, times, times, st.sampled_from(Consistency))


@given(markers)
def test_what_was_written_is_read_back(marker: Marker) -> None:
    line = written(marker, KEY)
    assert read(line, KEY, marker.vm) == marker
    assert claims_to_be_ours(line)
    assert "\n" not in line


@given(markers, st.text(), st.text())
def test_lines_that_somebody_adds_around_it_do_not_matter(marker: Marker, above: str, below: str) -> None:
    assume(not claims_to_be_ours(above + below))
    description = f"{above}\n{written(marker, KEY)}\n{below}"
    assert read(description, KEY, marker.vm) == marker


@given(markers, st.data())
def test_one_changed_character_is_enough_not_to_believe_it(marker: Marker, data: st.DataObject) -> None:
    line = written(marker, KEY)
    place = data.draw(st.integers(0, len(line) - 1))
    other = data.draw(st.characters())
    assume(other != line[place])
    assert read(line[:place] + other + line[place + 1 :], KEY, marker.vm) is None


@given(markers, st.binary(min_size=16))
def test_another_key_does_not_vouch_for_it(marker: Marker, key: bytes) -> None:
    assume(key != KEY)
    assert read(written(marker, key), KEY, marker.vm) is None


@given(markers, markers)
def test_a_marker_speaks_of_one_machine_and_stands_alone(marker: Marker, other: Marker) -> None:
    line = written(marker, KEY)
    assert read(line, KEY, marker.vm + "x") is None
    assert read(line, KEY, None) is None
    assert read(line, None, marker.vm) is None
    assert read(f"{line}\n{written(other, KEY)}", KEY, marker.vm) is None


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    assert read(text, KEY, "vm") is None


def test_the_line_stays_as_it_is() -> None:
    """Snapshots outlive versions: this one must be read for as long as one may exist."""
    start = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
    marker = Marker("run", "step", "50", start, start + timedelta(hours=24), Consistency.CRASH)
    assert written(marker, KEY) == (
        "ronde/1 run=run step=step vm=50 created=2026-11-23T04:00:00+00:00 expires=2026-11-24T04:00:00+00:00"
        " consistency=crash sig=b2663dd3097f843f"
    )


@pytest.mark.parametrize("word", ["", "two words", "a\nb", "é", "-x", "a=b"])
def test_what_would_break_the_line_is_refused(word: str) -> None:
    now = datetime(2026, 11, 23, tzinfo=UTC)
    for run, step, vm in ((word, "s", "v"), ("r", word, "v"), ("r", "s", word)):
        with pytest.raises(InputError):
            Marker(run, step, vm, now, now, Consistency.CRASH)


def test_times_need_a_zone_and_keys_a_length() -> None:
    aware = datetime(2026, 11, 23, tzinfo=UTC)
    with pytest.raises(InputError, match="zone"):
        Marker("r", "s", "v", aware.replace(tzinfo=None), aware, Consistency.CRASH)
    with pytest.raises(InputError, match="16 bytes"):
        written(Marker("r", "s", "v", aware, aware, Consistency.CRASH), b"short")


def test_a_key_that_could_be_guessed_believes_nothing() -> None:
    marker = Marker(
        "r", "s", "v", datetime(2026, 11, 23, tzinfo=UTC), datetime(2026, 11, 24, tzinfo=UTC), Consistency.OFF
    )
    text = written(marker, KEY).partition(" sig=")[0]
    for key in (b"", b"short"):
        forged = f"{text} sig={hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:16]}"
        assert read(forged, key, "v") is None


def test_names() -> None:
    assert snapshot_name("1a2b3c4d-5e6f", "patch") == "ronde-1a2b3c4d-patch"
    for purpose in ("", "Patch", "a b", "-a", "x" * 70, "a/b"):
        with pytest.raises(InputError):
            snapshot_name("1a2b3c4d", purpose)
