"""The bench on which real repositories are checked: templates, copies, and a check that proves it changed nothing."""

import hashlib
import json
import os
import random
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from ronde.engine.backups import BackupRequest, check_backup
from ronde.model.backup import PastCheck
from ronde.model.check import Check
from ronde.model.inventory import BorgBackup, DumpBackup, ResticBackup
from tests.doubles.shell import LocalShell, WallClock

PASSWORD = "correct horse battery"
NOW = datetime.now(UTC).replace(microsecond=0)
NEWEST = NOW - timedelta(hours=3)
NIGHTS = 5
PARTS = 4
ZONE = ZoneInfo("Europe/Paris")
OPEN_WINDOW = "00:00-23:59"


class Vault:
    """Secrets: every reference opens to the one password it was made with."""

    def __init__(self, password: str = PASSWORD) -> None:
        self.password = password.encode()

    def read(self, reference: str) -> bytes:
        assert reference
        return self.password


def fill(source: Path, night: int) -> None:
    """A source that changes a little every night: forty texts, a few photographs, one new letter a night."""
    noise = random.Random(night)  # noqa: S311 - content, not secrets
    (source / "letters").mkdir(parents=True, exist_ok=True)
    (source / "photos").mkdir(exist_ok=True)
    if night == 0:
        for number in range(40):
            (source / "letters" / f"{number}.txt").write_text(f"Dear mayor, letter {number}.\n" * 150)
        for number in range(6):
            (source / "photos" / f"{number}.jpg").write_bytes(noise.randbytes(120_000))
    (source / "letters" / f"night-{night}.txt").write_text(f"The letter of night {night}.\n" * 200)
    (source / "photos" / f"night-{night}.jpg").write_bytes(noise.randbytes(60_000))


def encrypt(source: Path, *, rename: bool) -> None:
    """What ransomware does: every file becomes noise, under another name or its own."""
    noise = random.Random(666)  # noqa: S311 - content, not secrets
    for path in sorted(source.rglob("*")):
        if path.is_file():
            path.write_bytes(noise.randbytes(path.stat().st_size))
            if rename:
                path.rename(path.with_suffix(".locked"))


def night(number: int) -> datetime:
    """When the backup of a night began; night `NIGHTS - 1` is the newest."""
    return NEWEST - timedelta(days=NIGHTS - 1 - number)


