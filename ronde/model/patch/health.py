"""How a host stood before and after a run, and what is worse now: after must be at least as good as before."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ronde.model.check import Finding
from ronde.model.patch.absent import Absent
from ronde.model.patch.thresholds import DISK_FREE_LOW, LOAD_FACTOR, LOAD_NOISE, critical, unknown, warning

ANYWHERE = frozenset({"*", "0.0.0.0", "[::]"})  # noqa: S104 - what `ss` prints, nothing is bound here
# Ports that the kernel gives to programs which ask for any (Linux, ip_local_port_range); another one after each start.
PASSING_PORTS = range(32768, 61000)


@dataclass(frozen=True, slots=True, order=True)
class Socket:
    """Something that listens: `Socket("tcp", "0.0.0.0", 443)`."""

    protocol: str
    address: str
    port: int

    def __str__(self) -> str:
        return f"{self.protocol} {self.address}:{self.port}"


@dataclass(frozen=True, slots=True, order=True)
class Mount:
    """One mounted file system: where, of what kind, and its bytes; both None where it has none of its own."""

    place: str
    kind: str
    size: int | None = None
    free: int | None = None


@dataclass(frozen=True, slots=True)
class Load:
    """Average number of runnable processes over one minute, and how many processors there are."""

    one: float
    processors: int


@dataclass(frozen=True, slots=True)
class Health:
    """One look at a host. Each piece is the fact, the finding that stands in its place, `Absent`, or None: not asked.

    Attributes:
        units: names of units in the state `failed`.
        sockets: everything that listens.
        mounts: mounted file systems that hold data, by place.
    """

    units: frozenset[str] | Finding | None = None
    sockets: frozenset[Socket] | Finding | None = None
    mounts: tuple[Mount, ...] | Finding | None = None
    load: Load | Absent | Finding | None = None


def compare(before: Health, after: Health) -> tuple[Finding, ...]:
    """What is worse after than before; whatever was not read at either time is unknown, never equal."""
    return tuple(_compare(before, after))


def _compare(before: Health, after: Health) -> Iterator[Finding]:
    yield from _unread(before, after)
    if isinstance(before.units, frozenset) and isinstance(after.units, frozenset):
        for unit in sorted(after.units - before.units):
            yield critical("patch-unit-failed", f"{unit} has failed; before the run it had not.", unit=unit)
    if isinstance(before.sockets, frozenset) and isinstance(after.sockets, frozenset):
        yield from _closed(before.sockets, after.sockets)
    if isinstance(before.mounts, tuple) and isinstance(after.mounts, tuple):
        yield from _mounts({m.place: m for m in before.mounts}, {m.place: m for m in after.mounts})
    if isinstance(before.load, Load) and isinstance(after.load, Load):
        yield from _load(before.load, after.load)


def _unread(before: Health, after: Health) -> Iterator[Finding]:
    pieces = ("failed units", before.units, after.units), ("listening sockets", before.sockets, after.sockets)
    others = ("mounts", before.mounts, after.mounts), ("load", before.load, after.load)
    for what, old, new in (*pieces, *others):
        for when, piece in (("before", old), ("after", new)):
            if piece is None or isinstance(piece, Finding):
                why = piece.message if isinstance(piece, Finding) else "It was not asked."
                message = f"The {what} {when} the run are not known: {why}"
                yield unknown("patch-health-unknown", message, what=what, when=when)


def _closed(before: frozenset[Socket], after: frozenset[Socket]) -> Iterator[Finding]:
    for socket in sorted(before):
        if any(_covers(other, socket) for other in after):
            continue
        # A program that asked for any port has another one after its restart.
        weigh = warning if socket.port in PASSING_PORTS else critical
        yield weigh("patch-port-closed", f"Nothing listens on {socket} any more.", socket=str(socket))


def _covers(other: Socket, wanted: Socket) -> bool:
    same = (other.protocol, other.port) == (wanted.protocol, wanted.port)
    return same and (other.address == wanted.address or other.address in ANYWHERE)


def _mounts(before: Mapping[str, Mount], after: Mapping[str, Mount]) -> Iterator[Finding]:
    for place in sorted(before.keys() - after.keys()):
        yield critical("patch-mount-gone", f"{place} ({before[place].kind}) is no longer mounted.", place=place)
    for place in sorted(before.keys() & after.keys()):
        old, new = _free_share(before[place]), _free_share(after[place])
        if old is not None and new is not None and new < DISK_FREE_LOW <= old:
            message = f"{place} has {new:.0%} free; before the run it had {old:.0%}."
            yield warning("patch-disk-low", message, place=place, before=old, after=new)


def _free_share(mount: Mount) -> float | None:
    return None if mount.free is None or not mount.size else mount.free / mount.size


def _load(before: Load, after: Load) -> Iterator[Finding]:
    usual = max(before.one, LOAD_NOISE)
    if after.one > LOAD_FACTOR * after.processors and after.one > LOAD_FACTOR * usual:
        message = f"The load is {after.one:g} on {after.processors} processors; before the run it was {before.one:g}."
        yield warning("patch-load-high", message, before=before.one, after=after.one, processors=after.processors)
