"""How a procedure looks in a terminal: who agreed to which plan, what stood before it, what was done step by step."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ronde.cli.out import COLOURS, SHAPES, one_line, safe
from ronde.model.approvals import Approval, ApprovalState, lapse
from ronde.model.check import Json
from ronde.model.procedure import StepState
from ronde.model.records import CheckRecord, JobRecord, RunRecord
from ronde.model.units import spoken_duration
from ronde.model.verdict import Verdict
from ronde.reports.step_lines import NOT_BEGUN, StepLine, step_lines
from ronde.reports.work import GUARD, STEP

_MOST_VALUE = 60  # characters of one parameter; what was done is told by the steps
_ID_WIDTH = 20
_SECTIONS = {"rescue": ("if a step fails", "because a step failed"), "always": ("in any case", "in any case")}
_LOOKS: Mapping[str, tuple[str, str]] = {
    StepState.DONE: (SHAPES[Verdict.OK], COLOURS[Verdict.OK]),
    StepState.FAILED: (SHAPES[Verdict.FAILED], COLOURS[Verdict.FAILED]),
    StepState.UNCLEAR: (SHAPES[Verdict.FAILED], COLOURS[Verdict.FAILED]),
    StepState.BEGUN: (SHAPES[Verdict.UNKNOWN], COLOURS[Verdict.UNKNOWN]),
    StepState.SKIPPED: ("-", "dim"),
    NOT_BEGUN: ("·", "dim"),
}
_SAID_BY_STEP = frozenset({"step-failed", "step-unclear"})  # findings that repeat the step's own reason


def is_procedure(job: JobRecord) -> bool:
    return job.plan is not None and job.plan.procedure is not None


def head_lines(record: RunRecord, approval: Approval | None, now: datetime) -> Iterator[RenderableType]:
    """What was asked for, which plan came of it, and who agreed; nothing for a run that only examines."""
    if approval is None and not any(map(is_procedure, record.jobs)):
        return
    yield Text(
        one_line(" · ".join((f"plan {record.plan[:12]}", *_given(record), *_asked(record.request)))), style="dim"
    )
    if approval is not None:
        yield from _approval(record, lapse(approval, now))


def _given(record: RunRecord) -> Iterator[str]:
    """The parameters, which are the same for all targets."""
    procedures = [job.plan.procedure for job in record.jobs if job.plan and job.plan.procedure]
    for text in dict.fromkeys(_values(one.values.get("")) for one in procedures):
        if text:
            yield f"with {text}"


def _asked(request: Mapping[str, Json]) -> Iterator[str]:
    """What the request adds: guards set aside, and how long hosts are waited for."""
    overrides, seconds = request.get("overrides"), request.get("queue_for_s")
    if isinstance(overrides, Sequence) and overrides:
        yield f"set aside: {', '.join(map(str, overrides))}"
    if isinstance(seconds, int | float) and seconds:
        yield f"waits {spoken_duration(timedelta(seconds=seconds))} for hosts that are away"


def _values(values: Json) -> str:
    if not isinstance(values, Mapping):
        return ""
    return ", ".join(f"{name}={_short(value)}" for name, value in values.items())


def _short(value: Json) -> str:
    text = one_line(str(value))
    return text if len(text) <= _MOST_VALUE else text[: _MOST_VALUE - 1] + "…"


def _approval(record: RunRecord, approval: Approval) -> Iterator[RenderableType]:
    request, decision = approval.request, approval.decision
    reason = f": {decision.answer.reason}" if decision and decision.answer.reason else ""
    by = f" by {decision.by} {_instant(decision.at)}{reason}" if decision else ""
    match approval.state:
        case ApprovalState.PENDING:
            words = f"waits for a second technician until {_instant(request.expires_at)}{_why(record)}"
            yield _marked(Verdict.WARNING, words)
            yield Text(f"  ronde approve {record.id[:8]}    # exactly this plan; or: ronde refuse {record.id[:8]}")
        case ApprovalState.REFUSED:
            yield _marked(Verdict.FAILED, f"refused{by}")
        case ApprovalState.EXPIRED:
            yield _marked(Verdict.WARNING, f"nobody approved it in time; that ended {_instant(request.expires_at)}")
        case _:
            yield _marked(Verdict.OK, f"approved{by}")


def _why(record: RunRecord) -> str:
    told = [event.data.get("waits_for") for event in record.events]
    return next((f": {text}" for text in told if isinstance(text, str) and text), "")


def _instant(at: datetime) -> str:
    return f"{at.astimezone(UTC):%d %b %Y %H:%M} UTC"


def _marked(verdict: Verdict, words: str) -> Text:
    return Text.assemble((SHAPES[verdict], COLOURS[verdict]), f" {one_line(words)}")


def procedure_lines(job: JobRecord, evidence: Mapping[str, Sequence[RenderableType]]) -> Iterator[RenderableType]:
    """One job: its guards, then its steps in order, each with its evidence where that is wanted."""
    procedure = job.plan.procedure if job.plan else None
    if procedure is None:
        return
    yield from _guards(job, procedure.guards)
    said = {check.subject: check for check in job.checks if check.kind == STEP}
    section = "steps"
    for line in step_lines(job):
        if line.section != section:
            section = line.section
            yield Padding(Text(_SECTIONS[section][line.state != NOT_BEGUN], style="dim"), (0, 0, 0, 2))
        yield Padding(_step(line, said.get(line.id)), (0, 0, 0, 2))
        yield from (Padding(item, (0, 0, 0, 4)) for item in evidence.get(line.id, ()))


def _guards(job: JobRecord, asked: Sequence[str]) -> Iterator[RenderableType]:
    """The rulings; before there are any, what will be asked."""
    rulings = [check for check in job.checks if check.kind == GUARD]
    told = {check.subject for check in rulings}
    for check in rulings:
        yield Padding(_guard(check), (0, 0, 0, 2))
    if left := [name for name in asked if name not in told]:
        yield Padding(Text(one_line(f"· guards not asked: {', '.join(left)}"), style="dim"), (0, 0, 0, 2))


def _guard(check: CheckRecord) -> RenderableType:
    passed, override = bool(check.facts.get("passed")), check.facts.get("override")
    reason = check.facts.get("reason") or "no reason is on record"
    if passed:
        return _marked(Verdict.OK, f"guard {check.subject}: {reason}")
    words = f"set aside ({override}): {reason}" if override else f"held it back: {reason}"
    return _marked(Verdict.WARNING, f"guard {check.subject}: {words}")


def _step(line: StepLine, check: CheckRecord | None) -> RenderableType:
    shape, colour = _LOOKS.get(line.state, ("◇", ""))
    grid = Table.grid(padding=(0, 1), expand=True)
    grid.add_column(width=1)
    grid.add_column(width=_ID_WIDTH, overflow="fold")
    grid.add_column(ratio=1, overflow="fold")
    grid.add_column(justify="right", no_wrap=True)
    grid.add_row(f"[{colour}]{shape}[/]" if colour else shape, safe(line.id), safe(line.shown), _took(line))
    if words := _came_to(line):
        grid.add_row("", "", safe(words), "")
    for finding in check.findings if check else ():
        if finding.rule not in _SAID_BY_STEP:
            verdict = finding.severity.verdict
            mark = f"[{COLOURS[verdict]}]{SHAPES[verdict]}[/]"
            grid.add_row("", "", f"{mark} {safe(finding.message)} [dim]{safe(finding.rule)}[/]", "")
    return grid


def _came_to(line: StepLine) -> str:
    """The state in a word, and the reason; nothing where the shape says it all, or the last column."""
    if line.state == NOT_BEGUN or (line.state == StepState.DONE and not line.changed and not line.reason):
        return ""
    word = ("changed" if line.changed else "nothing changed") if line.state == StepState.DONE else line.state
    return f"{word}: {line.reason}" if line.reason else word


def _took(line: StepLine) -> str:
    if line.state == NOT_BEGUN:
        return "[dim]not begun[/]"
    if line.took is None:
        return "[magenta]no end on record[/]"
    seconds = line.took.total_seconds()
    return f"[dim]{seconds:.1f} s[/]" if seconds < 60 else f"[dim]{spoken_duration(line.took)}[/]"
