"""How runs look in a terminal."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ronde.cli.out import COLOURS, SHAPES, one_line, safe, shaped
from ronde.cli.procedure_view import head_lines, is_procedure, procedure_lines
from ronde.model.approvals import Approval
from ronde.model.check import Finding
from ronde.model.records import CheckRecord, EvidenceRecord, JobRecord, RunRecord, Trouble
from ronde.model.redaction import sanitise_terminal
from ronde.model.run import JOB_OPEN, RUN_OPEN, JobState, RunState
from ronde.model.verdict import Level, Severity, Verdict
from ronde.reports.step_lines import step_lines
from ronde.reports.work import PROCEDURE_KINDS

LEVELS = {
    Level.REACHABLE: "reachable",
    Level.PRESENT: "present",
    Level.COHERENT: "coherent",
    Level.SAMPLED: "intact (share)",
    Level.INTACT: "intact",
    Level.RESTORED: "restored",
    Level.BOOTED: "booted",
}


def age(span: timedelta) -> str:
    """A span in the one or two units a person would say: `4 min`, `26 h`, `9 days`."""
    minutes = int(span.total_seconds() // 60)
    if minutes < 1:
        return "just now"
    if minutes < 120:
        return f"{minutes} min"
    if minutes < 72 * 60:
        return f"{minutes // 60} h"
    return f"{minutes // 1440} days"


def progress(record: RunRecord) -> RenderableType:
    """One line for each job that is not yet done, and a count of the others."""
    table = Table.grid(padding=(0, 2))
    done = [job for job in record.jobs if job.state not in JOB_OPEN]
    table.add_row(Text(f"{record.playbook} · {record.id[:8]}", style="bold"), f"{len(done)}/{len(record.jobs)} done")
    for job in [job for job in record.jobs if job.state in JOB_OPEN][:12]:
        words = ("running" if job.state is JobState.RUNNING else "waiting") + ring_words(job)
        tries = f"try {job.attempt} · {safe(job.trouble.message)}" if job.trouble else ""
        table.add_row(f"{safe(job.target.client)} · {safe(job.target.name)}", words, tries)
    return table


def run_page(
    record: RunRecord,
    evidence: Mapping[str, Sequence[EvidenceRecord]],
    now: datetime,
    approval: Approval | None = None,
) -> RenderableType:
    """A whole run: the head, then jobs with their steps or checks, worst first, then what was not verified."""
    verdict = record.verdict or Verdict.UNKNOWN
    head = Text.from_markup(
        f"[bold]{safe(record.playbook)}[/] · {record.id} · {record.state} · {shaped(verdict, verdict.value)}"
    )
    told = f"ordered by {record.requested_by} {record.created_at:%d %b %Y %H:%M} UTC"
    told += f", paused by {record.paused_by}" if record.paused_by and record.state in RUN_OPEN else ""
    lines: list[RenderableType] = [
        head,
        Text(one_line(told + (f": {record.reason}" if record.reason else "")), style="dim"),
        *head_lines(record, approval, now),
        Text(),
    ]
    for job in sorted(record.jobs, key=lambda job: -(job.verdict or Verdict.UNKNOWN).rank):
        lines += _job(job, evidence.get(job.id, ()), now)
    return Group(*lines)


def runs_table(records: Iterable[RunRecord], now: datetime, *, wide: bool) -> RenderableType:
    """One line a run, newest first; who ordered it only where there is room. A run's id is never cut."""
    table = Table(box=None, pad_edge=False)
    table.add_column("run", min_width=8)
    table.add_column("playbook", overflow="fold")
    table.add_column("clients", overflow="fold")
    table.add_column("result", min_width=9)
    table.add_column("jobs", justify="right", min_width=4)
    if wide:
        table.add_column("ordered by", overflow="fold")
    table.add_column("when", min_width=8)
    for record in records:
        who = [safe(record.requested_by)] if wide else []
        done = sum(job.state not in JOB_OPEN for job in record.jobs)
        jobs = f"{done}/{len(record.jobs)}"
        when = age(now - record.created_at)
        table.add_row(record.id[:8], safe(record.playbook), _clients(record), _result(record), jobs, *who, when)
    return table if table.row_count else Text("No run in that time.")


def ring_words(job: JobRecord) -> str:
    """The ring of a target, and before when it is not begun; empty for a run that goes in none."""
    if job.ring is None:
        return ""
    later = job.state is JobState.WAITING and job.not_before is not None
    return f" · ring {job.ring}" + (f", not before {job.not_before:%H:%M} UTC" if later else "")


def _clients(record: RunRecord) -> str:
    names = sorted({job.target.client for job in record.jobs})
    return safe(", ".join(names[:2]) + (f" +{len(names) - 2}" if len(names) > 2 else ""))


