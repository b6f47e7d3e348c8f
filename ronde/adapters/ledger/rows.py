"""Between rows and the values that the ports speak of."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ronde.adapters.ledger.part import AnyRow
from ronde.model.check import Finding, Json
from ronde.model.plan import Target, TargetKind, job_from_json
from ronde.model.procedure import StepRecord
from ronde.model.records import (
    CheckRecord,
    EventRecord,
    JobRecord,
    MailRecord,
    OccurrenceRecord,
    RunRecord,
    Trouble,
)
from ronde.model.run import RUN_OPEN, JobState, MailState, Progress, RunState, run_state, run_verdict
from ronde.model.verdict import Level, Severity, Verdict


def trouble_json(trouble: Trouble | None) -> dict[str, Json] | None:
    if trouble is None:
        return None
    return {
        "code": trouble.code,
        "message": trouble.message,
        "advice": trouble.advice,
        "permanent": trouble.permanent,
    }


def trouble_from(value: Mapping[str, Any] | None) -> Trouble | None:
    return None if value is None else Trouble(**value)


def findings_json(findings: Iterable[Finding]) -> list[Json]:
    return [
        {
            "rule": finding.rule,
            "severity": finding.severity.value,
            "message": finding.message,
            "evidence": finding.evidence,
        }
        for finding in findings
    ]


def findings_from(value: Iterable[Mapping[str, Any]]) -> tuple[Finding, ...]:
    return tuple(Finding(one["rule"], Severity(one["severity"]), one["message"], one["evidence"]) for one in value)


def verdict_from(value: str | None) -> Verdict | None:
    return None if value is None else Verdict(value)


def check_record(row: AnyRow) -> CheckRecord:
    return CheckRecord(
        id=row.id,
        run=row.run_id,
        job=row.job_id,
        client=row.client,
        host=row.host,
        subject=row.subject,
        kind=row.kind,
        verdict=Verdict(row.verdict),
        level=None if row.level is None else Level(row.level),
        evidence_at=row.evidence_at,
        recorded_at=row.recorded_at,
        findings=findings_from(row.findings),
        facts=row.facts,
        objective=row.objective,
    )


def job_record(
    row: AnyRow,
    checks: Sequence[CheckRecord] = (),
    steps: Sequence[StepRecord] = (),
    *,
    with_plan: bool = False,
) -> JobRecord:
    return JobRecord(
        id=row.id,
        run=row.run_id,
        target=Target(row.client, TargetKind(row.kind), row.target),
        playbook=row.playbook,
        state=JobState(row.state),
        verdict=verdict_from(row.verdict),
        attempt=row.attempt,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        worker=row.worker,
        sends=row.sends,
        not_before=row.not_before,
        not_after=row.not_after,
        trouble=trouble_from(row.trouble),
        plan=job_from_json(row.plan) if with_plan else None,
        checks=tuple(checks),
        steps=tuple(steps),
        ring=row.place["ring"] if row.place else None,
    )


def run_record(
    row: AnyRow, jobs: Sequence[JobRecord], events: Sequence[EventRecord] = (), *, partial: bool
) -> RunRecord:
    """A run with the jobs that may be seen; `partial` when others exist, which then must not show in its state."""
    state, verdict, finished_at = RunState(row.state), verdict_from(row.verdict), row.finished_at
    if partial:
        state, verdict = standing(jobs)
        ends = [job.finished_at for job in jobs if job.finished_at is not None]
        finished_at = max(ends, default=None) if verdict else None
    return RunRecord(
        id=row.id,
        playbook=row.playbook,
        digest=row.digest,
        state=state,
        verdict=verdict,
        trigger=row.trigger,
        requested_by=row.requested_by,
        reason=row.reason,
        created_at=row.created_at,
        finished_at=finished_at,
        schedule=row.schedule,
        due=row.due,
        plan=row.plan,
        request={} if partial else row.request,  # it may name clients that the reader may not know of
        jobs=tuple(jobs),
        events=tuple(events),
        paused_by=row.paused_by or "",
    )


def standing(jobs: Iterable[JobRecord]) -> tuple[RunState, Verdict | None]:
    """What the run would be if these were all its jobs; no verdict while any of them is open."""
    known = tuple(jobs)
    progress = Progress(tuple(job.state for job in known), tuple(job.verdict or Verdict.UNKNOWN for job in known))
    state = run_state(progress)
    ended = state not in RUN_OPEN
    return state, run_verdict(progress) if ended else None


def event_record(row: AnyRow) -> EventRecord:
    return EventRecord(row.at, row.actor, row.action, row.subject, row.data)


def occurrence_record(row: AnyRow) -> OccurrenceRecord:
    return OccurrenceRecord(row.client, row.schedule, row.due, row.decided_at, row.run_id, row.reason, row.instants)


def mail_record(row: AnyRow) -> MailRecord:
    return MailRecord(
        id=row.id,
        client=row.client,
        kind=row.kind,
        recipient=row.recipient,
        subject=row.subject,
        state=MailState(row.state),
        attempts=row.attempts,
        created_at=row.created_at,
        next_attempt_at=row.next_attempt_at,
        accepted_at=row.accepted_at,
        answer=row.answer,
    )
