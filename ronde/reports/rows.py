"""The lines of a report in words: how one is made, and how those that a list leaves out are counted."""

from collections.abc import Sequence
from dataclasses import dataclass

from ronde.model.verdict import Verdict
from ronde.reports.phrases import Phrase, Shown, counted, phrase
from ronde.reports.voice import Voice

SHAPES = {Verdict.OK: "●", Verdict.WARNING: "▲", Verdict.FAILED: "■", Verdict.UNKNOWN: "◇"}
MOST_NAMES = 8

WORDS = {
    Verdict.OK: phrase("in order"),
    Verdict.WARNING: phrase("to watch"),
    Verdict.FAILED: phrase("failed"),
    Verdict.UNKNOWN: phrase("not verified"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the report.

    Attributes:
        shape, word: the verdict twice over, so that it never hangs on colour alone.
        place: the host, for a backup; empty when the name says it all.
        details: sentences and figures, in order.
    """

    verdict: Verdict
    shape: str
    word: str
    name: str
    place: str
    details: tuple[str, ...]


def row_of(verdict: Verdict, name: str, place: str, details: Sequence[str], voice: Voice) -> Row:
    return Row(verdict, SHAPES[verdict], voice.say(WORDS[verdict]), voice.show(name), voice.show(place), tuple(details))


def more(rows: Sequence[Row], voice: Voice) -> str:
    """What a list leaves out, by verdict, worst first."""
    if not rows:
        return ""
    present = sorted({row.verdict for row in rows}, key=lambda verdict: -verdict.rank)
    parts = tuple(_count(verdict, sum(row.verdict is verdict for row in rows)) for verdict in present)
    return voice.say(counted("And one more: {parts}.", "And {n} more: {parts}.", len(rows), parts=parts))


def _count(verdict: Verdict, count: int) -> Phrase:
    match verdict:
        case Verdict.OK:
            return counted("● {n} in order", "● {n} in order", count)
        case Verdict.WARNING:
            return counted("▲ {n} to watch", "▲ {n} to watch", count)
        case Verdict.FAILED:
            return counted("■ {n} failed", "■ {n} failed", count)
        case _:
            return counted("◇ {n} not verified", "◇ {n} not verified", count)


def first_few(names: Sequence[Shown]) -> tuple[Shown, ...]:
    """The first few of a list, and how many it leaves out."""
    left = len(names) - MOST_NAMES
    return tuple(names) if left <= 0 else (*names[:MOST_NAMES], counted("and one more", "and {n} more", left))
