"""The procedures of a client's night: which jobs were to act, and what is on record of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ronde.model.check import Json
from ronde.model.plan import Procedure
from ronde.model.procedure import StepRecord, StepState
from ronde.model.records import CheckRecord, JobRecord, RunRecord
from ronde.model.run import JOB_OPEN, JobState
from ronde.reports.material import NightMaterial, Period

STEP, GUARD = "step", "guard"  # the kinds of check that a procedure's own steps and guards are recorded as
PROCEDURE_KINDS = frozenset({STEP, GUARD})
_WELL = frozenset({StepState.DONE, StepState.SKIPPED})


@dataclass(frozen=True, slots=True)
class Work:
    """The jobs of a period that are procedures, with their runs as far as these are on record.

    Attributes:
        due: the schedules by the runs that answered them.
    """

    jobs: tuple[JobRecord, ...]
    runs: Mapping[str, RunRecord]
    due: Mapping[str, str]

    @classmethod
    def of(cls, material: NightMaterial, client: str) -> "Work":
        whole = {job.id: job for run in material.runs for job in run.jobs}
        listed = {job.id: job for job in material.jobs} | whole
        own = [job for job in listed.values() if job.target.client == client and procedure_of(job) is not None]
        told = [job for job in own if _belongs(job, own, material.period)]
        due = {one.run: one.schedule for one in material.occurrences if one.run is not None}
        return cls(tuple(sorted(told, key=began)), {run.id: run for run in material.runs}, due)

    def changes(self) -> list[JobRecord]:
        """Those that could change something, in order of time; an order withdrawn before it began is none."""
        return [job for job in self.jobs if is_change(job) and not self._withdrawn(job)]

    def readings(self) -> list[JobRecord]:
        """Those that only look; a dry run is only for whoever ordered it."""
        return [job for job in self.jobs if not is_change(job) and not _is_dry(job)]

    def schedule(self, job: JobRecord) -> str | None:
        """The schedule that ordered it, None when a person did; empty for a failure of which nobody can tell."""
        run = self.runs.get(job.run)
        if run is not None:
            return run.schedule
        return self.due.get(job.run, None if job.state is JobState.SUCCEEDED else "")

    def _withdrawn(self, job: JobRecord) -> bool:
        run = self.runs.get(job.run)
        never = job.state is JobState.CANCELLED and job.started_at is None
        return never and run is not None and run.schedule is None


def procedure_of(job: JobRecord) -> Procedure | None:
    return None if job.plan is None else job.plan.procedure


def is_change(job: JobRecord) -> bool:
    return job.plan is not None and job.plan.is_change


def _is_dry(job: JobRecord) -> bool:
    procedure = procedure_of(job)
    return procedure is not None and procedure.dry


def wants_run(job: JobRecord) -> bool:
    """Whether a report needs the whole run of a job: what it did, who ordered it, and why."""
    return is_change(job) or (procedure_of(job) is not None and job.state is not JobState.SUCCEEDED)


def began(job: JobRecord) -> tuple[float, str]:
    """The order of time; the id decides between equals."""
    return ((job.started_at or job.created_at).timestamp(), job.id)


def _belongs(job: JobRecord, others: Iterable[JobRecord], period: Period) -> bool:
    """Whether it is of this period: it ended in it, or it is open, or a person has to look and nobody seems to have."""
    if job.created_at >= period.until:
        return False
    if job.state in JOB_OPEN or job.finished_at is None or job.finished_at > period.since:
        return True
    return job.state is JobState.NEEDS_HUMAN and not any(_settles(other, job) for other in others)


def _settles(other: JobRecord, unclear: JobRecord) -> bool:
    """Whether a later change on the same target went well: then somebody has looked at it."""
    return (
        other.target == unclear.target
        and other.state is JobState.SUCCEEDED
        and is_change(other)
        and other.created_at > (unclear.finished_at or unclear.created_at)
    )


def is_complete(job: JobRecord) -> bool:
    """Whether every step that a job which went well must have ended is on record as ended well."""
    if job.plan is None:
        return False
    known = {record.step: record.state for record in job.steps}
    sections = job.plan.sections()
    return all(known.get(step.id) in _WELL for name in ("steps", "always") for step in sections[name])


def changed(job: JobRecord) -> list[StepRecord]:
    """The steps that changed the target."""
    return [record for record in job.steps if record.changed and record.state is StepState.DONE]


def decisive_step(job: JobRecord) -> str:
    """The step that failed or whose outcome is not known; empty when no record names one."""
    for state in (StepState.UNCLEAR, StepState.FAILED):
        for record in job.steps:
            if record.state is state:
                return record.step
    begun = [record.step for record in job.steps if record.state is StepState.BEGUN]
    return begun[-1] if begun else _named_by_trouble(job)


def _named_by_trouble(job: JobRecord) -> str:
    """The step before the colon of the trouble's sentence, which is how the engine writes it."""
    if job.plan is None or job.trouble is None:
        return ""
    head = job.trouble.message.partition(":")[0]
    ids = {step.id for steps in job.plan.sections().values() for step in steps}
    return head if head in ids else ""


def set_aside(job: JobRecord) -> dict[str, str]:
    """The guards that did not pass and were passed over, with the reason.

    A guard that the plan passes over and whose ruling is not on record counts as one, once the job has begun.
    """
    procedure = procedure_of(job)
    if procedure is None or job.started_at is None or job.state is JobState.SKIPPED:
        return {}
    rulings = {check.subject: check for check in job.checks if check.kind == GUARD}
    planned = {name: why for name, why in procedure.overrides.items() if name not in rulings}
    told = {name: _text(check.facts.get("override")) for name, check in rulings.items() if _was_passed_over(check)}
    return planned | told


def _was_passed_over(check: CheckRecord) -> bool:
    return not check.facts.get("passed") and bool(check.facts.get("override"))


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""
