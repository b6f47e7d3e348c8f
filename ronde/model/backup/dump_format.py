"""What the inside of a dump file must look like: magic numbers, opening and closing marks of each format."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ronde.model.backup.thresholds import DATE_TOLERANCE, critical, unknown, warning
from ronde.model.check import Finding

COMPRESSIONS = {b"\x1f\x8b": "gzip", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
SUFFIXES = {".gz": "gzip", ".tgz": "gzip", ".xz": "xz", ".txz": "xz", ".zst": "zstd", ".zstd": "zstd"}
TEXT_FORMATS = frozenset({"pg_dump", "pg_dumpall", "mysqldump"})
_TAR_BLOCK = 512
_GZIP_TRAILER = 8
_LAST_LINES = 12
_PG_HEAD = b"-- PostgreSQL database dump"
_PG_END = "-- PostgreSQL database dump complete"
_CLUSTER_HEAD = b"-- PostgreSQL database cluster dump"
_CLUSTER_END = "-- PostgreSQL database cluster dump complete"
# Since the releases of August 2025 a line `\unrestrict TOKEN` follows the closing mark of plain dumps.
_AFTER_END = re.compile(r"\s*|--|\\unrestrict \w+")
_MYSQL_HEAD = re.compile(rb"^-- (MySQL|MariaDB) dump|^-- Dump of ", re.MULTILINE)
_MYSQL_END = re.compile(r"^-- Dump completed(?: on (\d{4}-\d\d-\d\d) +(\d{1,2}):(\d\d):(\d\d))?")
_MYSQL_LAST_SETTING = "SET SQL_NOTES=@OLD_SQL_NOTES"


@dataclass(frozen=True, slots=True)
class Ends:
    """The first and the last bytes of a file or of what its decompression gives."""

    head: bytes
    tail: bytes

    @property
    def empty(self) -> bool:
        return not self.head and not self.tail

    @property
    def zeros_at_end(self) -> int:
        """How many zero bytes stand at the end, as far as the tail reaches."""
        return len(self.tail) - len(self.tail.rstrip(b"\0"))


def compression_of(head: bytes) -> str:
    """`gzip`, `xz`, `zstd` or empty, by the magic number; the name of a file proves nothing."""
    return next((name for magic, name in COMPRESSIONS.items() if head.startswith(magic)), "")


def promised(path: str) -> str:
    """The compression that a file name promises."""
    return next((name for suffix, name in SUFFIXES.items() if path.endswith(suffix)), "")


def judge_wrapping(path: str, ends: Ends) -> Iterator[Finding]:
    """A file that is not what its name says, or carries something behind the end of its compressed data."""
    found, expected = compression_of(ends.head), promised(path)
    if expected and found != expected:
        yield critical("backup-wrong-format", f"{path} is not {expected} data, as its name says.", expected=expected)
    if found == "gzip" and ends.zeros_at_end > _GZIP_TRAILER:
        yield warning("backup-trailing-data", f"{path} ends in zeros after its gzip data.", zeros=ends.zeros_at_end)
    if found == "xz" and not ends.tail.endswith(b"YZ"):
        yield warning("backup-trailing-data", f"{path} does not end with the mark of xz data.")


def judge_ends(form: str, ends: Ends, made: datetime) -> Iterator[Finding]:
    """The opening and closing marks of the innermost content; nothing when they are all there.

    `made` is the file's own time, which a date inside the dump must not contradict.
    """
    if ends.empty:
        yield critical("backup-empty", "The dump holds nothing.", format=form)
        return
    if not (ends.head + ends.tail).strip(b"\0"):
        yield critical("backup-corrupt", "The dump holds nothing but zeros at its beginning and end.", format=form)
        return
    match form:
        case "pg_dump" | "pg_dumpall":
            yield from _postgres(ends)
        case "mysqldump":
            yield from _mysql(ends, made)
        case "tar":
            yield from _tar(ends)
        case "zip":
            yield from _zip(ends)
        case "pg_custom" if not ends.head.startswith(b"PGDMP"):
            yield critical("backup-wrong-format", "The dump is not in PostgreSQL's custom format.", format=form)


def _postgres(ends: Ends) -> Iterator[Finding]:
    """A cluster dump holds the closing marks of its databases midway, so only its own mark ends it."""
    cluster = _CLUSTER_HEAD in ends.head
    if not cluster and _PG_HEAD not in ends.head:
        yield critical("backup-wrong-format", "The dump does not begin like one of PostgreSQL.")
        return
    yield from _text_end(ends, _CLUSTER_END if cluster else _PG_END)


def _text_end(ends: Ends, mark: str) -> Iterator[Finding]:
    lines = _last_lines(ends)
    if mark not in lines:
        yield critical("backup-truncated", f'The dump breaks off: "{mark}" is missing at its end.', mark=mark)
        return
    after = lines[len(lines) - lines[::-1].index(mark) :]
    if ends.zeros_at_end or not all(_AFTER_END.fullmatch(line) for line in after):
        yield warning("backup-trailing-data", "Something follows the closing mark of the dump.", after=after[:5])


def _mysql(ends: Ends, made: datetime) -> Iterator[Finding]:
    lines = _last_lines(ends)
    ends_found = [match for line in lines if (match := _MYSQL_END.match(line))]
    if ends_found:
        yield from _mysql_date(ends_found[-1], made)
        if ends.zeros_at_end:
            yield warning("backup-trailing-data", "Zeros follow the closing mark of the dump.")
    elif _MYSQL_HEAD.search(ends.head):
        yield critical("backup-truncated", 'The dump breaks off: "-- Dump completed" is missing at its end.')
    elif not any(_MYSQL_LAST_SETTING in line for line in lines):
        yield unknown(
            "backup-not-understood",
            "The dump has neither comments nor settings at its end (--skip-comments, --compact), so whether it is "
            "whole cannot be told; make it with comments.",
        )


def _mysql_date(match: re.Match[str], made: datetime) -> Iterator[Finding]:
    if match[1] is None:
        return
    inside = datetime.fromisoformat(f"{match[1]}T{int(match[2]):02}:{match[3]}:{match[4]}").replace(tzinfo=UTC)
    apart = abs(made - inside)
    if apart > DATE_TOLERANCE:
        yield warning(
            "backup-date-mismatch",
            f"The dump says it was made on {inside:%Y-%m-%d}, its file is from {made:%Y-%m-%d}: an old dump was "
            "copied or restored over.",
            inside=inside.isoformat(),
            file=made.isoformat(),
            tolerance_s=int(DATE_TOLERANCE / timedelta(seconds=1)),
        )


def _tar(ends: Ends) -> Iterator[Finding]:
    """Two zero blocks end an archive; a cut between two members leaves one that tar reads without complaint."""
    if ends.head[257:262] != b"ustar" and ends.head[100:101] not in b"01":
        yield critical("backup-wrong-format", "The content is not a tar archive.")
    elif (ends.head + ends.tail)[-2 * _TAR_BLOCK :].strip(b"\0"):
        yield critical("backup-truncated", "The archive breaks off: its two closing zero blocks are missing.")


def _zip(ends: Ends) -> Iterator[Finding]:
    if not ends.head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        yield critical("backup-wrong-format", "The content is not a zip archive.")
    elif b"PK\x05\x06" not in ends.tail and b"PK\x05\x06" not in ends.head:
        yield critical("backup-truncated", "The archive breaks off: its closing directory is missing.")


def _last_lines(ends: Ends) -> list[str]:
    """The last lines without the zeros that may follow them; empty lines do not count."""
    text = (ends.head + b"\n" + ends.tail).rstrip(b"\0").decode("utf-8", "replace")
    return [line.rstrip() for line in text.splitlines() if line.strip()][-_LAST_LINES:]
