"""From all evidence of one check to its findings, its level of proof and the figures kept for later nights."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from ronde.model.backup.content import churn_share, judge_churn, judge_content, judge_duration
from ronde.model.backup.evidence import (
    Churn,
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
from ronde.model.backup.freshness import judge_points, usable
from ronde.model.backup.history import Damage, coverage_json, damage_json, profile_json
from ronde.model.backup.identity import judge_locks, judge_repository, judge_tool, rewriting
from ronde.model.backup.objective import Night, Objective
from ronde.model.backup.rotation import closed, coverage_summary, covered, opened, uncovered
from ronde.model.backup.thresholds import (
    SAMPLE_OVERDUE,
    SIZE_MEDIAN_OF,
    UNKNOWN_PERIODS,
    critical,
    unknown,
    warning,
)
from ronde.model.check import Finding, Json, verdict_of
from ronde.model.units import format_duration
from ronde.model.verdict import Level, Verdict

PROFILES_KEPT = SIZE_MEDIAN_OF + 1
PROFILES_NEEDED = 3  # the newest and two to compare it with; further ones come from earlier nights
DAMAGE_RULES = frozenset({"backup-corrupt", "backup-incomplete"})

Piece = TypeVar("Piece")


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What a check came to. `level` None when nothing was proven."""

    findings: tuple[Finding, ...]
    level: Level | None
    facts: Mapping[str, Json] = field(default_factory=dict)


def decide_repository(evidence: RepositoryEvidence, objective: Objective, night: Night) -> Conclusion:
    """The conclusion about a restic or borg repository.

    Whatever was needed and is absent adds an `UNKNOWN`; so no answer can be taken away and leave a better verdict than
    `UNKNOWN` behind.
    """
    evidence = _settled(evidence, night)
    damages = _damages(evidence, night)
    level = _level(evidence, objective, night)
    findings = [*_judge(evidence, objective, night), *_open_damage(evidence, damages)]
    findings += escalation(findings, level, objective, night)
    return Conclusion(tuple(findings), level, _facts(evidence, night, damages, level))


def escalation(findings: list[Finding], level: Level | None, objective: Objective, night: Night) -> list[Finding]:
    """Not knowing for several periods in a row is a failure in itself."""
    since = night.memory.last_known or night.memory.first_check
    limit = UNKNOWN_PERIODS * objective.max_age
    if verdict_of(findings, level) is not Verdict.UNKNOWN or since is None or night.now - since <= limit:
        return []
    return [
        critical(
            "backup-unverified-too-long",
            f"Nothing is known about this backup since {since:%Y-%m-%d %H:%M} UTC; after "
            f"{format_duration(limit)} that counts as a failure.",
            since=since.isoformat(),
            limit_s=int(limit.total_seconds()),
        )
    ]


def _settled(evidence: RepositoryEvidence, night: Night) -> RepositoryEvidence:
    """The evidence with every damage that a concurrent rewrite may explain turned into `backup-busy`."""
    if not rewriting(evidence.locks, night):
        return evidence
    return replace(
        evidence,
        repository=_busy(evidence.repository),
        points=_busy(evidence.points),
        profiles={key: _busy(value) for key, value in evidence.profiles.items()},
        churn=_busy(evidence.churn),
        complete=_busy(evidence.complete),
        structure=_busy(evidence.structure),
        sampled=_busy(evidence.sampled),
    )


def _busy(piece: Piece) -> Piece | Finding:
    if not isinstance(piece, Finding) or piece.rule not in DAMAGE_RULES:
        return piece
    return unknown(
        "backup-busy",
        f"Damage was seen while another program holds the repository's exclusive lock, which may explain it: "
        f"{piece.message}",
        seen=piece.rule,
        **piece.evidence,
    )


def _judge(evidence: RepositoryEvidence, objective: Objective, night: Night) -> Iterator[Finding]:
    yield from _or_finding("tool version", evidence.tool)
    if isinstance(evidence.tool, Tool):
        yield from judge_tool(evidence.tool)
    yield from _or_finding("repository", evidence.repository)
    if isinstance(evidence.repository, Finding):
        return  # nothing behind a repository that does not open was asked
    if isinstance(evidence.repository, Repository):
        yield from judge_repository(evidence.repository, objective, night)
    yield from _or_finding("locks", evidence.locks)
    if isinstance(evidence.locks, Locks):
        yield from judge_locks(evidence.locks, night)
    yield from _or_finding("list of points", evidence.points)
    if isinstance(evidence.points, Points):
        yield from judge_points(evidence.points, objective, night)
        yield from _judge_inside(evidence, evidence.points, objective, night)
    yield from _judge_bytes(evidence, objective, night)