def _result(record: RunRecord) -> str:
    """The verdict of a run that has ended; the state of one that has none yet, or was stopped."""
    verdict = record.verdict or Verdict.UNKNOWN
    if record.state is RunState.PENDING_APPROVAL:
        return shaped(verdict, "to approve")
    ended = record.state not in RUN_OPEN and record.state is not RunState.CANCELLED
    return shaped(verdict, verdict.value if ended else "paused" if record.paused_by else record.state.value)


def _job(job: JobRecord, evidence: Sequence[EvidenceRecord], now: datetime) -> list[RenderableType]:
    verdict = job.verdict or Verdict.UNKNOWN
    lines: list[RenderableType] = [
        Text.from_markup(
            f"{shaped(verdict, '')}[bold]{safe(job.target.client)} · {safe(job.target.name)}[/]"
            f"  {safe(job.playbook)} · {job.state}{ring_words(job)}"
            + (f" · try {job.attempt}" if job.attempt > 1 else "")
        )
    ]
    if job.trouble:
        lines.append(Padding(Text(one_line(str(job.trouble))), (0, 0, 0, 2)))
    examined = job.checks
    if is_procedure(job):
        lines += procedure_lines(job, _by_subject(evidence))
        steps = {line.id for line in step_lines(job)}
        examined = tuple(check for check in job.checks if check.kind not in PROCEDURE_KINDS)
        evidence = [item for item in evidence if item.subject not in steps]
    fine = [check for check in examined if _simply_fine(check)]
    for check in sorted(examined, key=lambda check: (-check.verdict.rank, check.kind, check.subject)):
        if not _simply_fine(check):
            lines += _check(check, now, job.trouble)
    for kind, words in _IN_ORDER.items():
        count = sum(check.kind == kind for check in fine)
        if count:
            lines.append(Padding(Text.from_markup(shaped(Verdict.OK, f"{count} {words}")), (0, 0, 0, 2)))
    lines += [Padding(_exchange(item), (0, 0, 0, 4)) for item in evidence]
    return [*lines, Text()]


def _by_subject(evidence: Sequence[EvidenceRecord]) -> dict[str, list[RenderableType]]:
    found: dict[str, list[RenderableType]] = defaultdict(list)
    for item in evidence:
        found[item.subject].append(_exchange(item))
    return found


# Kinds of check that come by the hundred: when nothing is to be said about them, they are counted.
_IN_ORDER = {"vm": "virtual machines in order", "coverage": "virtual machines with a backup check"}


def _simply_fine(check: CheckRecord) -> bool:
    return check.kind in _IN_ORDER and check.verdict is Verdict.OK and not check.findings


def _check(check: CheckRecord, now: datetime, trouble: Trouble | None) -> list[RenderableType]:
    proof = "nothing proven" if check.level is None else f"L{check.level.value} {LEVELS[check.level]}"
    when = (
        "" if check.evidence_at is None else f", {age(now - check.evidence_at)} ago".replace("just now ago", "just now")
    )
    grid = Table.grid(padding=(0, 2))
    grid.add_column(width=26, overflow="fold")
    grid.add_column(width=8)
    grid.add_column()
    grid.add_row(shaped(check.verdict, safe(check.subject)), check.verdict.value, f"[dim]{proof}{when}[/]")
    findings = Table.grid(padding=(0, 1))
    findings.add_column(width=1)
    findings.add_column(overflow="fold")
    for finding in check.findings:
        if trouble is None or trouble.message not in finding.message:  # said once, above
            findings.add_row(*_finding(finding))
    return [Padding(grid, (0, 0, 0, 2)), *([Padding(findings, (0, 0, 0, 6))] if findings.row_count else [])]


def _finding(finding: Finding) -> tuple[str, str]:
    colour = "dim" if finding.severity is Severity.INFO else COLOURS[finding.severity.verdict]
    shape = SHAPES[finding.severity.verdict]
    return f"[{colour}]{shape}[/]", f"{safe(finding.message)} [dim]{safe(finding.rule)}[/]"


def _exchange(item: EvidenceRecord) -> RenderableType:
    status = "no exit status" if item.exit_status is None else f"exit {item.exit_status}"
    took = (item.ended - item.started).total_seconds()
    body = (item.output + item.errors).decode("utf-8", "replace").strip()
    cut = "\n… cut" if item.truncated else ""
    return Text.assemble(
        (f"$ {sanitise_terminal(item.question)}\n", "bold"),
        (f"  {status}, {took:.1f} s, {item.tool or 'tool unknown'}, sha256 {item.digest[:16]}…\n", "dim"),
        sanitise_terminal(body) + cut,
    )
