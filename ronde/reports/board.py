"""This morning's board: clients by kinds, worst first, with the next action beside each problem."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ronde.model.records import Health, OccurrenceRecord
from ronde.model.run import MailState
from ronde.model.verdict import Verdict, worst
from ronde.reports.board_problems import ClientNight, problems_of
from ronde.reports.board_work import Need
from ronde.reports.problem import Problem
from ronde.reports.view import MachineGroup, PatchLine

NONE = "none"  # the words of a kind of which a client has nothing
FRESH = timedelta(minutes=3)  # three roll calls: a beat that is silent for longer is not alive
WORDS = {Verdict.OK: "ok", Verdict.WARNING: "to see", Verdict.UNKNOWN: "unknown", Verdict.FAILED: "failed"}


@dataclass(frozen=True, slots=True)
class Cell:
    """One client and kind: its verdict, the counts in words (`1 failed`, `ok`, `none`), and when, if that is told."""

    verdict: Verdict
    words: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One client on the board; `runs` is of everything that was to act."""

    client: str
    name: str
    verdict: Verdict
    backups: Cell
    machines: Cell
    patches: Cell
    runs: Cell
    report: Cell


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

    @property
    def beats_alive(self) -> int:
        return sum(self.now - seen < FRESH for seen in self.health.beats.values())


def board(nights: Sequence[ClientNight], health: Health, now: datetime) -> Board:
    """The board at an instant; a client of whom nothing is known is `unknown`, never left out."""
    rows = sorted((_row(night) for night in nights), key=lambda row: (-row.verdict.rank, row.name))
    problems = sorted(
        (problem for night in nights for problem in problems_of(night)),
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
    report, runs = _report(night), _runs(night)
    return Row(
        client=view.client,
        name=view.name,
        verdict=worst([view.verdict, runs.verdict, report.verdict]),
        backups=_cell([line.verdict for line in view.backups]),
        machines=_cell([verdict for group in view.machines for verdict in _group(group)]),
        patches=_patches(view.patches),
        runs=runs,
        report=report,
    )


def _runs(night: ClientNight) -> Cell:
    """The most pressing kind is counted; the others are told below. `none`: nothing was to act."""
    found = night.work
    if not found:
        return Cell(Verdict.OK, "ok" if night.view.changes else NONE)
    first = found[0].need
    alike = [one for one in found if one.need is first]
    count = len({one.job.run for one in alike}) if first is Need.APPROVAL else len(alike)  # one word releases a run
    return Cell(worst([one.verdict for one in found]), f"{count} {first}")


def _group(group: MachineGroup) -> list[Verdict]:
    """Its exceptions, and the vCenter itself where it is worse than any of them."""
    own = [line.verdict for line in group.exceptions]
    return own if own and worst(own).rank >= group.verdict.rank else [*own, group.verdict]


def _cell(verdicts: Sequence[Verdict]) -> Cell:
    """The two worst kinds are counted; nothing expected is `none`, which weighs nothing here (the row is `unknown`)."""
    if not verdicts:
        return Cell(Verdict.OK, NONE)
    counts = {verdict: verdicts.count(verdict) for verdict in (Verdict.FAILED, Verdict.UNKNOWN, Verdict.WARNING)}
    words = [f"{count} {WORDS[verdict]}" for verdict, count in counts.items() if count]
    return Cell(worst(verdicts), ", ".join(words[:2]) or "ok")


def _patches(lines: Sequence[PatchLine]) -> Cell:
    """The worst kind is counted; where all is known and nothing has failed, the updates that wait."""
    found, waiting = _cell([line.verdict for line in lines]), sum(line.waiting or 0 for line in lines)
    if found.verdict in {Verdict.FAILED, Verdict.UNKNOWN} or not waiting:
        return Cell(found.verdict, found.words.partition(",")[0])
    return Cell(found.verdict, f"{waiting} pending")


def _report(night: ClientNight) -> Cell:
    """What became of the report that was due last, or of the newest one sent on demand."""
    since = night.report_due or night.view.period.since
    mails = [mail for mail in night.mails if mail.kind == "report/night" and mail.created_at >= since]
    states = {mail.state for mail in mails}
    if MailState.DEAD in states:
        return Cell(Verdict.FAILED, "not delivered")
    if MailState.UNKNOWN in states:
        return Cell(Verdict.UNKNOWN, "in doubt")
    if states - {MailState.ACCEPTED}:
        return Cell(Verdict.UNKNOWN, "held" if any(mail.attempts for mail in mails) else "queued")
    if mails:
        return Cell(Verdict.OK, "sent", max(mail.accepted_at or mail.created_at for mail in mails))
    if night.report_due is not None:
        return Cell(Verdict.UNKNOWN, "not sent")
    return Cell(Verdict.OK, "due", night.report_next) if night.report_next else Cell(Verdict.OK, "none due")


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
                    kind: {"verdict": cell.verdict.value, "words": cell.words, "at": _iso(cell.at)}
                    for kind, cell in _cells(row)
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
        "machinery": {
            "beats_alive": value.beats_alive,
            "last_roll_call": _iso(value.health.last_roll_call),
            "oldest_queued_s": value.health.oldest_queued_s,
            "unsent_mails": value.health.unsent_mails,
        },
    }


def _cells(row: Row) -> tuple[tuple[str, Cell], ...]:
    checks = ("backups", row.backups), ("machines", row.machines), ("patches", row.patches)
    return (*checks, ("runs", row.runs), ("report", row.report))


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
