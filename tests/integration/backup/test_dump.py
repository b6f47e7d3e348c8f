"""The matrix of dump files, made by the real programs and then broken: no anomaly is OK, nothing healthy FAILED."""

import os
import shutil
import subprocess
import tarfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ronde.model.verdict import Level, Verdict
from tests.integration.backup.bench import NOW, OPEN_WINDOW, Bench, cut, declare_dump, flip, past, rules
from tests.integration.backup.samples import MARIADB, NIGHTS, write_all

OK, F, W, U = Verdict.OK, Verdict.FAILED, Verdict.WARNING, Verdict.UNKNOWN
GZIP, XZ, ZSTD = ("gzip", "-nc"), ("xz", "-c"), ("zstd", "-qc")
Contents = Mapping[str, Sequence[bytes]]


@dataclass(frozen=True)
class Kind:
    """A kind of dump file, and the level of proof that a check of a small one reaches."""

    form: str
    suffix: str
    level: Level
    pack: tuple[str, ...] = ()

    def packed(self, content: bytes) -> bytes:
        return _filtered(self.pack, content) if self.pack else content


KINDS: Mapping[str, Kind] = {
    "pg-plain": Kind("pg_dump", ".sql", Level.COHERENT),
    "pg-gz": Kind("pg_dump", ".sql.gz", Level.INTACT, GZIP),
    "pg-xz": Kind("pg_dump", ".sql.xz", Level.INTACT, XZ),
    "pg-zst": Kind("pg_dump", ".sql.zst", Level.INTACT, ZSTD),
    "pg-cluster": Kind("pg_dumpall", ".sql", Level.COHERENT),
    "pg-custom": Kind("pg_custom", ".dump", Level.INTACT),
    "pg-custom-gz": Kind("pg_custom", ".dump.gz", Level.INTACT, GZIP),
    "mysql": Kind("mysqldump", ".sql", Level.COHERENT),
    "mysql-gz": Kind("mysqldump", ".sql.gz", Level.INTACT, GZIP),
    "tar": Kind("tar", ".tar", Level.COHERENT),
    "tar-gz": Kind("tar", ".tar.gz", Level.INTACT, GZIP),
    "zip": Kind("zip", ".zip", Level.INTACT),
    "plain": Kind("plain", ".bin", Level.PRESENT),
    "plain-gz": Kind("plain", ".bin.gz", Level.INTACT, GZIP),
}


@pytest.fixture(scope="session")
def contents() -> Contents:
    return write_all(NOW - timedelta(hours=3))


def _filtered(command: Sequence[str], content: bytes) -> bytes:
    return subprocess.run(command, input=content, capture_output=True, check=True).stdout


def age(path: Path, hours: float) -> Path:
    then = (NOW - timedelta(hours=hours)).timestamp()
    os.utime(path, (then, then))
    return path


def series(folder: Path, kind: Kind, contents: Contents) -> Path:
    """Four nights of dumps, each a little different, the newest three hours old. Returns the newest."""
    folder.mkdir(parents=True, exist_ok=True)
    for night in range(NIGHTS):
        path = folder / f"db-{night}{kind.suffix}"
        path.write_bytes(kind.packed(contents[kind.form][night]))
        age(path, 3 + 24 * (NIGHTS - 1 - night))
    return path


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_healthy_dumps_are_ok_with_the_level_they_can_prove(bench: Bench, contents: Contents, kind: Kind) -> None:
    series(bench.root / "dumps", kind, contents)
    check = bench.check(declare_dump(f"{bench.root}/dumps/*{kind.suffix}", kind.form, keep_at_least=4))
    assert (check.verdict, check.level, check.findings) == (OK, kind.level, ())
    assert check.facts["points"] == 4


@pytest.mark.parametrize("name", ["pg-gz", "zip", "pg-custom"])
def test_outside_the_window_nothing_is_read_and_nothing_claimed(bench: Bench, contents: Contents, name: str) -> None:
    kind = KINDS[name]
    series(bench.root / "dumps", kind, contents)
    backup = declare_dump(f"{bench.root}/dumps/*{kind.suffix}", kind.form, check_window=OPEN_WINDOW)
    check = bench.check(backup)
    assert check.verdict is OK
    assert check.level is not None
    assert check.level < Level.SAMPLED
    assert bench.check(backup, deep=True).level is Level.INTACT


@dataclass(frozen=True)
class Anomaly:
    """What happened to the newest file, and what the check must say."""

    name: str
    kind: str
    happen: Callable[[Path], object]
    verdict: Verdict
    rule: str
    now: datetime = NOW
    declared: Mapping[str, Any] = field(default_factory=dict)