def _judge_inside(
    evidence: RepositoryEvidence, points: Points, objective: Objective, night: Night
) -> Iterator[Finding]:
    believed = usable(points, night)
    if not believed:
        return
    for point in believed[-PROFILES_NEEDED:]:
        yield from _or_finding(f"content of {point.name}", evidence.profiles.get(point.id))
    profiles = known_profiles(evidence)
    yield from judge_content(believed, profiles, objective)
    yield from judge_duration(believed)
    if len(believed) < 2:
        return
    yield from _or_finding("difference from the point before", evidence.churn)
    newest = profiles.get(believed[-1].id)
    if isinstance(evidence.churn, Churn) and newest is not None:
        yield from judge_churn(evidence.churn, newest.files, night)


def _judge_bytes(evidence: RepositoryEvidence, objective: Objective, night: Night) -> Iterator[Finding]:
    if evidence.whole:
        yield from _or_finding("completeness", evidence.complete)
    if night.deep:
        if evidence.structure is not None or not isinstance(evidence.sampled, Finding):
            yield from _or_finding("structure", evidence.structure)
        if isinstance(evidence.structure, Structure) and evidence.structure.remarks:
            remarks = evidence.structure.remarks
            yield warning("backup-remark", f"The tool remarked: {remarks[0]}", remarks=list(remarks[:10]))
        if objective.parts:
            yield from _or_finding("sample", evidence.sampled)
    elif objective.parts:
        yield from _sample_overdue(night)


def _sample_overdue(night: Night) -> Iterator[Finding]:
    coverage = night.memory.coverage
    last = max(coverage.parts.values(), default=None) if coverage else None
    since = last or night.memory.first_check
    if since is not None and night.now - since > SAMPLE_OVERDUE:
        yield warning(
            "backup-sample-overdue",
            f"No share of the stored bytes was read since {since:%Y-%m-%d}; checks must also run inside check_window.",
            last=last.isoformat() if last else None,
            limit_s=int(SAMPLE_OVERDUE.total_seconds()),
        )


def _open_damage(evidence: RepositoryEvidence, damages: tuple[Damage, ...]) -> Iterator[Finding]:
    fresh = {piece.rule for piece in (evidence.structure, evidence.sampled) if isinstance(piece, Finding)}
    if damages and not fresh & DAMAGE_RULES:
        first = min(damages, key=lambda damage: damage.since)
        yield critical(
            "backup-corrupt-unresolved",
            f"Damage found on {first.since:%Y-%m-%d} has not been read intact since"
            f"{f' (part {first.part} of {first.of})' if first.part else ''}.",
            damage=[damage_json(damage) for damage in damages],
        )


def _or_finding(what: str, piece: object) -> Iterator[Finding]:
    if isinstance(piece, Finding):
        yield piece
    elif piece is None:
        yield unknown("backup-not-read", f"The {what} was not read.", what=what)


def _level(evidence: RepositoryEvidence, objective: Objective, night: Night) -> Level | None:
    """The highest rung reached with every rung below it; the first one missing ends the climb."""
    if not isinstance(evidence.repository, Repository):
        return None
    if not isinstance(evidence.points, Points):
        return Level.REACHABLE
    against = {finding.rule for finding in judge_points(evidence.points, objective, night)}
    if against & {"backup-empty", "backup-too-old", "backup-missing-path"}:
        return Level.REACHABLE
    if not isinstance(evidence.structure, Structure):
        return Level.PRESENT
    if not isinstance(evidence.sampled, Sampled):
        return Level.COHERENT
    return Level.INTACT if evidence.sampled.of == 1 else Level.SAMPLED


def known_profiles(evidence: RepositoryEvidence) -> dict[str, Profile]:
    return {key: value for key, value in evidence.profiles.items() if isinstance(value, Profile)}


