"""The public holidays of France, with those that only some regions keep."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from types import MappingProxyType
from typing import Final, Literal

Region = Literal[
    "alsace-moselle",
    "guadeloupe",
    "guyane",
    "la-reunion",
    "martinique",
    "mayotte",
    "nouvelle-caledonie",
    "polynesie-francaise",
    "saint-barthelemy",
    "saint-martin",
    "saint-pierre-et-miquelon",
    "wallis-et-futuna",
]

_SUBDIVISIONS: Final[Mapping[Region | None, str | None]] = {  # as the package `holidays` calls them
    None: None,
    "alsace-moselle": "6AE",  # Alsace; Moselle (57) keeps the same days: Code du travail, article L3134-13
    "guadeloupe": "971",
    "guyane": "973",
    "la-reunion": "974",
    "martinique": "972",
    "mayotte": "976",
    "nouvelle-caledonie": "NC",
    "polynesie-francaise": "PF",
    "saint-barthelemy": "BL",
    "saint-martin": "MF",
    "saint-pierre-et-miquelon": "PM",
    "wallis-et-futuna": "WF",
}


@dataclass(frozen=True, slots=True)
class PublicHolidays:
    """The public holidays of one region; None for those of the whole country."""

    region: Region | None = None

    def between(self, first: date, last: date) -> Iterator[date]:
        """Holidays in `first <= day <= last`, ascending."""
        for year in range(first.year, last.year + 1):
            yield from (day for day in sorted(_of_year(self.region, year)) if first <= day <= last)

    def name(self, day: date) -> str:
        """Its English name.

        Raises:
            KeyError: it is none.
        """
        return _of_year(self.region, day.year)[day]


@lru_cache(maxsize=1024)
def _of_year(region: Region | None, year: int) -> Mapping[date, str]:
    import holidays  # noqa: PLC0415 - 300 modules and half a second, for those alone who declare holidays

    return MappingProxyType(
        dict(holidays.country_holidays("FR", subdiv=_SUBDIVISIONS[region], years=year, language="en_US", expand=False))
    )
