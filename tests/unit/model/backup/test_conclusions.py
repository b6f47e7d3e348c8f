"""The promise of silence: no evidence can be taken away and leave a better verdict than `UNKNOWN` behind."""

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from ronde.model.backup.conclusion import PROFILES_NEEDED, decide_repository
from ronde.model.backup.dump_format import Ends
from ronde.model.backup.dumps import Content, DumpEvidence, DumpFile, Listing, Verified, decide_dump
from ronde.model.backup.evidence import (
    Churn,
    Complete,
    Lock,
    Locks,
    Point,
    Points,
    Profile,
    Repository,
    RepositoryEvidence,
    Sampled,
    Structure,
    Tool,
)
from ronde.model.backup.history import Memory, PastCheck, recall
from ronde.model.backup.objective import Night, Objective
from ronde.model.backup.thresholds import RULES, critical, unknown, warning
from ronde.model.check import Json, verdict_of
from ronde.model.inventory import DumpBackup
from ronde.model.verdict import Level, Verdict

NOW = datetime(2026, 11, 24, 4, 30, tzinfo=UTC)
OBJECTIVE = Objective("/srv/repo", timedelta(hours=26), parts=4)
FINDINGS = st.sampled_from(
    [unknown("backup-not-understood", "?"), critical("backup-corrupt", "!"), warning("backup-remark", "~")]
)


def point(number: int) -> Point:
    return Point(
        f"id{number}", f"p{number}", NOW - timedelta(hours=3 + 24 * number), "srv", ("/srv",), tree=f"t{number}"
    )


POINTS = Points(tuple(point(number) for number in (4, 3, 2, 1, 0)))
PROFILES = {p.id: Profile(1000, 50, f"d{p.id}", ("srv",), 0.4) for p in POINTS.all}
HEALTHY = RepositoryEvidence(
    tool=Tool("borg", (1, 2, 4)),
    repository=Repository("r1", "repokey", "/srv/repo", NOW - timedelta(hours=3)),
    points=POINTS,
    locks=Locks(()),
    profiles=PROFILES,
    churn=Churn(1, 0, 2),
    complete=Complete(9),
    structure=Structure(),
    sampled=Sampled(1, 4),
    whole=True,
    attempted=(1, 4),
)
DEEP = Night(NOW, deep=True)
EVIDENCE = st.builds(
    RepositoryEvidence,
    tool=st.just(HEALTHY.tool) | FINDINGS,
    repository=st.sampled_from([HEALTHY.repository, Repository("r2", "none", "/else")]) | FINDINGS,
    points=st.sampled_from([POINTS, Points(()), Points(POINTS.all[:2], ("odd",)), Points(POINTS.all[-1:])]) | FINDINGS,
    locks=st.sampled_from([Locks(()), Locks((Lock(NOW - timedelta(hours=30), "x", exclusive=True),))]) | FINDINGS,
    profiles=st.dictionaries(
        st.sampled_from(sorted(PROFILES)),
        st.sampled_from([*PROFILES.values(), Profile(10, 1), Profile(0, 0)]) | FINDINGS,
    ),
    churn=st.sampled_from([Churn(0, 0, 0), Churn(50, 50, 0)]) | FINDINGS,
    complete=st.just(Complete(9)) | FINDINGS,
    structure=st.just(Structure()) | FINDINGS,
    sampled=st.just(Sampled(1, 4)) | FINDINGS,
    whole=st.just(True),  # noqa: FBT003 - a strategy
    attempted=st.just((1, 4)),
)
PIECES = ("tool", "repository", "points", "locks", "churn", "complete", "structure", "sampled")


def verdict(evidence: RepositoryEvidence, night: Night = DEEP, objective: Objective = OBJECTIVE) -> Verdict:
    done = decide_repository(evidence, objective, night)
    return verdict_of(done.findings, done.level)


def without(evidence: RepositoryEvidence, piece: str) -> RepositoryEvidence:
    return replace(evidence, **cast("dict[str, Any]", {piece: None}))


def test_full_and_healthy_evidence_is_ok() -> None:
    done = decide_repository(HEALTHY, OBJECTIVE, DEEP)
    assert (done.findings, done.level) == ((), Level.SAMPLED)


def test_each_piece_of_evidence_is_needed() -> None:
    for piece in PIECES:
        assert verdict(without(HEALTHY, piece)) is Verdict.UNKNOWN, piece
    for needed in POINTS.all[-PROFILES_NEEDED:]:
        rest = {key: profile for key, profile in PROFILES.items() if key != needed.id}
        assert verdict(replace(HEALTHY, profiles=rest)) is Verdict.UNKNOWN, needed
    assert {field.name for field in fields(RepositoryEvidence)} == {*PIECES, "profiles", "whole", "attempted"}


