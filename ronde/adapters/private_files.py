"""Files of ours that nobody else may read: replaced whole or not at all, and one process at a time."""

import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_LOCK: Final = ".ronde.lock"
_PATIENCE: Final = 15.0  # seconds; what is done under the lock takes milliseconds
_EVERY: Final = 0.02


def write_privately(path: Path, content: bytes) -> None:
    """Put a file in its place, durably: whoever reads it, and whatever dies, finds the old content or the new one.

    Its mode is 0600 and its owner stays; a new one written by root belongs to whom its folder belongs to. Through a
    symbolic link, the file it leads to is replaced.

    Raises:
        OSError: it could not be written, or its owner not be kept; what was there is as it was.
    """
    place = path.resolve()
    descriptor, name = tempfile.mkstemp(prefix=f".{place.name}.", dir=place.parent)  # made with mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            _keep_owner(file.fileno(), place)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(place)
    finally:
        Path(name).unlink(missing_ok=True)  # it is there only when it did not take its place
    _sync_folder(place.parent)


def remove_durably(path: Path) -> None:
    """Remove a file, if it is there, so that it does not come back after a power cut; raises OSError."""
    path.unlink(missing_ok=True)
    _sync_folder(path.parent)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep every other process and thread that asks for the same folder waiting meanwhile.

    Raises:
        TimeoutError: somebody else has held it for a quarter of a minute.
        OSError: there is no such folder, or it cannot be written.
    """
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _take(descriptor, folder)
        yield
    finally:
        os.close(descriptor)  # which also gives the lock back


def _take(descriptor: int, folder: Path) -> None:
    ends = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= ends:
                raise TimeoutError(f"{folder} has been locked by somebody else for {_PATIENCE:g} s") from None
            time.sleep(_EVERY)
        else:
            return


def _keep_owner(descriptor: int, place: Path) -> None:
    ours = os.fstat(descriptor)
    try:
        found = place.stat()
    except FileNotFoundError:
        found = place.parent.stat() if os.geteuid() == 0 else ours
    if (found.st_uid, found.st_gid) != (ours.st_uid, ours.st_gid):
        os.fchown(descriptor, found.st_uid, found.st_gid)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
