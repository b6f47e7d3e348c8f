"""The stable JSON of `ronde run`, `ronde round` and `ronde show`: what other programs may rely on."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ronde.model.approvals import Approval, ApprovalState
from ronde.model.check import Json
from ronde.model.records import CheckRecord, JobRecord, RunRecord
from ronde.model.verdict import Severity, Verdict
from ronde.reports.step_lines import StepLine, step_lines

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
    kind: str = Field(
        description="restic, borg, dump, vm, coverage, vcenter, clock or report; of a procedure also step and guard"
    )
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


class StepView(_View):
    """One step of a procedure, in the order of its plan."""

    step: str = Field(description="its id; one that was included carries that one's in front: prepare.units")
    section: str = Field(description="steps, rescue (what is done when a step failed) or always")
    state: str = Field(
        description="not_begun, begun, done, skipped (its condition did not hold), failed or unclear (nobody knows "
        "what came of it: a person has to look)"
    )
    changed: bool = Field(description="whether it changed the target")
    reason: str = Field(description="why it changed something, why not, or why it failed; may be empty")
    shown: str = Field(description="the action as a person would type it")
    began_at: datetime | None
    ended_at: datetime | None


class ApprovalView(_View):
    """A second technician's word on a run."""

    state: ApprovalState = Field(description="used = approved, and its run was started; it starts no other")
    requested_at: datetime
    expires_at: datetime = Field(description="from then on nothing can be approved or started")
    decided_by: str | None = Field(description="a login; null until somebody decided")
    decided_at: datetime | None
    reason: str = Field(description="what he said to it; may be empty")


class JobView(_View):
    """One target of the run."""

    client: str
    target: str = Field(description="the host's or vCenter's name in the inventory")
    playbook: str
    state: str = Field(
        description="held (waits for a second technician), waiting (for its ring), queued, running, succeeded, "
        "failed, crashed, lost, cancelled, expired, skipped (a guard held it back, or its run stopped before it; "
        "nothing was done) or needs_human (what came of a step is not known)"
    )
    verdict: Verdict = Field(description="unknown while the job is open")
    attempt: int
    error: ErrorView | None
    checks: list[CheckView]
    ring: int | None = Field(default=None, description="its ring of a change that goes in rings; 0 = the canaries")
    not_before: datetime | None = Field(default=None, description="it does not start before; null = at once")
    not_after: datetime | None = Field(default=None, description="later than that it is not started any more")
    steps: list[StepView] = Field(
        default_factory=list, description="of a procedure; empty in lists of runs, and for a job that only examines"
    )


class RunView(_View):
    """One run as `--json` prints it."""

    run: str = Field(description="the run's id; any unambiguous beginning of it names the run")
    playbook: str
    state: str = Field(
        description="pending_approval, queued, running, succeeded, failed (a job came to no result) or cancelled"
    )
    verdict: Verdict = Field(description="the worst verdict of the jobs; unknown while the run is open")
    jobs: list[JobView]
    plan: str = Field(default="", description="digest of the frozen plan, which an approval is bound to")
    requested_by: str = Field(default="", description="a login, or the schedule")
    reason: str = Field(default="", description="why, as whoever ordered it wrote it")
    approval: ApprovalView | None = Field(default=None, description="null when it needs none")
    paused_by: str | None = Field(default=None, description="who asked that nothing more be begun; null when nobody")


def run_view(run: RunRecord, now: datetime, approval: Approval | None = None) -> RunView:
    """The interface's value of a run at an instant; what has no verdict yet is `unknown`."""
    return RunView(
        run=run.id,
        playbook=run.playbook,
        state=run.state.value,
        verdict=run.verdict or Verdict.UNKNOWN,
        jobs=[_job(job, now) for job in run.jobs],
        plan=run.plan,
        requested_by=run.requested_by,
        reason=run.reason,
        approval=_approval(approval) if approval else None,
        paused_by=run.paused_by or None,
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
        ring=job.ring,
        not_before=job.not_before,
        not_after=job.not_after,
        steps=[_step(line) for line in step_lines(job)],
    )


def _step(line: StepLine) -> StepView:
    return StepView(
        step=line.id,
        section=line.section,
        state=line.state,
        changed=line.changed,
        reason=line.reason,
        shown=line.shown,
        began_at=line.began_at,
        ended_at=line.ended_at,
    )


def _approval(approval: Approval) -> ApprovalView:
    """Without the clients of the request: whoever reads this may know only some of them."""
    request, decision = approval.request, approval.decision
    return ApprovalView(
        state=approval.state,
        requested_at=request.requested_at,
        expires_at=request.expires_at,
        decided_by=decision.by if decision else None,
        decided_at=decision.at if decision else None,
        reason=decision.answer.reason if decision else "",
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
