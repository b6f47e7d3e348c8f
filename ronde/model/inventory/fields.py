"""The kinds of value an inventory field can hold, each with its check and its writing back to text."""

from datetime import datetime, timedelta
from typing import Annotated
from zoneinfo import available_timezones

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from ronde.model.units import DailyWindow, Share, format_duration, parse_duration, parse_size

_SECRET = r"^(age://[\w.-]+(/[\w.-]+)+|file:///.+|cred://[\w.-]+|env://[A-Za-z_]\w*)$"  # noqa: S105 - a pattern, not a secret
_HOST_KEY = r"^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)) [A-Za-z0-9+/]+={0,2}( .*)?$"


class Entry(BaseModel):
    """A mapping of an inventory file: unknown words are refused, values cannot change afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


def _as_duration(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


def _as_size(value: object) -> object:
    return parse_size(value) if isinstance(value, str) else value


def _as_share(value: object) -> object:
    return Share.parse(value) if isinstance(value, str) else value


def _as_window(value: object) -> object:
    return DailyWindow.parse(value) if isinstance(value, str) else value


def _as_list(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _known_zone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError(f'"{value}" is not a time zone of the IANA database')
    return value


def _valid_cron(value: str) -> str:
    count = len(value.split())
    if count != 5:
        raise ValueError(f'"{value}": {count} fields; a schedule has five: minute hour day month weekday')
    try:
        CronSim(value, datetime(2026, 1, 1))  # noqa: DTZ001 - only the fields are checked, no instant is meant
    except CronSimError as error:
        raise ValueError(f'"{value}": {error}') from error
    return value


Duration = Annotated[
    timedelta,
    BeforeValidator(_as_duration, json_schema_input_type=str),
    PlainSerializer(format_duration, return_type=str),
]
Size = Annotated[int, BeforeValidator(_as_size, json_schema_input_type=str | int), Field(ge=0)]
ShareOf = Annotated[
    Share, BeforeValidator(_as_share, json_schema_input_type=str), PlainSerializer(str, return_type=str)
]
Window = Annotated[
    DailyWindow, BeforeValidator(_as_window, json_schema_input_type=str), PlainSerializer(str, return_type=str)
]
Words = Annotated[tuple[str, ...], BeforeValidator(_as_list, json_schema_input_type=str | tuple[str, ...])]
Zone = Annotated[str, AfterValidator(_known_zone)]
Cron = Annotated[str, AfterValidator(_valid_cron)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
SecretRef = Annotated[str, Field(pattern=_SECRET)]
HostKey = Annotated[str, Field(pattern=_HOST_KEY)]
HostKeys = Annotated[tuple[HostKey, ...], BeforeValidator(_as_list, json_schema_input_type=str | tuple[HostKey, ...])]
Email = Annotated[str, Field(pattern=r"^[^@\s<>\x00-\x1f]+@[^@\s<>\x00-\x1f]+$")]
