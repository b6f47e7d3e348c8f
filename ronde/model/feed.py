"""What targets say while a run is under way, in pieces, put together again whatever way the pieces took.

Live output is a comfort; the ledger keeps the record. So a piece may be lost, but never unnoticed, and a piece may come
twice: a worker that takes up a job again publishes what it reads from the first byte on.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

PIECE_BYTES = 16 * 1024  # data of one piece on its way; what is larger is split
LONGEST_LINE = 64 * 1024  # bytes held back in wait for a line's end, as `redaction` does
_REMEMBERED = 64  # bytes kept of what was heard last, to notice a stream that says something else on its second way


class Stream(StrEnum):
    """Who speaks."""

    OUT = "out"
    ERR = "err"
    NOTE = "note"  # Ronde itself, of the step: what it starts, what it waits for
    END = "end"  # nobody any more; the data says how many bytes each of the others had


SPEAKING = (Stream.OUT, Stream.ERR, Stream.NOTE)


@dataclass(frozen=True, slots=True)
class Piece:
    """Consecutive bytes of one stream of one step of one job.

    Attributes:
        target: the job's, as `client/name`.
        step: one carrying-out of a step. A step begun anew, whose output may differ, needs another name; a worker that
            re-attaches to what runs already keeps it.
        offset: bytes of the redacted stream of (job, step, stream) before this piece; 0 for an end.
        data: redacted, otherwise as the target wrote it: any byte may be in it.
        at: when it was published, aware, by the worker's clock.
    """

    job: str
    target: str
    step: str
    stream: Stream
    offset: int
    data: bytes
    at: datetime


@dataclass(frozen=True, slots=True)
class Arrival:
    """What a piece brought: `piece` trimmed to the bytes that are new, and whether bytes are missing before them."""

    piece: Piece
    gap: bool


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its end, or as much of it as came before its step ended, a gap, or 64 KiB."""

    job: str
    step: str
    stream: Stream
    text: bytes


@dataclass(frozen=True, slots=True)
class Gap:
    """Here bytes are missing."""

    job: str
    step: str
    stream: Stream


def split_piece(piece: Piece, most: int = PIECE_BYTES) -> Iterator[Piece]:
    """The same bytes in pieces of at most `most`; an empty piece stays one."""
    for at in range(0, max(1, len(piece.data)), most):
        yield replace(piece, offset=piece.offset + at, data=piece.data[at : at + most])


def ending(totals: Mapping[Stream, int]) -> bytes:
    """The data of an end: how many bytes each stream had, so that losing the last piece is noticed, too."""
    return " ".join(f"{stream}={totals.get(stream, 0)}" for stream in SPEAKING).encode()


def _totals(data: bytes) -> dict[Stream, int] | None:
    """The inverse of `ending`; None when it is not understood."""
    words = [word.partition("=") for word in data.decode("ascii", "replace").split()]
    try:
        return {Stream(name): int(count) for name, _, count in words}
    except ValueError:
        return None


class Assembler:
    """Takes pieces in the order of their arrival and hands on each byte once; what is missing it tells.

    What arrives after its place has been passed is not handed on: the gap was told.
    """

    def __init__(self) -> None:
        self._heard: dict[tuple[str, str, Stream], _Heard] = {}
        self._open: set[tuple[str, str]] = set()
        self._ended: set[tuple[str, str]] = set()

    @property
    def open(self) -> frozenset[tuple[str, str]]:
        """The (job, step) that have spoken and not ended; of these the end may be missing."""
        return frozenset(self._open)

    def take(self, piece: Piece) -> Arrival | None:
        """What is new of a piece; None when nothing is."""
        step = (piece.job, piece.step)
        if piece.stream is Stream.END:
            return self._end(step, piece)
        heard = self._heard.setdefault((*step, piece.stream), _Heard())
        gap = piece.offset > heard.until or heard.contradicts(piece)
        new = piece.data[max(0, heard.until - piece.offset) :]
        if new:
            heard.add(new, max(piece.offset, heard.until), gap=gap)
            self._open.add(step)
            self._ended.discard(step)
        return Arrival(replace(piece, offset=heard.until - len(new), data=new), gap) if new or gap else None

    def _end(self, step: tuple[str, str], piece: Piece) -> Arrival | None:
        if step in self._ended:
            return None
        self._ended.add(step)
        self._open.discard(step)
        return Arrival(piece, gap=_totals(piece.data) != {stream: self._until(step, stream) for stream in SPEAKING})

    def _until(self, step: tuple[str, str], stream: Stream) -> int:
        heard = self._heard.get((*step, stream))
        return 0 if heard is None else heard.until


@dataclass(slots=True)
class _Heard:
    """How far a stream was heard, and its last bytes."""

    until: int = 0
    tail: bytes = b""

    def contradicts(self, piece: Piece) -> bool:
        """Whether a piece says something else where both are known: then it belongs to another stream of bytes."""
        begin = max(piece.offset, self.until - len(self.tail))
        end = min(piece.offset + len(piece.data), self.until)
        known = self.until - len(self.tail)
        return (
            begin < end
            and self.tail[begin - known : end - known] != piece.data[begin - piece.offset : end - piece.offset]
        )

    def add(self, new: bytes, offset: int, *, gap: bool) -> None:
        self.tail = ((b"" if gap else self.tail) + new)[-_REMEMBERED:]
        self.until = offset + len(new)


class LineUp:
    """Makes whole lines of what an `Assembler` hands on, each stream of each step by itself."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, str, Stream], bytes] = {}

    def take(self, arrival: Arrival) -> list[Line | Gap]:
        """The lines that are complete now. What is on either side of a gap is never joined to one line."""
        piece = arrival.piece
        job, step, stream = key = (piece.job, piece.step, piece.stream)
        if stream is Stream.END:
            lines: list[Line | Gap] = [line for other in SPEAKING for line in self._flushed((job, step, other))]
            return [*lines, Gap(*key)] if arrival.gap else lines
        lines = [*self._flushed(key), Gap(*key)] if arrival.gap else []
        *whole, rest = (self._held.pop(key, b"") + piece.data).split(b"\n")
        if len(rest) >= LONGEST_LINE:
            whole, rest = [*whole, rest], b""
        if rest:
            self._held[key] = rest
        lines += [Line(job, step, stream, text) for text in whole]
        return lines

    def finish(self) -> list[Line]:
        """Everything that still waited for its end."""
        return [line for key in list(self._held) for line in self._flushed(key)]

    def _flushed(self, key: tuple[str, str, Stream]) -> list[Line]:
        held = self._held.pop(key, b"")
        return [Line(*key, held)] if held else []
