"""This morning's board: clients by kinds, worst first, with the next action beside each problem."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ronde.model.records import CheckRecord, Health, JobRecord, MailRecord, OccurrenceRecord
from ronde.model.run import MailState
from ronde.model.verdict import Severity, Verdict, worst
from ronde.reports.material import NightMaterial
from ronde.reports.view import NightView

WORDS = {Verdict.OK: "ok", Verdict.WARNING: "to see", Verdict.UNKNOWN: "unknown", Verdict.FAILED: "failed"}


@dataclass(frozen=True, slots=True)
class Cell:
    """One client and kind: its verdict, and the counts in words (`1 failed`, `ok`, `none`)."""

    verdict: Verdict
    words: str


@dataclass(frozen=True, slots=True)
class Row:
    """One client on the board."""

    client: str
    name: str
    verdict: Verdict
    backups: Cell
    machines: Cell
    report: Cell


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that needs somebody: where, what with the figures, and what to type next."""

    client: str
    verdict: Verdict
    where: str
    words: tuple[str, ...]
    actions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Board:
    """The whole; `checks` is how many were examined, `missed` what was due and did not happen."""

    since: datetime
    now: datetime
    checks: int
    rows: tuple[Row, ...]
    problems: tuple[Problem, ...]
    missed: tuple[OccurrenceRecord, ...]
    health: Health

    @property
    def verdict(self) -> Verdict:
        return worst([row.verdict for row in self.rows])


@dataclass(frozen=True, slots=True)
class ClientNight:
    """Everything the board needs of one client, read within that client's scope."""

    view: NightView
    material: NightMaterial
    mails: Sequence[MailRecord]
    reports: bool  # whether the client has a report schedule at all


def board(nights: Sequence[ClientNight], health: Health, now: datetime) -> Board:
    """The board at an instant; a client of whom nothing is known is `unknown`, never left out."""
    rows = sorted((_row(night) for night in nights), key=lambda row: (-row.verdict.rank, row.name))
    problems = sorted(
        (problem for night in nights for problem in _problems(night)),
        key=lambda problem: (-problem.verdict.rank, problem.client, problem.where),
    )
    missed = [due for night in nights for due in night.material.occurrences if due.run is None]
    return Board(
        since=min((night.view.period.since for night in nights), default=now),
        now=now,
        checks=sum(len(night.material.checks) for night in nights),
        rows=tuple(rows),
        problems=tuple(problems),
        missed=tuple(sorted(missed, key=lambda item: item.due)),
        health=health,
    )


def _row(night: ClientNight) -> Row:
    view = night.view
    backups = _cell([line.verdict for line in view.backups])
    machines = _cell([verdict for group in view.machines for verdict in _group(group.verdict, group.exceptions)])
    return Row(
        client=view.client,
        name=view.name,
        verdict=worst([view.verdict, *(other.verdict for other in view.others)]),
        backups=backups,
        machines=machines,
        report=_report(night),
    )


def _group(verdict: Verdict, exceptions: Sequence[object]) -> list[Verdict]:
    own = [line.verdict for line in exceptions if hasattr(line, "verdict")]
    return own or [verdict]


def _cell(verdicts: Sequence[Verdict]) -> Cell:
    if not verdicts:
        return Cell(Verdict.OK, "none")
    counts = {verdict: verdicts.count(verdict) for verdict in (Verdict.FAILED, Verdict.UNKNOWN, Verdict.WARNING)}
    words = [f"{count} {WORDS[verdict]}" for verdict, count in counts.items() if count]
    return Cell(worst(verdicts), ", ".join(words[:2]) or "ok")


