"""Which share of the stored bytes is read next, what has been read so far, and what damage is still open.

The rotation is deterministic: the part whose last reading is oldest comes next, parts never read first. Restic's own
random `x%` only makes full coverage likely; a damaged pack was seen to be found in one part of five only.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from ronde.model.backup.evidence import Sampled
from ronde.model.backup.history import Coverage, Damage
from ronde.model.check import Json

_NEVER = datetime.min.replace(tzinfo=UTC)


def next_part(of: int, coverage: Coverage | None, damages: Sequence[Damage] = ()) -> int:
    """The part to read next, 1 to `of`.

    Damaged parts are read again first, so that only a fresh, intact reading can close a damage.
    """
    damaged = sorted(damage.part for damage in damages if damage.of == of and 1 <= damage.part <= of)
    if damaged:
        return damaged[0]
    parts = coverage.parts if coverage is not None and coverage.of == of else {}
    return min(range(1, of + 1), key=lambda part: (parts.get(part, _NEVER), part))


def covered(coverage: Coverage | None, read: Sampled, at: datetime) -> Coverage:
    """The coverage after a part was read intact; parts cut another way do not count towards it."""
    kept = dict(coverage.parts) if coverage is not None and coverage.of == read.of else {}
    return Coverage(read.of, kept | {read.part: at})


def coverage_summary(coverage: Coverage) -> dict[str, Json]:
    """How much has been read: `{"read": 12, "of": 20, "since": ISO or None}`.

    `since` is the oldest reading that counts: "20 of 20 parts read since then".
    """
    valid = [at for part, at in coverage.parts.items() if 1 <= part <= coverage.of]
    return {"read": len(valid), "of": coverage.of, "since": min(valid).isoformat() if valid else None}


def uncovered(coverage: Coverage | None, damage: Damage) -> Coverage | None:
    """The coverage after a part turned out damaged: its earlier reading no longer counts."""
    if coverage is None or coverage.of != damage.of:
        return coverage
    return Coverage(coverage.of, {part: at for part, at in coverage.parts.items() if part != damage.part})


def closed(damages: Sequence[Damage], coverage: Coverage) -> tuple[Damage, ...]:
    """The damages that later, intact readings have not disproved.

    A damaged part is disproved by reading that part intact later; one found under another division, by reading all
    parts of the present one later; one of the metadata (part 0) never by reading shares.
    """
    return tuple(damage for damage in damages if not _disproved(damage, coverage))


def _disproved(damage: Damage, coverage: Coverage) -> bool:
    if damage.part == 0:
        return False
    needed = (damage.part,) if damage.of == coverage.of else range(1, coverage.of + 1)
    return all(coverage.parts.get(part, _NEVER) > damage.since for part in needed)


def opened(damages: Sequence[Damage], fresh: Damage) -> tuple[Damage, ...]:
    """The damages after one more was found; the same one keeps the day it was first seen."""
    same = [known for known in damages if replace(known, since=fresh.since) == fresh]
    return tuple(damages) if same else (*damages, fresh)
