"""The stable JSON of `ronde run`, `ronde round` and `ronde show`: what other programs may rely on."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ronde.model.check import Json
from ronde.model.records import CheckRecord, JobRecord, RunRecord
from ronde.model.verdict import Severity, Verdict

LevelName = Literal["L0", "L1", "L2", "L3", "L4", "L5", "L6"]


class _View(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FindingView(_View):
    """One rule that spoke."""

    rule: str = Field(description="stable identifier of the rule")
    severity: Severity
    message: str = Field(description="one English sentence with the figures")
    evidence: dict[str, Any] = Field(description="the raw values compared, and the threshold")


class CheckView(_View):
    """One subject examined."""

    subject: str = Field(description="the backup's or the virtual machine's name")
    kind: str = Field(description="restic, borg, dump, vm, coverage, vcenter, clock or report")
    verdict: Verdict
    level: LevelName | None = Field(description="highest level of proof this check established; null = nothing proven")
    evidence_age_s: float | None = Field(description="age of that proof in seconds when this was printed")
    findings: list[FindingView]


class ErrorView(_View):
    """Why a job came to no result."""

    code: str
    message: str
    advice: str
    permanent: bool = Field(description="whether trying again could not help")


class JobView(_View):
    """One target of the run."""

    client: str
    target: str = Field(description="the host's or vCenter's name in the inventory")
    playbook: str
    state: str = Field(description="queued, running, succeeded, failed, crashed, lost, cancelled, expired, needs_human")
    verdict: Verdict = Field(description="unknown while the job is open")
    attempt: int
    error: ErrorView | None
    checks: list[CheckView]


class RunView(_View):
    """One run as `--json` prints it."""

    run: str = Field(description="the run's id; any unambiguous beginning of it names the run")
    playbook: str
    state: str = Field(description="queued, running, succeeded, failed, cancelled")
    verdict: Verdict = Field(description="the worst verdict of the jobs; unknown while the run is open")
    jobs: list[JobView]


def run_view(run: RunRecord, now: datetime) -> RunView:
    """The interface's value of a run at an instant; what has no verdict yet is `unknown`."""
    return RunView(
        run=run.id,
        playbook=run.playbook,
        state=run.state.value,
        verdict=run.verdict or Verdict.UNKNOWN,
        jobs=[_job(job, now) for job in run.jobs],
    )


def run_schema() -> dict[str, Json]:
    """The JSON Schema of the interface."""
    return RunView.model_json_schema(mode="serialization")


def _job(job: JobRecord, now: datetime) -> JobView:
    trouble = job.trouble
    return JobView(
        client=job.target.client,
        target=job.target.name,
        playbook=job.playbook,
        state=job.state.value,
        verdict=job.verdict or Verdict.UNKNOWN,
        attempt=job.attempt,
        error=ErrorView(code=trouble.code, message=trouble.message, advice=trouble.advice, permanent=trouble.permanent)
        if trouble
        else None,
        checks=[_check(check, now) for check in job.checks],
    )


def _check(check: CheckRecord, now: datetime) -> CheckView:
    age = None if check.evidence_at is None else max(0.0, (now - check.evidence_at).total_seconds())
    return CheckView(
        subject=check.subject,
        kind=check.kind,
        verdict=check.verdict,
        level=None if check.level is None else f"L{check.level.value}",
        evidence_age_s=age,
        findings=[
            FindingView(rule=item.rule, severity=item.severity, message=item.message, evidence=dict(item.evidence))
            for item in check.findings
        ],
    )
