"""From a request to a check: read the secret, examine, decide; what goes wrong on the way becomes `UNKNOWN`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from ronde.engine.backups.asking import Interview
from ronde.engine.backups.borg import BorgExamination
from ronde.engine.backups.dump import DumpExamination
from ronde.engine.backups.examination import Examination, Order
from ronde.engine.backups.restic import ResticExamination
from ronde.model.backup.conclusion import Conclusion, decide_repository, escalation, proofs
from ronde.model.backup.dumps import decide_dump
from ronde.model.backup.history import PastCheck, recall
from ronde.model.backup.objective import Night, Objective
from ronde.model.backup.thresholds import unknown
from ronde.model.check import Check, Finding
from ronde.model.errors import CommandTimeout, RemoteError, RondeError, SecretError
from ronde.model.inventory import Backup, BorgBackup, DumpBackup, ResticBackup
from ronde.model.units import DailyWindow
from ronde.ports import Clock, Secrets, Shell

LONGEST_READING = timedelta(hours=4)  # one reading of stored bytes, when no window ends it earlier
SHORTEST_READING = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class BackupRequest:
    """One backup to check.

    Attributes:
        history: earlier checks of this same backup, newest first.
        zone: the client's zone, in which `check_window` is meant.
        clock: for the times of exchanges only; decisions are made for `now`.
        deep: stored bytes may be read (inside the check window, or a technician asked for it).
        skew: how far the host's clock is ahead of ours, from `check_clock`.
    """

    client: str
    host: str
    backup: Backup
    now: datetime
    zone: ZoneInfo
    history: Sequence[PastCheck]
    clock: Clock
    deep: bool
    skew: timedelta = timedelta(0)

    @property
    def night(self) -> Night:
        return Night(self.now, recall(self.history), self.skew, self.deep)


def check_all(shell: Shell, secrets: Secrets, requests: Sequence[BackupRequest]) -> list[Check]:
    """One check for each request, in order, whatever becomes of the connection: the first results are never lost.

    Raises:
        Fenced, Cancelled: the work must stop.
    """
    return [check_backup(shell, secrets, request) for request in requests]


def check_backup(shell: Shell, secrets: Secrets, request: BackupRequest) -> Check:
    """The check of one backup. A broken link or a missing secret makes it `UNKNOWN`, with what had been learnt.

    Raises:
        Fenced, Cancelled: the work must stop.
    """
    objective, interview = Objective.of(request.backup), Interview(shell, request.clock)
    try:
        secret = _secret(secrets, request.backup)
    except SecretError as error:
        return _check(request, objective, _failed(error, request, objective), interview)
    order = Order(request.night, objective, secret, _limit(request))
    conclusion = _examined(interview, order, request.backup)
    return _check(request, objective, conclusion, interview)


def unreached(request: BackupRequest, error: RondeError) -> Check:
    """The check of a backup whose host was never reached; keeps what earlier nights proved, and for how long not."""
    objective = Objective.of(request.backup)
    conclusion = _failed(error, request, objective)
    return _check(request, objective, conclusion, None)


def trouble(error: RondeError) -> Finding:
    """The finding that an error of the way becomes."""
    if isinstance(error, SecretError):
        return unknown("backup-secret", f"The password could not be read: {error.message}", code=error.code)
    if isinstance(error, CommandTimeout):
        return unknown("backup-timed-out", f"No answer in time: {error.message}", code=error.code)
    return unknown("backup-unreachable", f"The host could not be asked: {error.message}", code=error.code)


def _secret(secrets: Secrets, backup: Backup) -> bytes:
    reference = None if isinstance(backup, DumpBackup) else backup.password
    return b"" if reference is None else secrets.read(reference)


def _examined(interview: Interview, order: Order, backup: Backup) -> Conclusion:
    examination = _examination(interview, order, backup)
    broken: RemoteError | None = None
    try:
        examination.run()
    except RemoteError as error:
        broken = error
    if isinstance(examination, DumpExamination):
        done = decide_dump(examination.evidence, examination.backup, order.objective, order.night)
    else:
        done = decide_repository(examination.evidence, order.objective, order.night)
    return done if broken is None else _broken_off(done, broken)


def _examination(interview: Interview, order: Order, backup: Backup) -> Examination | DumpExamination:
    match backup:
        case ResticBackup():
            return ResticExamination(interview, order, backup)
        case BorgBackup():
            return BorgExamination(interview, order, backup)
        case DumpBackup():
            return DumpExamination(interview, order, backup)


def _broken_off(done: Conclusion, error: RemoteError) -> Conclusion:
    """What was learnt before the link broke, and the break in place of everything that was not asked any more."""
    kept = tuple(finding for finding in done.findings if finding.rule != "backup-not-read")
    return Conclusion((trouble(error), *kept), done.level, done.facts)


def _failed(error: RondeError, request: BackupRequest, objective: Objective) -> Conclusion:
    night, findings = request.night, [trouble(error)]
    findings += escalation(findings, None, objective, night)
    return Conclusion(tuple(findings), None, {"proofs": proofs(night, None)})


def _limit(request: BackupRequest) -> int:
    """Seconds one reading of stored bytes may take: never beyond the end of the window it was begun in."""
    window = request.backup.check_window
    local = request.now.astimezone(request.zone)
    if window is None or not window.holds(local.time()):
        return int(LONGEST_READING.total_seconds())
    left = _until_end(window, local)
    return int(min(LONGEST_READING, max(SHORTEST_READING, left)).total_seconds())


def _until_end(window: DailyWindow, local: datetime) -> timedelta:
    end = datetime.combine(local.date(), window.end, local.tzinfo)
    if end <= local:
        end += timedelta(days=1)
    return end.astimezone(UTC) - local.astimezone(UTC)


def _check(request: BackupRequest, objective: Objective, conclusion: Conclusion, interview: Interview | None) -> Check:
    return Check(
        subject=request.backup.name,
        kind=request.backup.tool,
        host=request.host,
        findings=conclusion.findings,
        level=conclusion.level,
        evidence_at=request.now if conclusion.level is not None else None,
        facts=conclusion.facts,
        objective=objective.json(),
        exchanges=tuple(interview.exchanges) if interview else (),
    )