@given(evidence=EVIDENCE, piece=st.sampled_from(PIECES))
def test_taking_evidence_away_never_makes_it_better(evidence: RepositoryEvidence, piece: str) -> None:
    """Order ok < warning < unknown < failed; what is taken away may hide a failure, but then nothing is claimed."""
    before, after = verdict(evidence), verdict(without(evidence, piece))
    assert after.rank >= min(before.rank, Verdict.UNKNOWN.rank)


@given(evidence=EVIDENCE)
def test_findings_are_rules_of_the_table_and_facts_survive_the_ledger(evidence: RepositoryEvidence) -> None:
    done = decide_repository(evidence, OBJECTIVE, DEEP)
    assert {finding.rule for finding in done.findings} <= {rule.id for rule in RULES}
    past = PastCheck(NOW, verdict_of(done.findings, done.level), done.level, done.facts, ())
    memory = recall([past])
    assert memory.proofs.keys() == {str(int(rung)) for rung in Level if done.level is not None and rung <= done.level}


def test_unknown_for_three_periods_becomes_a_failure() -> None:
    silent = replace(HEALTHY, points=unknown("backup-not-understood", "?"))
    known = PastCheck(NOW - timedelta(hours=79), Verdict.OK, Level.PRESENT, {}, ())
    fresh = PastCheck(NOW - timedelta(hours=77), Verdict.OK, Level.PRESENT, {}, ())
    assert verdict(silent, Night(NOW, recall([known]), deep=True)) is Verdict.FAILED
    assert verdict(silent, Night(NOW, recall([fresh]), deep=True)) is Verdict.UNKNOWN
    assert verdict(silent) is Verdict.UNKNOWN


def test_damage_seen_while_another_program_rewrites_is_unknown() -> None:
    prune = Locks((Lock(NOW - timedelta(minutes=3), "root@srv pid 7", exclusive=True),))
    backup = Locks((Lock(NOW - timedelta(minutes=3), "root@srv pid 7", exclusive=False),))
    damaged = replace(HEALTHY, sampled=critical("backup-corrupt", "pack gone"))
    assert verdict(replace(damaged, locks=prune)) is Verdict.UNKNOWN
    assert verdict(replace(damaged, locks=backup)) is Verdict.FAILED
    assert verdict(damaged) is Verdict.FAILED


def test_damage_stays_until_its_part_is_read_intact() -> None:
    found = decide_repository(replace(HEALTHY, sampled=critical("backup-corrupt", "!")), OBJECTIVE, DEEP)
    memory = recall([PastCheck(NOW, Verdict.FAILED, found.level, found.facts, ())])
    later = NOW + timedelta(days=1)
    quiet = replace(HEALTHY, structure=None, sampled=None, points=_later(1))
    assert verdict(quiet, Night(later, memory)) is Verdict.FAILED
    other = replace(HEALTHY, sampled=Sampled(2, 4), attempted=(2, 4), points=_later(1))
    assert verdict(other, Night(later, memory, deep=True)) is Verdict.FAILED
    again = replace(HEALTHY, sampled=Sampled(1, 4), points=_later(1))
    assert verdict(again, Night(later, memory, deep=True)) is Verdict.OK


def _later(days: int) -> Points:
    return Points(tuple(replace(p, at=p.at + timedelta(days=days)) for p in POINTS.all))


DUMP = DumpBackup.model_validate(
    {"name": "db", "tool": "dump", "path": "/d/*.tar.gz", "format": "tar", "max_age": "26h", "min_size": 10}
)
FILE = DumpFile("/d/b.tar.gz", 4000, NOW - timedelta(hours=3))
BEFORE = DumpFile("/d/a.tar.gz", 4000, NOW - timedelta(hours=27))
WHOLE = DumpEvidence(
    listing=Listing((BEFORE, FILE), (BEFORE, FILE)),
    ends=Ends(b"\x1f\x8b" + b"x" * 500, b"y" * 500),
    content=Content(Ends(b"a" * 257 + b"ustar" + b"a" * 250, b"\0" * 1024), "gzip", 0),
    verified=Verified("tar", 0, ""),
    alike=False,
    read=True,
)


def test_each_piece_of_a_dump_s_evidence_is_needed() -> None:
    done = decide_dump(WHOLE, DUMP, Objective.of(DUMP), DEEP)
    assert (done.findings, done.level) == ((), Level.INTACT)
    for piece in ("listing", "ends", "content", "verified"):
        less = decide_dump(replace(WHOLE, **cast("dict[str, Any]", {piece: None})), DUMP, Objective.of(DUMP), DEEP)
        assert verdict_of(less.findings, less.level) is Verdict.UNKNOWN, piece


def test_a_memory_of_another_shape_is_no_memory() -> None:
    facts: dict[str, Json] = {
        "newest": 5,
        "points": "many",
        "profiles": [1],
        "coverage": {"of": "x"},
        "damage": "all",
        "proofs": None,
    }
    assert recall([PastCheck(NOW, Verdict.OK, None, facts, ())]) == replace(Memory(), first_check=NOW, last_known=NOW)