def _damages(evidence: RepositoryEvidence, night: Night) -> tuple[Damage, ...]:
    """The damage still open after this check: that of another repository under the same name is forgotten."""
    identity = evidence.repository.id if isinstance(evidence.repository, Repository) else night.memory.repository_id
    damages = tuple(damage for damage in night.memory.damages if damage.what == identity)
    if isinstance(evidence.structure, Structure):
        damages = tuple(damage for damage in damages if damage.part != 0)
    if isinstance(evidence.sampled, Sampled):
        damages = closed(damages, covered(night.memory.coverage, evidence.sampled, night.now))
    for piece, part, of in ((evidence.structure, 0, 0), (evidence.sampled, *evidence.attempted)):
        if isinstance(piece, Finding) and piece.rule in DAMAGE_RULES:
            damages = opened(damages, Damage(night.now, part, of, identity))
    return damages


def _facts(
    evidence: RepositoryEvidence, night: Night, damages: tuple[Damage, ...], level: Level | None
) -> dict[str, Json]:
    facts: dict[str, Json] = {"proofs": proofs(night, level)}
    if isinstance(evidence.tool, Tool):
        facts["tool"] = str(evidence.tool)
    if isinstance(evidence.repository, Repository):
        facts |= _identity_facts(evidence.repository)
        facts["damage"] = [damage_json(damage) for damage in damages]
        facts |= _coverage_facts(evidence, night)
    if isinstance(evidence.points, Points):
        facts |= _point_facts(evidence, usable(evidence.points, night))
    return facts


def proofs(night: Night, level: Level | None) -> dict[str, Json]:
    """When each level was last established, `{"1": ISO}`; a level includes those below it."""
    known: dict[str, Json] = {key: at.isoformat() for key, at in night.memory.proofs.items()}
    if level is not None:
        known |= {str(int(rung)): night.now.isoformat() for rung in Level if rung <= level}
    return known


def _identity_facts(repository: Repository) -> dict[str, Json]:
    facts: dict[str, Json] = {"repository_id": repository.id, "encryption": repository.encryption}
    if repository.location:
        facts["location"] = repository.location
    if repository.modified:
        facts["modified"] = repository.modified.isoformat()
    return facts


def _coverage_facts(evidence: RepositoryEvidence, night: Night) -> dict[str, Json]:
    repository, coverage = evidence.repository, night.memory.coverage
    if isinstance(repository, Repository) and night.memory.repository_id not in {"", repository.id}:
        coverage = None
    facts: dict[str, Json] = {}
    if isinstance(evidence.sampled, Sampled):
        coverage = covered(coverage, evidence.sampled, night.now)
        facts["sample"] = {"n": evidence.sampled.part, "of": evidence.sampled.of, "objects": evidence.sampled.objects}
    elif isinstance(evidence.sampled, Finding) and evidence.sampled.rule in DAMAGE_RULES:
        coverage = uncovered(coverage, Damage(night.now, *evidence.attempted, ""))
    if coverage is not None:
        facts["coverage"] = coverage_json(coverage)
        facts["covered"] = coverage_summary(coverage)
    return facts


def _point_facts(evidence: RepositoryEvidence, believed: tuple[Point, ...]) -> dict[str, Json]:
    facts: dict[str, Json] = {"points": len(believed)}
    if not believed:
        return facts
    newest = believed[-1]
    profiles = known_profiles(evidence)
    facts |= {
        "newest": newest.at.isoformat(),
        "newest_id": newest.id,
        "oldest": believed[0].at.isoformat(),
        "paths": list(newest.paths),
        "profiles": {p.id: profile_json(profiles[p.id]) for p in believed[-PROFILES_KEPT:] if p.id in profiles},
    }
    if newest.id in profiles:
        facts |= {"size": profiles[newest.id].size, "files": profiles[newest.id].files}
        if isinstance(evidence.churn, Churn):
            churn = evidence.churn
            share = churn_share(churn, profiles[newest.id].files)
            facts["churn"] = {
                "added": churn.added,
                "removed": churn.removed,
                "changed": churn.changed,
                "share": share,
            }
    if newest.took is not None:
        facts["duration_s"] = newest.took.total_seconds()
    return facts
