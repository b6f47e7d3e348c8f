"""Whether a recorded check can be believed tonight, and why an expected one is missing.

A check counts only if its own job is on record and ended well, if its proof is from the period, and if no later attempt
at the same target failed. Everything else is a gap with a reason, never a silent pass.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ronde.model.check import Json
from ronde.model.plan import Target, TargetKind
from ronde.model.records import CheckRecord, JobRecord, OccurrenceRecord
from ronde.model.run import JOB_OPEN, JobState
from ronde.model.verdict import Verdict
from ronde.reports.material import NightMaterial
from ronde.reports.phrases import Phrase, phrase
from ronde.reports.troubles import trouble_phrase

SLACK = timedelta(hours=2)  # the longest a check may take: one in flight at the last report still counts tonight
FUTURE = timedelta(
    minutes=5
)  # beyond this a proof from the future means a clock is wrong (same limit as the clock rule)
_SETTLED = frozenset({*JOB_OPEN, JobState.SUCCEEDED, JobState.CANCELLED})  # says nothing against an earlier check
PATCHES = "patches"  # the kind of an audit of updates, and the step that makes it
_USES = {TargetKind.HOST: "backups", TargetKind.VCENTER: "machines"}
_AREAS = {TargetKind.HOST: ("backup/", "round/"), TargetKind.VCENTER: ("vsphere/", "round/")}


@dataclass(frozen=True, slots=True)
class Standing:
    """The jobs and occurrences of a night, arranged for the questions asked of them."""

    material: NightMaterial
    now: datetime
    jobs: Mapping[str, JobRecord]

    @classmethod
    def of(cls, material: NightMaterial, now: datetime) -> "Standing":
        return cls(material, now, {job.id: job for job in material.jobs})

    def doubt(self, check: CheckRecord, target: Target) -> Phrase | None:
        """Why a check is not to be believed tonight, or None when it is."""
        period = self.material.period
        if not period.since <= check.recorded_at <= period.until:
            return phrase("The last check is not from this period.")
        job = self.jobs.get(check.job)
        if job is None:
            return phrase("The record of the check is incomplete.")
        if check.verdict is Verdict.FAILED:
            return self._wrong_age(check.evidence_at)  # damage that was found stays found, whatever broke afterwards
        if job.state is not JobState.SUCCEEDED:
            return job_phrase(job)
        if check.evidence_at is None and check.verdict in {Verdict.OK, Verdict.WARNING}:
            return phrase("The check ended without proving anything.")
        return self._wrong_age(check.evidence_at) or self._later_failure(check, target)

    def absence(self, target: Target, subject: str, schedules: Iterable[str], use: str | None = None) -> Phrase:
        """Why an expected check of a subject is not there, as far as the records tell.

        `use` is the step that makes it; left out, the usual one of such a target.
        """
        jobs = self._concerned(target, subject, use)
        failed = [job for job in jobs if job.state not in _SETTLED]
        if failed:
            return job_phrase(failed[-1])
        waiting = [job for job in jobs if job.state is not JobState.SUCCEEDED]
        if waiting:
            return job_phrase(waiting[-1])
        if jobs:
            return phrase("The night's check ran without examining it.")
        missed = self._missed(frozenset(schedules))
        if missed is not None:
            return phrase("No check ran: the one due on {due} did not start in time.", due=missed.due)
        return phrase("No check ran in this period.")

    def _wrong_age(self, at: datetime | None) -> Phrase | None:
        if at is None:
            return None
        if at < self.material.period.since - SLACK:
            return phrase("The proof is too old: it dates from {at}.", at=at)
        if at > self.now + FUTURE:
            return phrase("The proof carries a date in the future ({at}): a clock is wrong.", at=at)
        return None

    def _later_failure(self, check: CheckRecord, target: Target) -> Phrase | None:
        failed = [
            job
            for job in self._concerned(target, check.subject, PATCHES if check.kind == PATCHES else None)
            if job.state not in _SETTLED and (job.finished_at or job.created_at) > check.recorded_at
        ]
        return job_phrase(failed[-1]) if failed else None

    def _concerned(self, target: Target, subject: str, use: str | None) -> list[JobRecord]:
        """The jobs of the period that were to examine a subject, the one that ended last at the end."""
        since = self.material.period.since
        jobs = [
            job
            for job in self.material.jobs
            if job.target == target and examines(job, subject, use) and (job.finished_at or self.now) > since
        ]
        return sorted(jobs, key=lambda job: job.finished_at or self.now)

    def _missed(self, schedules: frozenset[str]) -> OccurrenceRecord | None:
        missed = [due for due in self.material.occurrences if due.run is None and due.schedule in schedules]
        return max(missed, key=lambda occurrence: occurrence.due, default=None)


def examines(job: JobRecord, subject: str, use: str | None = None) -> bool:
    """Whether a job was to look at a subject; a technician's command that failed says nothing about a backup."""
    kind = job.target.kind
    if kind not in _USES:
        return False
    if job.plan is None:
        return job.playbook.startswith(("patch/audit",) if use == PATCHES else _AREAS[kind])
    steps = [step for step in job.plan.steps if step.use == (use or _USES[kind])]
    return any(_names(step.parameters.get("backups"), subject) for step in steps)


def _names(planned: Json, subject: str) -> bool:
    """Whether a step's list of backups has the subject; a step without a list concerns everything on its target."""
    if not isinstance(planned, Sequence) or isinstance(planned, str):
        return True
    return any(isinstance(entry, Mapping) and entry.get("name") == subject for entry in planned)


_ENDINGS: Mapping[JobState, Phrase] = {
    JobState.RUNNING: phrase("The check was still running when this report was made."),
    JobState.QUEUED: phrase("The check had not started when this report was made."),
    JobState.EXPIRED: phrase("The check could not start in time."),
    JobState.CANCELLED: phrase("The check was stopped by a technician."),
    JobState.CRASHED: phrase("The check was interrupted by a fault on our side."),
    JobState.LOST: phrase("The check was interrupted by a fault on our side."),
    JobState.NEEDS_HUMAN: phrase("The check was interrupted by a fault on our side."),
}


def job_phrase(job: JobRecord) -> Phrase:
    """Why a job came to no result, for the client; one that waits for its next try tells the trouble it met."""
    if job.trouble is not None and job.state in {JobState.FAILED, JobState.QUEUED}:
        return trouble_phrase(job.trouble.code, job)
    return _ENDINGS.get(job.state, phrase("The check came to no result."))
