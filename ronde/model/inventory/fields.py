"""The kinds of value an inventory field can hold, each with its check and its writing back to text."""

import re
from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from types import MappingProxyType
from typing import Annotated, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from ronde.model.cron import parse_cron
from ronde.model.units import DailyWindow, Share, format_duration, parse_duration, parse_size
from ronde.model.words import hint

_SECRET = r"^(age://[\w.-]+(/[\w.-]+)+|file:///.+|cred://[\w.-]+|env://[A-Za-z_]\w*)$"  # noqa: S105 - a pattern, not a secret
_HOST_KEY = r"^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)) [A-Za-z0-9+/]+={0,2}( .*)?$"
_NAME = r"^[a-z0-9][a-z0-9._-]{0,62}$"
_EMAIL = r"^[^@\s<>\x00-\x1f]+@[^@\s<>\x00-\x1f]+$"
_ADDRESS = r"^[\w:][\w.:-]*$"
_LOGIN = r"^[a-z_][a-z0-9._-]*$"
_REPOSITORY = r"^[^-\x00-\x1f][^\x00-\x1f]*$"
_PREFIX = r"^[\w.@{}:+-]*$"
_GLOB = r"^/[^\x00-\x1f]*$"
_CERTIFICATE = r"^[\w-][\w.-]*(/[\w-][\w.-]*)*\.pem$"
_PLAYBOOK = r"^[a-z0-9-]+/[a-z0-9-]+$"
_DOMAIN = r"^[a-z0-9.-]+$"
_ACCOUNT = r"^[A-Za-z_][A-Za-z0-9._@-]*$"
_PLAYBOOKS = r"^[a-z0-9*-]+/[a-z0-9*-]+$"
_URL = r"^https?://[^\s/]\S*$"
_TAG = r"^tag:[^\x00-\x20]+$"

ALL = "all"
"""Everything of its kind, wherever names are listed; nothing can be named so."""

PATTERN_WORDS: Mapping[str, str] = MappingProxyType(
    {
        _SECRET: "a reference to a secret; write age://FOLDER/NAME, file:///PATH, cred://NAME or env://NAME",
        _HOST_KEY: 'a public host key; it looks like "ssh-ed25519 AAAA…", as ssh-keyscan prints it after the address',
        _NAME: "a name: lower-case letters, digits, dots, dashes and underscores, a letter or digit first, at most 63",
        _EMAIL: "an email address",
        _ADDRESS: "a host name or an IP address",
        _LOGIN: "a login name",
        _REPOSITORY: "a repository: a path or URL on one line that does not start with a dash",
        _PREFIX: "an archive prefix: letters, digits and . @ { } : + - _",
        _GLOB: "an absolute path; it starts with /",
        _CERTIFICATE: "a certificate's path below the folder certificates; it ends in .pem",
        _PLAYBOOK: "a playbook; they are named like backup/check",
        _DOMAIN: "a domain name in lower case",
        _ACCOUNT: "a login name of this machine, as `id -un` prints it",
        _PLAYBOOKS: "a playbook or a pattern of them; write it like backup/check or patch/*",
        _URL: "an address; it starts with http:// or https://",
        _TAG: "a tag of hosts; write tag:NAME",
    }
)
"""What a text must be, by the pattern it missed; for error messages."""

SECRET_PATTERN = _SECRET


def is_name(text: str) -> bool:
    """Whether a text can identify a client, host, vCenter or schedule."""
    return re.fullmatch(_NAME, text) is not None


class Entry(BaseModel):
    """A mapping of an inventory file: unknown words are refused, values cannot change afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


def _as_duration(value: object) -> object:
    """A bare number is refused: nobody can tell whether 4 means hours or seconds."""
    return parse_duration(str(value)) if isinstance(value, str | int | float) else value


def _as_size(value: object) -> object:
    return parse_size(value) if isinstance(value, str) else value


def _as_share(value: object) -> object:
    return Share.parse(value) if isinstance(value, str) else value


def _as_window(value: object) -> object:
    return DailyWindow.parse(value) if isinstance(value, str) else value


def _as_list(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _some(value: tuple[str, ...]) -> tuple[str, ...]:
    """Not pydantic's own minimum, which says of a list with one wrong entry that it is empty as well."""
    if not value:
        raise ValueError("is empty")
    return value


def _all_or_some(value: tuple[str, ...]) -> tuple[str, ...]:
    if ALL in value and len(value) > 1:
        raise ValueError('"all" stands alone: it means every client, also one that comes later')
    return value


def _known_zone(value: str) -> str:
    if value not in _zones():
        raise ValueError(f'"{value}" is not a time zone of the IANA database{hint(value, _zones())}')
    return value


@cache
def _zones() -> frozenset[str]:
    """The names of the database, read once: it holds some six hundred files."""
    return frozenset(available_timezones())


def _valid_cron(value: str) -> str:
    parse_cron(value)
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
Text = Annotated[str, Field(min_length=1)]
Name = Annotated[str, Field(pattern=_NAME)]
SecretRef = Annotated[str, Field(pattern=_SECRET)]
HostKey = Annotated[str, Field(pattern=_HOST_KEY)]
HostKeys = Annotated[tuple[HostKey, ...], BeforeValidator(_as_list, json_schema_input_type=str | tuple[HostKey, ...])]
Email = Annotated[str, Field(pattern=_EMAIL)]
Address = Annotated[str, Field(pattern=_ADDRESS)]
Login = Annotated[str, Field(pattern=_LOGIN)]
Repository = Annotated[str, Field(pattern=_REPOSITORY)]
Prefix = Annotated[str, Field(pattern=_PREFIX)]
Glob = Annotated[str, Field(pattern=_GLOB)]
CertificatePath = Annotated[str, Field(pattern=_CERTIFICATE)]
PlaybookName = Annotated[str, Field(pattern=_PLAYBOOK)]
Domain = Annotated[str, Field(pattern=_DOMAIN)]
RoleName = Literal["look", "operate", "approve", "admin"]
RoleNames = Annotated[
    tuple[RoleName, ...],
    BeforeValidator(_as_list, json_schema_input_type=RoleName | tuple[RoleName, ...]),
    AfterValidator(_some),
    Field(json_schema_extra={"minItems": 1}),
]
Url = Annotated[str, Field(pattern=_URL)]
Account = Annotated[str, Field(pattern=_ACCOUNT)]
PlaybookPattern = Annotated[str, Field(pattern=_PLAYBOOKS)]
TagRef = Annotated[str, Field(pattern=_TAG)]
TagRefs = Annotated[tuple[TagRef, ...], BeforeValidator(_as_list, json_schema_input_type=str | tuple[TagRef, ...])]
ClientNames = Annotated[
    tuple[Name, ...],
    BeforeValidator(_as_list, json_schema_input_type=Name | tuple[Name, ...]),
    AfterValidator(_some),
    AfterValidator(_all_or_some),
    Field(json_schema_extra={"minItems": 1}),
]
"""`all`, or names of clients."""