def _report(night: ClientNight) -> Cell:
    """The newest night report of the client, and whether the relay took it for every contact."""
    mails = [mail for mail in night.mails if mail.kind == "report/night"]
    if not mails:
        return Cell(Verdict.UNKNOWN, "not yet") if night.reports else Cell(Verdict.OK, "none due")
    stuck = [mail for mail in mails if mail.state in (MailState.DEAD, MailState.UNKNOWN)]
    waiting = [mail for mail in mails if mail.state in (MailState.QUEUED, MailState.LEASED, MailState.RETRY)]
    if stuck:
        return Cell(Verdict.FAILED, "not delivered")
    if waiting:
        return Cell(Verdict.UNKNOWN, "held" if any(mail.attempts for mail in waiting) else "queued")
    return Cell(Verdict.OK, "sent")


def _problems(night: ClientNight) -> Iterable[Problem]:
    client = night.view.client
    told: set[tuple[str, str]] = set()
    for check in night.material.checks:
        if check.verdict is not Verdict.OK:
            told.add((check.host, check.subject))
            yield Problem(client, check.verdict, _where(check), _said(check), _actions(client, check))
    for line in night.view.backups:
        if line.verdict is not Verdict.OK and (line.host, line.name) not in told:
            job = _job_on(night.material.jobs, line.host)
            action = f"ronde run backup/check --client {client} --host {line.host}"
            yield Problem(client, line.verdict, f"{line.host} · {line.name}", _why(job), (action,))
    for group in night.view.machines:
        if group.verdict is not Verdict.OK and not group.exceptions and (group.vcenter, group.vcenter) not in told:
            job = _job_on(night.material.jobs, group.vcenter)
            action = f"ronde run vsphere/snapshots --client {client} --host {group.vcenter}"
            yield Problem(client, group.verdict, f"vCenter {group.vcenter}", _why(job), (action,))


def _where(check: CheckRecord) -> str:
    prefix = {"vm": "vm ", "coverage": "vm "}.get(check.kind, "")
    if check.kind in ("vm", "coverage"):
        return f"{prefix}{check.subject}"
    return check.host if check.subject in (check.host, check.kind) else f"{check.host} · {check.subject}"


def _said(check: CheckRecord) -> tuple[str, ...]:
    ranked = sorted(check.findings, key=lambda finding: -finding.severity.verdict.rank)
    return tuple(item.message for item in ranked if item.severity is not Severity.INFO) or ("nothing was proven",)


def _actions(client: str, check: CheckRecord) -> tuple[str, ...]:
    playbook = "vsphere/snapshots" if check.kind in ("vm", "coverage", "vcenter") else "backup/check"
    return (f"ronde show {check.run[:8]}", f"ronde run {playbook} --client {client} --host {check.host}")


def _job_on(jobs: Sequence[JobRecord], target: str) -> JobRecord | None:
    return next((job for job in reversed(jobs) if job.target.name == target), None)


def _why(job: JobRecord | None) -> tuple[str, ...]:
    if job is None:
        return ("not verified: no check ran",)
    if job.trouble is not None:
        tries = f", {job.attempt} tries" if job.attempt > 1 else ""
        return (f"not verified: {job.trouble.message}{tries}",)
    return (f"not verified: the check is {job.state}",)


def board_json(value: Board) -> Mapping[str, object]:
    """The board as `ronde status --json` prints it."""
    return {
        "since": value.since.isoformat(),
        "now": value.now.isoformat(),
        "verdict": value.verdict.value,
        "checks": value.checks,
        "clients": [
            {
                "client": row.client,
                "name": row.name,
                "verdict": row.verdict.value,
                **{
                    kind: {"verdict": cell.verdict.value, "words": cell.words}
                    for kind, cell in (("backups", row.backups), ("machines", row.machines), ("report", row.report))
                },
            }
            for row in value.rows
        ],
        "problems": [
            {
                "client": item.client,
                "verdict": item.verdict.value,
                "where": item.where,
                "words": list(item.words),
                "actions": list(item.actions),
            }
            for item in value.problems
        ],
        "missed": [
            {"client": due.client, "schedule": due.schedule, "due": due.due.isoformat(), "reason": due.reason}
            for due in value.missed
        ],
    }
