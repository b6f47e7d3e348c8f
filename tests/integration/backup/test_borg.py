"""The matrix of borg anomalies on real repositories: no anomaly is ever OK, nothing healthy ever FAILED."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ronde.model.verdict import Level, Verdict
from tests.integration.backup.bench import (
    NEWEST,
    NIGHTS,
    NOW,
    OPEN_WINDOW,
    Bench,
    cut,
    declare_borg,
    encrypt,
    flip,
    past,
    rules,
    run,
)

ALL = {"sample": "1/1", "check_window": OPEN_WINDOW}


@dataclass(frozen=True)
class Anomaly:
    """What happened to the repository, and what the check must say; `deep` when only reading bytes can tell."""

    name: str
    happen: Callable[[Bench], None]
    verdict: Verdict
    rule: str
    deep: bool = False
    now: datetime = NOW
    declared: Mapping[str, Any] = field(default_factory=dict)


def _backup(bench: Bench, name: str = "srv-late", at: datetime = NOW - timedelta(hours=1)) -> None:
    bench.borg.backup(bench.source, name, at=at)


def _delete(bench: Bench, *names: str) -> None:
    for name in names:
        bench.borg("delete", f"::{name}")


def _shrink(bench: Bench) -> None:
    for photo in (bench.source / "photos").iterdir():
        photo.unlink()
    _backup(bench)


def _missing_source(bench: Bench) -> None:
    """Borg warns (status 1) about a source that is gone and archives the rest all the same."""
    words = ["borg", "create", "--timestamp", f"{NOW - timedelta(hours=2):%Y-%m-%dT%H:%M:%S}", "::srv-both"]
    run([*words, "source/letters", "source/photos"], bench.borg.env, cwd=bench.root)
    shutil.rmtree(bench.source / "photos")
    words = ["borg", "create", "--timestamp", f"{NOW - timedelta(hours=1):%Y-%m-%dT%H:%M:%S}", "::srv-one"]
    run([*words, "source/letters", "source/photos"], bench.borg.env, cwd=bench.root, ok=(1,))


def _vanish(bench: Bench) -> None:
    shutil.rmtree(bench.source)
    bench.source.mkdir()
    _backup(bench)


def _locked(bench: Bench) -> None:
    encrypt(bench.source, rename=True)
    _backup(bench)


def _overwritten(bench: Bench) -> None:
    encrypt(bench.source, rename=False)
    _backup(bench)


def _freeze(bench: Bench) -> None:
    for minutes in (90, 60, 30):
        _backup(bench, f"srv-{minutes}m", NOW - timedelta(minutes=minutes))


def _anew(bench: Bench) -> None:
    shutil.rmtree(bench.borg.repository)
    bench.borg("init", "-e", "repokey-blake2")
    _backup(bench)


def _anew_clear(bench: Bench) -> None:
    shutil.rmtree(bench.borg.repository)
    bench.borg("init", "-e", "none")
    _backup(bench)


def _only_checkpoint(bench: Bench) -> None:
    _backup(bench, "srv-5.checkpoint", NOW + timedelta(hours=23))


def _foreign_lock(age: timedelta) -> Callable[[Bench], None]:
    def happen(bench: Bench) -> None:
        lock = bench.borg.repository / "lock.exclusive" / "otherhost@1.42-0"
        lock.parent.mkdir()
        lock.touch()
        then = (NOW - age).timestamp()
        os.utime(lock, (then, then))

    return happen


def _rolled_back(bench: Bench) -> None:
    """An attacker, or a well-meant restore, puts an older state of the repository back."""
    older = bench.root / "older"
    shutil.copytree(bench.borg.repository, older)
    _backup(bench)
    check = bench.check(declare_borg(bench), history=bench.borg_history)
    bench.borg_history = (past(check, NOW), *bench.borg_history)
    shutil.rmtree(bench.borg.repository)
    older.rename(bench.borg.repository)


def _lose_a_segment(bench: Bench) -> None:
    """One that holds nothing but file content, so that borg lists archives as if nothing had happened."""
    for segment in bench.borg.segments():
        moved = segment.rename(bench.root / "lost")
        if "srv-4" in bench.borg("list", "--format", "{archive}{hostname}{NL}", ok=(0, 2)):
            return
        moved.rename(segment)
    raise AssertionError("every segment is needed for the list")


def _middle_gone(bench: Bench) -> None:
    _delete(bench, "srv-2", "srv-3")


F, W, U = Verdict.FAILED, Verdict.WARNING, Verdict.UNKNOWN
ANOMALIES = [
    Anomaly("bit-flip-all-read", lambda b: flip(b.borg.segments()[0]), F, "backup-corrupt", deep=True, declared=ALL),
    Anomaly("segment-cut", lambda b: cut(b.borg.segments()[0]), F, "backup-corrupt", deep=True, declared=ALL),
    Anomaly("segment-gone-list-only", _lose_a_segment, F, "backup-incomplete"),
    Anomaly("segment-gone", _lose_a_segment, F, "backup-incomplete", deep=True, declared=ALL),
    Anomaly("index-gone", lambda b: b.borg.only("index.*").unlink(), W, "backup-index-missing"),
    Anomaly("config-gone", lambda b: (b.borg.repository / "config").unlink(), F, "backup-missing"),
    Anomaly("config-garbled", lambda b: cut(b.borg.repository / "config", 0.01), F, "backup-corrupt"),
    Anomaly("repository-gone", lambda b: shutil.rmtree(b.borg.repository), F, "backup-missing"),
    Anomaly("no-archives", lambda b: _delete(b, *(f"srv-{n}" for n in range(NIGHTS))), F, "backup-empty"),
    Anomaly("stale", lambda _: None, F, "backup-too-old", now=NOW + timedelta(hours=24)),
    Anomaly("future-archive", lambda b: _backup(b, at=NOW + timedelta(days=900)), F, "backup-future-point"),
    Anomaly(
        "future-hides-stale",
        lambda b: _backup(b, at=NOW + timedelta(days=900)),
        F,
        "backup-too-old",
        now=NOW + timedelta(hours=24),
    ),
    Anomaly("only-a-checkpoint-fresh", _only_checkpoint, F, "backup-too-old", now=NOW + timedelta(hours=24)),
    Anomaly("only-other-prefix", lambda _: None, F, "backup-empty", declared={"prefix": "web-"}),
    Anomaly("newest-archive-gone", lambda b: _delete(b, "srv-4"), F, "backup-rolled-back"),
    Anomaly("mass-deletion", lambda b: _delete(b, "srv-0", "srv-1", "srv-2"), F, "backup-mass-deletion"),
    Anomaly("too-few-archives", lambda _: None, F, "backup-retention-breach", declared={"keep_at_least": 7}),
    Anomaly("missed-nights", _middle_gone, W, "backup-gap", declared={"keep_at_least": 3}),
    Anomaly("shrunken", _shrink, F, "backup-shrunken"),
    Anomaly("source-empty", _vanish, F, "backup-empty"),
    Anomaly("source-folder-missing", _missing_source, F, "backup-missing-path"),
    Anomaly("encrypted-and-renamed", _locked, W, "backup-mass-change"),
    Anomaly("encrypted-in-place", _overwritten, W, "backup-mass-change"),
    Anomaly("frozen-source", _freeze, W, "backup-frozen"),
    Anomaly("made-anew", _anew, F, "backup-repository-changed"),
    Anomaly("made-anew-unencrypted", _anew_clear, F, "backup-encryption-changed"),
    Anomaly("put-back-to-an-older-state", _rolled_back, F, "backup-rolled-back"),
    Anomaly("foreign-lock-45m", _foreign_lock(timedelta(minutes=45)), W, "backup-stale-lock"),
    Anomaly("foreign-lock-25h", _foreign_lock(timedelta(hours=25)), F, "backup-stale-lock"),
]


@pytest.mark.parametrize("anomaly", ANOMALIES, ids=lambda anomaly: anomaly.name)
def test_an_anomaly_is_told_and_never_ok(borg_bench: Bench, anomaly: Anomaly) -> None:
    anomaly.happen(borg_bench)
    backup = declare_borg(borg_bench, **anomaly.declared)

    check = borg_bench.check(backup, deep=anomaly.deep, now=anomaly.now, history=borg_bench.borg_history)

    if anomaly.name == "made-anew-unencrypted":  # the id differs as well, and is reported first
        assert rules(check) & {anomaly.rule, "backup-repository-changed"}
    else:
        assert anomaly.rule in rules(check), check.findings
    assert check.verdict is anomaly.verdict, check.findings


def test_a_healthy_list_is_ok_and_present(borg_bench: Bench) -> None:
    check = borg_bench.check(declare_borg(borg_bench, keep_at_least=5, prefix="srv-"))
    assert (check.verdict, check.level, check.findings) == (Verdict.OK, Level.PRESENT, ())
    assert (check.facts["points"], check.facts["newest"]) == (5, NEWEST.isoformat())
    assert check.facts["tool"] == "borg 1.2.4"


def test_all_bytes_read_is_intact(borg_bench: Bench) -> None:
    check = borg_bench.check(declare_borg(borg_bench, **ALL), deep=True, history=borg_bench.borg_history)
    assert (check.verdict, check.level, check.findings) == (Verdict.OK, Level.INTACT, ())


def test_metadata_alone_is_coherent(borg_bench: Bench) -> None:
    check = borg_bench.check(declare_borg(borg_bench), deep=True, history=borg_bench.borg_history)
    assert (check.verdict, check.level) == (Verdict.OK, Level.COHERENT)


def test_each_part_of_the_rotation_reads_its_own_segments(borg_bench: Bench) -> None:
    """A flipped segment is found in the part its number falls into, and in no other; then it stays a failure."""
    victim = borg_bench.borg.segments()[0]
    flip(victim)
    expected = int(victim.name) % 3 + 1
    backup = declare_borg(borg_bench, sample="1/3", check_window=OPEN_WINDOW)
    history = list(borg_bench.borg_history)
    seen: list[Verdict] = []
    while not seen or (seen[-1] is Verdict.OK and len(seen) < 3):
        check = borg_bench.check(backup, deep=True, history=history)
        seen.append(check.verdict)
        history.insert(0, past(check, NOW + timedelta(minutes=len(seen))))
    assert seen == [*[Verdict.OK] * (expected - 1), Verdict.FAILED]

    quiet = borg_bench.check(backup, history=history)
    assert quiet.verdict is Verdict.FAILED
    assert "backup-corrupt-unresolved" in rules(quiet)

    flip(victim)  # mended: the same part is read again first, and only that closes the damage
    tomorrow = NOW + timedelta(hours=20)
    mended = borg_bench.check(backup, deep=True, now=tomorrow, history=[past(quiet, NOW), *history])
    assert mended.verdict is Verdict.OK, mended.findings
    assert isinstance(mended.facts["sample"], dict)
    assert mended.facts["sample"]["n"] == expected


def test_a_bit_flip_in_the_newest_archive_s_metadata_fails_without_reading_bytes(borg_bench: Bench) -> None:
    """The listing of the newest archive decrypts its metadata; memory must not hide that of an unseen archive."""
    fresh = {path.name for path in borg_bench.borg.segments()}
    _backup(borg_bench)
    added = [path for path in borg_bench.borg.segments() if path.name not in fresh]
    flip(added[0])
    check = borg_bench.check(declare_borg(borg_bench), history=borg_bench.borg_history)
    assert check.verdict is Verdict.FAILED, check.findings


def test_a_damaged_index_is_rebuilt_in_the_view_only(borg_bench: Bench) -> None:
    """Borg rebuilds a damaged index when it opens a repository; here that must not reach the real one."""
    index = borg_bench.borg.only("index.*")
    flip(index)
    check = borg_bench.check(declare_borg(borg_bench), history=borg_bench.borg_history)
    assert check.verdict is not Verdict.OK


def test_an_unencrypted_repository_is_a_warning(bench: Bench) -> None:
    bench.source.mkdir()
    (bench.source / "a.txt").write_text("plain")
    bench.borg("init", "-e", "none")
    _backup(bench)
    undeclared = bench.check(declare_borg(bench, password=None))
    assert (undeclared.verdict, rules(undeclared)) == (Verdict.WARNING, {"backup-unencrypted"})
    declared = bench.check(declare_borg(bench))
    assert (declared.verdict, rules(declared)) == (Verdict.FAILED, {"backup-encryption-changed"})


def test_a_moved_repository_is_a_warning(borg_bench: Bench) -> None:
    first = borg_bench.check(declare_borg(borg_bench))
    elsewhere = borg_bench.root / "elsewhere"
    borg_bench.borg.repository.rename(elsewhere)
    check = borg_bench.check(declare_borg(borg_bench, repository=str(elsewhere)), history=[past(first, NOW)])
    assert (check.verdict, rules(check)) == (Verdict.WARNING, {"backup-relocated"})


@pytest.mark.parametrize("password", ["something else", ""])
def test_a_wrong_password_fails(borg_bench: Bench, password: str) -> None:
    check = borg_bench.check(declare_borg(borg_bench), password=password)
    assert (check.verdict, check.level, rules(check)) == (Verdict.FAILED, None, {"backup-wrong-key"})


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo"])
def test_times_are_utc_whatever_the_host_s_zone(borg_bench: Bench, zone: str) -> None:
    borg_bench.environment["TZ"] = zone
    assert borg_bench.check(declare_borg(borg_bench)).facts["newest"] == NEWEST.isoformat()


def test_names_with_spaces_and_quotes_are_only_arguments(borg_bench: Bench) -> None:
    odd = borg_bench.root / "it's $(touch here) a; repo"
    borg_bench.borg.repository.rename(odd)
    check = borg_bench.check(declare_borg(borg_bench, repository=str(odd)))
    assert check.verdict is Verdict.OK, check.findings
    assert not list(Path(borg_bench.root).rglob("here"))


def test_a_running_backup_is_not_disturbed_and_not_an_anomaly(borg_bench: Bench) -> None:
    borg = borg_bench.borg
    command = ["borg", "create", "--compression", "none", "::running", "-"]
    with subprocess.Popen(command, env={"PATH": os.defpath, **borg.env}, stdin=subprocess.PIPE) as running:
        assert running.stdin is not None
        running.stdin.write(os.urandom(6_000_000))
        running.stdin.flush()
        deadline = time.monotonic() + 60
        while not (borg.repository / "lock.exclusive").exists():
            assert time.monotonic() < deadline, "borg took no lock"
            time.sleep(0.02)
        backup = declare_borg(borg_bench, **ALL)
        check = borg_bench.check(backup, deep=True, history=borg_bench.borg_history, still=False)
        running.stdin.close()
        assert running.wait(60) == 0
    assert check.verdict is Verdict.OK, check.findings
    borg("check")
