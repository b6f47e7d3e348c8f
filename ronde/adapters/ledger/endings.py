"""Changes that the ledger itself brings to jobs nobody holds any more: expired, cancelled, lapsed, lost."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, select, update

from ronde.adapters.ledger.locking import release_locks
from ronde.adapters.ledger.part import MACHINERY, AnyRow, among, event, tell
from ronde.adapters.ledger.rows import trouble_json
from ronde.adapters.ledger.tables import checks, jobs
from ronde.model.check import Json
from ronde.model.records import Trouble, trouble_of_ending
from ronde.model.run import JobEvent, JobState, Policy, change_job, job_sources, job_verdict
from ronde.model.verdict import Verdict

Subject = tuple[str, str, str]  # host, kind, subject

# What every change of this module needs to know of a job.
COLUMNS = (
    jobs.c.id,
    jobs.c.run_id,
    jobs.c.client,
    jobs.c.state,
    jobs.c.attempt,
    jobs.c.attempts_most,
    jobs.c.policy,
    jobs.c.worker,
    jobs.c.cancel_by,
)


def end(
    connection: Connection,
    found: Sequence[AnyRow],
    what: JobEvent,
    now: datetime,
    who: str = MACHINERY,
    why: Trouble | None = None,
) -> None:
    """End jobs that this transaction has locked; each keeps the worst that its earlier attempts saw.

    `why` is the trouble they end with; left out, what such an end means by itself.
    """
    if not found:
        return
    (target,) = {change_job(JobState(row.state), what) for row in found}  # from wherever, one event has one target
    earlier = earlier_verdicts(connection, [row.id for row in found if row.attempt > 1])
    statement = (
        update(jobs)
        .where(jobs.c.id == bindparam("job"), jobs.c.attempt == bindparam("nth"))
        .where(among(jobs.c.state, job_sources(what)))
        .values(state=target.value, finished_at=now, token=None, lease_until=None)
        .values(verdict=bindparam("worst"), trouble=bindparam("why", type_=jobs.c.trouble.type))
    )
    parameters = [
        {
            "job": row.id,
            "nth": row.attempt,
            "worst": job_verdict(target, tuple(earlier[row.id].values())).value,
            "why": trouble_json(why or trouble_of_ending(what, row.worker, row.cancel_by or who, JobState(row.state))),
        }
        for row in found
    ]
    connection.execute(statement, parameters)
    release_locks(connection, [row.id for row in found if row.policy == Policy.AT_MOST_ONCE], target, now)
    _tell(connection, found, what, now, who)


def requeue(connection: Connection, found: Sequence[AnyRow], now: datetime) -> None:
    """Give jobs whose worker vanished back to the queue, as their next attempt."""
    if not found:
        return
    statement = (
        update(jobs)
        .where(jobs.c.id == bindparam("job"), jobs.c.attempt == bindparam("nth"))
        .where(among(jobs.c.state, job_sources(JobEvent.LAPSE)))
        .values(REQUEUED)
        .values(wake_at=now, not_before=None, trouble=bindparam("why", type_=jobs.c.trouble.type))
    )
    parameters = [
        {"job": row.id, "nth": row.attempt, "why": trouble_json(trouble_of_ending(JobEvent.LAPSE, row.worker))}
        for row in found
    ]
    connection.execute(statement, parameters)
    _tell(connection, found, JobEvent.LAPSE, now, MACHINERY)


# A job back in the queue: a new attempt that nobody was woken for. The limit of its first start has served.
REQUEUED = {
    jobs.c.state: change_job(JobState.RUNNING, JobEvent.LAPSE).value,
    jobs.c.attempt: jobs.c.attempt + 1,
    jobs.c.sends: 0,
    jobs.c.token: None,
    jobs.c.lease_until: None,
    jobs.c.not_after: None,
}


def earlier_verdicts(connection: Connection, job_ids: Collection[str]) -> Mapping[str, dict[Subject, Verdict]]:
    """What the attempts of jobs saw so far: for each job the newest verdict of each subject."""
    found: dict[str, dict[Subject, Verdict]] = defaultdict(dict)
    if not job_ids:
        return found
    known = (
        select(checks.c.job_id, checks.c.host, checks.c.kind, checks.c.subject, checks.c.verdict)
        .where(checks.c.job_id.in_(sorted(job_ids)))
        .order_by(checks.c.attempt)
    )
    for row in connection.execute(known):
        found[row.job_id][row.host, row.kind, row.subject] = Verdict(row.verdict)
    return found


def _tell(connection: Connection, found: Sequence[AnyRow], what: JobEvent, now: datetime, who: str) -> None:
    lines = []
    for row in found:
        data: dict[str, Json] = {"attempt": row.attempt}
        if row.worker:
            data["worker"] = row.worker
        lines.append(event(now, row.client, f"job.{what}", row.id, actor=who, run=row.run_id, data=data))
    tell(connection, *lines)
