"""What was scheduled and left no result: told as not verified, so that no silence looks like success.

The rounds of checks need nothing from here: each backup and machine that they should have examined tells it itself.
"""

from collections.abc import Iterator

from ronde.model.inventory import Client
from ronde.model.records import JobRecord, OccurrenceRecord
from ronde.model.run import JOB_OPEN, JobState
from ronde.model.verdict import Verdict
from ronde.reports.material import NightMaterial
from ronde.reports.phrases import Phrase, Titled, phrase
from ronde.reports.standing import job_phrase
from ronde.reports.view import OtherLine
from ronde.reports.work import Work, procedure_of

ROUNDS = frozenset(
    {"backup/check", "vsphere/snapshots", "round/night", "patch/audit", "patch/audit-windows"}
)  # whose absence their own subjects tell


def scheduled_lines(client: Client, material: NightMaterial, work: Work) -> list[OtherLine]:
    """A line for each scheduled reading that came to no result, and each due instant without a run on record.

    A reading that a technician ordered is his own business; one whose run is not on record may have been scheduled.
    """
    return [*_readings(work), *_instants(client, material)]


def _readings(work: Work) -> Iterator[OtherLine]:
    for job in work.readings():
        if job.state not in {*JOB_OPEN, JobState.SUCCEEDED} and work.schedule(job) is not None:
            yield OtherLine(job.target.name, Verdict.UNKNOWN, gaps=_why(job))


def _why(job: JobRecord) -> tuple[Phrase, ...]:
    procedure = procedure_of(job)
    title = Titled((procedure.title if procedure else {}) or {"en": job.playbook})
    return (phrase("Scheduled work “{title}”.", title=title), job_phrase(job))


def _instants(client: Client, material: NightMaterial) -> Iterator[OtherLine]:
    """The newest instant of each schedule that nothing on record answers."""
    known = {job.run for job in material.jobs} | {run.id for run in material.runs}
    newest: dict[str, OccurrenceRecord] = {}
    for due in sorted(material.occurrences, key=lambda one: one.due):
        entry = client.schedules.get(due.schedule)
        acts = entry is not None and entry.playbook is not None and entry.playbook not in ROUNDS
        if acts and (due.run is None or due.run not in known):
            newest[due.schedule] = due
    for schedule, due in newest.items():
        yield OtherLine(schedule, Verdict.UNKNOWN, gaps=(_unanswered(due),))


def _unanswered(due: OccurrenceRecord) -> Phrase:
    if due.run is None:
        return phrase("What was scheduled for {due} did not begin in time.", due=due.due)
    return phrase("What was scheduled for {due} is not on record.", due=due.due)
