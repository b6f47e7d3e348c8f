"""From all that one look learnt to its findings, its verdict and the figures kept for reports and later nights."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta

from ronde.model.check import Finding, Json, verdict_of
from ronde.model.patch.absent import Absent
from ronde.model.patch.audit import Audit, Integrity, Leftovers, Manager, Memory, Metadata, OldServices, Release
from ronde.model.patch.packages import Database, Kept, KeptReason, Pending, Simulation
from ronde.model.patch.reboot import Reboot, Signal, reboot_needed
from ronde.model.patch.thresholds import (
    CLOCK_TOLERANCE,
    END_OF_LIFE_NOTICE,
    METADATA_OLD,
    REBOOT_FAILED,
    SECURITY_FAILED,
    SECURITY_WARNING,
    critical,
    finding,
    info,
    unknown,
    warning,
)
from ronde.model.verdict import Level, Severity, Verdict

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What an audit came to. `level` None when the host's patch state was not told, so nothing can be green."""

    findings: tuple[Finding, ...]
    level: Level | None
    reboot: Reboot
    facts: Mapping[str, Json] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict:
        return verdict_of(self.findings, self.level)


def decide_audit(audit: Audit, memory: Memory, now: datetime) -> Conclusion:
    """The conclusion about one host.

    Whatever was needed and is absent adds an `UNKNOWN`, and without current metadata no count of waiting updates is
    given at all: so no answer can be taken away and leave a better verdict behind.
    """
    reboot = _reboot(audit)
    current = remember(audit, memory, now)
    findings = tuple(_judge(audit, reboot, current, now))
    told = believable(audit, now)
    return Conclusion(findings, Level.REACHABLE if told else None, reboot, _facts(audit, reboot, current, now))


def believable(audit: Audit, now: datetime) -> bool:
    """Whether what waits may be counted: every repository was read lately, and the manager worked out a run."""
    metadata = audit.metadata
    if not isinstance(metadata, Metadata) or not isinstance(audit.simulation, Simulation):
        return False
    if metadata.faults or metadata.repositories == 0 or metadata.refreshed is None:
        return False
    return _fresh(metadata.refreshed, now)


def _fresh(refreshed: datetime, now: datetime) -> bool:
    """A reading from the future is a wrong clock, not a fresh reading."""
    return -CLOCK_TOLERANCE <= now - refreshed <= METADATA_OLD


def remember(audit: Audit, memory: Memory, now: datetime) -> Memory:
    """The memory after this look. What could not be read tonight is remembered as it was."""
    since, reboot = memory.security_since, memory.reboot_since
    if believable(audit, now) and isinstance(audit.simulation, Simulation):
        waiting = [_key(pending) for pending in audit.simulation.pending if pending.security]
        since = {key: memory.security_since.get(key, now) for key in waiting}
    needed = _reboot(audit).needed
    if needed is not None:
        reboot = (memory.reboot_since or now) if needed else None
    return Memory(since, reboot)


def _reboot(audit: Audit) -> Reboot:
    return reboot_needed(signal for signal in audit.reboot if isinstance(signal, Signal))


def _key(pending: Pending) -> str:
    """The installed version, not the offered one: a newer offer does not make the hole younger."""
    return pending.series or f"{pending.label} {pending.installed}"


def _judge(audit: Audit, reboot: Reboot, memory: Memory, now: datetime) -> Iterator[Finding]:
    yield from _or_finding("package manager", audit.manager, Manager)
    yield from _or_finding("release", audit.release, Release)
    if isinstance(audit.release, Release):
        yield from judge_release(audit.release, now)
    yield from _or_finding("state of the repositories", audit.metadata, Metadata)
    if isinstance(audit.metadata, Metadata):
        yield from judge_metadata(audit.metadata, now)
    yield from _or_finding("list of updates", audit.simulation, Simulation)
    if isinstance(audit.simulation, Simulation):
        yield from judge_pending(audit.simulation, memory, now)
        yield from judge_kept(audit.simulation)
    yield from _or_finding("package database", audit.database, Database)
    yield from _or_finding("state of the package manager", audit.integrity, Integrity)
    yield from judge_integrity(audit)
    yield from (piece for piece in audit.reboot if isinstance(piece, Finding))
    yield from judge_reboot(reboot, memory, now)
    yield from _or_finding("list of programs on old files", audit.services, OldServices)
    yield from _or_finding("list of configuration files", audit.leftovers, Leftovers)
    yield from _judge_remains(audit)


