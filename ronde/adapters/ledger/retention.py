"""Forgetting on purpose: old raw outputs first, later whole runs. Events stay."""

from datetime import datetime

from sqlalchemy import ColumnElement, Table, delete, select, tuple_

from ronde.adapters.ledger.part import Part, among, event, tell
from ronde.adapters.ledger.tables import jobs, occurrences, outbox, outputs, runs
from ronde.model.check import Json
from ronde.model.records import Pruned
from ronde.model.run import MailState

_BATCH = 200  # rows removed in one transaction, so that claims and heartbeats come in between
_SETTLED = (MailState.ACCEPTED, MailState.DEAD)


class SqlRetention(Part):
    """See `ronde.ports.Retention`."""

    def prune(self, *, before_raw: datetime, before_all: datetime, now: datetime) -> Pruned:
        done = select(jobs.c.id).where(jobs.c.finished_at < before_raw)
        old_mail = (outbox.c.created_at < before_all) & among(outbox.c.state, _SETTLED)
        missed = (occurrences.c.due < before_all) & occurrences.c.run_id.is_(None)
        pruned = Pruned(
            outputs=self._remove(outputs, outputs.c.job_id.in_(done)),
            runs=self._remove(runs, runs.c.finished_at < before_all),
            mails=self._remove(outbox, old_mail),
        )
        self._remove(occurrences, missed)
        with self._db.write() as connection:
            data: dict[str, Json] = {
                "before_raw": before_raw.isoformat(),
                "before_all": before_all.isoformat(),
                "outputs": pruned.outputs,
                "runs": pruned.runs,
                "mails": pruned.mails,
            }
            tell(connection, event(now, "", "ledger.prune", "ledger", data=data))
        return pruned

    def _remove(self, table: Table, old: ColumnElement[bool]) -> int:
        key = tuple_(*table.primary_key.columns)
        some = delete(table).where(key.in_(select(*table.primary_key.columns).where(old).limit(_BATCH)))
        removed = 0
        while True:
            with self._db.write() as connection:
                count = connection.execute(some).rowcount
            removed += count
            if count < _BATCH:
                return removed
