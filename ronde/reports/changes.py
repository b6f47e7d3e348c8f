"""What we did on a client's servers: one line for every job that could change something, worst first.

A line is never better than what its record shows. An intervention that is said to have gone well, and whose steps are
not all on record, is not told as done.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ronde.model.inventory import Provider
from ronde.model.records import JobRecord, RunRecord
from ronde.model.run import JobState
from ronde.model.verdict import Severity, Verdict, worst
from ronde.reports import change_words as words
from ronde.reports.meanings import explain, neutral
from ronde.reports.phrases import Phrase, Titled, phrase
from ronde.reports.rules import MEANINGS
from ronde.reports.view import ChangeLine, Ending
from ronde.reports.work import STEP, Work, changed, decisive_step, is_complete, procedure_of, set_aside

_ENDING: Mapping[JobState, Ending] = {
    JobState.HELD: Ending.WAITS,
    JobState.QUEUED: Ending.WAITS,
    JobState.RUNNING: Ending.UNDER_WAY,
    JobState.FAILED: Ending.FAILED,
    JobState.CRASHED: Ending.FAILED,
    JobState.LOST: Ending.FAILED,
    JobState.EXPIRED: Ending.NOT_DONE,
    JobState.SKIPPED: Ending.NOT_DONE,
    JobState.NEEDS_HUMAN: Ending.UNFINISHED,
}
_WEIGHT: Mapping[Ending, Verdict] = {
    Ending.DONE: Verdict.OK,
    Ending.NOTHING: Verdict.OK,
    Ending.FAILED: Verdict.FAILED,
    Ending.UNFINISHED: Verdict.FAILED,
    Ending.STOPPED: Verdict.WARNING,
    Ending.NOT_DONE: Verdict.WARNING,
    Ending.WAITS: Verdict.WARNING,
    Ending.UNDER_WAY: Verdict.WARNING,
    Ending.UNRECORDED: Verdict.UNKNOWN,
}
_PRESSING = list(Ending)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What one job came to."""

    ending: Ending
    verdict: Verdict
    told: tuple[Phrase, ...] = ()
    gaps: tuple[Phrase, ...] = ()


def change_lines(work: Work, provider: Provider, now: datetime) -> list[ChangeLine]:
    """The interventions of a period, worst and most pressing first, then in order of time."""
    lines = [_line(job, work.runs.get(job.run), provider, now) for job in work.changes()]
    return sorted(lines, key=lambda line: (-line.verdict.rank, _PRESSING.index(line.ending)))


def _line(job: JobRecord, run: RunRecord | None, provider: Provider, now: datetime) -> ChangeLine:
    outcome, aside = _outcome(job, now), set_aside(job)
    procedure = procedure_of(job)
    marked = outcome.ending in {Ending.FAILED, Ending.UNFINISHED}
    return ChangeLine(
        at=job.started_at or job.created_at,
        where=job.target.name,
        title=Titled((procedure.title if procedure else {}) or {"en": job.playbook}),
        who=_who(run, provider),
        reason=run.reason if run else "",
        ending=outcome.ending,
        verdict=worst([outcome.verdict, *(Verdict.WARNING for _ in aside)]),
        run=job.run,
        job=job.id,
        told=outcome.told,
        set_aside=tuple(words.passed_over(guard, why) for guard, why in aside.items()),
        gaps=outcome.gaps,
        step=decisive_step(job) if marked else "",
    )


def _who(run: RunRecord | None, provider: Provider) -> Phrase:
    """By whom: the technician's name where he is declared, the schedule where it was one."""
    if run is None:
        return phrase("by whom is not on record")
    if run.schedule:
        return phrase("schedule “{name}”", name=run.schedule)
    entry = provider.technicians.get(run.requested_by)
    return phrase("by {name}", name=entry.name if entry else run.requested_by)


def _outcome(job: JobRecord, now: datetime) -> _Outcome:
    if job.state is JobState.SUCCEEDED:
        return _went_well(job)
    began = job.started_at is not None
    ending = _ENDING.get(job.state) or (Ending.STOPPED if began else Ending.NOT_DONE)
    told: tuple[Phrase, ...] = ()
    gaps: tuple[Phrase, ...] = ()
    match ending:
        case Ending.FAILED:
            told = words.failure(job)
        case Ending.UNFINISHED:
            told, gaps = words.unfinished(job), (words.unknown_outcome(job),)
        case Ending.STOPPED:
            told = words.stopped(job)
        case Ending.NOT_DONE:
            told = (words.held_back(job.trouble),)
        case Ending.WAITS:
            told = words.waiting(job, now)
        case _:
            told = (phrase("It was still under way when this report was made."),)
    return _Outcome(ending, _WEIGHT[ending], told, gaps)


def _went_well(job: JobRecord) -> _Outcome:
    """Done or nothing to do, as far as steps and checks show it."""
    if not is_complete(job):
        gap = phrase("Its record is incomplete: what was done is not certain.")
        return _Outcome(Ending.UNRECORDED, worst([Verdict.UNKNOWN, job.verdict or Verdict.UNKNOWN]), gaps=(gap,))
    verdict = worst([job.verdict or Verdict.UNKNOWN, *(check.verdict for check in job.checks)])
    told = _remarks(job)
    if verdict is Verdict.FAILED:
        return _Outcome(Ending.FAILED, verdict, told or (neutral(Severity.CRITICAL),))
    if verdict is Verdict.UNKNOWN:
        gap = phrase("Not all of it could be verified; our technicians have the details.")
        return _Outcome(Ending.UNRECORDED, verdict, gaps=(gap,))
    return _Outcome(Ending.DONE if changed(job) else Ending.NOTHING, verdict, told)


def _remarks(job: JobRecord) -> tuple[Phrase, ...]:
    """What its steps found worth telling, each thing once."""
    found = [
        explain(finding, MEANINGS)
        for check in job.checks
        if check.kind == STEP
        for finding in check.findings
        if finding.severity is not Severity.INFO
    ]
    return tuple(one for place, one in enumerate(found) if one not in found[:place])
