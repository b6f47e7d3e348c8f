"""A night report for other programs: the same words as the mail's, with the identifiers behind them."""

from ronde.model.check import Json
from ronde.reports.page import NightPage
from ronde.reports.render import subject_line
from ronde.reports.rows import Row
from ronde.reports.view import ChangeLine, NightView


def night_json(view: NightView, page: NightPage) -> dict[str, Json]:
    """The report as JSON values.

    Sentences are in the page's language; `verdict`, `level` (`L1`), instants (ISO 8601, UTC) and `digest` are not.
    """
    return {
        "client": view.client,
        "language": page.language,
        "period": {"since": view.period.since.isoformat(), "until": view.period.until.isoformat()},
        "verdict": view.verdict.value,
        "subject": subject_line(page),
        "headline": " ".join(part for part in (page.headline, page.rest) if part),
        "decisions": list(page.decisions),
        "backups": [
            {
                "host": line.host,
                "backup": line.name,
                "verdict": line.verdict.value,
                "newest": line.newest.isoformat() if line.newest else None,
                "objective_s": int(line.objective.total_seconds()),
                "proofs": [{"level": f"L{int(proof.level)}", "at": proof.at.isoformat()} for proof in line.proofs],
            }
            for line in view.backups
        ],
        "machines": [
            {
                "vcenter": group.vcenter,
                "verdict": group.verdict.value,
                "total": group.total,
                "in_order": group.in_order,
                "exceptions": [{"machine": one.name, "verdict": one.verdict.value} for one in group.exceptions],
            }
            for group in view.machines
        ],
        "patches": [
            {
                "host": line.host,
                "verdict": line.verdict.value,
                "waiting": line.waiting,
                "security": line.security,
                "oldest_security_since": line.oldest.isoformat() if line.oldest else None,
                "restart_due": line.reboot,
            }
            for line in view.patches
        ],
        "changes": [_change(line, page.language) for line in view.changes],
        "found": [_row(row) for row in (*page.backups, *page.machines, *page.patches)],
        "done": [_row(row) for row in page.changes],
        "not_verified": [_row(row) for row in page.gaps],
        "runs": list(view.runs),
        "digest": view.digest,
    }


def _change(line: ChangeLine, language: str) -> dict[str, Json]:
    """One intervention; `result` is the name of its ending: `done`, `failed`, `not_done` and so on."""
    return {
        "at": line.at.isoformat(),
        "target": line.where,
        "title": line.title.text(language),
        "result": line.ending.value,
        "verdict": line.verdict.value,
        "step": line.step or None,
        "reason": line.reason,
        "run": line.run,
        "guards_set_aside": len(line.set_aside),
    }


def _row(row: Row) -> dict[str, Json]:
    return {"verdict": row.verdict.value, "name": row.name, "place": row.place, "details": list(row.details)}
