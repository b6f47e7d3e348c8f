"""What earlier checks of the same backup left behind, read back carefully: the memory that rules compare with."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from ronde.model.backup.evidence import Profile
from ronde.model.check import Json
from ronde.model.verdict import Level, Verdict

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class PastCheck:
    """One earlier check, as the ledger keeps it; `findings` are rule ids."""

    at: datetime
    verdict: Verdict
    level: Level | None
    facts: Mapping[str, Json]
    findings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Coverage:
    """Which parts of the stored bytes were read back, and when: part number (from 1) → instant."""

    of: int
    parts: Mapping[int, datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Damage:
    """Damage that was found and not disproved since.

    Attributes:
        part: the part of the sample it lies in (0: found by the walk over the metadata, or in a whole file).
        of: into how many parts the bytes were cut then.
        what: the repository id, or the path, size and mtime of the file it is about.
    """

    since: datetime
    part: int
    of: int
    what: str


@dataclass(frozen=True, slots=True)
class Memory:
    """The newest known value of everything worth remembering; empty values when nothing is known yet."""

    repository_id: str = ""
    encryption: str = ""
    location: str = ""
    modified: datetime | None = None
    newest: datetime | None = None
    points: int | None = None
    newest_seen: tuple[datetime, ...] = ()
    sizes: tuple[int, ...] = ()
    profiles: Mapping[str, Profile] = field(default_factory=dict)
    churn_shares: tuple[float, ...] = ()
    coverage: Coverage | None = None
    damages: tuple[Damage, ...] = ()
    proofs: Mapping[str, datetime] = field(default_factory=dict)
    first_check: datetime | None = None
    last_known: datetime | None = None
    unknown_streak: int = 0


def recall(history: Sequence[PastCheck]) -> Memory:
    """The memory that a history (newest first) leaves; values of another shape than we write are ignored."""
    facts = [past.facts for past in history]
    known = [past.at for past in history if past.verdict is not Verdict.UNKNOWN]
    streak = next((i for i, past in enumerate(history) if past.verdict is not Verdict.UNKNOWN), len(history))
    return Memory(
        repository_id=_text(facts, "repository_id"),
        encryption=_text(facts, "encryption"),
        location=_text(facts, "location"),
        modified=_instant(_newest(facts, "modified")),
        newest=_instant(_newest(facts, "newest")),
        points=_whole(_newest(facts, "points")),
        newest_seen=_each(facts, "newest", _instant),
        sizes=_each(facts, "size", _whole),
        profiles=_profiles(facts),
        churn_shares=_each(facts, "churn", _share),
        coverage=_coverage(_newest(facts, "coverage")),
        damages=_damages(_newest(facts, "damage")),
        proofs=_instants(_newest(facts, "proofs")),
        first_check=history[-1].at if history else None,
        last_known=known[0] if known else None,
        unknown_streak=streak,
    )


def _newest(facts: Sequence[Mapping[str, Json]], key: str) -> Json:
    return next((fact[key] for fact in facts if key in fact), None)


def _each(facts: Sequence[Mapping[str, Json]], key: str, read: Callable[[Json], Value | None]) -> tuple[Value, ...]:
    return tuple(value for fact in facts if (value := read(fact.get(key))) is not None)


def _text(facts: Sequence[Mapping[str, Json]], key: str) -> str:
    value = _newest(facts, key)
    return value if isinstance(value, str) else ""


def _instant(value: Json) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        instant = datetime.fromisoformat(value)
    except ValueError:
        return None
    return instant if instant.tzinfo else None


def _whole(value: Json) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _number(value: Json) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _share(value: Json) -> float | None:
    return _number(value.get("share")) if isinstance(value, Mapping) else None


def _instants(value: Json) -> Mapping[str, datetime]:
    if not isinstance(value, Mapping):
        return {}
    return {key: instant for key, text in value.items() if (instant := _instant(text)) is not None}


def _coverage(value: Json) -> Coverage | None:
    if not isinstance(value, Mapping):
        return None
    of = _whole(value.get("of"))
    parts = _instants(value.get("parts"))
    return None if of is None else Coverage(of, {int(key): at for key, at in parts.items() if key.isdecimal()})


def _damages(value: Json) -> tuple[Damage, ...]:
    entries = value if isinstance(value, Sequence) and not isinstance(value, str) else ()
    return tuple(damage for entry in entries if (damage := _damage(entry)) is not None)


def _damage(value: Json) -> Damage | None:
    if not isinstance(value, Mapping):
        return None
    since, part, of = _instant(value.get("since")), _whole(value.get("part")), _whole(value.get("of"))
    what = value.get("what")
    if since is None or part is None or of is None or not isinstance(what, str):
        return None
    return Damage(since, part, of, what)


def _profiles(facts: Sequence[Mapping[str, Json]]) -> Mapping[str, Profile]:
    known: dict[str, Profile] = {}
    for fact in reversed(facts):
        entries = fact.get("profiles")
        if isinstance(entries, Mapping):
            known |= {key: profile for key, entry in entries.items() if (profile := _profile(entry)) is not None}
    return known


def _profile(value: Json) -> Profile | None:
    if not isinstance(value, Mapping):
        return None
    size, files, digest = _whole(value.get("size")), _whole(value.get("files")), value.get("digest", "")
    roots = value.get("roots", ())
    if size is None or files is None or not isinstance(digest, str) or isinstance(roots, str):
        return None
    listed = tuple(root for root in roots if isinstance(root, str)) if isinstance(roots, Sequence) else ()
    return Profile(size, files, digest, listed, _number(value.get("ratio")))


def profile_json(profile: Profile) -> Json:
    """A profile as it is kept in facts and read back by `recall`."""
    return {
        "size": profile.size,
        "files": profile.files,
        "digest": profile.digest,
        "roots": list(profile.roots),
        "ratio": profile.ratio,
    }


def coverage_json(coverage: Coverage) -> Json:
    parts = {str(part): at.isoformat() for part, at in sorted(coverage.parts.items())}
    return {"of": coverage.of, "parts": parts}


def damage_json(damage: Damage) -> Json:
    return {"since": damage.since.isoformat(), "part": damage.part, "of": damage.of, "what": damage.what}
