"""The morning report: gather a client's own records, say what they mean, and queue one message for each reader."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from ronde.model.check import Check, Finding
from ronde.model.errors import InputError
from ronde.model.inventory import Client, Contact, Provider, Schedule
from ronde.model.outbox import Mail
from ronde.model.records import JobRecord, RunRecord, Scope
from ronde.model.run import JOB_OPEN, JobState
from ronde.model.schedule import next_occurrence, occurrences
from ronde.model.verdict import Level, Severity, Verdict
from ronde.ports import Archive, Clock, Outbox
from ronde.reports.material import NightMaterial, Period
from ronde.reports.message import KIND, Envelope, freeze
from ronde.reports.night import night_view
from ronde.reports.page import night_page
from ronde.reports.render import Rendered, render_night
from ronde.reports.scheduled import ROUNDS
from ronde.reports.view import NightView
from ronde.reports.voice import Language
from ronde.reports.work import wants_run

BACKUP_KINDS = ("restic", "borg", "dump")
ONE_NIGHT = timedelta(hours=24)
LOOK_BACK = timedelta(days=32)  # the report before this one is looked for as far back as a monthly schedule needs
CURRENT = timedelta(hours=18)  # asked for until after midnight, it is still the morning's report and its night
BEFORE = timedelta(days=2)  # jobs that began before the period may have ended inside it
UNSETTLED = timedelta(days=7)  # what a person has to look at is told so long, or until a later change there went well
MOST_RUNS = 500  # of those days, newest first; a schedule of every few minutes has more, and hides only its own past
_LASTING = frozenset({*JOB_OPEN, JobState.NEEDS_HUMAN})
_EXAMINING = ("backup/", "vsphere/", "round/", "patch/audit")


class Records(Archive, Outbox, Protocol):
    """The two sides of the ledger that a report needs."""


@dataclass(frozen=True, slots=True)
class ReportOutcome:
    """What became of one report.

    Attributes:
        posted: messages queued now; `known`: those that were queued before under the same key.
        verdict: of the client's night; `subject` the line its first reader sees (the client's language if nobody does).
        findings: why somebody will not get it.
    """

    posted: int
    known: int
    subject: str
    verdict: Verdict
    findings: tuple[Finding, ...] = ()

    def check(self, client: str, now: datetime) -> Check:
        """The outcome as a check of the report job: was it queued for everybody who should have it?"""
        return Check(
            subject="night",
            kind="report",
            host=client,
            findings=self.findings,
            level=Level.PRESENT,
            evidence_at=now,
            facts={"posted": self.posted, "known": self.known, "subject": self.subject, "night": self.verdict.value},
        )


def night_report(
    ledger: Records, provider: Provider, client: Client, window: Period, clock: Clock, *, revision: int = 0
) -> ReportOutcome:
    """Make the report of a period and queue it, once for each reader; doing it again queues nothing twice."""
    now = clock.now()
    view = night_view(client, provider, gather(ledger, client, window, now), now)
    readers = list(night_readers(client))
    languages: dict[Language, Rendered] = {
        language: render_night(night_page(view, language))
        for language in {client.language, *(contact.language or client.language for contact in readers)}
    }
    mails, findings = _frozen(readers, languages, _Address(provider, client, window, revision, now))
    posted = len(ledger.post(mails, now)) if mails else 0
    if not readers:
        findings.append(_nobody(client))
    first = readers[0].language or client.language if readers else client.language
    return ReportOutcome(
        posted=posted,
        known=len(mails) - posted,
        subject=languages[first].subject,
        verdict=view.verdict,
        findings=tuple(findings),
    )


def preview(archive: Archive, provider: Provider, client: Client, window: Period, now: datetime) -> NightView:
    """The view of a period as it stands, without queuing anything."""
    return night_view(client, provider, gather(archive, client, window, now), now)


def gather(archive: Archive, client: Client, window: Period, now: datetime) -> NightMaterial:
    """Everything on record about a client's period, read within that client's own scope."""
    scope = Scope.of(client.client)
    jobs = archive.jobs(scope, since=window.since - BEFORE, until=window.until)
    hosts = [name for name, host in client.hosts.items() if host.backups]
    return NightMaterial(
        period=window,
        checks=archive.latest_checks(scope, since=window.since, until=window.until),
        jobs=jobs,
        occurrences=archive.occurrences(scope, since=window.since, until=window.until),
        earlier=[check for host in hosts for check in archive.history(scope, host, BACKUP_KINDS, before=window.since)],
        runs=_acting_runs(archive, scope, jobs, window),
        next_night=_next_night(client, now),
    )


def _acting_runs(archive: Archive, scope: Scope, jobs: Sequence[JobRecord], window: Period) -> list[RunRecord]:
    """The whole runs of procedures: of the period's jobs, and older ones that are open or wait for a person.

    With the latter come the runs that may have settled them since.
    """
    listed = {job.run for job in jobs}
    found = archive.runs(scope, since=window.since - UNSETTLED, limit=MOST_RUNS)
    older = [run for run in found if run.id not in listed and run.created_at < window.until]
    unclear = {job.target for run in older for job in run.jobs if job.state is JobState.NEEDS_HUMAN}
    wanted = {job.run for job in jobs if wants_run(job)}
    wanted |= {run.id for run in older if any(job.state in _LASTING for job in run.jobs)}
    wanted |= {run.id for run in older if run.playbook not in ROUNDS and any(job.target in unclear for job in run.jobs)}
    return [archive.run(scope, run) for run in sorted(wanted)]


def night_period(client: Client, now: datetime, schedule: str | None = None) -> Period:
    """The span a report made at `now` speaks of: from the morning report before it until now.

    After a weekend without reports that is the whole weekend. Without a report schedule, or before its first report,
    it is the last 24 hours. With the `schedule` that wants it, it is that schedule's newest report, however late. The
    key is the due instant's local time, so that a second attempt at the same report, a minute or hours later, queues
    nothing twice.
    """
    zone = ZoneInfo(client.timezone)
    dues = _report_dues(client, now, schedule)
    current = bool(dues) and (schedule is not None or now - dues[-1] <= CURRENT)
    before = dues[:-1] if current else dues
    since = before[-1] if before else now - ONE_NIGHT
    named = dues[-1] if current else now
    return Period(since, now, f"{named.astimezone(zone):%Y-%m-%dT%H%M}")


def period_ending_on(client: Client, day: date, now: datetime) -> Period:
    """The period of the report that was due on a day (local); without one, the 24 hours up to that day's noon.

    Raises:
        InputError: the day is still to come.
    """
    zone = ZoneInfo(client.timezone)
    begin = datetime.combine(day, time.min, zone)
    end = datetime.combine(day + timedelta(days=1), time.min, zone)
    if begin > now:
        raise InputError(f"{day} is still to come; there is nothing to report.")
    dues = [due for due in _report_dues(client, end.astimezone(UTC), None) if begin <= due < end]
    noon = datetime.combine(day, time(12), zone)
    at = min(dues[-1] if dues else noon, now)
    return night_period(client, at.astimezone(UTC))


def night_readers(client: Client) -> Iterator[Contact]:
    """The contacts that receive the night report, each address once."""
    seen: set[str] = set()
    for contact in client.contacts:
        if "night" in contact.receives and contact.email.lower() not in seen:
            seen.add(contact.email.lower())
            yield contact


def next_revision(archive: Archive, client: Client, window: Period) -> int:
    """A revision that no message of this period has yet, for a report sent on demand."""
    mails = archive.mails(Scope.of(client.client), since=window.since)
    return 1 + sum(mail.kind == KIND for mail in mails)


@dataclass(frozen=True, slots=True)
class _Address:
    provider: Provider
    client: Client
    window: Period
    revision: int
    now: datetime


def _frozen(
    readers: Sequence[Contact], languages: dict[Language, Rendered], to: _Address
) -> tuple[list[Mail], list[Finding]]:
    """A message for each reader; an unusable address keeps nobody else from theirs."""
    mails: list[Mail] = []
    findings: list[Finding] = []
    for contact in readers:
        language = contact.language or to.client.language
        envelope = Envelope(to.provider, to.client, to.window, to.revision, language)
        try:
            mails.append(freeze(languages[language], envelope, contact, to.now))
        except InputError as error:
            findings.append(Finding("report-bad-address", Severity.CRITICAL, error.message, {"contact": contact.name}))
    return mails, findings


def _nobody(client: Client) -> Finding:
    return Finding(
        "report-no-reader",
        Severity.WARNING,
        f"Nobody receives the night report of {client.client}: no contact has `receives: [night]`.",
        {"contacts": len(client.contacts)},
    )


def _report_dues(client: Client, now: datetime, schedule: str | None) -> list[datetime]:
    zone = ZoneInfo(client.timezone)
    entries = [
        entry
        for name, entry in client.schedules.items()
        if entry.enabled and entry.report == "night" and schedule in {None, name}
    ]
    return sorted({due for entry in entries for due in occurrences(entry.at, zone, now - LOOK_BACK, now)})


def _next_night(client: Client, now: datetime) -> datetime | None:
    zone = ZoneInfo(client.timezone)
    examining = [entry for entry in client.schedules.values() if _examines(entry)]
    return min((next_occurrence(entry.at, zone, now) for entry in examining), default=None)


def _examines(entry: Schedule) -> bool:
    return entry.enabled and entry.purpose.startswith(_EXAMINING)
