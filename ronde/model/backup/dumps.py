"""The conclusion about dump files: freshness and size of the series, and what was read of the newest one.

Levels: files listed = present; opening and closing marks, or the members' headers, in order = coherent; all bytes read
through a checksum (gzip, xz, zstd, zip) or through `pg_restore` = intact. Text and tar without compression carry no
checksum of their content, so they never get beyond coherent; `plain` without compression stays present.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from ronde.model.backup.conclusion import Conclusion, escalation, proofs
from ronde.model.backup.content import shrunken
from ronde.model.backup.dump_format import TEXT_FORMATS, Ends, compression_of, judge_ends, judge_wrapping
from ronde.model.backup.evidence import Point, Points
from ronde.model.backup.freshness import judge_points, usable
from ronde.model.backup.history import Damage, damage_json
from ronde.model.backup.objective import Night, Objective
from ronde.model.backup.thresholds import SMALL_DUMP, critical, unknown, warning
from ronde.model.check import Finding, Json
from ronde.model.inventory import DumpBackup
from ronde.model.verdict import Level

READ_WHOLE = frozenset({"zip", "pg_custom"})
_BROKEN = frozenset({"backup-corrupt", "backup-truncated", "backup-empty", "backup-wrong-format"})
_ABSENT = frozenset({"backup-empty", "backup-too-old", "backup-too-small"})


@dataclass(frozen=True, slots=True)
class DumpFile:
    """One file: size in bytes, time of last change (UTC)."""

    path: str
    size: int
    changed: datetime

    @property
    def identity(self) -> str:
        return f"{self.path}|{self.size}|{self.changed.isoformat()}"


@dataclass(frozen=True, slots=True)
class Listing:
    """The files at two moments; a file whose size or time differs between them is still being written."""

    before: tuple[DumpFile, ...]
    after: tuple[DumpFile, ...]


@dataclass(frozen=True, slots=True)
class Content:
    """What decompressing the whole file gave: its ends and the decompressor's exit status."""

    ends: Ends
    tool: str
    status: int


@dataclass(frozen=True, slots=True)
class Verified:
    """What a tool that reads the whole file said (tar, unzip, pg_restore)."""

    tool: str
    status: int
    said: str


@dataclass(frozen=True, slots=True)
class DumpEvidence:
    """All that one check learnt about a series of dump files.

    Attributes:
        ends: of the newest file as stored.
        content: after decompression; asked only when the whole file may be read and is compressed.
        verified: by the format's own tool; the same.
        alike: whether the newest two files have the same content; None when that need not or may not be asked.
    """

    listing: Listing | Finding | None = None
    ends: Ends | Finding | None = None
    content: Content | Finding | None = None
    verified: Verified | Finding | None = None
    alike: bool | Finding | None = None
    read: bool = field(default=False)


def newest_of(listing: Listing, night: Night) -> DumpFile | None:
    """The newest file whose time can be believed."""
    believed = [file for file in listing.after if file.changed <= night.horizon]
    return max(believed, key=lambda file: (file.changed, file.path), default=None)


def may_read(file: DumpFile, backup: DumpBackup, night: Night) -> bool:
    """Whether the whole file may be read: inside the window, or, where none is declared, up to 64 MiB."""
    return night.deep or (backup.check_window is None and file.size <= SMALL_DUMP)


def growing(listing: Listing, file: DumpFile) -> bool:
    """Whether the file changed between the two looks, or appeared only at the second."""
    return file not in listing.before


def needs_content(head: bytes) -> bool:
    return bool(compression_of(head))


def needs_tool(backup: DumpBackup) -> bool:
    return backup.format in READ_WHOLE or backup.format == "tar"


def decide_dump(evidence: DumpEvidence, backup: DumpBackup, objective: Objective, night: Night) -> Conclusion:
    """The conclusion about one series of dumps. `evidence.read` says whether the whole newest file was to be read."""
    inside = tuple(_judge_inside(evidence, backup, night))
    findings = [*_judge_series(evidence, objective, night), *inside]
    newest = newest_of(evidence.listing, night) if isinstance(evidence.listing, Listing) else None
    level = _level(evidence, backup, findings)
    damage = _damage(newest, inside, level, night)
    if damage is not None and not any(found.rule in _BROKEN for found in inside):
        message = f"The newest file was found damaged on {damage.since:%Y-%m-%d} and has not been read intact since."
        findings.append(critical("backup-corrupt-unresolved", message, damage=damage_json(damage)))
    findings += escalation(findings, level, objective, night)
    facts: dict[str, Json] = {"proofs": proofs(night, level)}
    if isinstance(evidence.listing, Listing):
        facts |= _series_facts(evidence.listing, newest, night)
        facts["damage"] = [damage_json(damage)] if damage else []
    return Conclusion(tuple(findings), level, facts)


def _judge_series(evidence: DumpEvidence, objective: Objective, night: Night) -> Iterator[Finding]:
    listing = evidence.listing
    if not isinstance(listing, Listing):
        yield listing or unknown("backup-not-read", "The files were not listed.")
        return
    yield from judge_points(points_of(listing), objective, night)
    newest = newest_of(listing, night)
    if newest is None:
        return
    if growing(listing, newest):
        yield unknown("backup-in-progress", f"{newest.path} is still being written.", path=newest.path)
        return
    if newest.size < objective.min_size:
        message = f"{newest.path} has {newest.size} bytes; at least {objective.min_size} are expected."
        yield critical("backup-too-small", message, size=newest.size, min_size=objective.min_size)
    yield from shrunken("bytes", newest.size, _sizes_before(listing, newest, night))
    if evidence.alike is True and objective.active:
        yield warning(
            "backup-not-changing", "The newest two files have the same content although the source is active."
        )
    elif isinstance(evidence.alike, Finding):
        yield evidence.alike


