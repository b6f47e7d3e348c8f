"""How far a host's clock is from ours."""

from datetime import UTC, datetime, timedelta

from ronde.facts.question import Question
from ronde.facts.reading import not_understood
from ronde.model.check import Finding
from ronde.model.command import Answer, Command


def clock_question() -> Question:
    return Question(Command(("date", "-u", "+%s"), timeout=20), "date -u +%s")


def parse_clock(answer: Answer) -> timedelta | Finding:
    """The host's clock minus ours, against the middle of the exchange; whole seconds, half a second is expected."""
    said = answer.text.strip()
    if answer.exit_status != 0 or not said.isdecimal() or len(said) > 11:
        return not_understood("date", answer)
    middle = answer.started + (answer.ended - answer.started) / 2
    skew = datetime.fromtimestamp(int(said), UTC) + timedelta(milliseconds=500) - middle
    return timedelta(seconds=round(skew.total_seconds()))
