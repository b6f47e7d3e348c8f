"""Databases and looks at a host as JSON values, for the record of a run that may have to be taken up by another worker.

A package database is thousands of lines; it is packed, since the record is written anew with every step of the run.
"""

import json
import zlib
from base64 import b85decode, b85encode
from collections.abc import Mapping, Sequence
from typing import Any

from ronde.model.check import Finding, Json
from ronde.model.patch.absent import Absent
from ronde.model.patch.health import Health, Load, Mount, Socket
from ronde.model.patch.packages import Database, Entry, Package, State
from ronde.model.patch.thresholds import unknown


def packed(database: Database) -> str:
    """The whole database as one text; `unpacked` reads it back."""
    lines = [
        [e.package.name, e.package.arch, e.package.version, e.state.value, e.mark, e.held] for e in database.entries
    ]
    return b85encode(zlib.compress(json.dumps(lines).encode(), 9)).decode("ascii")


def unpacked(text: str) -> Database:
    """The inverse of `packed`, for texts that it made."""
    lines = json.loads(zlib.decompress(b85decode(text)))
    return Database(
        tuple(
            Entry(Package(name, arch, version), State(state), mark, held)
            for name, arch, version, state, mark, held in lines
        )
    )


def health_json(health: Health) -> dict[str, Json]:
    """One look at a host; a piece that was not read keeps the reason."""
    units, sockets, mounts, load = health.units, health.sockets, health.mounts, health.load
    return {
        "units": sorted(units) if isinstance(units, frozenset) else _why(units),
        "sockets": [[s.protocol, s.address, s.port] for s in sorted(sockets)]
        if isinstance(sockets, frozenset)
        else _why(sockets),
        "mounts": [[m.place, m.kind, m.size, m.free] for m in mounts] if isinstance(mounts, tuple) else _why(mounts),
        "load": [load.one, load.processors] if isinstance(load, Load) else _why(load),
    }


def health_from_json(value: Mapping[str, Any]) -> Health:
    """The inverse of `health_json`, for values that it made."""
    units, sockets, mounts, load = (value[name] for name in ("units", "sockets", "mounts", "load"))
    return Health(
        units=frozenset(units) if _is_list(units) else _unread(units),
        sockets=frozenset(Socket(*each) for each in sockets) if _is_list(sockets) else _unread(sockets),
        mounts=tuple(Mount(*each) for each in mounts) if _is_list(mounts) else _unread(mounts),
        load=Load(*load) if _is_list(load) else _not_there(load),
    )


def _why(piece: object) -> Json:
    if isinstance(piece, Absent):
        return {"absent": piece.why}
    return {"unread": piece.message} if isinstance(piece, Finding) else None


def _not_there(value: Mapping[str, str] | None) -> Absent | Finding | None:
    return Absent(value["absent"]) if value is not None and "absent" in value else _unread(value)


def _unread(value: Mapping[str, str] | None) -> Finding | None:
    return None if value is None else unknown("patch-health-unknown", value["unread"])


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)