def _sizes_before(listing: Listing, newest: DumpFile, night: Night) -> list[int]:
    """Sizes to compare with, newest first: of older files, or of other nights where each dump replaces the last."""
    older = sorted((file for file in listing.after if file.changed < newest.changed), key=lambda file: file.changed)
    return [file.size for file in reversed(older)] or list(night.memory.sizes)


def _judge_inside(evidence: DumpEvidence, backup: DumpBackup, night: Night) -> Iterator[Finding]:
    if not isinstance(evidence.listing, Listing):
        return
    newest = newest_of(evidence.listing, night)
    if newest is None or growing(evidence.listing, newest) or not newest.size:
        return
    if not isinstance(evidence.ends, Ends):
        yield evidence.ends or unknown("backup-not-read", f"{newest.path} was not opened.", path=newest.path)
        return
    yield from judge_wrapping(newest.path, evidence.ends)
    if needs_content(evidence.ends.head):
        yield from _judge_content(evidence, backup, newest)
    else:
        yield from judge_ends(backup.format, evidence.ends, newest.changed)
    yield from _judge_tool(evidence, backup)


def _judge_content(evidence: DumpEvidence, backup: DumpBackup, newest: DumpFile) -> Iterator[Finding]:
    content = evidence.content
    if not isinstance(content, Content):
        if isinstance(content, Finding) or evidence.read:
            yield content or unknown("backup-not-read", f"{newest.path} was not read.", path=newest.path)
        return
    if content.status == 2 and content.tool == "gzip":
        yield warning("backup-trailing-data", f"Something follows the gzip data of {newest.path}.", path=newest.path)
    elif content.status != 0:
        message = f"{newest.path} cannot be decompressed to its end ({content.tool} status {content.status})."
        yield critical("backup-corrupt", message, tool=content.tool, exit_status=content.status)
        return
    yield from judge_ends(backup.format, content.ends, newest.changed)


def _judge_tool(evidence: DumpEvidence, backup: DumpBackup) -> Iterator[Finding]:
    verified = evidence.verified
    if isinstance(verified, Finding):
        yield verified
    elif verified is None:
        if evidence.read and needs_tool(backup):
            yield unknown("backup-not-read", f"The {backup.format} content was not read.")
    elif verified.status == 127:
        message = f"{verified.tool} is not installed on the host, so the content could not be read."
        yield warning("backup-tool-missing", message, tool=verified.tool)
    elif verified.status != 0:
        message = f"{verified.tool} finds the content damaged (status {verified.status}): {verified.said}"
        yield critical("backup-corrupt", message, tool=verified.tool, exit_status=verified.status)


def _level(evidence: DumpEvidence, backup: DumpBackup, findings: list[Finding]) -> Level | None:
    spoken = {found.rule for found in findings}
    if not isinstance(evidence.listing, Listing):
        return None
    if spoken & _ABSENT or not evidence.listing.after:
        return Level.REACHABLE
    if spoken & (_BROKEN | {"backup-in-progress", "backup-not-understood", "backup-not-readable", "backup-not-read"}):
        return Level.PRESENT
    checked = isinstance(evidence.verified, Verified) and evidence.verified.status == 0
    if needs_tool(backup) and not checked:
        return Level.COHERENT if backup.format == "zip" else Level.PRESENT
    if isinstance(evidence.content, Content) or (checked and backup.format in READ_WHOLE):
        return Level.INTACT
    compressed = isinstance(evidence.ends, Ends) and needs_content(evidence.ends.head)
    marked = backup.format in TEXT_FORMATS or checked
    return Level.COHERENT if marked and not compressed else Level.PRESENT


def _damage(newest: DumpFile | None, inside: tuple[Finding, ...], level: Level | None, night: Night) -> Damage | None:
    """Damage belongs to one file: it is forgotten when another is the newest, and disproved by reading it intact."""
    if newest is None:
        return None
    known = next((damage for damage in night.memory.damages if damage.what == newest.identity), None)
    if any(found.rule in _BROKEN for found in inside):
        return known or Damage(night.now, 0, 0, newest.identity)
    return None if level is Level.INTACT else known


def points_of(listing: Listing) -> Points:
    """The files as restore points, so that the rules over points hold for them as well."""
    files = sorted(listing.after, key=lambda file: (file.changed, file.path))
    return Points(tuple(Point(file.path, file.path, file.changed, size=file.size) for file in files))


def _series_facts(listing: Listing, newest: DumpFile | None, night: Night) -> dict[str, Json]:
    believed = usable(points_of(listing), night)
    facts: dict[str, Json] = {"points": len(believed)}
    if newest is not None:
        facts |= {
            "newest": newest.changed.isoformat(),
            "newest_id": newest.path,
            "oldest": believed[0].at.isoformat(),
            "size": newest.size,
        }
    return facts
