"""Whether a host could be brought back: every declared backup, verified last night, fresh."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ronde.model.guards import BackupProof, Guard, Situation, judge, proofs_of
from ronde.model.inventory import Client
from ronde.model.records import CheckRecord
from ronde.model.verdict import Level, Verdict

HOUR = timedelta(hours=1)
NOW = datetime(2026, 1, 15, 22, 0, tzinfo=UTC)
PROVEN = BackupProof("documents", 26 * HOUR, Verdict.OK, NOW - 7 * HOUR, NOW - 5 * HOUR)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"verdict": None}, "never verified"),
        ({"checked_at": None}, "never verified"),
        ({"verdict": Verdict.FAILED}, "its newest check came to failed"),
        ({"verdict": Verdict.UNKNOWN}, "its newest check came to unknown"),
        ({"checked_at": NOW - 27 * HOUR}, "verified 27 h ago (limit 26 h)"),
        ({"checked_at": NOW + HOUR}, "its newest check lies in the future"),
        ({"newest": None}, "its newest check saw no restore point"),
        ({"newest": NOW + HOUR}, "its newest point lies in the future"),
        ({"newest": NOW - 74 * HOUR}, "the newest point is from 3 days 2 h ago (limit 26 h)"),
        ({"max_age": 168 * HOUR, "checked_at": NOW - 72 * HOUR}, "verified 3 days ago (limit 26 h)"),
    ],
)
def test_a_backup_that_is_not_proven_blocks(changes: dict[str, Any], reason: str) -> None:
    [found] = judge([Guard.BACKUP], Situation(NOW, backups=(replace(PROVEN, **changes),)))
    assert (found.blocks, found.reason, found.until) == (True, f"documents: {reason}", None)


@pytest.mark.parametrize(
    "changes",
    [
        {"newest": NOW - 26 * HOUR},
        {"checked_at": NOW - 26 * HOUR},
        {"newest": NOW + timedelta(minutes=4)},
        {"max_age": 168 * HOUR, "newest": NOW - 168 * HOUR},
    ],
)
def test_the_limits_themselves_are_still_kept(changes: dict[str, Any]) -> None:
    assert judge([Guard.BACKUP], Situation(NOW, backups=(replace(PROVEN, **changes),)))[0].passed


def test_a_warning_is_a_small_thing_and_is_told() -> None:
    [found] = judge([Guard.BACKUP], Situation(NOW, backups=(replace(PROVEN, verdict=Verdict.WARNING),)))
    assert (found.passed, found.reason) == (
        True,
        "documents: verified 5 h ago with a warning, point of 7 h ago (limit 26 h)",
    )


def test_the_one_backup_that_is_not_proven_is_the_one_that_is_told() -> None:
    [found] = judge([Guard.BACKUP], Situation(NOW, backups=(PROVEN, BackupProof("town-hall-db", 26 * HOUR))))
    assert (found.blocks, found.reason) == (True, "town-hall-db: never verified")


def test_a_host_without_backups_blocks() -> None:
    [found] = judge([Guard.BACKUP], Situation(NOW, backups=()))
    assert (found.blocks, found.reason) == (True, "no backup is declared")


DUMP = {"name": "db", "tool": "dump", "path": "/var/backups/*.sql", "format": "pg_dump", "max_age": "6h"}
RESTIC = {"name": "documents", "tool": "restic", "repository": "/srv/r", "password": "age://c/r"}
CLIENT = Client.model_validate(
    {
        "client": "c",
        "name": "C",
        "hosts": {"srv": {"address": "10.0.0.1", "user": "ronde", "key": "age://c/ssh", "backups": [RESTIC, DUMP]}},
    }
)
CHECK = CheckRecord(
    id="1",
    run="r",
    job="j",
    client="c",
    host="srv",
    subject="documents",
    kind="restic",
    verdict=Verdict.OK,
    level=Level.COHERENT,
    evidence_at=NOW - 5 * HOUR,
    recorded_at=NOW - 5 * HOUR,
    facts={"newest": (NOW - 7 * HOUR).isoformat()},
)


def test_the_newest_check_of_each_declared_backup_counts() -> None:
    older = replace(CHECK, verdict=Verdict.FAILED, recorded_at=NOW - 29 * HOUR)
    assert proofs_of(CLIENT, "srv", [CHECK, older]) == (PROVEN, BackupProof("db", 6 * HOUR))
    assert proofs_of(CLIENT, "srv", [older, replace(CHECK, recorded_at=NOW - 40 * HOUR)])[0].verdict is Verdict.FAILED


@pytest.mark.parametrize("changes", [{"client": "d"}, {"host": "other"}, {"subject": "docs"}, {"kind": "borg"}])
def test_a_check_of_something_else_proves_nothing(changes: dict[str, Any]) -> None:
    proofs = proofs_of(CLIENT, "srv", [replace(CHECK, **changes)])
    assert [proof.verdict for proof in proofs] == [None, None]


@pytest.mark.parametrize("newest", [None, 5, "yesterday", "2026-01-15T10:00:00"])
def test_a_newest_point_that_cannot_be_read_is_none(newest: Any) -> None:
    assert proofs_of(CLIENT, "srv", [replace(CHECK, facts={"newest": newest})])[0].newest is None
