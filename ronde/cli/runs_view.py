"""How runs look in a terminal."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ronde.cli.out import COLOURS, SHAPES, shaped
from ronde.model.records import CheckRecord, EvidenceRecord, JobRecord, RunRecord
from ronde.model.redaction import sanitise_terminal
from ronde.model.run import JOB_OPEN, JobState
from ronde.model.verdict import Level, Severity, Verdict

LEVELS = {
    Level.REACHABLE: "reachable",
    Level.PRESENT: "present",
    Level.COHERENT: "coherent",
    Level.SAMPLED: "intact (share)",
    Level.INTACT: "intact",
    Level.RESTORED: "restored",
    Level.BOOTED: "booted",
}


def safe(text: str) -> str:
    """Words from outside, harmless for the terminal and for markup."""
    return escape(sanitise_terminal(text))


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
        words = "running" if job.state is JobState.RUNNING else "waiting"
        tries = f"try {job.attempt} · {safe(job.trouble.message)}" if job.trouble else ""
        table.add_row(f"{safe(job.target.client)} · {safe(job.target.name)}", words, tries)
    return table


def run_page(record: RunRecord, evidence: Mapping[str, Sequence[EvidenceRecord]], now: datetime) -> RenderableType:
    """A whole run: the head, then jobs and checks, worst first, then what was not verified."""
    verdict = record.verdict or Verdict.UNKNOWN
    head = Text.from_markup(
        f"[bold]{safe(record.playbook)}[/] · {record.id} · {record.state} · {shaped(verdict, verdict.value)}"
    )
    told = f"ordered by {record.requested_by} {record.created_at:%d %b %Y %H:%M} UTC"
    lines: list[RenderableType] = [
        head,
        Text(told + (f": {record.reason}" if record.reason else ""), style="dim"),
        Text(),
    ]
    for job in sorted(record.jobs, key=lambda job: -(job.verdict or Verdict.UNKNOWN).rank):
        lines += _job(job, evidence.get(job.id, ()), now)
    return Group(*lines)


def runs_table(records: Iterable[RunRecord], now: datetime) -> RenderableType:
    """One line a run, newest first."""
    table = Table(box=None, pad_edge=False)
    for name in ("run", "playbook", "clients", "state", "verdict", "jobs", "ordered by", "when"):
        table.add_column(name, no_wrap=True)
    empty = True
    for record in records:
        empty = False
        verdict = record.verdict or Verdict.UNKNOWN
        clients = sorted({job.target.client for job in record.jobs})
        shown = ", ".join(clients[:2]) + (f" +{len(clients) - 2}" if len(clients) > 2 else "")
        done = sum(job.state not in JOB_OPEN for job in record.jobs)
        table.add_row(
            record.id[:8],
            safe(record.playbook),
            safe(shown),
            record.state.value,
            shaped(verdict, verdict.value),
            f"{done}/{len(record.jobs)}",
            safe(record.requested_by),
            age(now - record.created_at),
        )
    return Text("No run in that time.") if empty else table


def _job(job: JobRecord, evidence: Sequence[EvidenceRecord], now: datetime) -> list[RenderableType]:
    verdict = job.verdict or Verdict.UNKNOWN
    lines: list[RenderableType] = [
        Text.from_markup(
            f"{shaped(verdict, '')}[bold]{safe(job.target.client)} · {safe(job.target.name)}[/]"
            f"  {safe(job.playbook)} · {job.state}" + (f" · try {job.attempt}" if job.attempt > 1 else "")
        )
    ]
    if job.trouble:
        lines.append(
            Padding(Text(sanitise_terminal(f"{job.trouble.message} {job.trouble.advice}".strip())), (0, 0, 0, 2))
        )
    fine = [check for check in job.checks if check.kind == "vm" and check.verdict is Verdict.OK]
    for check in sorted(job.checks, key=lambda check: (-check.verdict.rank, check.kind, check.subject)):
        if check not in fine:
            lines += _check(check, now)
    if fine:
        lines.append(
            Padding(Text.from_markup(shaped(Verdict.OK, f"{len(fine)} virtual machines in order")), (0, 0, 0, 2))
        )
    lines += [Padding(_exchange(item), (0, 0, 0, 4)) for item in evidence]
    return [*lines, Text()]


def _check(check: CheckRecord, now: datetime) -> list[RenderableType]:
    proof = "nothing proven" if check.level is None else f"L{check.level.value} {LEVELS[check.level]}"
    when = (
        "" if check.evidence_at is None else f", {age(now - check.evidence_at)} ago".replace("just now ago", "just now")
    )
    grid = Table.grid(padding=(0, 2))
    grid.add_column(width=26, no_wrap=True)
    grid.add_column(width=10)
    grid.add_column()
    grid.add_row(shaped(check.verdict, safe(check.subject)), check.verdict.value, f"[dim]{proof}{when}[/]")
    lines: list[RenderableType] = [Padding(grid, (0, 0, 0, 2))]
    for finding in check.findings:
        colour = "dim" if finding.severity is Severity.INFO else COLOURS[finding.severity.verdict]
        text = Text.from_markup(
            f"[{colour}]{SHAPES[finding.severity.verdict]}[/] {safe(finding.message)} [dim]{safe(finding.rule)}[/]"
        )
        lines.append(Padding(text, (0, 0, 0, 6)))
    return lines


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
