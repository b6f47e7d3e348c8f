"""`rings:`, as a playbook and a schedule say it: in what order and how carefully a change goes through its hosts."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer

from ronde.model.inventory.fields import Duration, Entry, Words
from ronde.model.patch.rings import Portion
from ronde.model.units import parse_duration

ROLE: Final = "role:"  # how the tags begin that say what a host does: `role:web`
DEFAULT_BAKE: Final = parse_duration("30m")
_PERCENT: Final = re.compile(r"(\d{1,3})%")


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How many hosts may go wrong: a share of each ring, or a number over the whole run."""

    percent: int = 0
    count: int | None = None

    def __str__(self) -> str:
        return f"{self.percent}%" if self.count is None else str(self.count)


def _as_portion(value: object) -> object:
    """`25%`, a number of hosts, or `all`.

    Raises:
        ValueError: it is none of these.
    """
    if isinstance(value, Portion):
        return value
    percent = 100 if value == "all" else _percent(value)
    if percent is not None and 1 <= percent <= 100:
        return Portion(percent=percent)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return Portion(count=value)
    raise ValueError(f'"{value}" is not the size of a ring; write a number of hosts, a share like 25%, or all')


def _as_tolerance(value: object) -> object:
    """`10%`, or a number of hosts.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(value, Tolerance):
        return value
    percent = _percent(value)
    if percent is not None and percent < 100:
        return Tolerance(percent=percent)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return Tolerance(count=value)
    raise ValueError(f'"{value}" does not say how many may go wrong; write a number of hosts, or a share like 10%')


def _percent(value: object) -> int | None:
    found = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    return None if found is None else int(found[1])


def _some(value: tuple[Portion, ...]) -> tuple[Portion, ...]:
    if not value:
        raise ValueError("is empty; write the sizes of the rings that follow the canaries: [25%, 100%]")
    return value


def _written(portion: Portion) -> str | int:
    return portion.count or f"{portion.percent}%"


RingSize = Annotated[
    Portion,
    BeforeValidator(_as_portion, json_schema_input_type=str | int),
    PlainSerializer(_written, return_type=str | int),
]
RingSizes = Annotated[tuple[RingSize, ...], AfterValidator(_some)]
AbortOver = Annotated[
    Tolerance,
    BeforeValidator(_as_tolerance, json_schema_input_type=str | int),
    PlainSerializer(lambda value: str(value) if value.count is None else value.count, return_type=str | int),
]


class RingsEntry(Entry):
    """In what order, and how carefully.

    Attributes:
        canary: who goes first: one host of each `role`, which are its tags that begin with `role:`, or one of each
            `tag`, of whatever kind. Where no host has any, the first of all.
        then: how many each following ring takes; the last one is repeated until all hosts stand in a ring.
        at_most: hosts under way at once.
        abort_over: nothing more is begun once more hosts than that went wrong, were out of reach or came to nothing
            that is known: a share of each ring, rounded down, or a number over the whole run, the canaries' being none.
        bake: how long the canaries must have been well before the next ring begins.
        apart: tags, with or without `role:`; hosts of one client that share one are never changed together, such as
            both name servers.
    """

    canary: Literal["role", "tag"] = "role"
    then: RingSizes = (Portion(percent=25), Portion(percent=100))
    at_most: Annotated[int, Field(ge=1, le=1000)] = 5
    abort_over: AbortOver = Tolerance(percent=10)
    bake: Duration = DEFAULT_BAKE
    apart: Words = ()

    def roles(self, tags: Collection[str]) -> frozenset[str]:
        """Which of a host's tags make it a canary's kind."""
        return frozenset(tag for tag in tags if self.canary == "tag" or tag.startswith(ROLE))

    def apart_of(self, tags: Collection[str]) -> tuple[str, ...]:
        """Which of the tags to be kept apart a host has, in order and without `role:`."""
        own = {bare(tag) for tag in tags}
        return tuple(sorted({bare(tag) for tag in self.apart} & own))


def bare(tag: str) -> str:
    """A tag without `role:`: whether a host is `dns` or `role:dns`, there is one name server less while it is away."""
    return tag.removeprefix(ROLE)
