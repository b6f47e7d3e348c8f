"""The figures of an audit that people read: in the table of `ronde patches`, on the board, in a client's report.

They stand in the check's facts beside those of `conclusion`, which later nights are compared with.
"""

from collections.abc import Mapping
from datetime import datetime

from ronde.model.check import Json
from ronde.model.patch.audit import Audit, Integrity, Leftovers, Metadata, OldServices, Release
from ronde.model.patch.conclusion import Conclusion, believable
from ronde.model.patch.packages import Database, Kept, Pending, Simulation
from ronde.model.patch.thresholds import METADATA_OLD, REBOOT_FAILED, SECURITY_FAILED, SECURITY_WARNING

PACKAGES_KEPT = 500  # of the waiting packages, each with its line; a host with more is told by its numbers

OBJECTIVE: Mapping[str, Json] = {
    "security_warning_s": int(SECURITY_WARNING.total_seconds()),
    "security_failed_s": int(SECURITY_FAILED.total_seconds()),
    "reboot_failed_s": int(REBOOT_FAILED.total_seconds()),
    "metadata_s": int(METADATA_OLD.total_seconds()),
}


def figures(audit: Audit, conclusion: Conclusion, now: datetime) -> dict[str, Json]:
    """All facts of the check: those of the conclusion, ages in seconds, and each waiting package with its reason.

    What waits is only counted and listed where the conclusion believed it.
    """
    found: dict[str, Json] = dict(conclusion.facts)
    reboot = conclusion.reboot
    found["reboot_reasons"] = [signal.reason for signal in reboot.signals if signal.needed] or [reboot.reason]
    oldest = conclusion.facts.get("oldest_fix")
    found["oldest_security_age_s"] = _age(datetime.fromisoformat(oldest), now) if isinstance(oldest, str) else None
    return found | _host(audit, now) | _waiting(audit, now)


def _host(audit: Audit, now: datetime) -> dict[str, Json]:
    found: dict[str, Json] = {}
    if isinstance(audit.metadata, Metadata):
        found["repositories"] = audit.metadata.repositories
        found["metadata_age_s"] = _age(audit.metadata.refreshed, now) if audit.metadata.refreshed else None
    if isinstance(audit.release, Release):
        end = audit.release.end_of_life
        found["end_of_life"] = end.isoformat() if end else None
    if isinstance(audit.database, Database):
        found["held"] = sorted(audit.database.holds)
    if isinstance(audit.integrity, Integrity):
        found["interrupted"] = bool(audit.integrity.journal)
    if isinstance(audit.services, OldServices):
        found["services"] = [*audit.services.services, *audit.services.others]
    if isinstance(audit.leftovers, Leftovers):
        found["leftovers"] = list(audit.leftovers.paths)
    return found


def _waiting(audit: Audit, now: datetime) -> dict[str, Json]:
    if not (believable(audit, now) and isinstance(audit.simulation, Simulation)):
        return {}
    kept = {one.name: one for one in audit.simulation.kept}
    listed = sorted(audit.simulation.pending, key=lambda one: (one.security is not True, one.label))
    return {"packages": [_line(one, kept.get(one.label) or kept.get(one.name)) for one in listed[:PACKAGES_KEPT]]}


def _line(pending: Pending, kept: Kept | None) -> dict[str, Json]:
    return {
        "package": pending.called,
        "installed": pending.installed,
        "candidate": pending.candidate,
        "security": pending.security,
        "origins": list(pending.origins),
        "advisories": list(pending.advisories),
        "kept": str(kept.reason) if kept else None,
        "detail": kept.detail if kept else "",
    }


def _age(at: datetime, now: datetime) -> int:
    return max(0, int((now - at).total_seconds()))