def _or_finding(what: str, piece: object, fact: type) -> Iterator[Finding]:
    if isinstance(piece, Finding):
        yield piece
    elif not isinstance(piece, fact | Absent):
        yield unknown("patch-not-read", f"The {what} was not read.", what=what)


def judge_release(release: Release, now: datetime) -> Iterator[Finding]:
    """The last day itself is still inside."""
    if release.end_of_life is None:
        message = f"Until when {release.name} gets security fixes is not known to us."
        yield unknown("patch-release-unknown", message, id=release.id, version=release.version)
        return
    ended = datetime.combine(release.end_of_life, time.min, UTC) + _DAY
    told = {"end_of_life": release.end_of_life.isoformat(), "source": release.source}
    if now >= ended:
        yield critical("patch-end-of-life", f"{release.name} got its last fixes on {release.end_of_life}.", **told)
    elif ended - now <= END_OF_LIFE_NOTICE:
        yield warning("patch-end-of-life", f"{release.name} gets fixes until {release.end_of_life}.", **told)


def judge_metadata(metadata: Metadata, now: datetime) -> Iterator[Finding]:
    if metadata.repositories == 0:
        yield unknown("patch-no-repository", "No repository is defined, so that nothing could ever be pending.")
    for fault in metadata.faults:
        rule = "patch-release-changed" if fault.release_changed else "patch-repository-failed"
        said = f"{fault.name}: {fault.why}" if fault.name else fault.why
        yield unknown(rule, f"A repository could not be read: {said}", repository=fault.name, why=fault.why)
    if metadata.repositories and metadata.refreshed is None:
        yield unknown("patch-metadata-old", "When the repositories were last read cannot be told.")
    elif metadata.refreshed is not None and not _fresh(metadata.refreshed, now):
        limit = int(METADATA_OLD.total_seconds())
        message = f"What the host knows of its repositories is of {metadata.refreshed:%Y-%m-%d %H:%M} UTC."
        yield unknown("patch-metadata-old", message, refreshed=metadata.refreshed.isoformat(), limit_s=limit)


def judge_pending(simulation: Simulation, memory: Memory, now: datetime) -> Iterator[Finding]:
    security = [pending for pending in simulation.pending if pending.security]
    untold = [pending.label for pending in simulation.pending if pending.security is None]
    others = len(simulation.pending) - len(security) - len(untold)
    if security:
        yield _security(security, oldest_fix(memory, security, now), now)
    if untold:
        message = f"{len(untold)} updates wait of which the repositories do not say if they are security updates."
        yield unknown("patch-security-unknown", message, packages=untold)
    if others:
        yield info("patch-updates-pending", f"{others} other updates wait.", count=others)


def oldest_fix(memory: Memory, security: list[Pending], now: datetime) -> datetime:
    """Since when the longest waiting of these security updates has been waiting."""
    return min((memory.security_since.get(_key(pending), now) for pending in security), default=now)


def _security(security: list[Pending], since: datetime, now: datetime) -> Finding:
    age = now - since
    severity = Severity.INFO
    if age > SECURITY_WARNING:
        severity = Severity.CRITICAL if age > SECURITY_FAILED else Severity.WARNING
    names = [pending.called for pending in security]
    message = f"{len(names)} security updates wait, the longest since {since:%Y-%m-%d}."
    limits = {"warning_s": int(SECURITY_WARNING.total_seconds()), "failed_s": int(SECURITY_FAILED.total_seconds())}
    return finding("patch-security-pending", severity, message, packages=names, since=since.isoformat(), limits=limits)


def judge_kept(simulation: Simulation) -> Iterator[Finding]:
    """Security updates that cannot go in as things are; what the vendor defers is told, and is no fault."""
    secure = {name for pending in simulation.pending if pending.security for name in (pending.label, pending.name)}
    for kept in simulation.kept:
        if kept.reason is KeptReason.PHASED:
            yield info("patch-phased", f"{kept.name} is deferred by its vendor for this host.", package=kept.name)
        elif kept.name in secure:
            yield _kept_back(kept)


def _kept_back(kept: Kept) -> Finding:
    detail = f" ({kept.detail})" if kept.detail else ""
    message = f"A security update of {kept.name} is kept back: {kept.reason}{detail}."
    return warning("patch-kept-back", message, package=kept.name, reason=str(kept.reason), detail=kept.detail)


