"""Sentences before they have a language: an English text with named places, and what goes into them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Bytes:
    """A size, shown in kB or MB, in French in ko or Mo."""

    count: int


@dataclass(frozen=True, slots=True)
class Span:
    """From one instant to a later one, shown with its prepositions: `on 13 Jan from 02:00 to 05:30`."""

    begin: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Percent:
    """A share of one, shown as a whole percentage."""

    share: float


@dataclass(frozen=True, slots=True)
class Titled:
    """What a playbook's author calls it, by language; `en` stands in for a language that he did not write."""

    words: Mapping[str, str]
    most: ClassVar[int] = 80

    def text(self, language: str) -> str:
        return self.words.get(language) or self.words.get("en", "")


@dataclass(frozen=True, slots=True)
class Quote:
    """What a person wrote, told as he wrote it; longer than a name may be."""

    words: str
    most: ClassVar[int] = 240

    def text(self, _language: str) -> str:
        return self.words


@dataclass(frozen=True, slots=True)
class Phrase:
    """One translatable sentence or word.

    Attributes:
        text: the English text, which is also the key of its translation; `{name}` marks a place.
        values: what goes into the places; each kind of value has one way of being shown in each language.
        plural, count: the English plural and the number that decides, shown as `{n}`.
    """

    text: str
    values: Mapping[str, "Shown"] = field(default_factory=dict)
    plural: str = ""
    count: int = 0


Shown = str | int | datetime | date | timedelta | Bytes | Span | Percent | Titled | Quote | Phrase | tuple["Shown", ...]


def phrase(text: str, /, **values: Shown) -> Phrase:
    """A sentence; the literal given here is what the translation catalogues are extracted from."""
    return Phrase(text, values)


def counted(one: str, many: str, count: int, /, **values: Shown) -> Phrase:
    """A sentence that depends on a number, which is `{n}` in both texts."""
    return Phrase(one, values, many, count)


def message(text: str) -> str:
    """Marks a literal in a table as translatable and gives it back unchanged."""
    return text