def run(argv: Sequence[str], env: Mapping[str, str], *, cwd: Path | None = None, ok: tuple[int, ...] = (0,)) -> str:
    done = subprocess.run(argv, env={"PATH": os.defpath, **env}, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode in ok, f"{argv}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@dataclass
class Restic:
    """A restic repository used as its owner would use it."""

    repository: Path
    home: Path
    password: str = PASSWORD

    @property
    def env(self) -> dict[str, str]:
        return {
            "RESTIC_PASSWORD": self.password,
            "TZ": "UTC",
            "HOME": str(self.home),
            "RESTIC_REPOSITORY": str(self.repository),
        }

    def __call__(self, *words: str, ok: tuple[int, ...] = (0,), cwd: Path | None = None) -> str:
        return run(["restic", "--no-cache", *words], self.env, cwd=cwd, ok=ok)

    def backup(
        self,
        *paths: Path,
        at: datetime = NEWEST,
        host: str = "srv",
        tags: Sequence[str] = (),
        cwd: Path | None = None,
    ) -> None:
        extra = [word for tag in tags for word in ("--tag", tag)]
        when = at.strftime("%Y-%m-%d %H:%M:%S")
        self("backup", "-q", "--force", "--time", when, "--host", host, *extra, *map(str, paths), cwd=cwd)

    def packs(self) -> list[Path]:
        """The pack files, largest first."""
        return sorted(
            (p for p in (self.repository / "data").rglob("*") if p.is_file()), key=lambda p: -p.stat().st_size
        )

    def index(self) -> Path:
        """Any one of the index files."""
        return min(path for path in (self.repository / "index").iterdir() if path.is_file())

    def snapshot(self, place: int) -> Path:
        """The file of one snapshot: 0 is the oldest, -1 the newest. Names are digests: their order says nothing."""
        listed = sorted(json.loads(self("snapshots", "--json")), key=lambda one: one["time"])
        return self.repository / "snapshots" / str(listed[place]["id"])


@dataclass
class Borg:
    """A borg repository used as its owner would use it, with folders of its own."""

    repository: Path
    home: Path
    password: str = PASSWORD

    @property
    def env(self) -> dict[str, str]:
        return {
            "BORG_PASSPHRASE": self.password,
            "BORG_BASE_DIR": str(self.home),
            "TZ": "UTC",
            "HOME": str(self.home),
            "BORG_REPO": str(self.repository),
            "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
            "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes",
        }

    def __call__(self, *words: str, ok: tuple[int, ...] = (0,)) -> str:
        return run(["borg", *words], self.env, cwd=self.home, ok=ok)

    def backup(self, source: Path, name: str, at: datetime = NEWEST) -> None:
        """Archived by relative path, as the roots of an archive."""
        words = ["borg", "create", "--timestamp", at.strftime("%Y-%m-%dT%H:%M:%S"), f"::{name}", source.name]
        run(words, self.env, cwd=source.parent)

    def segments(self) -> list[Path]:
        """The segment files, largest first."""
        return sorted(
            (p for p in (self.repository / "data").rglob("*") if p.is_file()), key=lambda p: -p.stat().st_size
        )

    def only(self, pattern: str) -> Path:
        return next(self.repository.glob(pattern))


def flip(path: Path, at: int | None = None) -> None:
    """Turn one byte round, in the middle unless told otherwise."""
    path.chmod(0o600)
    data = bytearray(path.read_bytes())
    place = len(data) // 2 if at is None else at
    data[place] ^= 0xFF
    path.write_bytes(data)


def cut(path: Path, keep: float = 0.5) -> None:
    path.chmod(0o600)
    os.truncate(path, int(path.stat().st_size * keep))


def tree_of(root: Path) -> str:
    """A digest over names, modes, times and bytes of everything below."""
    digest = hashlib.sha256()
    for path in sorted([root, *root.rglob("*")]) if root.exists() else []:
        state = path.lstat()
        digest.update(f"{path}|{state.st_mode}|{state.st_size}|{state.st_mtime_ns}|{state.st_nlink}\n".encode())
        if path.is_file() and not path.is_symlink():
            digest.update(path.read_bytes())
    return digest.hexdigest()


def past(check: Check, at: datetime) -> PastCheck:
    """A check as a later night remembers it."""
    return PastCheck(at, check.verdict, check.level, check.facts, tuple(finding.rule for finding in check.findings))


def rules(check: Check) -> set[str]:
    return {finding.rule for finding in check.findings}


@dataclass
class Bench:
    """One test's place: private folders for temporary files and homes, and the check that watches over them."""

    root: Path
    restic_history: tuple[PastCheck, ...] = ()
    borg_history: tuple[PastCheck, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tmp = self.root / "tmp"
        self.home = self.root / "home"
        self.owner = self.root / "owner"
        for folder in (self.tmp, self.home, self.owner):
            folder.mkdir()
            folder.chmod(0o777)
        self._restic = Restic(self.root / "restic", self.owner)
        self._borg = Borg(self.root / "borg", self.owner)

    @property
    def restic(self) -> Restic:
        return self._restic

    @property
    def borg(self) -> Borg:
        return self._borg

    @property
    def source(self) -> Path:
        return self.root / "source"

    def shell(self) -> LocalShell:
        return LocalShell(home=self.home, environment={"TMPDIR": str(self.tmp), **self.environment})

    def request(
        self,
        backup: ResticBackup | BorgBackup | DumpBackup,
        *,
        deep: bool = False,
        now: datetime = NOW,
        history: Sequence[PastCheck] = (),
    ) -> BackupRequest:
        return BackupRequest("commune", "srv", backup, now, ZONE, tuple(history), WallClock(), deep)

    def check(
        self,
        backup: ResticBackup | BorgBackup | DumpBackup,
        *,
        deep: bool = False,
        now: datetime = NOW,
        history: Sequence[PastCheck] = (),
        password: str = PASSWORD,
        still: bool = True,
    ) -> Check:
        """Check, and hold it to its promise: no byte changed, nothing left behind (`still`: nobody else writes)."""
        place = Path(backup.path).parent if isinstance(backup, DumpBackup) else Path(backup.repository)
        before = tree_of(place) if still else ""
        check = check_backup(self.shell(), Vault(password), self.request(backup, deep=deep, now=now, history=history))
        assert not still or tree_of(place) == before, "the check changed what it checked"
        assert list(self.tmp.iterdir()) == [], "the check left something behind"
        assert list(self.home.iterdir()) == [], "the check left something in our home"
        return check


def declare_restic(bench: Bench, **changes: Any) -> ResticBackup:
    declared = {"name": "documents", "repository": str(bench.restic.repository), "password": "env://RESTIC", **changes}
    return ResticBackup.model_validate({"tool": "restic", **declared})


def declare_borg(bench: Bench, **changes: Any) -> BorgBackup:
    declared = {"name": "documents", "repository": str(bench.borg.repository), "password": "env://BORG", **changes}
    return BorgBackup.model_validate({"tool": "borg", **declared})


def declare_dump(path: str, form: str, **changes: Any) -> DumpBackup:
    return DumpBackup.model_validate({"name": "db", "tool": "dump", "path": path, "format": form, **changes})


def build_restic(root: Path) -> None:
    """Five nights of a source; the repository under `restic`, the source as of the last night under `source`."""
    tool = Restic(root / "restic", root)
    tool("init", "-q")
    for number in range(NIGHTS):
        fill(root / "source", number)
        tool.backup(root / "source", at=night(number))


def build_borg(root: Path) -> None:
    tool = Borg(root / "borg", root / "base")
    (root / "base").mkdir()
    run(["borg", "init", "-e", "repokey-blake2", "--make-parent-dirs"], tool.env)
    config = root / "borg" / "config"  # small segments, so that there are enough to take turns
    config.write_text(config.read_text().replace("max_segment_size = 524288000", "max_segment_size = 100000"))
    for number in range(NIGHTS):
        fill(root / "source", number)
        tool.backup(root / "source", f"srv-{number}", at=night(number))


def copy_of(template: Path, root: Path) -> None:
    for folder in template.iterdir():
        if folder.is_dir() and not (root / folder.name).exists():
            shutil.copytree(folder, root / folder.name, symlinks=True)
