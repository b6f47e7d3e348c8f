"""What takes seconds to make and never changes: repositories with their history, dump series, keys.

The cache outlives `down`. `up` copies from it, so a lab starts healthy whatever was broken in it before, and several
labs of one test session share one cache. A repository that has grown old gets the nights it lacks.
"""

import fcntl
import hashlib
import os
import secrets
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path

from lab.borg import BorgRepository
from lab.crew import Crew
from lab.dumps import make_postgres_series, make_series
from lab.process import end, marked
from lab.restic import ResticRepository
from lab.site import DUMP_NIGHTS, Backup, Borg, Dump, HostSpec, Restic

NEWEST = timedelta(hours=4)
"""How long ago the last night's backup was, when a repository is made."""

NIGHT = timedelta(days=1)
_HISTORIES = "histories-"
_RECIPES = (
    "borg",
    "cache",
    "dumps",
    "postgres",
    "restic",
    "restic_format",
    "site",
)  # the modules that decide the content
_STILL_FRESH = timedelta(hours=20)  # the default objective is 26 h: a lab stays healthy for a morning
_TOO_OLD = timedelta(days=8)  # from here on, making it anew is no slower than adding the nights that lack
_FIRST_FILES = 12
_FILE_BYTES = 48 * 1024


@dataclass(frozen=True, slots=True)
class Cache:
    """The cache in `directory`; `now` (aware) is what histories are dated from."""

    directory: Path
    now: datetime
    blank_lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def prepare(self, hosts: Sequence[HostSpec]) -> None:
        """Make what these hosts need and the cache lacks; safe against another lab doing the same at the same time.

        Raises:
            LabError: a tool is missing or failed.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        with self._alone():
            end(marked(self.directory))  # of a lab that was killed while it filled this cache
            self._forget_old_recipes()
            jobs = self._jobs([(host, backup) for host in hosts for backup in host.backups])
            with Crew(self.directory, 2 * (os.cpu_count() or 1)) as crew:
                for job in jobs:
                    crew.submit(job)

    def restic(self, host: HostSpec, backup: Restic) -> ResticRepository:
        home = self.folder(backup.name)
        return ResticRepository(home / "repository", home / "password", host.name, home, self.directory)

    def borg(self, host: HostSpec, backup: Borg) -> BorgRepository:
        home = self.folder(backup.name)
        return BorgRepository(home / "repository", home / "password", host.name, home, self.directory)

    def folder(self, backup: str) -> Path:
        """Where the cached things of one backup are; another place when the code that makes them has changed."""
        return self.directory / f"{_HISTORIES}{_recipe()}" / backup

    def sources(self, backup: Restic) -> list[Path]:
        """The folders that are backed up; their paths are in every snapshot."""
        return [self.folder(backup.name) / "source" / folder for folder in backup.folders]

    def _jobs(self, backups: Sequence[tuple[HostSpec, Backup]]) -> list[Callable[[], None]]:
        """What is to be made, longest first; a job that finds its thing made and fresh does nothing."""
        jobs: list[tuple[int, Callable[[], None]]] = []
        for host, backup in backups:
            if isinstance(backup, Restic):
                jobs.append((backup.nights + 10, partial(self._restic_history, host, backup)))
            elif isinstance(backup, Borg):
                jobs.append((backup.nights, partial(self._borg_history, host, backup)))
        dumps = [backup for _, backup in backups if isinstance(backup, Dump) and self._is_old(backup)]
        jobs.append((12, partial(self._dump_series, dumps)))
        return [job for _, job in sorted(jobs, key=lambda entry: -entry[0])]

    def _restic_history(self, host: HostSpec, backup: Restic) -> None:
        repository, sources = self.restic(host, backup), self.sources(backup)

        def night(when: datetime) -> None:
            for source in sources:
                _grow(source)
            repository.backup(sources, when)

        self._history(backup.name, backup.nights, lambda: repository.create_from(self._blank()), night)

    def _borg_history(self, host: HostSpec, backup: Borg) -> None:
        repository, source = self.borg(host, backup), self.folder(backup.name) / "source"

        def night(when: datetime) -> None:
            _grow(source)
            repository.backup(source, when)

        self._history(backup.name, backup.nights, repository.create, night)

    def _history(self, name: str, nights: int, create: Callable[[], None], night: Callable[[datetime], None]) -> None:
        """Bring one repository up to last night; one that was left half made, or is too old, is made anew."""
        newest = self._newest(name)
        if newest is None or self.now - newest > _TOO_OLD:
            self._begin(name)
            create()
            newest = self.now - NEWEST - nights * NIGHT
        due = _nights_after(newest, self.now)
        if due:
            self._made(name).unlink(missing_ok=True)
            for when in due:
                night(when)
            self._finish(name, due[-1])

    def _dump_series(self, dumps: Sequence[Dump]) -> None:
        for dump in dumps:
            self._begin(dump.name)
        databases = {dump: self.folder(dump.name) / "series" for dump in dumps if dump.is_postgres}
        if databases:
            make_postgres_series(databases, DUMP_NIGHTS, self.directory)
        for dump in dumps:
            if not dump.is_postgres:
                make_series(dump, self.folder(dump.name) / "series", dump_nights(self.now), self.directory)
            self._finish(dump.name, self.now)

    def _blank(self) -> ResticRepository:
        """An empty repository to copy from; whoever comes first makes it."""
        home = self.folder("blank")
        repository = ResticRepository(home / "repository", home / "password", "lab", home, self.directory)
        with self.blank_lock:
            if self._newest("blank") is None:
                self._begin("blank")
                repository.initialise()
                self._finish("blank", self.now)
        return repository

    def _is_old(self, dump: Dump) -> bool:
        """Some dumps say inside when they were made; that must be about when their file says."""
        made = self._newest(dump.name)
        return made is None or abs(self.now - made) > _STILL_FRESH

    def _made(self, name: str) -> Path:
        return self.folder(name) / "newest"

    def _newest(self, name: str) -> datetime | None:
        """The newest night of something that was completely made; None when it was not."""
        try:
            return datetime.fromisoformat(self._made(name).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None

    def _begin(self, name: str) -> None:
        """An empty folder with a password."""
        shutil.rmtree(self.folder(name), ignore_errors=True)
        self.folder(name).mkdir(parents=True)
        (self.folder(name) / "password").write_text(secrets.token_urlsafe(24), encoding="utf-8")

    def _finish(self, name: str, newest: datetime) -> None:
        self._made(name).write_text(newest.isoformat(), encoding="utf-8")

    def _forget_old_recipes(self) -> None:
        """Remove what older versions of the lab made, unless one of them may still be up."""
        for folder in self.directory.glob(f"{_HISTORIES}*"):
            unused = self.now - datetime.fromtimestamp(folder.stat().st_mtime, UTC)
            if folder.name != f"{_HISTORIES}{_recipe()}" and unused > NIGHT:
                shutil.rmtree(folder)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with (self.directory / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


@cache
def _recipe() -> str:
    """A digest of the code that makes the histories."""
    digest = hashlib.sha256()
    for module in _RECIPES:
        digest.update(Path(__file__).with_name(f"{module}.py").read_bytes())
    return digest.hexdigest()[:12]


def dump_nights(now: datetime) -> list[datetime]:
    """When the dumps of a series are written, newest first."""
    return [now - NEWEST - age * NIGHT for age in range(DUMP_NIGHTS)]


def _nights_after(newest: datetime, now: datetime) -> list[datetime]:
    """The nights that lack until `newest` would be fresh again, oldest first."""
    due: list[datetime] = []
    while now - (due[-1] if due else newest) > _STILL_FRESH:
        due.append((due[-1] if due else newest) + NIGHT)
    return due


def _grow(folder: Path) -> None:
    """One day of work: a new file and a changed one."""
    folder.mkdir(parents=True, exist_ok=True)
    there = len(list(folder.iterdir()))
    for number in range(there, max(there + 1, _FIRST_FILES)):
        (folder / f"dossier-{number:03}.odt").write_bytes(os.urandom(_FILE_BYTES))
    (folder / f"dossier-{there // 2:03}.odt").write_bytes(os.urandom(_FILE_BYTES))
