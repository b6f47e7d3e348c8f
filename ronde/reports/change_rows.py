"""Interventions in the words of a language: one row each."""

from collections.abc import Mapping, Sequence

from ronde.model.verdict import Verdict
from ronde.reports.phrases import Phrase, Quote, phrase
from ronde.reports.rows import SHAPES, Row
from ronde.reports.view import ChangeLine, Ending
from ronde.reports.voice import Voice

ENDINGS: Mapping[Ending, Phrase] = {
    Ending.DONE: phrase("done"),
    Ending.NOTHING: phrase("nothing to do"),
    Ending.FAILED: phrase("failed"),
    Ending.UNFINISHED: phrase("not finished"),
    Ending.STOPPED: phrase("stopped"),
    Ending.NOT_DONE: phrase("not done"),
    Ending.WAITS: phrase("waits"),
    Ending.UNDER_WAY: phrase("under way"),
    Ending.UNRECORDED: phrase("not verified"),
}


def change_rows(lines: Sequence[ChangeLine], voice: Voice) -> tuple[Row, ...]:
    """A row for each intervention, in their order."""
    return tuple(_row(line, voice) for line in lines)


def _row(line: ChangeLine, voice: Voice) -> Row:
    details = [_when_and_who(line), *_why(line), *line.told, *line.set_aside]
    if line.gaps:
        details += [phrase("The reason is given below.")] if line.verdict is Verdict.UNKNOWN else line.gaps
    return Row(
        verdict=line.verdict,
        shape=SHAPES[line.verdict],
        word=voice.say(ENDINGS[line.ending]),
        name=voice.show(line.title),
        place=voice.show(line.where),
        details=tuple(voice.say(one) for one in details),
    )


def _when_and_who(line: ChangeLine) -> Phrase:
    return phrase("{at}, {who}.", at=line.at, who=line.who)


def _why(line: ChangeLine) -> tuple[Phrase, ...]:
    """The reason of the order; left out where the same words stand beside the guard that they set aside."""
    reason = Quote(line.reason.rstrip(". "))
    if not reason.words or any(one.values.get("reason") == reason for one in line.set_aside):
        return ()
    return (phrase("Reason: {reason}", reason=reason),)