def _without(mark: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(path.read_bytes().split(mark)[0])


def _dying_pipe(path: Path) -> None:
    """`mysqldump | gzip` whose first half died: the gzip is whole."""
    path.write_bytes(_filtered(GZIP, MARIADB[: len(MARIADB) // 2].encode()))


def _append(tail: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(path.read_bytes() + tail)


def _members_only(path: Path) -> None:
    """A tar cut exactly behind a member, which tar itself reads without complaint."""
    with tarfile.open(path) as archive:
        last = archive.getmembers()[-1]
    os.truncate(path, last.offset)
    assert subprocess.run(["tar", "-tf", path], capture_output=True, check=False).returncode == 0


def _same_as_before(path: Path) -> None:
    shutil.copy(path.with_name(path.name.replace("3", "2", 1)), path)


def _shrink(path: Path) -> None:
    """A dump whose head and foot are whole and whose rows are gone."""
    whole = _filtered(("gzip", "-dc"), path.read_bytes())
    path.write_bytes(_filtered(GZIP, whole[:600] + whole[-250:]))


def _clear(path: Path) -> None:
    for file in path.parent.iterdir():
        file.unlink()


ANOMALIES = [
    Anomaly("pg-cut", "pg-plain", cut, F, "backup-truncated"),
    Anomaly("pg-without-end", "pg-plain", _without(b"-- PostgreSQL database dump complete"), F, "backup-truncated"),
    Anomaly("pg-trailing-zeros", "pg-plain", _append(b"\0" * 4096), W, "backup-trailing-data"),
    Anomaly("pg-all-zeros", "pg-plain", lambda p: p.write_bytes(b"\0" * 9000), F, "backup-corrupt"),
    Anomaly("pg-is-html", "pg-plain", lambda p: p.write_text("<html>502</html>" * 900), F, "backup-wrong-format"),
    Anomaly(
        "cluster-cut-after-a-database",
        "pg-cluster",
        _without(b"-- PostgreSQL database cluster dump complete"),
        F,
        "backup-truncated",
    ),
    Anomaly("gz-cut", "pg-gz", cut, F, "backup-corrupt"),
    Anomaly("gz-flipped", "pg-gz", flip, F, "backup-corrupt"),
    Anomaly("gz-of-a-cut-dump", "mysql-gz", _dying_pipe, F, "backup-truncated"),
    Anomaly("gz-of-nothing", "mysql-gz", lambda p: p.write_bytes(_filtered(GZIP, b"")), F, "backup-empty"),
    Anomaly("gz-trailing-zeros", "pg-gz", _append(b"\0" * 512), W, "backup-trailing-data"),
    Anomaly("gz-trailing-garbage", "pg-gz", _append(b"garbage" * 20), W, "backup-trailing-data"),
    Anomaly("gz-by-name-only", "pg-gz", lambda p: p.write_text(MARIADB), F, "backup-wrong-format"),
    Anomaly("xz-cut", "pg-xz", cut, F, "backup-corrupt"),
    Anomaly("zst-flipped", "pg-zst", flip, F, "backup-corrupt"),
    Anomaly("custom-cut-a-little", "pg-custom", lambda p: cut(p, 0.97), F, "backup-corrupt"),
    Anomaly("custom-is-plain", "pg-custom", lambda p: p.write_text(MARIADB), F, "backup-wrong-format"),
    Anomaly("mysql-cut", "mysql", cut, F, "backup-truncated"),
    Anomaly("tar-cut-in-a-member", "tar", lambda p: cut(p, 0.513), F, "backup-corrupt"),
    Anomaly("tar-cut-between-members", "tar", _members_only, F, "backup-truncated"),
    Anomaly("tar-gz-cut", "tar-gz", cut, F, "backup-corrupt"),
    Anomaly("zip-cut", "zip", cut, F, "backup-corrupt"),
    Anomaly("zip-flipped", "zip", flip, F, "backup-corrupt"),
    Anomaly("nothing-in-it", "plain", lambda p: os.truncate(p, 0), F, "backup-empty"),
    Anomaly("too-small", "plain", lambda _: None, F, "backup-too-small", declared={"min_size": "10kB"}),
    Anomaly("shrunken", "pg-gz", _shrink, F, "backup-shrunken"),
    Anomaly("same-as-before", "pg-gz", _same_as_before, W, "backup-not-changing"),
    Anomaly("same-as-before-plain", "plain", _same_as_before, W, "backup-not-changing"),
    Anomaly("stale", "pg-gz", lambda _: None, F, "backup-too-old", now=NOW + timedelta(hours=24)),
    Anomaly("newest-in-the-future", "pg-gz", lambda _: None, F, "backup-future-point", now=NOW - timedelta(hours=20)),
    Anomaly("none-left", "pg-gz", _clear, F, "backup-empty"),
    Anomaly("folder-gone", "pg-gz", lambda p: shutil.rmtree(p.parent), F, "backup-missing"),
    Anomaly("too-few", "pg-gz", lambda _: None, F, "backup-retention-breach", declared={"keep_at_least": 5}),
    Anomaly(
        "old-dump-copied-anew",
        "mysql",
        lambda p: p.write_text(MARIADB.replace("@DATE@", "2024-02-03  1:02:03")),
        W,
        "backup-date-mismatch",
    ),
]


@pytest.mark.parametrize("anomaly", ANOMALIES, ids=lambda anomaly: anomaly.name)
def test_an_anomaly_is_told_and_never_ok(bench: Bench, contents: Contents, anomaly: Anomaly) -> None:
    kind = KINDS[anomaly.kind]
    newest = series(bench.root / "dumps", kind, contents)
    anomaly.happen(newest)
    if newest.exists():
        age(newest, 3)

    check = bench.check(
        declare_dump(f"{bench.root}/dumps/*{kind.suffix}", kind.form, **anomaly.declared), now=anomaly.now
    )

    assert anomaly.rule in rules(check), check.findings
    assert check.verdict is anomaly.verdict, check.findings


def test_a_file_being_written_is_unknown(bench: Bench, contents: Contents) -> None:
    kind = KINDS["pg-gz"]
    newest = series(bench.root / "dumps", kind, contents)
    growing = newest.with_name(f"db-9{kind.suffix}")
    script = f'while :; do echo more >>"{growing}"; sleep 0.2; done'
    with subprocess.Popen(["/bin/sh", "-c", script]) as writer:
        try:
            deadline = time.monotonic() + 30
            while not growing.exists():
                assert time.monotonic() < deadline
                time.sleep(0.02)
            later = NOW + timedelta(hours=1)
            check = bench.check(declare_dump(f"{bench.root}/dumps/*{kind.suffix}", kind.form), now=later, still=False)
        finally:
            writer.kill()
    assert (check.verdict, rules(check)) == (U, {"backup-in-progress"})


def test_odd_names_are_only_arguments(bench: Bench, contents: Contents) -> None:
    folder = bench.root / "it's [a] $(touch here); *folder"
    kind = KINDS["pg-gz"]
    newest = series(folder, kind, contents)
    newest.rename(newest.with_name("db-3 it's\nnew; $(touch here)" + kind.suffix))
    check = bench.check(declare_dump(f"{folder}/db-?*{kind.suffix}", kind.form, keep_at_least=4))
    assert (check.verdict, check.level) == (OK, Level.INTACT), check.findings
    assert not list(bench.root.rglob("here"))


def test_a_star_does_not_cross_a_folder(bench: Bench, contents: Contents) -> None:
    kind = KINDS["pg-plain"]
    series(bench.root / "dumps" / "deeper", kind, contents)
    check = bench.check(declare_dump(f"{bench.root}/dumps/*{kind.suffix}", kind.form))
    assert (check.verdict, rules(check)) == (F, {"backup-empty"})
    assert bench.check(declare_dump(f"{bench.root}/dumps/*/*{kind.suffix}", kind.form)).verdict is OK


def test_a_missing_pg_restore_leaves_the_level_at_present(bench: Bench, contents: Contents) -> None:
    kind = KINDS["pg-custom"]
    series(bench.root / "dumps", kind, contents)
    programs = bench.root / "bin"
    programs.mkdir()
    for name in ("sh", "env", "find", "head", "tail", "od", "tr", "sleep", "timeout", "cat", "sha256sum"):
        (programs / name).symlink_to(str(shutil.which(name, path="/usr/bin:/bin")))
    bench.environment["PATH"] = str(programs)
    check = bench.check(declare_dump(f"{bench.root}/dumps/*{kind.suffix}", kind.form))
    assert (check.verdict, check.level, rules(check)) == (W, Level.PRESENT, {"backup-tool-missing"})


def test_damage_found_in_the_window_stays_until_another_file_comes(bench: Bench, contents: Contents) -> None:
    kind = KINDS["pg-gz"]
    newest = series(bench.root / "dumps", kind, contents)
    flip(newest)
    age(newest, 3)
    backup = declare_dump(f"{bench.root}/dumps/*{kind.suffix}", kind.form, check_window=OPEN_WINDOW)
    found = bench.check(backup, deep=True)
    assert found.verdict is F

    quiet = bench.check(backup, history=[past(found, NOW)])
    assert (quiet.verdict, rules(quiet)) == (F, {"backup-corrupt-unresolved"})

    another = newest.with_name(f"db-9{kind.suffix}")
    another.write_bytes(kind.packed(contents[kind.form][-1] + b"\n"))
    age(another, 1)
    assert bench.check(backup, history=[past(quiet, NOW)]).verdict is OK
