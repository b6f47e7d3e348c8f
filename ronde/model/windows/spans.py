"""Spans of time that hold their start and not their end, and what is left of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """`start <= t < end`, aware and in UTC; `names` tells the windows that it is made of, in order of appearance."""

    start: datetime
    end: datetime
    names: tuple[str, ...] = ()

    @property
    def length(self) -> timedelta:
        return self.end - self.start

    def holds(self, instant: datetime) -> bool:
        return self.start <= instant < self.end

    def within(self, start: datetime, end: datetime) -> "Span":
        """The part of it in `start <= t < end`; empty (`end <= start`) when there is none."""
        return replace(self, start=max(self.start, start), end=min(self.end, end))


def without(spans: Iterable[Span], holes: Sequence[Span]) -> list[Span]:
    """What holes leave of each span, in order of the spans; a span may fall into several pieces."""
    pieces: list[Span] = []
    ordered = sorted(holes)
    for span in spans:
        start = span.start
        for hole in ordered:
            if hole.start < span.end and hole.end > start:
                pieces.append(replace(span, start=start, end=hole.start))
                start = hole.end
        pieces.append(replace(span, start=start))
    return [piece for piece in pieces if piece.start < piece.end]


def merged(spans: Iterable[Span]) -> list[Span]:
    """Overlapping and adjoining spans as one, ascending; the result has room between any two."""
    result: list[Span] = []
    for span in sorted(spans):
        if result and span.start <= result[-1].end:
            last = result.pop()
            names = tuple(dict.fromkeys((*last.names, *span.names)))
            result.append(Span(last.start, max(last.end, span.end), names))
        else:
            result.append(span)
    return result
