"""Whether a host could be brought back: each of its backups verified lately, and fresh."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from ronde.model.backup.thresholds import FUTURE_TOLERANCE
from ronde.model.guards.situation import BackupProof, Guard, Ruling, Situation
from ronde.model.inventory import BackupBase, Client
from ronde.model.inventory.backups import DAY_AND_GRACE
from ronde.model.records import CheckRecord
from ronde.model.units import spoken_duration
from ronde.model.verdict import Verdict

CHECK_AT_MOST: Final = DAY_AND_GRACE  # a check of last night; what an older one saw may be gone since
_PROVEN: Final = frozenset({Verdict.OK, Verdict.WARNING})  # a warning is a small thing; too old or damaged is a failure


def judge_backups(situation: Situation) -> Ruling:
    """Every backup that is declared must be proven: the one that is not may be the one that is needed."""
    if situation.backups is None:
        return Ruling(Guard.BACKUP, passed=False, reason="nobody looked for verified backups")
    if not situation.backups:
        return Ruling(Guard.BACKUP, passed=False, reason="no backup is declared")
    doubts = {proof.name: doubt(proof, situation.now) for proof in situation.backups}
    lacking = "; ".join(f"{name}: {words}" for name, words in doubts.items() if words)
    if lacking:
        return Ruling(Guard.BACKUP, passed=False, reason=lacking)
    return Ruling(
        Guard.BACKUP, passed=True, reason="; ".join(_proven(proof, situation.now) for proof in situation.backups)
    )


def doubt(proof: BackupProof, now: datetime) -> str:
    """Why this backup does not count as verified and fresh; empty when it does."""
    return _doubt_of_check(proof, now) or _doubt_of_point(proof, now)


def _doubt_of_check(proof: BackupProof, now: datetime) -> str:
    if proof.verdict is None or proof.checked_at is None:
        return "never verified"
    if proof.verdict not in _PROVEN:
        return f"its newest check came to {proof.verdict}"
    if proof.checked_at > now + FUTURE_TOLERANCE:
        return "its newest check lies in the future"
    if now - proof.checked_at > CHECK_AT_MOST:
        return f"verified {_ago(proof.checked_at, now)} (limit {spoken_duration(CHECK_AT_MOST)})"
    return ""


def _doubt_of_point(proof: BackupProof, now: datetime) -> str:
    if proof.newest is None:
        return "its newest check saw no restore point"
    if proof.newest > now + FUTURE_TOLERANCE:
        return "its newest point lies in the future"
    if now - proof.newest > proof.max_age:
        return f"the newest point is from {_ago(proof.newest, now)} (limit {spoken_duration(proof.max_age)})"
    return ""


def proofs_of(client: Client, host: str, checks: Iterable[CheckRecord]) -> tuple[BackupProof, ...]:
    """What the newest of these checks prove of each backup that the inventory declares for the host."""
    newest: dict[str, CheckRecord] = {}
    for check in sorted(checks, key=lambda check: check.recorded_at):
        if (check.client, check.host) == (client.client, host):
            newest[check.subject] = check
    return tuple(_proof(backup, newest.get(backup.name)) for backup in client.hosts[host].backups)


def _proof(backup: BackupBase, check: CheckRecord | None) -> BackupProof:
    if check is None or check.kind != getattr(backup, "tool", None):
        return BackupProof(backup.name, backup.max_age)
    return BackupProof(
        name=backup.name,
        max_age=backup.max_age,
        verdict=check.verdict,
        newest=_instant(check.facts.get("newest")),
        checked_at=check.evidence_at,
    )


def _instant(written: object) -> datetime | None:
    """The instant that a fact tells; None for anything that is not one with its zone."""
    try:
        instant = datetime.fromisoformat(written) if isinstance(written, str) else None
    except ValueError:
        return None
    return instant if instant is not None and instant.tzinfo is not None else None


def _proven(proof: BackupProof, now: datetime) -> str:
    point = _ago(proof.newest or now, now)
    warned = " with a warning" if proof.verdict is Verdict.WARNING else ""
    limit = spoken_duration(proof.max_age)
    return f"{proof.name}: verified {_ago(proof.checked_at or now, now)}{warned}, point of {point} (limit {limit})"


def _ago(instant: datetime, now: datetime) -> str:
    return f"{spoken_duration(max(now - instant, timedelta(0)))} ago"
