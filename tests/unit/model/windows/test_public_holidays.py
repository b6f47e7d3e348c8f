"""French public holidays: the law's list, day by day, so that an update of the package that changes it is seen."""

from datetime import date
from typing import get_args

import pytest

from ronde.model.windows.public_holidays import PublicHolidays, Region

NATIONAL = ["01-01", "04-06", "05-01", "05-08", "05-14", "05-25", "07-14", "08-15", "11-01", "11-11", "12-25"]
YEAR = (date(2026, 1, 1), date(2026, 12, 31))


def days(region: Region | None) -> list[str]:
    return [f"{day:%m-%d}" for day in PublicHolidays(region).between(*YEAR)]


def test_the_national_list() -> None:
    """Code du travail, article L3133-1; Easter is on 5 April 2026."""
    assert days(None) == NATIONAL


@pytest.mark.parametrize(
    ("region", "more"),
    [
        ("alsace-moselle", ["04-03", "12-26"]),
        ("guadeloupe", ["05-27"]),
        ("guyane", ["06-10"]),
        ("la-reunion", ["12-20"]),
        ("martinique", ["05-22"]),
        ("mayotte", ["04-27"]),
    ],
)
def test_days_that_a_region_adds(region: Region, more: list[str]) -> None:
    """Code du travail, articles L3134-13 (Alsace-Moselle) and L3422-2 (abolition of slavery)."""
    assert set(more) <= set(days(region)) - set(NATIONAL)
    assert set(NATIONAL) <= set(days(region))


@pytest.mark.parametrize("region", get_args(Region))
def test_every_region_is_known_to_the_package_and_adds_to_the_nation(region: Region) -> None:
    assert set(days(region)) >= set(NATIONAL)


def test_a_span_of_days_holds_both_its_ends_and_crosses_years() -> None:
    christmas, new_year = date(2026, 12, 25), date(2027, 1, 1)
    assert list(PublicHolidays().between(christmas, new_year)) == [christmas, new_year]
    assert PublicHolidays().name(new_year) == "New Year's Day"
