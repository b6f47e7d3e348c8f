"""How a dry run is told: what was seen of each target, and of each change why it would be made or not."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from ronde.cli.out import one_line
from ronde.model.procedure import StepRecord
from ronde.model.records import CheckRecord, JobRecord, RunRecord
from ronde.reports.interface import run_view


def dry_run_page(record: RunRecord) -> RenderableType:
    """The whole dry run: the plan's digest, each target, and how to run exactly that."""
    count = len(record.jobs)
    head = f"{record.playbook} · plan {record.plan[:8]} · {count} target{'s' * (count != 1)} · dry run"
    lines: list[RenderableType] = [Text(one_line(head), style="bold")]
    lines += [Text(one_line(rings)) for rings in [rings_line(record)] if rings]
    for job in record.jobs:
        lines += [Text(""), *_job(job)]
    return Group(*lines, Text(""), Text("Nothing was changed. Run it:"), Text(f"  {again(record)}"))


def rings_line(record: RunRecord) -> str:
    """Who goes when: `ring 0 srv-a · ring 1 srv-b, srv-c`; empty for a run that goes in no rings."""
    several = len({job.target.client for job in record.jobs}) > 1
    rings: dict[int, list[str]] = {}
    for job in record.jobs:
        if job.ring is not None:
            name = f"{job.target.client}/{job.target.name}" if several else job.target.name
            rings.setdefault(job.ring, []).append(name)
    return " · ".join(f"ring {number} {', '.join(names)}" for number, names in sorted(rings.items()))


def again(record: RunRecord) -> str:
    """The command that runs exactly what was looked at."""
    request: dict[str, Any] = dict(record.request)
    words = [f"ronde run {record.playbook}"]
    words += [f"--client {client}" for client in request.get("clients", [])[:1]]
    words.append(f"--plan {record.plan[:8]} … (the same targets and parameters)")
    return one_line(" ".join(words))


def dry_run_view(record: RunRecord, now: datetime) -> dict[str, Any]:
    """The interface's value of the run, with the plan and what each step would do."""
    steps = {
        f"{job.target.client}/{job.target.name}": [
            {
                "step": step.step,
                "state": step.state.value,
                "would": step.facts.get("would"),
                "reason": step.reason,
            }
            for step in job.steps
        ]
        for job in record.jobs
    }
    return {**run_view(record, now).model_dump(mode="json"), "plan": record.plan, "steps": steps}


def _job(job: JobRecord) -> Iterator[RenderableType]:
    yield Text(one_line(f"{job.target.client} · {job.target.name}"), style="bold")
    if job.trouble is not None:
        yield Padding(Text(one_line(f"not looked at: {job.trouble}")), (0, 0, 0, 2))
    for check in job.checks:
        if check.kind == "guard":
            yield Padding(Text(one_line(_guard(check))), (0, 0, 0, 2))
    for step in job.steps:
        yield Padding(Text(one_line(_step(step))), (0, 0, 0, 2))


def _guard(check: CheckRecord) -> str:
    if check.facts.get("passed"):
        return f"● {check.subject}: {check.facts.get('reason')}"
    override = check.facts.get("override")
    word = f"set aside ({override})" if override else "would be held up"
    return f"▲ {check.subject}: {word}: {check.facts.get('reason')}"


def _step(step: StepRecord) -> str:
    would = step.facts.get("would")
    if "would" in step.facts:
        shape = {True: "→", False: "=", None: "?"}[would if isinstance(would, bool) else None]
        return f"{shape} {step.step}: {step.reason}"
    return f"· {step.step}: {step.state}" + (f": {step.reason}" if step.reason else "")
