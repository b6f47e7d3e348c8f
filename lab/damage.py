"""Faults in stored backups, each made as it comes about in the field, or byte for byte as it is found there."""

import os
import shutil
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from lab.dumps import SHRUNKEN, date_file
from lab.errors import LabError
from lab.parts import Parts
from lab.restic import bucket_of
from lab.site import Borg, Dump, Restic
from lab.spare import Spare

NIGHTS_LOST = 3
LOCK_AGE = timedelta(hours=3)
"""Well past the half hour after which restic itself calls a lock stale, and short of a day."""


def stale_backup(parts: Parts, name: str, spare: Spare, _now: datetime) -> None:
    """Undo the last three nights: the job has been failing since, and nobody noticed."""
    host, backup = parts.find(name)
    place = parts.place(host, backup)
    spare.keep(place)
    if isinstance(backup, Dump):
        for path in _newest_first(place)[:NIGHTS_LOST]:
            path.unlink()
    elif isinstance(backup, Restic):
        for snapshot in parts.restic(host, backup).snapshots()[-NIGHTS_LOST:]:
            (place / "snapshots" / snapshot["id"]).unlink()
    else:
        repository = parts.borg(host, backup)
        repository.delete(list(repository.archives())[-NIGHTS_LOST:])


def corrupted_pack(parts: Parts, name: str, spare: Spare, _now: datetime) -> None:
    """Flip one byte in the middle of a pack; where a sample is read each night, in the first night's part."""
    host, backup = parts.find(name)
    if not isinstance(backup, Restic):
        raise LabError(f"{name} is not a restic repository")
    packs = parts.restic(host, backup).packs()
    parted = int(backup.sample.partition("/")[2] or 1)
    _flip([pack for pack in packs if bucket_of(pack, parted) == 1] or packs, spare)


def corrupted_segment(parts: Parts, name: str, spare: Spare, _now: datetime) -> None:
    """Flip one byte in the middle of borg's largest segment file."""
    host, backup = parts.find(name)
    if not isinstance(backup, Borg):
        raise LabError(f"{name} is not a borg repository")
    _flip(parts.borg(host, backup).segments(), spare)


def shrunken_dump(parts: Parts, name: str, spare: Spare, _now: datetime) -> None:
    """Replace the newest dump by one of the same database after it was nearly emptied: complete, and tiny."""
    newest, backup = _newest_dump(parts, name)
    shrunken = parts.cached(backup) / "series" / SHRUNKEN
    if not shrunken.exists():
        raise LabError(f"{name} is not a dump of PostgreSQL")
    _rewrite(newest, shrunken.read_bytes(), spare)


def truncated_dump(parts: Parts, name: str, spare: Spare, _now: datetime) -> None:
    """Cut the newest dump off after two thirds, as a full disk or a broken link does."""
    newest, _ = _newest_dump(parts, name)
    content = newest.read_bytes()
    _rewrite(newest, content[: len(content) * 2 // 3], spare)


def stale_lock(parts: Parts, name: str, spare: Spare, now: datetime) -> None:
    """Leave the lock of a backup that was killed three hours ago (restic), or of a server that is gone (borg)."""
    host, backup = parts.find(name)
    if isinstance(backup, Dump):
        raise LabError(f"{name} is a series of dumps, which knows no locks")
    spare.keep(parts.place(host, backup))
    if isinstance(backup, Restic):
        growth = spare.directory / "new-data"
        growth.write_bytes(os.urandom(1024 * 1024))
        parts.restic(host, backup).leave_lock(growth, now - LOCK_AGE)
        return
    lock = parts.borg(host, backup).foreign_lock()
    lock.parent.mkdir()
    lock.touch()
    for path in (lock, lock.parent):
        date_file(path, now - LOCK_AGE)


def missing_path(parts: Parts, name: str, _spare: Spare, now: datetime) -> None:
    """Add a newest backup for which one of the source folders was not there: restic says so, and exits with 0."""
    host, backup = parts.find(name)
    if not isinstance(backup, Restic) or len(backup.folders) < 2:
        raise LabError(f"{name} is not a restic repository of several folders")
    source = parts.cached(backup) / "source"
    present = [source / folder for folder in backup.folders[:-1]]
    parts.restic(host, backup).backup([*present, source / "not-mounted"], now - timedelta(hours=1))


def back_up_again(parts: Parts, name: str, now: datetime) -> None:
    """One whole backup, as of now: a job that works again.

    Borg needs it beside what was put back: a repository in an older state than was seen before is a rollback, to borg
    and to Ronde, and no mended repository.
    """
    host, backup = parts.find(name)
    source = parts.cached(backup) / "source"
    if isinstance(backup, Restic):
        parts.restic(host, backup).backup([source / folder for folder in backup.folders], now)
    elif isinstance(backup, Borg):
        repository = parts.borg(host, backup)
        shutil.rmtree(repository.home)
        parts.borg(host, backup).backup(source, now)


def _newest_first(place: Path) -> list[Path]:
    return sorted(place.iterdir(), key=lambda path: -path.stat().st_mtime)


def _newest_dump(parts: Parts, name: str) -> tuple[Path, Dump]:
    host, backup = parts.find(name)
    if not isinstance(backup, Dump):
        raise LabError(f"{name} is not a series of dumps")
    return _newest_first(parts.place(host, backup))[0], backup


def _rewrite(path: Path, content: bytes, spare: Spare) -> None:
    """Give a file another content and leave its date and mode alone."""
    spare.keep(path)
    status = path.stat()
    path.chmod(0o600)  # restic keeps its packs read-only, which stops an ordinary user, not a bad disk
    path.write_bytes(content)
    path.chmod(status.st_mode)
    os.utime(path, ns=(status.st_mtime_ns, status.st_mtime_ns))


def _flip(files: Sequence[Path], spare: Spare) -> None:
    """Invert the byte in the middle of the first of `files`."""
    content = bytearray(files[0].read_bytes())
    content[len(content) // 2] ^= 0xFF
    _rewrite(files[0], bytes(content), spare)
