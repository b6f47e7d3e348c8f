"""One language, one time zone: how sentences, dates, spans, sizes and counts are said in it.

The catalogues are read straight from the committed `.po` files, so a plain checkout needs no compile step. English is
the language of the keys and has no catalogue.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from importlib.resources import files
from io import BytesIO, StringIO
from typing import Literal
from zoneinfo import ZoneInfo

from babel.dates import format_date
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_percent
from babel.support import NullTranslations, Translations

from ronde.reports.clean import clean, isolate
from ronde.reports.phrases import Bytes, Percent, Phrase, Quote, Shown, Span, Titled

Language = Literal["fr", "en"]
_UNITS: Mapping[str, tuple[str, ...]] = {
    "fr": ("o", "ko", "Mo", "Go", "To", "Po"),
    "en": ("B", "kB", "MB", "GB", "TB", "PB"),
}
_SAME_YEAR = timedelta(days=300)


def french_spaces(text: str) -> str:
    """French typography: no-break space before a colon and inside quotation marks, narrow ones before ; ? ! and %.

    Also between a number, or a place that holds one, and its unit. Applied to translations, never to people's names.
    """
    text = re.sub(r" (?=:)", "\u00a0", text)
    text = re.sub(r"« ", "«\u00a0", text)
    text = re.sub(r" »", "\u00a0»", text)
    text = re.sub(r" (?=[;?!%])", "\u202f", text)
    return re.sub(r"(?<=[\d}]) (?=(?:h|min|s|j)\b)", "\u00a0", text)


def catalog(language: str) -> Catalog:
    """The committed translations into a language, as Babel reads them; a fresh copy."""
    text = files("ronde.reports").joinpath("translations", f"{language}.po").read_text(encoding="utf-8")
    return read_po(StringIO(text), locale=language)


@cache
def _translations(language: Language) -> NullTranslations:
    if language == "en":
        return NullTranslations()
    source = catalog(language)
    for entry in source:
        if entry.id and language == "fr":
            entry.string = _spaced(entry.string)
    compiled = BytesIO()
    write_mo(compiled, source)
    compiled.seek(0)
    return Translations(fp=compiled)


def _spaced(strings: object) -> str | tuple[str, ...]:
    if isinstance(strings, tuple | list):
        return tuple(french_spaces(str(string)) for string in strings)
    return french_spaces(str(strings or ""))


@dataclass(frozen=True, slots=True)
class Voice:
    """Says things in one language and one time zone.

    Attributes:
        zone: IANA name of the client's zone; every instant is shown in it.
        today: the instant the reader is assumed to be at; dates far from it get their year.
    """

    language: Language
    zone: str
    today: datetime

    def say(self, phrase: Phrase) -> str:
        """The sentence in this language, with everything filled in."""
        catalogue = _translations(self.language)
        if phrase.plural:
            text = catalogue.ngettext(phrase.text, phrase.plural, phrase.count)
        else:
            text = catalogue.gettext(phrase.text)
        shown = {name: self.show(value) for name, value in phrase.values.items()}
        return str(text).format_map({"n": self.number(phrase.count)} | shown)

    def show(self, value: Shown) -> str:
        """A value as it is written inside a sentence."""
        match value:
            case Phrase():
                shown = self.say(value)
            case tuple():
                shown = ", ".join(self.show(item) for item in value)
            case datetime():
                shown = self.moment(value)
            case date():
                shown = self.day(value)
            case timedelta():
                shown = self.span(value)
            case Span():
                shown = self.stretch(value)
            case Titled() | Quote():
                shown = isolate(clean(value.text(self.language), value.most))
            case Bytes() | Percent() | int():
                shown = self.figure(value)
            case _:
                shown = isolate(clean(value))
        return shown

    def figure(self, value: Bytes | Percent | int) -> str:
        match value:
            case Bytes():
                return self.size(value.count)
            case Percent():
                return str(format_percent(value.share, locale=self.language))
            case _:
                return self.number(value)

    def number(self, value: float) -> str:
        return str(format_decimal(value, locale=self.language))

    def local(self, at: datetime) -> datetime:
        return at.astimezone(ZoneInfo(self.zone))

    def clock(self, at: datetime) -> str:
        """The time of day, `02 h 14` or `02:14`; in an autumn night's doubled hour with the zone's name."""
        local = self.local(at)
        text = f"{local:%H}\u00a0h\u00a0{local:%M}" if self.language == "fr" else f"{local:%H:%M}"
        doubled = local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()
        return f"{text}\u00a0({local.tzname()})" if doubled else text

    def moment(self, at: datetime) -> str:
        """Day and time of day, `13/01 à 02 h 14` or `13 Jan at 02:14`."""
        joint = "\u00a0à\u00a0" if self.language == "fr" else " at "
        return f"{self._date(at)}{joint}{self.clock(at)}"

    def _date(self, at: datetime) -> str:
        """The day in figures, with its year when it is far away."""
        pattern = "dd/MM" if self.language == "fr" else "d\u00a0MMM"
        if abs(self.today - at) >= _SAME_YEAR:
            pattern += "/yyyy" if self.language == "fr" else "\u00a0yyyy"
        return str(format_date(self.local(at).date(), pattern, locale=self.language))

    def stretch(self, value: Span) -> str:
        """From one instant to another, the day told once if it is the same; one instant if both are equal."""
        begin, end = self.moment(value.begin), self.moment(value.end)
        french = self.language == "fr"
        if begin == end:
            return f"le {begin}" if french else f"on {begin}"
        if self.local(value.begin).date() != self.local(value.end).date():
            return f"du {begin} au {end}" if french else f"from {begin} to {end}"
        day, first, last = self._date(value.begin), self.clock(value.begin), self.clock(value.end)
        return f"le {day} de {first} à {last}" if french else f"on {day} from {first} to {last}"

    def day(self, value: date) -> str:
        """A date in words, with its year when it is far away: `13 janvier`, `1er mars 2028`."""
        near = abs(self.local(self.today).date() - value) < _SAME_YEAR
        first = "1er" if self.language == "fr" and value.day == 1 else str(value.day)
        rest = format_date(value, "MMMM" if near else "MMMM yyyy", locale=self.language)
        return f"{first}\u00a0{rest}"

    def span(self, value: timedelta) -> str:
        """A duration in its largest fitting unit, rounded down: `40 min`, `26 h`, `9 jours`."""
        seconds = int(value.total_seconds())
        if seconds < 7200:
            return f"{max(seconds, 0) // 60}\u00a0min"
        if seconds <= 48 * 3600:
            return f"{seconds // 3600}\u00a0h"
        days = "jours" if self.language == "fr" else "days"
        return f"{self.number(seconds // 86400)}\u00a0{days}"

    def size(self, count: int) -> str:
        """A size in decimal units with at most three significant digits before the unit."""
        units = _UNITS[self.language]
        power, value = 0, float(count)
        while value >= 1000 and power < len(units) - 1:
            power, value = power + 1, value / 1000
        shown = round(value, 1) if power and value < 10 else round(value)
        return f"{self.number(shown)}\u00a0{units[power]}"