def judge_integrity(audit: Audit) -> Iterator[Finding]:
    """What is broken now; each source sees what the others do not (an interrupted dpkg passes its own audit).

    While a program holds the manager's lock, half installed packages are its work, and not known to be more.
    """
    at_work = isinstance(audit.integrity, Finding) and audit.integrity.rule == "patch-locked"
    weigh = unknown if at_work else critical
    if isinstance(audit.database, Database):
        for entry in audit.database.broken:
            mark = entry.mark or str(entry.state)
            message = f"{entry.package.label} {entry.package.version} is not fully installed ({mark})."
            yield weigh("patch-broken-package", message, package=entry.package.label, mark=mark)
    if not isinstance(audit.integrity, Integrity):
        return
    if audit.integrity.journal:
        message = "An earlier run of the package manager was cut off and has not been finished."
        yield critical("patch-interrupted", message, journal=list(audit.integrity.journal))
    if audit.integrity.unmet:
        message = f"Dependencies are not met: {audit.integrity.unmet[0]}"
        yield critical("patch-broken-dependencies", message, unmet=list(audit.integrity.unmet))
    if audit.integrity.audit:
        message = f"The package manager's own check complains: {audit.integrity.audit[0]}"
        yield critical("patch-broken-package", message, audit=list(audit.integrity.audit))


def judge_reboot(reboot: Reboot, memory: Memory, now: datetime) -> Iterator[Finding]:
    signals: list[Json] = [{"name": s.name, "needed": s.needed, "evidence": s.evidence} for s in reboot.signals]
    if reboot.needed is None:
        message = f"Whether a reboot is needed cannot be told: {reboot.reason}"
        yield unknown("patch-reboot-unknown", message, signals=signals)
    elif reboot.needed:
        since = memory.reboot_since or now
        weigh = critical if now - since > REBOOT_FAILED else warning
        message = f"A reboot is needed: {reboot.reason}"
        limit = int(REBOOT_FAILED.total_seconds())
        yield weigh("patch-reboot-pending", message, signals=signals, since=since.isoformat(), limit_s=limit)


def _judge_remains(audit: Audit) -> Iterator[Finding]:
    if isinstance(audit.services, OldServices) and (audit.services.services or audit.services.others):
        names = [*audit.services.services, *audit.services.others]
        message = f"{len(names)} programs run on files that were replaced: {', '.join(names[:5])}."
        yield warning("patch-services-old", message, programs=names)
    if isinstance(audit.leftovers, Leftovers) and audit.leftovers.paths:
        paths = list(audit.leftovers.paths)
        message = f"{len(paths)} new configuration files wait beside the old ones: {', '.join(paths[:3])}."
        yield info("patch-config-left", message, paths=paths)


def _facts(audit: Audit, reboot: Reboot, memory: Memory, now: datetime) -> dict[str, Json]:
    facts: dict[str, Json] = {"reboot_needed": reboot.needed, **memory_json(memory)}
    if isinstance(audit.manager, Manager):
        facts["manager"] = str(audit.manager)
    if isinstance(audit.release, Release):
        facts["release"] = audit.release.name
    if isinstance(audit.metadata, Metadata) and audit.metadata.refreshed:
        facts["refreshed"] = audit.metadata.refreshed.isoformat()
    if believable(audit, now) and isinstance(audit.simulation, Simulation):
        facts |= _counts(audit.simulation, memory, now)
    return facts


def _counts(simulation: Simulation, memory: Memory, now: datetime) -> dict[str, Json]:
    security = [pending for pending in simulation.pending if pending.security]
    return {
        "pending": len(simulation.pending),
        "security": len(security),
        "security_untold": sum(pending.security is None for pending in simulation.pending),
        "advisories": sorted({name for pending in security for name in pending.advisories}),
        "cves": sorted({name for pending in security for name in pending.cves}),
        "severities": sorted({pending.severity for pending in security if pending.severity}),
        "oldest_fix": oldest_fix(memory, security, now).isoformat() if security else None,
        "kept": {kept.name: str(kept.reason) for kept in simulation.kept},
        "plan": simulation.transaction.digest,
    }


def memory_json(memory: Memory) -> dict[str, Json]:
    """What a check's facts keep of the memory; `recall` reads it back."""
    return {
        "security_since": {key: at.isoformat() for key, at in sorted(memory.security_since.items())},
        "reboot_since": memory.reboot_since.isoformat() if memory.reboot_since else None,
    }


def recall(facts: Mapping[str, Json] | None) -> Memory:
    """The memory in the facts of the newest earlier check; what is missing or not ours is no memory."""
    facts = facts or {}
    since, reboot = facts.get("security_since"), facts.get("reboot_since")
    known = since if isinstance(since, Mapping) else {}
    return Memory(
        {key: datetime.fromisoformat(at) for key, at in known.items() if isinstance(at, str)},
        datetime.fromisoformat(reboot) if isinstance(reboot, str) else None,
    )
