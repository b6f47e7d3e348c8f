"""The inventory in force: the last valid one, reloaded when its files change."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock

import structlog

from ronde.adapters.files.documents import Document, read_document
from ronde.adapters.files.inventory import CERTIFICATES, Loaded, load_inventory
from ronde.model.errors import InventoryError
from ronde.model.inventory import Inventory, TechnicianEntry
from ronde.model.inventory.problems import Problem, errors_of
from ronde.model.playbook import Named

log = structlog.get_logger(__name__)

Mark = tuple[str, int, int, int]
Fingerprint = tuple[Mark, ...]


def utc_now() -> datetime:
    return datetime.now(UTC)


class InventoryStore:
    """Fulfils the port `Inventories` from a directory of files; safe to share between threads.

    With `every`, the files are looked at only once in so many seconds, however often the inventory is asked for: a
    worker asks for each job, and there are hundreds of files.

    Attributes:
        problems: errors and warnings of the files as they are now, also when an older inventory stays in force.
        loaded_at: when the inventory in force was read (aware, UTC); None when there has been none.
        digest: of the inventory in force.
    """

    def __init__(
        self,
        directory: Path,
        playbooks: Mapping[str, Named] | None,
        *,
        certificates: Path | None = None,
        now: Callable[[], datetime] = utc_now,
        every: float = 0.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.directory = directory
        self.certificates = certificates or directory / CERTIFICATES
        self.problems: tuple[Problem, ...] = ()
        self.loaded_at: datetime | None = None
        self.digest = ""
        self._playbooks = playbooks
        self._now = now
        self._every = every
        self._monotonic = monotonic
        self._next_look = 0.0
        self._lock = Lock()
        self._seen: Fingerprint | None = None
        self._inventory: Inventory | None = None
        self._newest = Loaded(None, "", ())
        self._documents: dict[Path, tuple[Mark, Document]] = {}

    def current(self) -> Inventory:
        with self._lock:
            self._look_when_due()
            if self._inventory is None:
                raise InventoryError(tuple(str(problem) for problem in errors_of(self.problems)))
            return self._inventory

    def technicians(self) -> Mapping[str, TechnicianEntry]:
        """Who is declared in `provider.yml` as it is now, also while a client's file is invalid; empty for nobody.

        Raises:
            InventoryError: `provider.yml` does not tell, and nothing may be assumed; its own problems, no client's.
        """
        with self._lock:
            self._look_when_due()
            return self._newest.declared()

    def _look_when_due(self) -> None:
        if self._inventory is None or self._monotonic() >= self._next_look:
            self._look()

    def _look(self) -> None:
        # Before reading: what changes meanwhile is seen the next time.
        found = fingerprint(self.directory) + fingerprint(self.certificates)
        if found != self._seen:
            self._reload()
            self._seen = found
        self._next_look = self._monotonic() + self._every

    def standing(self) -> str:
        """A sentence on what is in force when the files are invalid; empty while they are valid."""
        if not errors_of(self.problems):
            return ""
        if self.loaded_at is None:
            return "No inventory is in force."
        return f"The inventory of {self.loaded_at.astimezone():%-d %b %H:%M} stays in force."

    def _reload(self) -> None:
        now = self._now()
        self._documents = {path: known for path, known in self._documents.items() if path.exists()}
        loaded: Loaded = load_inventory(self.directory, self._playbooks, now, self.certificates, self._read)
        self._newest, self.problems = loaded, loaded.problems
        if loaded.inventory is None:
            errors = errors_of(loaded.problems)
            log.error("inventory invalid", errors=[str(problem) for problem in errors], standing=self.standing())
            return
        self._inventory, self.digest, self.loaded_at = loaded.inventory, loaded.digest, now
        log.info("inventory loaded", digest=self.digest, clients=len(loaded.inventory.clients))

    def _read(self, path: Path) -> Document:
        """A file's document; parsing is what takes time, so that of an unchanged file is kept."""
        known = self._documents.get(path)
        mark = _mark(str(path))
        if known is not None and known[0] == mark:
            return known[1]
        document = read_document(path)
        self._documents[path] = (mark, document)
        return document


def fingerprint(directory: Path) -> Fingerprint:
    """Name, inode, size and time of change of every file below the directory: a few microseconds a file.

    The inode tells a file replaced within the clock's granularity by one of the same length.
    """
    return tuple(sorted(_marks(str(directory), levels=4)))


def _marks(folder: str, levels: int) -> Iterator[Mark]:
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():  # links to folders too; the levels end a circle of links
            yield from _marks(entry.path, levels - 1) if levels else ()
            continue
        yield _mark(entry.path)


def _mark(path: str) -> Mark:
    try:
        facts = Path(path).stat()
    except OSError:  # gone since it was listed, or a link to nothing: its name alone tells
        return path, 0, -1, 0
    return path, facts.st_ino, facts.st_size, facts.st_mtime_ns
