"""The matrix of restic anomalies on real repositories: no anomaly is ever OK, nothing healthy ever FAILED."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ronde.model.verdict import Level, Verdict
from tests.integration.backup.bench import (
    NEWEST,
    NOW,
    OPEN_WINDOW,
    PARTS,
    Bench,
    cut,
    declare_restic,
    encrypt,
    flip,
    past,
    rules,
)

ALL = {"sample": "1/1", "check_window": OPEN_WINDOW}
LATER = NOW + timedelta(hours=20)  # the next night's check


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


def _empty(bench: Bench) -> None:
    for snapshot in (bench.restic.repository / "snapshots").iterdir():
        snapshot.unlink()


def _future(bench: Bench) -> None:
    bench.restic.backup(bench.source, at=NOW + timedelta(days=900))


def _other_host(bench: Bench) -> None:
    bench.restic.backup(bench.source, at=LATER - timedelta(hours=1), host="another")


def _other_tag(bench: Bench) -> None:
    bench.restic.backup(bench.source, at=LATER - timedelta(hours=1), tags=["manual"])


def _half_the_paths(bench: Bench) -> None:
    bench.restic.backup(bench.source / "letters", bench.source / "photos", at=NOW - timedelta(hours=2))
    bench.restic.backup(bench.source / "letters", at=NOW - timedelta(hours=1))


def _shrink(bench: Bench) -> None:
    for photo in (bench.source / "photos").iterdir():
        photo.unlink()
    bench.restic.backup(bench.source, at=NOW - timedelta(hours=1))


def _vanish(bench: Bench) -> None:
    shutil.rmtree(bench.source)
    bench.source.mkdir()
    bench.restic.backup(bench.source, at=NOW - timedelta(hours=1))


def _rename(bench: Bench) -> None:
    encrypt(bench.source, rename=True)
    bench.restic.backup(bench.source, at=NOW - timedelta(hours=1))


def _overwrite(bench: Bench) -> None:
    encrypt(bench.source, rename=False)
    bench.restic.backup(bench.source, at=NOW - timedelta(hours=1))


def _freeze(bench: Bench) -> None:
    """By a relative path: the folders above it, which other tests write to, are then no part of the points."""
    for minutes in (90, 60, 30):
        bench.restic.backup(Path(bench.source.name), at=NOW - timedelta(minutes=minutes), cwd=bench.root)


def _anew(bench: Bench) -> None:
    shutil.rmtree(bench.restic.repository)
    bench.restic("init", "-q")
    bench.restic.backup(bench.source, at=NEWEST)


def _forget_most(bench: Bench) -> None:
    bench.restic("forget", "-q", "--keep-last", "1")


def _forget_newest(bench: Bench) -> None:
    bench.restic("forget", "-q", "latest")


def _wrong_keys(bench: Bench) -> None:
    shutil.rmtree(bench.restic.repository / "keys")
    (bench.restic.repository / "keys").mkdir()


F, W, U = Verdict.FAILED, Verdict.WARNING, Verdict.UNKNOWN
ANOMALIES = [
    Anomaly("bit-flip-in-pack", lambda b: flip(b.restic.packs()[0]), F, "backup-corrupt", deep=True, declared=ALL),
    Anomaly("pack-cut", lambda b: cut(b.restic.packs()[0]), F, "backup-corrupt", deep=True, declared=ALL),
    Anomaly("pack-gone", lambda b: b.restic.packs()[0].unlink(), F, "backup-corrupt", deep=True, declared=ALL),
    Anomaly("pack-gone-walk-only", lambda b: b.restic.packs()[0].unlink(), F, "backup-corrupt", deep=True),
    Anomaly("index-gone", lambda b: b.restic.index().unlink(), F, "backup-corrupt", deep=True),
    Anomaly("index-flipped-list-only", lambda b: flip(b.restic.index()), F, "backup-corrupt"),
    Anomaly("old-snapshot-flipped", lambda b: flip(b.restic.snapshot(0)), W, "backup-damaged-point"),
    Anomaly("newest-snapshot-flipped", lambda b: flip(b.restic.snapshot(-1)), F, "backup-rolled-back"),
    Anomaly("newest-snapshot-flipped-told", lambda b: flip(b.restic.snapshot(-1)), F, "backup-damaged-point"),
    Anomaly("newest-snapshot-gone", _forget_newest, F, "backup-rolled-back"),
    Anomaly("config-flipped", lambda b: flip(b.restic.repository / "config"), F, "backup-corrupt"),
    Anomaly("config-gone", lambda b: (b.restic.repository / "config").unlink(), F, "backup-missing"),
    Anomaly("keys-gone", _wrong_keys, F, "backup-wrong-key"),
    Anomaly("repository-gone", lambda b: shutil.rmtree(b.restic.repository), F, "backup-missing"),
    Anomaly("no-snapshots", _empty, F, "backup-empty"),
    Anomaly("stale", lambda _: None, F, "backup-too-old", now=NOW + timedelta(hours=24)),
    Anomaly("future-point", _future, F, "backup-future-point"),
    Anomaly("future-hides-stale", _future, F, "backup-too-old", now=NOW + timedelta(hours=24)),
    Anomaly(
        "only-another-host-fresh",
        _other_host,
        F,
        "backup-too-old",
        now=NOW + timedelta(hours=30),
        declared={"backup_host": "srv"},
    ),
    Anomaly("only-untagged-fresh", _other_tag, F, "backup-empty", now=LATER, declared={"tags": ["nightly"]}),
    Anomaly("declared-path-missing", lambda _: None, F, "backup-empty", declared={"paths": ["/srv/never"]}),
    Anomaly("path-dropped", _half_the_paths, F, "backup-missing-path"),
    Anomaly("shrunken", _shrink, F, "backup-shrunken"),
    Anomaly("source-empty", _vanish, F, "backup-empty"),
    Anomaly("encrypted-and-renamed", _rename, W, "backup-mass-change"),
    Anomaly("encrypted-in-place", _overwrite, W, "backup-mass-change"),
    Anomaly("frozen-source", _freeze, W, "backup-frozen"),
    Anomaly("made-anew", _anew, F, "backup-repository-changed"),
    Anomaly("mass-deletion", _forget_most, F, "backup-mass-deletion"),
    Anomaly("too-few-points", lambda _: None, F, "backup-retention-breach", declared={"keep_at_least": 7}),
]


@pytest.mark.parametrize("anomaly", ANOMALIES, ids=lambda anomaly: anomaly.name)
def test_an_anomaly_is_told_and_never_ok(restic_bench: Bench, anomaly: Anomaly) -> None:
    anomaly.happen(restic_bench)
    backup = declare_restic(restic_bench, **anomaly.declared)

    check = restic_bench.check(backup, deep=anomaly.deep, now=anomaly.now, history=restic_bench.restic_history)

    assert anomaly.rule in rules(check), check.findings
    assert check.verdict is anomaly.verdict, check.findings


def test_a_declared_path_that_no_point_holds_fails(restic_bench: Bench) -> None:
    declared = declare_restic(restic_bench, paths=[str(restic_bench.source)])
    restic_bench.restic.backup(restic_bench.source / "letters", restic_bench.source, at=NOW - timedelta(hours=1))
    assert restic_bench.check(declared).verdict is Verdict.OK
    restic_bench.restic.backup(restic_bench.source / "letters", at=NOW - timedelta(minutes=30))
    both = declare_restic(restic_bench, paths=[str(restic_bench.source / "letters"), str(restic_bench.source)])
    check = restic_bench.check(both)
    assert check.verdict is Verdict.FAILED
    assert "backup-missing-path" in rules(check)


def test_a_healthy_list_is_ok_and_present(restic_bench: Bench) -> None:
    check = restic_bench.check(declare_restic(restic_bench, keep_at_least=5, backup_host="srv"))
    assert (check.verdict, check.level, check.findings) == (Verdict.OK, Level.PRESENT, ())
    assert check.facts["points"] == 5
    assert check.facts["newest"] == NEWEST.isoformat()
    assert check.facts["tool"] == "restic 0.14.0"


def test_all_bytes_read_is_intact(restic_bench: Bench) -> None:
    check = restic_bench.check(declare_restic(restic_bench, **ALL), deep=True, history=restic_bench.restic_history)
    assert (check.verdict, check.level, check.findings) == (Verdict.OK, Level.INTACT, ())


def test_metadata_alone_is_coherent(restic_bench: Bench) -> None:
    check = restic_bench.check(declare_restic(restic_bench), deep=True, history=restic_bench.restic_history)
    assert (check.verdict, check.level) == (Verdict.OK, Level.COHERENT)


def test_rotation_finds_the_one_bad_pack_and_keeps_saying_so(restic_bench: Bench) -> None:
    """One flipped pack lies in one part; once found it stays a failure on nights that read nothing."""
    flip(restic_bench.restic.packs()[0])
    backup = declare_restic(restic_bench, sample=f"1/{PARTS}", check_window=OPEN_WINDOW)
    history = list(restic_bench.restic_history)
    verdicts = []
    for number in range(PARTS):
        check = restic_bench.check(backup, deep=True, history=history)
        verdicts.append(check.verdict)
        history.insert(0, past(check, NOW + timedelta(minutes=number)))
        if check.verdict is Verdict.FAILED:
            break
    assert verdicts[-1] is Verdict.FAILED
    assert all(verdict is Verdict.OK for verdict in verdicts[:-1])

    quiet = restic_bench.check(backup, deep=False, history=history)

    assert quiet.verdict is Verdict.FAILED
    assert "backup-corrupt-unresolved" in rules(quiet)


def test_rotation_covers_every_part(restic_bench: Bench) -> None:
    backup = declare_restic(restic_bench, sample="1/2", check_window=OPEN_WINDOW)
    history = list(restic_bench.restic_history)
    for number in range(2):
        check = restic_bench.check(backup, deep=True, history=history)
        assert (check.verdict, check.level) == (Verdict.OK, Level.SAMPLED)
        history.insert(0, past(check, NOW + timedelta(minutes=number)))
    assert check.facts["covered"] == {"read": 2, "of": 2, "since": NOW.isoformat()}


def test_a_wrong_password_fails(restic_bench: Bench) -> None:
    check = restic_bench.check(declare_restic(restic_bench), password="something else")
    assert (check.verdict, check.level, rules(check)) == (Verdict.FAILED, None, {"backup-wrong-key"})


def test_a_running_backup_is_not_disturbed_and_not_an_anomaly(restic_bench: Bench) -> None:
    restic = restic_bench.restic
    with subprocess.Popen(
        ["restic", "--no-cache", "backup", "--stdin", "--host", "srv"],
        env={"PATH": os.defpath, **restic.env},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    ) as running:
        assert running.stdin is not None
        running.stdin.write(os.urandom(3_000_000))
        running.stdin.flush()
        _wait_for_lock(restic_bench)
        backup = declare_restic(restic_bench, **ALL)
        check = restic_bench.check(backup, deep=True, history=restic_bench.restic_history, still=False)
        running.stdin.close()
        assert running.wait(60) == 0
    assert check.verdict is Verdict.OK, check.findings
    restic("check")


@pytest.mark.parametrize(
    ("age", "verdict"), [(5, Verdict.OK), (45, Verdict.WARNING), (25 * 60, Verdict.FAILED)], ids=["5m", "45m", "25h"]
)
def test_a_lock_of_a_killed_backup(restic_bench: Bench, age: int, verdict: Verdict) -> None:
    restic = restic_bench.restic
    with subprocess.Popen(
        ["restic", "--no-cache", "backup", "--stdin"],
        env={"PATH": os.defpath, **restic.env},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as running:
        _wait_for_lock(restic_bench)
        running.send_signal(signal.SIGKILL)
    left = list((restic.repository / "locks").iterdir())

    backup = declare_restic(restic_bench, max_age="7d")
    now = datetime.now(UTC) + timedelta(minutes=age)  # counted from the lock, which is of this moment
    check = restic_bench.check(backup, now=now, history=restic_bench.restic_history)

    assert check.verdict is verdict, check.findings
    assert rules(check) == (set() if verdict is Verdict.OK else {"backup-stale-lock"})
    assert list((restic.repository / "locks").iterdir()) == left


def _wait_for_lock(bench: Bench) -> None:
    locks = bench.restic.repository / "locks"
    deadline = time.monotonic() + 60
    while not any(len(lock.name) == 64 for lock in locks.iterdir()):  # under its final name, not the temporary one
        assert time.monotonic() < deadline, "restic took no lock"
        time.sleep(0.02)
