"""Each rule at its threshold, from both sides."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ronde.model.backup.content import judge_churn, judge_content, judge_duration, shrunken
from ronde.model.backup.dump_format import Ends, judge_ends
from ronde.model.backup.evidence import Churn, Lock, Locks, Point, Points, Profile, Repository, Sampled, Tool
from ronde.model.backup.freshness import gaps, judge_points, missing_paths, select
from ronde.model.backup.history import Coverage, Damage, Memory
from ronde.model.backup.identity import judge_locks, judge_repository, judge_tool
from ronde.model.backup.objective import Night, Objective
from ronde.model.backup.rotation import closed, coverage_summary, covered, next_part
from ronde.model.backup.thresholds import RULES, finding
from ronde.model.check import Finding
from ronde.model.inventory import ResticBackup
from ronde.model.verdict import Severity

NOW = datetime(2026, 11, 24, 4, 30, tzinfo=UTC)
NIGHT = Night(NOW)
DAY = Objective("/r", timedelta(hours=26))


def at(hours: float, **more: object) -> Point:
    return replace(Point(f"id{hours}", f"p{hours}", NOW - timedelta(hours=hours)), **more)  # type: ignore[arg-type] # test data


def told(findings: Iterable[Finding]) -> list[tuple[str, str]]:
    return [(found.rule, str(found.severity)) for found in findings]


def test_every_rule_has_a_threshold_and_a_source_and_stands_once() -> None:
    assert all(rule.when and rule.source for rule in RULES)
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert all(rule.id.startswith(("backup-", "clock-")) for rule in RULES)
    with pytest.raises(KeyError):
        finding("backup-invented", Severity.INFO, "")


@pytest.mark.parametrize(("hours", "rules"), [(26, []), (26.01, [("backup-too-old", "critical")])])
def test_too_old_just_past_max_age(hours: float, rules: Sequence[object]) -> None:
    assert told(judge_points(Points((at(hours),)), DAY, NIGHT)) == rules


@pytest.mark.parametrize(
    ("minutes", "skew", "rules"),
    [
        (5, 0, []),
        (6, 0, ["backup-future-point", "backup-empty"]),
        (14, 10, []),
        (16, 10, ["backup-future-point", "backup-empty"]),
        (6, -10, ["backup-future-point", "backup-empty"]),
    ],
)
def test_a_point_in_the_future_allows_for_the_host_s_skew(minutes: int, skew: int, rules: list[str]) -> None:
    night = Night(NOW, skew=timedelta(minutes=skew))
    spoken = [rule for rule, _ in told(judge_points(Points((at(-minutes / 60),)), DAY, night))]
    assert spoken == rules


def test_missed_nights_show_as_gaps_also_when_retention_thinned_the_list() -> None:
    keep = replace(DAY, keep_at_least=7)
    regular = [NOW - timedelta(hours=3 + 24 * n) for n in range(7, -1, -1)]
    assert told(gaps(regular, keep, NIGHT)) == []
    holed = [*regular[:4], *regular[6:]]
    assert told(gaps(holed, keep, NIGHT)) == [("backup-gap", "warning")]
    thinned = [regular[0], regular[6], regular[7]]
    remembered = Night(NOW, Memory(newest_seen=tuple(regular)))
    assert told(gaps(thinned, DAY, remembered)) == []
    assert told(gaps([NOW - timedelta(days=30), NOW - timedelta(days=20), *regular[-2:]], DAY, NIGHT)) == []


def test_a_night_of_25_hours_is_no_gap() -> None:
    times = [datetime(2026, 10, 24, 0, 0, tzinfo=UTC), datetime(2026, 10, 25, 1, 0, tzinfo=UTC)]
    assert told(gaps(times, DAY, Night(times[-1] + timedelta(hours=2)))) == []


def test_paths_that_went_missing_and_jobs_that_only_share_the_repository() -> None:
    both, part, other = (at(4, paths=("/a", "/b")), at(3, paths=("/a",)), at(2, paths=("/c",)))
    assert told(missing_paths([both, part], DAY)) == [("backup-missing-path", "critical")]
    assert told(missing_paths([both, other], DAY)) == []
    declared = replace(DAY, paths=("/a", "/b"))
    assert told(missing_paths([both, part], declared)) == [("backup-missing-path", "critical")]
    assert told(missing_paths([both], declared)) == []


def test_points_of_others_do_not_count() -> None:
    backup = ResticBackup.model_validate(
        {"name": "x", "tool": "restic", "repository": "/r", "password": "env://X", "backup_host": "srv",
         "tags": ["nightly"], "paths": ["/srv"]}
    )  # fmt: skip
    ours = at(9, host="srv", tags=("nightly", "x"), paths=("/srv", "/etc"))
    others = (at(3, host="web", tags=("nightly",), paths=("/srv",)), at(2, host="srv", paths=("/srv",)))
    elsewhere = at(1, host="srv", tags=("nightly",), paths=("/home",))
    assert select(Points((ours, *others, elsewhere)), backup).all == (ours,)


@pytest.mark.parametrize(
    ("value", "severity"),
    [(1000, None), (801, None), (799, "warning"), (501, "warning"), (499, "critical"), (0, "critical")],
)
def test_shrunken_against_the_median_of_seven(value: int, severity: str | None) -> None:
    before = [1000, 1000, 5, 1000, 90000, 1000, 1000, 1, 1, 1, 1, 1, 1, 1, 1]
    assert [weight for _, weight in told(shrunken("bytes", value, before))] == ([severity] if severity else [])


@pytest.mark.parametrize(("minutes", "odd"), [(10, False), (3.1, False), (2.9, True), (29, False), (31, True)])
def test_duration_outside_a_third_and_three_times_the_median(*, minutes: float, odd: bool) -> None:
    usual = [at(24 * n, took=timedelta(minutes=10)) for n in range(9, 0, -1)]
    assert bool(told(judge_duration([*usual, at(0, took=timedelta(minutes=minutes))]))) is odd


def test_seconds_of_difference_in_duration_are_noise() -> None:
    usual = [at(24 * n, took=timedelta(seconds=2)) for n in range(9, 0, -1)]
    assert told(judge_duration([*usual, at(0, took=timedelta(seconds=50))])) == []
    assert told(judge_duration([at(0, took=None)])) == []


@pytest.mark.parametrize(
    ("churn", "usual", "spoken"),
    [
        (Churn(0, 0, 49), (), False),
        (Churn(0, 0, 50), (), True),
        (Churn(100, 100, 0), (0.01, 0.02), True),
        (Churn(100, 100, 0), (0.9, 1.0), False),
        (Churn(0, 60, 0), (), True),
    ],
)
def test_mass_change_against_what_is_usual_here(*, churn: Churn, usual: tuple[float, ...], spoken: bool) -> None:
    night = Night(NOW, Memory(churn_shares=usual))
    assert bool(told(judge_churn(churn, 100, night))) is spoken


def test_few_files_may_all_change() -> None:
    assert told(judge_churn(Churn(3, 3, 0), 3, NIGHT)) == []


def test_data_that_no_longer_compresses() -> None:
    points = [at(48), at(24), at(0)]
    profiles = {p.id: Profile(1000, 50, p.id, (), 0.16) for p in points[:2]}
    lost = profiles | {points[2].id: Profile(1000, 50, "x", (), 1.0)}
    kept = profiles | {points[2].id: Profile(1000, 50, "x", (), 0.3)}
    assert told(judge_content(points, lost, DAY)) == [("backup-mass-change", "warning")]
    assert told(judge_content(points, kept, DAY)) == []


def test_an_inactive_source_may_stand_still() -> None:
    points = [at(48, tree="t"), at(24, tree="t"), at(0, tree="t")]
    profiles = {p.id: Profile(1000, 50) for p in points}
    assert told(judge_content(points, profiles, DAY)) == [("backup-frozen", "warning")]
    assert told(judge_content(points, profiles, replace(DAY, active=False))) == []
    assert told(judge_content([*points[:2], at(0, tree="u")], profiles, DAY)) == []


@pytest.mark.parametrize(
    ("age", "alive", "rules"),
    [
        (timedelta(minutes=29), None, []),
        (timedelta(minutes=31), None, ["warning"]),
        (timedelta(minutes=31), True, []),
        (timedelta(hours=23), False, ["warning"]),
        (timedelta(hours=25), None, ["critical"]),
        (timedelta(hours=25), True, ["warning"]),
    ],
)
def test_stale_locks(*, age: timedelta, alive: bool | None, rules: list[str]) -> None:
    locks = Locks((Lock(NOW - age, "root@srv pid 7", exclusive=True, alive=alive),))
    assert [weight for _, weight in told(judge_locks(locks, NIGHT))] == rules


def test_identity_of_the_repository() -> None:
    known = Memory(repository_id="r1", encryption="repokey", location="/old", modified=NOW)
    night = Night(NOW, known)
    now = Repository("r1", "repokey", "/old", NOW)
    assert told(judge_repository(now, DAY, night)) == []
    assert told(judge_repository(replace(now, id="r2"), DAY, night)) == [("backup-repository-changed", "critical")]
    assert told(judge_repository(replace(now, location="/new"), DAY, night)) == [("backup-relocated", "warning")]
    rolled = replace(now, modified=NOW - timedelta(days=1))
    assert told(judge_repository(rolled, DAY, night)) == [("backup-rolled-back", "critical")]
    other = replace(now, encryption="keyfile")
    assert told(judge_repository(other, DAY, night)) == [("backup-encryption-changed", "critical")]
    clear = Repository("r1", "authenticated-blake2", "/old")
    open_declared = replace(DAY, encrypted=False)
    assert told(judge_repository(clear, open_declared, NIGHT)) == [("backup-unencrypted", "warning")]


def test_versions_known_to_lose_data() -> None:
    assert told(judge_tool(Tool("restic", (0, 16, 3)))) == [("backup-known-bug", "info")]
    assert told(judge_tool(Tool("restic", (0, 16, 4)))) == []


@given(of=st.integers(1, 256), start=st.integers(0, 300))
def test_the_rotation_reads_everything_once_before_anything_twice(of: int, start: int) -> None:
    coverage, seen = None, []
    for night in range(of):
        part = next_part(of, coverage)
        seen.append(part)
        coverage = covered(coverage, Sampled(part, of), NOW + timedelta(days=start + night))
    assert sorted(seen) == list(range(1, of + 1))
    assert coverage is not None
    assert coverage_summary(coverage)["read"] == of
    assert next_part(of, coverage) == seen[0]


def test_another_division_starts_afresh_and_damage_is_only_closed_by_reading() -> None:
    coverage = Coverage(4, {1: NOW, 2: NOW, 3: NOW, 4: NOW})
    assert next_part(5, coverage) == 1
    damage = Damage(NOW, 3, 4, "r1")
    assert next_part(4, coverage, [damage]) == 3
    assert closed([damage], coverage) == (damage,)
    later = Coverage(4, {**coverage.parts, 3: NOW + timedelta(days=1)})
    assert closed([damage], later) == ()
    halves = Coverage(2, {1: NOW + timedelta(days=1)})
    assert closed([damage], halves) == (damage,)
    assert closed([damage], covered(halves, Sampled(2, 2), NOW + timedelta(days=2))) == ()
    walk = Damage(NOW, 0, 0, "r1")
    assert closed([walk], later) == (walk,)


PG = b"--\n-- PostgreSQL database dump\n--\n"
END = b"--\n-- PostgreSQL database dump complete\n--\n\n"


@pytest.mark.parametrize(
    ("form", "head", "tail", "rules"),
    [
        ("pg_dump", PG, END, []),
        ("pg_dump", PG, END + b"\\unrestrict 8hBzX\n\n", []),
        ("pg_dump", PG, END + b"DROP TABLE x;\n", ["backup-trailing-data"]),
        ("pg_dump", PG, b"COPY x FROM stdin;\n1\n", ["backup-truncated"]),
        ("pg_dumpall", b"--\n-- PostgreSQL database cluster dump\n", END, ["backup-truncated"]),
        ("pg_dump", b"--\n-- PostgreSQL database cluster dump\n", END, ["backup-truncated"]),
        ("mysqldump", b"-- MySQL dump 10.13\n", b"-- Dump completed\n", []),
        ("mysqldump", b"-- MySQL dump 10.13\n", b"-- Dump completed on 2026-11-24  4:00:00\n", []),
        ("mysqldump", b"-- MySQL dump 10.13\n", b"-- Dump completed on 2026-10-01  4:00:00\n",
         ["backup-date-mismatch"]),
        ("mysqldump", b"-- MySQL dump 10.13\n", b"INSERT INTO x VALUES (1);\n", ["backup-truncated"]),
        ("mysqldump", b"/*!40101 SET NAMES utf8 */;\n", b"/*!40111 SET SQL_NOTES=@OLD_SQL_NOTES */;\n", []),
        ("mysqldump", b"CREATE TABLE x;\n", b"INSERT INTO x VALUES (1);\n", ["backup-not-understood"]),
        ("plain", b"", b"", ["backup-empty"]),
        ("plain", b"\0" * 512, b"\0" * 4096, ["backup-corrupt"]),
        ("zip", b"PK\x03\x04", b"no directory", ["backup-truncated"]),
        ("pg_custom", b"PGDMP", b"x", []),
    ],
)  # fmt: skip
def test_the_marks_of_each_format(form: str, head: bytes, tail: bytes, rules: list[str]) -> None:
    assert [rule for rule, _ in told(judge_ends(form, Ends(head, tail), NOW))] == rules
