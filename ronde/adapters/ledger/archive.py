"""Everything that reads clients' data; every statement carries the scope."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, exists, func, select

from ronde.adapters.ledger.locking import host_resource
from ronde.adapters.ledger.part import AnyRow, Part, among, within
from ronde.adapters.ledger.recording import unpack
from ronde.adapters.ledger.rows import (
    check_record,
    event_record,
    job_record,
    mail_record,
    occurrence_record,
    run_record,
)
from ronde.adapters.ledger.stepping import step_record
from ronde.adapters.ledger.tables import (
    checks,
    events,
    evidence,
    jobs,
    locks,
    occurrences,
    outbox,
    outputs,
    runs,
    steps,
)
from ronde.model.check import Json
from ronde.model.errors import InputError
from ronde.model.procedure import StepRecord
from ronde.model.records import (
    CheckRecord,
    EvidenceRecord,
    JobRecord,
    LockRecord,
    MailRecord,
    OccurrenceRecord,
    RunRecord,
    Scope,
)
from ronde.model.run import JOB_GONE_WRONG, RUN_OPEN, JobState, Policy

_SHOWN = 5  # candidates named when a beginning fits several runs
_HEX = frozenset("0123456789abcdef")
_CHUNK = 500  # runs whose jobs are fetched at once
_LISTED_JOB = [column for column in jobs.c if column.name not in {"plan", "lanes"}]
_LISTED_MAIL = [column for column in outbox.c if column.name != "raw"]


class SqlArchive(Part):
    """See `ronde.ports.Archive`."""

    def run(self, scope: Scope, reference: str) -> RunRecord:
        with self._db.read() as connection:
            row = _find_run(connection, scope, reference)
            found = connection.execute(_jobs_of([row.id], scope, plan=True)).all()
            by_job = _checks_of(connection, row.id, scope)
            seen = select(events).where(events.c.run_id == row.id, within(events.c.client, scope))
            lines = [event_record(line) for line in connection.execute(seen.order_by(events.c.seq))]
            done = _steps_of(connection, row.id, scope)
            known = [job_record(job, by_job[job.id], done[job.id], with_plan=True) for job in found]
            return run_record(row, known, lines, partial=row.id in _partial(connection, [row.id], scope))

    def runs(self, scope: Scope, *, since: datetime, limit: int = 50, open_only: bool = False) -> Sequence[RunRecord]:
        wanted = select(runs).where(runs.c.created_at >= since, _visible(scope))
        if open_only:
            wanted = wanted.where(among(runs.c.state, RUN_OPEN))
        wanted = wanted.order_by(runs.c.created_at.desc(), runs.c.id.desc()).limit(limit)
        with self._db.read() as connection:
            found = connection.execute(wanted).all()
            by_run = defaultdict(list)
            partial: set[str] = set()
            for ids in _chunks([row.id for row in found]):
                partial |= _partial(connection, ids, scope)
                for job in connection.execute(_jobs_of(ids, scope)):
                    by_run[job.run_id].append(job_record(job))
        records = [run_record(row, by_run[row.id], partial=row.id in partial) for row in found]
        return [record for record in records if not open_only or record.state in RUN_OPEN]

    def latest_checks(self, scope: Scope, *, since: datetime, until: datetime) -> Sequence[CheckRecord]:
        spans = (checks.c.recorded_at >= since, checks.c.recorded_at < until, within(checks.c.client, scope))
        newest = _ranked(checks.c.client, checks.c.host, checks.c.kind, checks.c.subject).where(*spans).subquery()
        order = (checks.c.client, checks.c.host, checks.c.kind, checks.c.subject)
        wanted = select(checks).join(newest, newest.c.id == checks.c.id).where(newest.c.nth == 1).order_by(*order)
        with self._db.read() as connection:
            return [check_record(row) for row in connection.execute(wanted)]

    def history(
        self, scope: Scope, host: str, kinds: Collection[str], *, before: datetime, limit: int = 30
    ) -> Sequence[CheckRecord]:
        earlier = (
            _ranked(checks.c.client, checks.c.kind, checks.c.subject)
            .where(within(checks.c.client, scope), checks.c.host == host, checks.c.kind.in_(sorted(kinds)))
            .where(checks.c.recorded_at < before)
            .subquery()
        )
        wanted = (
            select(checks)
            .join(earlier, earlier.c.id == checks.c.id)
            .where(earlier.c.nth <= limit)
            .order_by(checks.c.recorded_at.desc(), checks.c.attempt.desc(), checks.c.id.desc())
        )
        with self._db.read() as connection:
            return [check_record(row) for row in connection.execute(wanted)]

    def jobs(self, scope: Scope, *, since: datetime, until: datetime) -> Sequence[JobRecord]:
        wanted = (
            select(jobs)
            .where(within(jobs.c.client, scope), jobs.c.created_at >= since, jobs.c.created_at < until)
            .order_by(jobs.c.created_at, jobs.c.run_id, jobs.c.position)
        )
        with self._db.read() as connection:
            return [job_record(row, with_plan=True) for row in connection.execute(wanted)]

    def gone_wrong(self, scope: Scope, run: str) -> Sequence[JobRecord]:
        wanted = (
            select(*_LISTED_JOB)
            .where(jobs.c.run_id == run, within(jobs.c.client, scope), jobs.c.policy == Policy.AT_MOST_ONCE.value)
            .where(among(jobs.c.state, JOB_GONE_WRONG))
            .order_by(jobs.c.position)
        )
        with self._db.read() as connection:
            return [job_record(row) for row in connection.execute(wanted)]

    def occurrences(self, scope: Scope, *, since: datetime, until: datetime) -> Sequence[OccurrenceRecord]:
        wanted = (
            select(occurrences)
            .where(within(occurrences.c.client, scope), occurrences.c.due >= since, occurrences.c.due < until)
            .order_by(occurrences.c.due, occurrences.c.client, occurrences.c.schedule)
        )
        with self._db.read() as connection:
            return [occurrence_record(row) for row in connection.execute(wanted)]

    def last_facts(self, scope: Scope, playbook: str, target: str) -> Mapping[str, Mapping[str, Json]]:
        newest = (
            _succeeded(scope, playbook)
            .with_only_columns(jobs.c.id)
            .where(jobs.c.target == target)
            .limit(1)
            .scalar_subquery()
        )
        wanted = select(steps.c.step, steps.c.facts).where(steps.c.job_id == newest, within(steps.c.client, scope))
        with self._db.read() as connection:
            return {row.step: row.facts for row in connection.execute(wanted)}

    def durations(self, scope: Scope, playbook: str, target: str | None, *, limit: int = 50) -> Sequence[float]:
        wanted = _succeeded(scope, playbook).with_only_columns(jobs.c.started_at, jobs.c.finished_at).limit(limit)
        if target is not None:
            wanted = wanted.where(jobs.c.target == target)
        with self._db.read() as connection:
            found = connection.execute(wanted.where(jobs.c.started_at.is_not(None))).all()
        return [(row.finished_at - row.started_at).total_seconds() for row in found]

    def lock_on(self, scope: Scope, host: str, now: datetime) -> LockRecord | None:
        resources = [host_resource(client, host) for client in sorted(scope.clients)]
        wanted = select(locks).where(locks.c.resource.in_(resources), locks.c.expires_at > now)
        with self._db.read() as connection:
            row = connection.execute(wanted).first()
        return None if row is None else LockRecord(row.run_id, row.job_id, row.owner, row.since, row.expires_at)

    def evidence(self, scope: Scope, job: str) -> Sequence[EvidenceRecord]:
        kept = (outputs.c.job_id == evidence.c.job_id) & (outputs.c.digest == evidence.c.digest)
        wanted = (
            select(evidence, checks.c.subject, outputs.c.output, outputs.c.errors)
            .join(checks, checks.c.id == evidence.c.check_id)
            .join(outputs, kept, isouter=True)
            .where(evidence.c.job_id == job, within(evidence.c.client, scope))
            .order_by(checks.c.attempt, checks.c.position, evidence.c.position)
        )
        with self._db.read() as connection:
            return [_evidence_record(row) for row in connection.execute(wanted)]

    def mails(self, scope: Scope, *, since: datetime) -> Sequence[MailRecord]:
        wanted = (
            select(*_LISTED_MAIL)
            .where(within(outbox.c.client, scope), outbox.c.created_at >= since)
            .order_by(outbox.c.created_at.desc(), outbox.c.id.desc())
        )
        with self._db.read() as connection:
            return [mail_record(row) for row in connection.execute(wanted)]


def _succeeded(scope: Scope, playbook: str) -> Any:
    """Jobs of a playbook that succeeded, newest first."""
    return (
        select(jobs)
        .where(within(jobs.c.client, scope), jobs.c.playbook == playbook)
        .where(among(jobs.c.state, {JobState.SUCCEEDED}))
        .order_by(jobs.c.finished_at.desc(), jobs.c.id.desc())
    )


def _visible(scope: Scope) -> Any:
    return exists().where(jobs.c.run_id == runs.c.id, within(jobs.c.client, scope))


def _find_run(connection: Connection, scope: Scope, reference: str) -> AnyRow:
    start = reference.strip().lower()
    none = InputError(f'there is no run "{reference}"', advice="`ronde runs` lists them.")
    if not start or not _HEX.issuperset(start):
        raise none
    begins = (runs.c.id >= start) & (runs.c.id < start + "g")  # ids are hexadecimal: "g" sorts after every one of them
    wanted = select(runs).where(begins, _visible(scope)).order_by(runs.c.id).limit(_SHOWN + 1)
    found = connection.execute(wanted).all()
    if not found:
        raise none
    if len(found) > 1:
        some = ", ".join(row.id[: len(start) + 4] for row in found[:_SHOWN])
        raise InputError(f'several runs begin with "{reference}": {some}', advice="Write more of it.")
    return found[0]


def _jobs_of(ids: Collection[str], scope: Scope, *, plan: bool = False) -> Any:
    columns = [jobs] if plan else _LISTED_JOB
    wanted = select(*columns).where(jobs.c.run_id.in_(ids), within(jobs.c.client, scope))
    return wanted.order_by(jobs.c.run_id, jobs.c.position)


def _checks_of(connection: Connection, run: str, scope: Scope) -> dict[str, list[CheckRecord]]:
    """For each job the newest check of each subject: what a later attempt saw replaces what an earlier one did."""
    found: dict[str, dict[tuple[str, str, str], CheckRecord]] = defaultdict(dict)
    wanted = (
        select(checks)
        .join(jobs, jobs.c.id == checks.c.job_id)
        .where(jobs.c.run_id == run, within(checks.c.client, scope))
        .order_by(checks.c.attempt, checks.c.position)
    )
    for row in connection.execute(wanted):
        found[row.job_id][row.host, row.kind, row.subject] = check_record(row)
    return defaultdict(list, {job: list(seen.values()) for job, seen in found.items()})


def _steps_of(connection: Connection, run: str, scope: Scope) -> dict[str, list[StepRecord]]:
    """The steps of each job, in the order of its plan."""
    found: dict[str, list[StepRecord]] = defaultdict(list)
    wanted = select(steps).join(jobs, jobs.c.id == steps.c.job_id).where(jobs.c.run_id == run)
    for row in connection.execute(wanted.where(within(steps.c.client, scope)).order_by(steps.c.position)):
        found[row.job_id].append(step_record(row))
    return found


def _partial(connection: Connection, ids: Collection[str], scope: Scope) -> set[str]:
    """Those runs that have jobs of clients outside the scope."""
    others = select(jobs.c.run_id).where(jobs.c.run_id.in_(ids), ~within(jobs.c.client, scope)).distinct()
    return set(connection.execute(others).scalars())


def _ranked(*of: Any) -> Any:
    """Ids of checks, numbered from the newest within what they are `of`; answered from the index alone."""
    newest = (checks.c.recorded_at.desc(), checks.c.attempt.desc(), checks.c.id.desc())
    return select(checks.c.id, func.row_number().over(partition_by=of, order_by=newest).label("nth"))


def _evidence_record(row: AnyRow) -> EvidenceRecord:
    discarded = row.output is None
    return EvidenceRecord(
        job=row.job_id,
        subject=row.subject,
        question=row.question,
        tool=row.tool,
        started=row.started,
        ended=row.ended,
        exit_status=row.exit_status,
        output=b"" if discarded else unpack(row.output),
        errors=b"" if discarded else unpack(row.errors),
        truncated=row.truncated,
        digest=row.digest,
        discarded=discarded,
    )


def _chunks(ids: Sequence[str]) -> Iterable[Sequence[str]]:
    return (ids[start : start + _CHUNK] for start in range(0, len(ids), _CHUNK))
