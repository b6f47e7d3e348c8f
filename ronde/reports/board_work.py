"""What of the night's procedures needs somebody: runs that wait for a word, work half done, work that did not begin."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import groupby

from ronde.model.records import CheckRecord, JobRecord, RunRecord
from ronde.model.run import RUN_OPEN, JobState
from ronde.model.units import spoken_duration
from ronde.model.verdict import Severity, Verdict
from ronde.reports.material import NightMaterial
from ronde.reports.problem import Problem
from ronde.reports.view import NightView
from ronde.reports.work import PROCEDURE_KINDS, Work, is_change

_NAMED = 3  # targets of one run that are told by name


class Need(StrEnum):
    """What a job needs of somebody, the most pressing first; the value is how the board counts them."""

    UNFINISHED = "unfinished"
    FAILED = "failed"
    UNKNOWN = "unknown"
    APPROVAL = "to approve"
    NOT_DONE = "not done"
    WAITING = "waiting"  # for a host that is away, for its window, or for a worker
    UNDER_WAY = "running"
    LOOK = "to see"


_WEIGHT: Mapping[Need, Verdict] = {
    Need.UNFINISHED: Verdict.FAILED,
    Need.FAILED: Verdict.FAILED,
    Need.UNKNOWN: Verdict.UNKNOWN,
}
_ORDER = list(Need)
_NEED_OF: Mapping[JobState, Need] = {
    JobState.HELD: Need.APPROVAL,
    JobState.QUEUED: Need.WAITING,
    JobState.RUNNING: Need.UNDER_WAY,
    JobState.NEEDS_HUMAN: Need.UNFINISHED,
    JobState.FAILED: Need.FAILED,
    JobState.CRASHED: Need.FAILED,
    JobState.LOST: Need.FAILED,
    JobState.SKIPPED: Need.NOT_DONE,
    JobState.EXPIRED: Need.NOT_DONE,
}


@dataclass(frozen=True, slots=True)
class Needed:
    """One job, what it needs, and its run as far as that is on record."""

    need: Need
    job: JobRecord
    run: RunRecord | None
    checks: tuple[CheckRecord, ...]

    @property
    def verdict(self) -> Verdict:
        return _WEIGHT.get(self.need, Verdict.WARNING)


def needed(view: NightView, material: NightMaterial) -> list[Needed]:
    """Every procedure of a client's night that is not simply in order or under way, most pressing first.

    Of readings only those that were scheduled: whoever orders one himself sees what comes of it.
    """
    work = Work.of(material, view.client)
    readings = [job for job in work.readings() if work.schedule(job) is not None]
    told = {line.job: line.verdict for line in view.changes}
    found = []
    for job in [*work.changes(), *readings]:
        checks = _checks(job, material)
        need = _need(job, told.get(job.id), checks)
        if need is not None:
            found.append(Needed(need, job, work.runs.get(job.run), checks))
    return sorted(found, key=lambda one: (_ORDER.index(one.need), one.job.run, one.job.target.name))


def _checks(job: JobRecord, material: NightMaterial) -> tuple[CheckRecord, ...]:
    """What its own steps and guards found: of the whole run where it is on record, else the newest of each."""
    found: Iterable[CheckRecord] = job.checks or (check for check in material.checks if check.job == job.id)
    return tuple(check for check in found if check.kind in PROCEDURE_KINDS)


def _need(job: JobRecord, told: Verdict | None, checks: Sequence[CheckRecord]) -> Need | None:
    """What a job needs; what waits or is under way counts when it acts, or has met a trouble."""
    acts = is_change(job)
    need = _NEED_OF.get(job.state)
    if job.state is JobState.SUCCEEDED:
        return _of_success(told, job.verdict, checks)
    if job.state is JobState.CANCELLED:
        return Need.LOOK if acts and job.started_at is not None else None
    if need in {Need.WAITING, Need.UNDER_WAY}:
        return need if acts or job.trouble is not None else None
    return Need.UNKNOWN if need is Need.FAILED and not acts else need


def _of_success(told: Verdict | None, own: Verdict | None, checks: Sequence[CheckRecord]) -> Need | None:
    """What a job needs that ended well: its line in the report decides, or its verdict where it has none."""
    verdict = told or own or Verdict.UNKNOWN
    if verdict is Verdict.OK:
        return None
    if verdict is Verdict.WARNING:
        return Need.LOOK
    return Need.FAILED if verdict is Verdict.FAILED and checks else Need.UNKNOWN


def work_problems(client: str, found: Sequence[Needed], now: datetime) -> Iterator[Problem]:
    """A problem for each job somebody has to look at; what waits, or was not begun, is told once for each run."""
    for _, group in groupby(found, key=_together):
        jobs = list(group)
        first = jobs[0]
        where = f"{_targets(jobs)} · {first.job.playbook}"
        yield Problem(client, first.verdict, where, tuple(_words(jobs, now)), tuple(_actions(first)))


def _together(one: Needed) -> tuple[str, ...]:
    alone = one.need in {Need.UNFINISHED, Need.FAILED, Need.UNKNOWN, Need.LOOK}
    return (one.need, one.job.run, one.job.id if alone else "")


def _targets(jobs: Sequence[Needed]) -> str:
    names = [one.job.target.name for one in jobs]
    left = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {left} more" if left > 0 else "")


def _words(jobs: Sequence[Needed], now: datetime) -> Iterator[str]:
    one = jobs[0]
    match one.need:
        case Need.APPROVAL:
            yield _asked_by(one, now)
            if why := _waits_for(one.run):
                yield why
        case Need.WAITING:
            yield from dict.fromkeys(_waiting(each.job, now) for each in jobs)
        case Need.UNDER_WAY:
            yield f"under way since {_ago(now - (one.job.started_at or one.job.created_at))}"
        case Need.LOOK | Need.UNKNOWN if one.job.state is JobState.SUCCEEDED:
            yield from _findings(one.checks) or ("it ended well, and its record does not show what was done",)
        case _:
            yield from dict.fromkeys(f"{_state(each.job)}: {_trouble(each.job)}" for each in jobs)


def _asked_by(one: Needed, now: datetime) -> str:
    since = f"waits for a second technician since {_ago(now - one.job.created_at)}"
    if one.run is None:
        return since
    reason = f": {one.run.reason}" if one.run.reason else ""
    return f"{since}; ordered by {one.run.requested_by}{reason}"


def _waiting(job: JobRecord, now: datetime) -> str:
    if job.trouble is not None:
        return f"waits for its next try: {_trouble(job)}"
    if job.not_before is not None and job.not_before > now:
        return f"begins in {_ago(job.not_before - now)}"
    return f"not begun, ordered {_ago(now - job.created_at)} ago"


def _ago(span: timedelta) -> str:
    return spoken_duration(max(span, timedelta(minutes=1)))


def _waits_for(run: RunRecord | None) -> str:
    """Why it waits, as the order wrote it into the record."""
    told = [event.data.get("waits_for") for event in (run.events if run else ())]
    return next((text for text in told if isinstance(text, str) and text), "")


def _state(job: JobRecord) -> str:
    match job.state:
        case JobState.NEEDS_HUMAN:
            return "not finished, somebody has to look"
        case JobState.SKIPPED | JobState.EXPIRED:
            return "not done"
        case JobState.CANCELLED:
            return "stopped"
        case _:
            return job.state.value


def _trouble(job: JobRecord) -> str:
    if job.trouble is None:
        return "no reason is on record"
    tries = f", {job.attempt} tries" if job.attempt > 1 else ""
    return f"{job.trouble.message}{tries}"


def _findings(checks: Sequence[CheckRecord]) -> tuple[str, ...]:
    found = [finding for check in checks for finding in check.findings if finding.severity is not Severity.INFO]
    ranked = sorted(found, key=lambda finding: -finding.severity.verdict.rank)
    return tuple(dict.fromkeys(finding.message for finding in ranked))


def _actions(one: Needed) -> Iterator[str]:
    """What to type next: look first, then decide, repeat or withdraw."""
    run = one.job.run[:8]
    look = one.need in {Need.UNFINISHED, Need.FAILED}
    yield f"ronde show {run}" + (" --output" if look else "")
    if one.need is Need.APPROVAL:
        yield f"ronde approve {run}    # or: ronde refuse {run} --reason …"
    elif one.need is Need.WAITING:
        yield f"ronde cancel {run}"
    elif one.need is Need.UNDER_WAY:
        yield f"ronde follow {run}"
    elif one.need in {Need.FAILED, Need.NOT_DONE, Need.UNKNOWN} and _can_be_repeated(one.run):
        yield f"ronde rerun {run} --failed-only"


def _can_be_repeated(run: RunRecord | None) -> bool:
    return run is not None and bool(run.request) and run.state not in RUN_OPEN
