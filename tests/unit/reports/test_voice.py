"""One language, one zone: typography, dates, plurals and the completeness of the translations."""

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir

from ronde.reports.clean import clean, isolate, shorten
from ronde.reports.phrases import Bytes, Percent, Shown, Span, counted, phrase
from ronde.reports.voice import Language, Voice, catalog, french_spaces

REPORTS = Path(__file__).resolve().parents[3] / "ronde" / "reports"
KEYWORDS = {"phrase": None, "message": None, "counted": (1, 2)}
TODAY = datetime(2027, 1, 13, 6, 0, tzinfo=UTC)
FR = Voice("fr", "Europe/Paris", TODAY)
EN = Voice("en", "Europe/Paris", TODAY)


def extracted() -> set[str | tuple[str, ...]]:
    found = extract_from_dir(REPORTS, method_map=[("**.py", "python")], keywords=KEYWORDS)
    return {message for _, _, message, _, _ in found}


def test_everything_that_can_be_said_is_translated_and_nothing_else_is() -> None:
    translated = {entry.id if isinstance(entry.id, str) else tuple(entry.id) for entry in catalog("fr") if entry.id}
    assert len(translated) > 150
    assert extracted() == translated


def test_no_translation_is_empty_fuzzy_or_lacks_a_place() -> None:
    for entry in catalog("fr"):
        if not entry.id:
            continue
        ids = [entry.id] if isinstance(entry.id, str) else list(entry.id)
        strings = [entry.string] if isinstance(entry.string, str) else list(entry.string or ())
        assert not entry.fuzzy, entry.id
        assert len(strings) == len(ids), entry.id
        assert all(strings), entry.id
        places = {place for text in ids for place in re.findall(r"{(\w+)}", text)}
        assert {place for text in strings for place in re.findall(r"{(\w+)}", str(text))} <= places, entry.id
        assert places - set(re.findall(r"{(\w+)}", str(strings[-1]))) == set(), entry.id


def test_french_sets_its_no_break_spaces() -> None:
    assert french_spaces("Votre décision : aucune ; 5 % ? « oui » !") == (
        "Votre décision\u00a0: aucune\u202f; 5\u202f% ? «\u00a0oui\u00a0»\u202f!".replace("% ?", "%\u202f?")
    )


@pytest.mark.parametrize("entry", [entry for entry in catalog("fr") if entry.id], ids=lambda entry: str(entry.id)[:40])
def test_no_french_sentence_breaks_before_its_punctuation(entry: object) -> None:
    strings = entry.string  # type: ignore[attr-defined]  # a babel Message
    for text in strings if isinstance(strings, tuple | list) else (strings,):
        assert not re.search(r" [:;?!%»]|« ", french_spaces(text))
        assert not re.search(r"[^\s\u00a0\u202f][;?!]", french_spaces(text)), "French sets a space before these"


@pytest.mark.parametrize(
    ("value", "french", "english"),
    [
        (datetime(2027, 1, 13, 1, 14, tzinfo=UTC), "13/01\u00a0à\u00a002\u00a0h\u00a014", "13\u00a0Jan at 02:14"),
        (
            datetime(2024, 7, 1, 22, 5, tzinfo=UTC),
            "02/07/2024\u00a0à\u00a000\u00a0h\u00a005",
            "2\u00a0Jul\u00a02024 at 00:05",
        ),
        (date(2027, 3, 1), "1er\u00a0mars", "1\u00a0March"),
        (date(2028, 3, 2), "2\u00a0mars 2028", "2\u00a0March 2028"),
        (timedelta(minutes=47, seconds=59), "47\u00a0min", "47\u00a0min"),
        (timedelta(hours=26), "26\u00a0h", "26\u00a0h"),
        (timedelta(days=9, hours=23), "9\u00a0jours", "9\u00a0days"),
        (timedelta(seconds=-5), "0\u00a0min", "0\u00a0min"),
        (12345, "12\u202f345", "12,345"),
        (Bytes(11_200), "11\u00a0ko", "11\u00a0kB"),
        (Bytes(1_500_000), "1,5\u00a0Mo", "1.5\u00a0MB"),
        (Bytes(999), "999\u00a0o", "999\u00a0B"),
        (Percent(0.125), "12\u00a0%", "12%"),
        (("a", "b"), "a, b", "a, b"),
    ],
)
def test_each_kind_of_value_has_one_writing(value: Shown, french: str, english: str) -> None:
    assert (FR.show(value), EN.show(value)) == (french, english)


def test_a_span_tells_the_day_once() -> None:
    begin, end = datetime(2027, 1, 13, 1, 0, tzinfo=UTC), datetime(2027, 1, 13, 4, 30, tzinfo=UTC)
    assert EN.show(Span(begin, end)) == "on 13\u00a0Jan from 02:00 to 05:30"
    assert FR.show(Span(begin, end)) == "le 13/01 de 02\u00a0h\u00a000 à 05\u00a0h\u00a030"
    assert EN.show(Span(begin, begin)) == "on 13\u00a0Jan at 02:00"
    over = datetime(2027, 1, 12, 22, 0, tzinfo=UTC)
    assert EN.show(Span(over, end)) == "from 12\u00a0Jan at 23:00 to 13\u00a0Jan at 05:30"


def test_the_doubled_hour_of_autumn_says_which_one_it_is() -> None:
    first, second = datetime(2027, 10, 31, 0, 30, tzinfo=UTC), datetime(2027, 10, 31, 1, 30, tzinfo=UTC)
    assert EN.clock(first) == "02:30\u00a0(CEST)"
    assert EN.clock(second) == "02:30\u00a0(CET)"
    assert EN.clock(datetime(2027, 10, 31, 2, 30, tzinfo=UTC)) == "03:30"


def test_the_skipped_hour_of_spring_needs_nothing() -> None:
    assert EN.clock(datetime(2027, 3, 28, 0, 59, tzinfo=UTC)) == "01:59"
    assert EN.clock(datetime(2027, 3, 28, 1, 0, tzinfo=UTC)) == "03:00"


@pytest.mark.parametrize(("language", "zero"), [("fr", "0 essai"), ("en", "0 tries")])
def test_french_counts_zero_as_one(language: Language, zero: str) -> None:
    voice = Voice(language, "Europe/Paris", TODAY)
    assert voice.say(counted("{n} try", "{n} tries", 0)) == zero


def test_a_name_with_braces_stays_a_name() -> None:
    assert EN.say(phrase("“{name}”", name="{n}{0}{name.__class__}")) == "“{n}{0}{name.__class__}”"


@pytest.mark.parametrize(
    ("hostile", "kept"),
    [
        ("a\r\nBcc: x@y", "a Bcc: x@y"),
        ("nul\x00esc\x1b[31m", "nul esc [31m"),
        ("line\u2028sep\u0085x", "line sep x"),
        ("over\u202eride\u200b", "override"),
        ("half\ud800", "half\ufffd"),
        ("private\ue000", "private\ufffd"),
        ("  much   space ", "much space"),
        ("été 🎉", "été 🎉"),
    ],
)
def test_a_name_is_cleaned_before_it_is_shown(hostile: str, kept: str) -> None:
    assert clean(hostile) == kept


def test_right_to_left_names_cannot_reorder_their_neighbours() -> None:
    assert isolate("שרת") == "\u2068שרת\u2069"
    assert isolate("server") == "server"


def test_long_names_end_in_an_ellipsis() -> None:
    assert shorten("abcdef", 4) == "abc…"
    assert shorten("abc", 3) == "abc"
    assert len(clean("x" * 500)) == 80
