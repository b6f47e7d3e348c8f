"""Who may change a target: one job at a time, from its first claim until it has ended, whatever dies in between."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, bindparam, delete, select, update

from ronde.adapters.ledger.database import Database
from ronde.adapters.ledger.part import AnyRow
from ronde.adapters.ledger.tables import locks, places
from ronde.model.plan import JobPlan, TargetKind
from ronde.model.run import JobState

UNCLEAR_HOLDS: Final = timedelta(hours=24)  # a target that nobody understands is kept from further changes so long
MARGIN: Final = timedelta(minutes=5)  # longer than a job may take, so that a lock never ends under its holder

_EXPIRED = delete(locks).where(
    locks.c.resource == bindparam("of"), locks.c.expires_at <= bindparam("at"), locks.c.job_id != bindparam("job")
)
_HOLDER = select(locks.c.job_id).where(locks.c.resource == bindparam("of"))
_EXTEND = (
    update(locks)
    .where(locks.c.resource == bindparam("of"), locks.c.job_id == bindparam("job"))
    .values(expires_at=bindparam("until"))
)


def resource_of(plan: JobPlan) -> str | None:
    """What a job that changes something has to itself; None for one that only looks, or acts on a whole vCenter."""
    if not plan.is_change or plan.target.kind is not TargetKind.HOST:
        return None
    return host_resource(plan.target.client, plan.target.name)


def host_resource(client: str, host: str) -> str:
    return f"host:{client}/{host}"


def take_lock(db: Database, connection: Connection, row: AnyRow, plan: JobPlan, now: datetime) -> bool:
    """Lock what the job changes, or keep the lock it has; False when another job holds it."""
    resource = resource_of(plan)
    if resource is None:
        return True
    until = now + plan.limit + MARGIN
    connection.execute(_EXPIRED, {"of": resource, "at": now, "job": row.id})
    mine = {
        "resource": resource,
        "client": plan.target.client,
        "job_id": row.id,
        "run_id": row.run_id,
        "owner": row.requested_by,
        "since": now,
        "expires_at": until,
    }
    if db.add_if_new(connection, locks, mine):
        return True
    if connection.execute(_HOLDER, {"of": resource}).scalar() != row.id:
        return False
    connection.execute(_EXTEND, {"of": resource, "job": row.id, "until": until})
    return True


def release_locks(connection: Connection, jobs: Collection[str], state: JobState, now: datetime) -> None:
    """Give back what ended jobs held; after an unclear end their targets stay locked for a day."""
    if not jobs:
        return
    connection.execute(delete(places).where(places.c.job_id.in_(sorted(jobs))))
    held = locks.c.job_id.in_(sorted(jobs))
    if state is JobState.NEEDS_HUMAN:
        connection.execute(update(locks).where(held).values(expires_at=now + UNCLEAR_HOLDS))
    else:
        connection.execute(delete(locks).where(held))
