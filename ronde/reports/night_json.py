"""A night report for other programs: the same words as the mail's, with the identifiers behind them."""

from ronde.model.check import Json
from ronde.reports.page import NightPage, Row
from ronde.reports.render import subject_line
from ronde.reports.view import NightView


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
        "found": [_row(row) for row in (*page.backups, *page.machines)],
        "not_verified": [_row(row) for row in page.gaps],
        "runs": list(view.runs),
        "digest": view.digest,
    }


def _row(row: Row) -> dict[str, Json]:
    return {"verdict": row.verdict.value, "name": row.name, "place": row.place, "details": list(row.details)}
