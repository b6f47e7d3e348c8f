"""The last backup as backup products write it into a machine's custom attributes."""

from collections.abc import Iterator, Mapping
from datetime import datetime, tzinfo

_NAMES = ("last backup", "nb_last_backup")  # Veeam and others by default; NetBackup
_FORMATS = (
    "%m/%d/%Y %H:%M:%S", "%d/%m/%Y %H:%M:%S", "%m/%d/%Y %I:%M:%S %p", "%d.%m.%Y %H:%M:%S", "%Y/%m/%d %H:%M:%S",
    "%a %b %d %H:%M:%S %Y %z", "%a %b %d %H:%M:%S %Y",
)  # fmt: skip
_DATES = ("%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y")


def backup_attribute(attributes: Mapping[str, str]) -> tuple[str, str] | None:
    """Name and value of the attribute that tells the last backup; None when there is none, or it is empty."""
    for name, value in attributes.items():
        if name.casefold() in _NAMES and value.strip():
            return name, value.strip()
    return None


def read_instant(text: str, zone: tzinfo, now: datetime) -> datetime | None:
    """The instant a product wrote down; None when it cannot be understood.

    Products write by the manners of their own country: where day and month could be either, the older reading that is
    not in the future counts, so that an ambiguity never makes a backup look fresher. Times without a zone are local.
    """
    date = text.partition(",")[0]
    readings = [found if found.tzinfo else found.replace(tzinfo=zone) for found in _readings(date)]
    return min((reading for reading in readings if reading <= now), default=min(readings, default=None))


def _readings(text: str) -> Iterator[datetime]:
    try:
        yield datetime.fromisoformat(text)
    except ValueError:
        for form in (*_FORMATS, *_DATES):
            try:
                yield datetime.strptime(text, form)  # noqa: DTZ007 - the zone, when it lacks one, is added by the caller
            except ValueError:
                continue
