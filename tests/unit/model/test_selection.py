"""Selections: what they mean, and that none of them quietly means something else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ronde.model.errors import InputError
from ronde.model.selection import Candidate, Selection, Word, parse_selection, select

FILES = Candidate("commune-exemple", "host", "srv-fichiers", frozenset({"files", "linux"}))
DATA = Candidate("commune-exemple", "host", "srv-compta", frozenset({"db"}))
SCHOOL = Candidate("ecole", "host", "srv-web", frozenset({"files", "dc"}))
VC = Candidate("commune-exemple", "vcenter", "vc1")
EVERYTHING = (FILES, DATA, SCHOOL, VC)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("all", EVERYTHING),
        ("srv-fichiers", (FILES,)),
        ("tag:files and client:*-exemple", (FILES,)),
        ("not tag:files and host:*", (DATA,)),
        ("srv-compta, srv-web", (DATA, SCHOOL)),
        ("srv-compta or tag:dc", (DATA, SCHOOL)),
        ("(tag:db or tag:files) and not client:ecole", (FILES, DATA)),
        ("vcenter:vc*", (VC,)),
        ("srv-*", (FILES, DATA, SCHOOL)),
        ("not (tag:files or vc1)", (DATA,)),
    ],
)
def test_what_a_selection_means(text: str, meant: tuple[Candidate, ...]) -> None:
    assert select(parse_selection(text), EVERYTHING) == meant


def test_several_texts_are_added_together() -> None:
    assert select(parse_selection(["srv-compta", "tag:dc"]), EVERYTHING) == (DATA, SCHOOL)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tag:fils", 'no tag is called "fils"; did you mean "files"'),
        ("srv-fichier", 'no host or vCenter is called "srv-fichier"; did you mean "srv-fichiers"'),
        ("client:xyz*", 'no client matches "xyz*"'),
        ("srv-compta and not tag:nope", 'no tag is called "nope"'),
    ],
)
def test_a_word_that_nothing_answers_to_is_an_error_even_where_it_would_not_matter(text: str, words: str) -> None:
    with pytest.raises(InputError) as raised:
        select(parse_selection(text), EVERYTHING)
    assert words in str(raised.value)


@pytest.mark.parametrize("text", ["", "and", "a and", "(a", "a)", "a b", "not", "group:x", "tag:", "a,,b"])
def test_what_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        parse_selection(text)


WORDS = st.sampled_from(["all", "srv-fichiers", "tag:files", "client:ecole", "host:srv-*", "vc1"])
TREES = st.recursive(
    WORDS.map(parse_selection),
    lambda inner: st.one_of(
        inner.map(lambda part: Selection("not", (part,))),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: Selection("and", tuple(parts))),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: Selection("or", tuple(parts))),
    ),
    max_leaves=8,
)


def written(selection: Selection) -> str:
    if selection.word is not None:
        return str(selection.word)
    if selection.kind == "not":
        return f"not ({written(selection.parts[0])})"
    return f" {selection.kind} ".join(f"({written(part)})" for part in selection.parts)


@given(TREES)
def test_what_is_written_out_means_the_same(selection: Selection) -> None:
    assert select(parse_selection(written(selection)), EVERYTHING) == select(selection, EVERYTHING)


@given(TREES)
def test_not_means_everything_else(selection: Selection) -> None:
    meant = set(select(selection, EVERYTHING))
    others = set(select(Selection("not", (selection,)), EVERYTHING))
    assert meant | others == set(EVERYTHING)
    assert not meant & others


def test_words_are_told_as_written() -> None:
    assert [str(word) for word in parse_selection("tag:a and (b or not client:c)").words()] == [
        "tag:a",
        "b",
        "client:c",
    ]
    assert str(Word("all", "all")) == "all"
