"""Live output put together again: each byte once, in order, and nothing joined over a hole."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ronde.model.feed import LONGEST_LINE, SPEAKING, Assembler, Gap, Line, LineUp, Piece, Stream, ending, split_piece
from tests.doubles.feed import piece

Key = tuple[str, str, Stream]
STEPS = (("job", "restart"), ("job", "verify"), ("other", "restart"))


@dataclass
class Heard:
    """What came of some pieces: the bytes of each stream, its gaps, and the steps that have not ended."""

    text: dict[Key, bytes]
    gaps: set[tuple[str, str]]
    open: frozenset[tuple[str, str]]


def hear(pieces: Iterable[Piece]) -> Heard:
    assembler = Assembler()
    text: dict[Key, bytes] = {}
    gaps = set()
    for one in pieces:
        arrival = assembler.take(one)
        if arrival is None:
            continue
        new = arrival.piece
        if arrival.gap:
            gaps.add((new.job, new.step))
        if new.stream is not Stream.END:
            key = (new.job, new.step, new.stream)
            text[key] = text.get(key, b"") + new.data
    return Heard(text, gaps, assembler.open)


@st.composite
def cut(draw: st.DrawFn, job: str, step: str, texts: dict[Stream, bytes]) -> list[Piece]:
    """One publishing of a step from its first byte on: its streams cut anywhere and mixed; its end, if it got there."""
    queues = []
    for stream, text in texts.items():
        edges = sorted({0, len(text), *draw(st.lists(st.integers(0, len(text)), max_size=4))})
        queues.append([piece(text[a:b], a, stream, job=job, step=step) for a, b in pairwise(edges)])
    mixed = []
    while any(queues):
        mixed.append(draw(st.sampled_from([queue for queue in queues if queue])).pop(0))
    end = piece(ending({stream: len(text) for stream, text in texts.items()}), 0, "end", job=job, step=step)
    return [*mixed, end]


@st.composite
def published(draw: st.DrawFn) -> tuple[dict[Key, bytes], list[Piece]]:
    """Steps that were published several times, each publishing but the last broken off anywhere, all mixed."""
    texts: dict[Key, bytes] = {}
    runs: list[list[Piece]] = []
    for job, step in STEPS:
        said = {stream: draw(st.binary(max_size=40)) for stream in SPEAKING}
        texts |= {(job, step, stream): text for stream, text in said.items() if text}
        story: list[Piece] = []
        for _ in range(draw(st.integers(0, 2))):
            again = draw(cut(job, step, said))
            story += again[: draw(st.integers(0, len(again)))]
        runs.append([*story, *draw(cut(job, step, said))])
    mixed = []
    while any(runs):
        mixed.append(draw(st.sampled_from([run for run in runs if run])).pop(0))
    return texts, mixed


@given(published(), st.data())
def test_each_byte_comes_once_however_often_it_was_published_and_cut(
    story: tuple[dict[Key, bytes], list[Piece]], data: st.DataObject
) -> None:
    texts, pieces = story
    doubled = [one for one in pieces for _ in range(data.draw(st.integers(1, 2)))]
    small = [part for one in doubled for part in ([one] if one.stream is Stream.END else split_piece(one, 7))]
    heard = hear(small)
    assert heard.text == texts
    assert heard.gaps == set()
    assert heard.open == frozenset()


@given(st.lists(st.binary(max_size=60), min_size=3, max_size=3), st.data())
def test_what_was_lost_is_always_told(texts: Sequence[bytes], data: st.DataObject) -> None:
    said = dict(zip(SPEAKING, texts, strict=True))
    pieces = data.draw(cut("job", "restart", said))
    lost = data.draw(st.sets(st.integers(0, len(pieces) - 1)))
    heard = hear(one for number, one in enumerate(pieces) if number not in lost)
    missing = any(pieces[number].data for number in lost if pieces[number].stream is not Stream.END)
    end_lost = len(pieces) - 1 in lost
    assert (heard.gaps == {("job", "restart")}) == missing or end_lost
    if end_lost and heard.text:
        assert heard.open == {("job", "restart")}
    for stream, text in said.items():
        kept = [one for number, one in enumerate(pieces) if number not in lost and one.stream is stream]
        assert heard.text.get(("job", "restart", stream), b"") == b"".join(one.data for one in kept), text


def test_a_piece_beyond_what_was_heard_tells_the_gap_and_what_comes_late_is_dropped() -> None:
    assembler = Assembler()
    assert assembler.take(piece(b"one\n")) is not None
    beyond = assembler.take(piece(b"three\n", 8))
    assert beyond is not None
    assert (beyond.gap, beyond.piece.data, beyond.piece.offset) == (True, b"three\n", 8)
    assert assembler.take(piece(b"two\n", 4)) is None
    republished = assembler.take(piece(b"one\ntwo\nthree\nfour\n"))
    assert republished is not None
    assert (republished.gap, republished.piece.data, republished.piece.offset) == (False, b"four\n", 14)


def test_another_text_under_the_same_name_is_not_taken_for_its_continuation() -> None:
    heard = hear([piece(b"Stopping cron at 01:00:07\n"), piece(b"Stopping cron at 01:09:55\nFailed\n")])
    assert heard.gaps == {("job", "restart")}
    assert heard.text["job", "restart", Stream.OUT].endswith(b"\nFailed\n")


@pytest.mark.parametrize("data", [b"", b"out=3", b"out=3 err=x note=0", b"out=3 err=0 note=0 tty=1", b"\xff\x00"])
def test_an_end_that_is_not_understood_proves_nothing(data: bytes) -> None:
    assert hear([piece(b"abc"), piece(data, 0, "end")]).gaps == {("job", "restart")}


def test_a_step_is_open_until_its_end() -> None:
    assembler = Assembler()
    assembler.take(piece(b"abc"))
    assert assembler.open == {("job", "restart")}
    assembler.take(piece(ending({Stream.OUT: 3}), 0, "end"))
    assert assembler.open == frozenset()


def lines_of(pieces: Iterable[Piece]) -> list[Line | Gap]:
    assembler, lines = Assembler(), LineUp()
    taken = [line for one in pieces if (arrival := assembler.take(one)) is not None for line in lines.take(arrival)]
    return [*taken, *lines.finish()]


@given(published())
def test_lines_are_whole_whatever_the_pieces(story: tuple[dict[Key, bytes], list[Piece]]) -> None:
    texts, pieces = story
    lines = lines_of(pieces)
    for (job, step, stream), text in texts.items():
        mine = [line for line in lines if (line.job, line.step, line.stream) == (job, step, stream)]
        whole = text.removesuffix(b"\n").split(b"\n")
        assert mine == [Line(job, step, stream, line) for line in whole]


def test_what_is_on_either_side_of_a_gap_is_never_one_line() -> None:
    lines = lines_of([piece(b"deleted: no"), piece(b"thing\n", 20)])
    assert lines == [
        Line("job", "restart", Stream.OUT, b"deleted: no"),
        Gap("job", "restart", Stream.OUT),
        Line("job", "restart", Stream.OUT, b"thing"),
    ]


def test_an_end_gives_out_what_waited_for_its_line_and_tells_what_it_misses() -> None:
    end = piece(ending({Stream.OUT: 4, Stream.ERR: 9}), 0, "end")
    assert lines_of([piece(b"done"), end]) == [
        Line("job", "restart", Stream.OUT, b"done"),
        Gap("job", "restart", Stream.END),
    ]


def test_a_line_without_end_is_given_out_in_bounded_parts() -> None:
    endless = b"x" * (3 * LONGEST_LINE)
    lines = lines_of(split_piece(piece(endless)))
    texts = [line.text for line in lines if isinstance(line, Line)]
    assert b"".join(texts) == endless
    assert max(map(len, texts)) < 2 * LONGEST_LINE
