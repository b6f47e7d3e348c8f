"""What one patch run is told to do, read from texts."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import TypeVar

from ronde.model.errors import InputError
from ronde.model.patch.policy import KERNELS, Policy, Scope
from ronde.model.units import parse_duration
from ronde.model.words import hint

LONGEST_BAKE = timedelta(hours=72)  # VMware KB 1025279: no snapshot is kept for longer
_SEPARATOR = re.compile(r"[\s,]+")
_Choice = TypeVar("_Choice", bound=StrEnum)


class RebootPolicy(StrEnum):
    IF_NEEDED = "if-needed"
    NEVER = "never"
    ALWAYS = "always"


class SnapshotPolicy(StrEnum):
    AUTO = "auto"  # where the host is a machine on one of the client's vCenters
    NEVER = "never"


class RevertPolicy(StrEnum):
    NEVER = "never"  # a person decides
    ON_FAILURE = "on-failure"


@dataclass(frozen=True, slots=True)
class Options:
    """What a run is told.

    Attributes:
        bake: how long the snapshot is kept; `within`: how long the host may be away for its reboot.
        approved: id of the run whose plan for this host was looked at; empty when the policy alone decides.
    """

    policy: Policy = field(default_factory=Policy)
    reboot: RebootPolicy = RebootPolicy.IF_NEEDED
    snapshot: SnapshotPolicy = SnapshotPolicy.AUTO
    revert: RevertPolicy = RevertPolicy.NEVER
    bake: timedelta = timedelta(hours=24)
    within: timedelta = timedelta(minutes=15)
    approved: str = ""


def read_options(words: Mapping[str, str], globs: Mapping[str, str]) -> Options:
    """The options behind the texts of a playbook.

    Args:
        words: `policy`, `reboot`, `snapshot`, `revert`, `bake` and `within` (`24h`, or seconds), `approved`.
        globs: `exclude`, `new`, `remove`: globs apart by blanks or commas.

    Raises:
        InputError: one of them means nothing; the sentence says what would.
    """
    return Options(
        policy=Policy(
            scope=_choice(Scope, "policy", words),
            exclude=_globs(globs["exclude"]),
            new=(*KERNELS, *_globs(globs["new"])),
            removals=_globs(globs["remove"]),
        ),
        reboot=_choice(RebootPolicy, "reboot", words),
        snapshot=_choice(SnapshotPolicy, "snapshot", words),
        revert=_choice(RevertPolicy, "revert", words),
        bake=_bake(words["bake"]),
        within=_within(words["within"]),
        approved=words["approved"].strip(),
    )


def _choice(kind: type[_Choice], name: str, words: Mapping[str, str]) -> _Choice:
    try:
        return kind(words[name])
    except ValueError:
        raise InputError(f'{name}: "{words[name]}" is not known{hint(words[name], list(kind))}') from None


def _globs(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word for word in _SEPARATOR.split(text) if word))


def _bake(text: str) -> timedelta:
    span = _span("bake", text)
    if not timedelta() < span <= LONGEST_BAKE:
        raise InputError("bake: a snapshot is kept for 72 hours at most")
    return span


def _within(text: str) -> timedelta:
    span = _span("within", text)
    if span <= timedelta():
        raise InputError("within: a host needs some time for a reboot")
    return span


def _span(name: str, text: str) -> timedelta:
    try:
        return timedelta(seconds=int(text)) if text.isdecimal() else parse_duration(text)
    except (ValueError, OverflowError) as error:
        raise InputError(f"{name}: {error}") from error
