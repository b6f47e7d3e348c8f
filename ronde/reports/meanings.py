"""What a technician's finding means to a client: the form of one entry, and how it becomes a sentence.

The figures come from the finding's evidence where it has them; without them the plain sentence stands alone. A rule id
without an entry falls back on a neutral sentence that claims nothing.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import Enum, auto

from ronde.model.check import Finding, Json
from ronde.model.verdict import Severity
from ronde.reports.phrases import Bytes, Percent, Phrase, Shown, message

_MOST = 1e15  # a petabyte in bytes; anything larger is not a figure of ours


class Cause(Enum):
    """What a critical finding means for the copies; decides the sentence of the verdict."""

    MISSING = auto()  # there is no recent copy
    DAMAGED = auto()  # there is one, and it cannot be read or is not what it should be
    OTHER = auto()


class Figure(Enum):
    """How a value of the evidence is read."""

    SECONDS = auto()
    HOURS = auto()
    DAYS = auto()
    BYTES = auto()
    GIGABYTES = auto()
    COUNT = auto()
    INSTANT = auto()
    DAY = auto()
    PERCENT = auto()  # 0 to 100
    SHARE = auto()  # 0 to 1
    RATIO = auto()  # two keys, `value/median`: the first as a share of the second
    TEXT = auto()


@dataclass(frozen=True, slots=True)
class Meaning:
    """One rule for a client.

    Attributes:
        plain: the sentence without figures; `detail`: with them.
        figures: place in `detail` → (key in the finding's evidence, how to read it).
        decision: what the client is asked, if the finding leaves them a choice; `{subject}` is the backup or machine.
        gap: whether `plain` itself says why something is not known. The other rules say what is wrong, which is not to
            be claimed when they could not be judged.
        decisions: the same for several at once, `{subjects}`; left out, each is asked about separately.
    """

    plain: str
    detail: str = ""
    figures: Mapping[str, tuple[str, Figure]] = field(default_factory=dict)
    cause: Cause = Cause.OTHER
    decision: str = ""
    decisions: str = ""
    gap: bool = False

    def sentence(self, evidence: Mapping[str, Json]) -> Phrase:
        """The sentence with figures if the evidence has all of them, and the plain one otherwise."""
        read = {place: _look_up(evidence, key, kind) for place, (key, kind) in self.figures.items()}
        values = {place: value for place, value in read.items() if value is not None}
        if self.detail and len(values) == len(self.figures):
            return Phrase(self.detail, values)
        return Phrase(self.plain)


UNREAD = message("A part of what has to be known could not be read.")
_NEUTRAL = {
    Severity.INFO: message("A detail was noted; our technicians have it."),
    Severity.WARNING: message("A point is to be watched; our technicians have the details."),
    Severity.UNKNOWN: message("It could not be verified; our technicians have the details."),
    Severity.CRITICAL: message("A check failed; our technicians have the details."),
}


def neutral(severity: Severity) -> Phrase:
    """The sentence for a finding about which nothing more is known."""
    return Phrase(_NEUTRAL[severity])


def explain(finding: Finding, meanings: Mapping[str, Meaning]) -> Phrase:
    """A finding in one sentence for the client; never the technician's own message, which may name paths."""
    meaning = meanings.get(finding.rule)
    if meaning is None:
        return neutral(finding.severity)
    if finding.severity is Severity.UNKNOWN and not meaning.gap:
        return Phrase(UNREAD)
    return meaning.sentence(finding.evidence)


def _look_up(evidence: Mapping[str, Json], key: str, kind: Figure) -> Shown | None:
    if kind is not Figure.RATIO:
        return read_figure(evidence.get(key), kind)
    part, whole = (read_number(evidence.get(name)) for name in key.split("/"))
    return Percent(part / whole) if part is not None and whole else None


def read_number(value: Json) -> float | None:
    """A finite number of sensible size, or None; a JSON boolean is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or abs(value) > _MOST:
        return None
    return value


def read_figure(value: Json, kind: Figure) -> Shown | None:
    """A value of the evidence as something that can be shown, or None when it is not of that kind."""
    if kind is Figure.TEXT:
        return value if isinstance(value, str) and value.strip() else None
    if kind is Figure.INSTANT:
        return read_instant(value)
    if kind is Figure.DAY:
        return read_day(value)
    number = read_number(value)
    return None if number is None else _number(number, kind)


def read_day(value: Json) -> date | None:
    """An ISO 8601 date, or None for anything else."""
    try:
        return date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def read_instant(value: Json) -> datetime | None:
    """An ISO 8601 instant, or seconds since 1970, as an aware datetime; None for anything else."""
    try:
        if isinstance(value, str):
            parsed = datetime.fromisoformat(value)
            return parsed if parsed.tzinfo else None
        number = read_number(value)
        return None if number is None else datetime.fromtimestamp(number, UTC)
    except (ValueError, OverflowError, OSError):
        return None


_SECONDS = {Figure.SECONDS: 1, Figure.HOURS: 3600, Figure.DAYS: 86400}


def _number(value: float, kind: Figure) -> Shown | None:
    if kind in _SECONDS:
        seconds = value * _SECONDS[kind]
        return timedelta(seconds=seconds) if 0 <= seconds < 1e10 else None
    match kind:
        case Figure.BYTES:
            return Bytes(int(value))
        case Figure.GIGABYTES:
            return Bytes(int(value * 10**9))
        case Figure.PERCENT:
            return Percent(value / 100)
        case Figure.SHARE:
            return Percent(float(value))
        case _:
            return int(value)
