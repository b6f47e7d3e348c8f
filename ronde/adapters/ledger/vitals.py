"""The health of the machinery; nothing here belongs to a client."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select, text

from ronde.adapters.ledger.part import Part, among
from ronde.adapters.ledger.tables import MAIL_OPEN, REVISION, beats, jobs, outbox, workers
from ronde.model.errors import LedgerError
from ronde.model.records import Health
from ronde.model.run import JobEvent, JobState, job_sources

_LATELY = timedelta(days=1)  # a worker not seen for longer is history, not health
_OLDEST_JOB = select(func.min(func.coalesce(jobs.c.not_before, jobs.c.created_at))).where(
    among(jobs.c.state, job_sources(JobEvent.CLAIM))
)
_MAIL = select(func.count(), func.min(outbox.c.created_at)).where(among(outbox.c.state, MAIL_OPEN))


class SqlVitals(Part):
    """See `ronde.ports.Vitals`."""

    def worker_seen(self, worker: str, queues: Sequence[str], version: str, now: datetime) -> None:
        row: dict[str, Any] = {"queues": list(queues), "version": version, "seen_at": now}
        seen = self._db.insert(workers).values(name=worker, **row)
        with self._db.write(durable=False) as connection:
            connection.execute(seen.on_conflict_do_update(index_elements=["name"], set_=row))

    def beat_seen(self, beat: str, now: datetime) -> None:
        seen = self._db.insert(beats).values(name=beat, seen_at=now)
        with self._db.write(durable=False) as connection:
            connection.execute(seen.on_conflict_do_update(index_elements=["name"], set_={"seen_at": now}))

    def health(self, now: datetime) -> Health:
        since = now - _LATELY
        overdue = select(func.count()).where(among(jobs.c.state, {JobState.RUNNING}), jobs.c.lease_until <= now)
        with self._db.read() as connection:
            pulses = {row.name: row.seen_at for row in connection.execute(select(beats).where(beats.c.seen_at > since))}
            alive = connection.execute(select(workers).where(workers.c.seen_at > since)).all()
            unsent, oldest_mail = connection.execute(_MAIL).one()
            return Health(
                beats=pulses,
                workers={row.name: (row.seen_at, tuple(row.queues)) for row in alive},
                oldest_queued_s=_age(connection.execute(_OLDEST_JOB.where(_due(now))).scalar(), now),
                unsent_mails=unsent,
                oldest_unsent_s=_age(oldest_mail, now),
                overdue_leases=connection.execute(overdue).scalar_one(),
                last_roll_call=connection.execute(select(func.max(beats.c.seen_at))).scalar(),
            )

    def ping(self) -> str:
        with self._db.write() as connection:
            self._db.touch(connection, datetime.now(UTC))
            name, version = _engine(connection, sqlite=self._db.sqlite)
            revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        if revision != REVISION:
            raise LedgerError(
                f"the ledger {self._db.label} has schema {revision}; this version of Ronde needs {REVISION}",
                advice="Stop the workers and run `ronde ledger upgrade`.",
            )
        return f"{name} {version}, schema {revision}"


def _engine(connection: Connection, *, sqlite: bool) -> tuple[str, str]:
    if sqlite:
        return "SQLite", str(connection.execute(text("SELECT sqlite_version()")).scalar())
    return "PostgreSQL", str(connection.execute(text("SHOW server_version")).scalar()).split()[0]


def _due(now: datetime) -> Any:
    return func.coalesce(jobs.c.not_before, jobs.c.created_at) <= now


def _age(since: datetime | None, now: datetime) -> float | None:
    return None if since is None else max(0.0, (now - since).total_seconds())
