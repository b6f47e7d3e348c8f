"""Places that running jobs take for one change, so that not too many are made at once on one vCenter or datastore."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, func, select

from ronde.adapters.ledger.locking import MARGIN
from ronde.adapters.ledger.part import Part, lock_lanes
from ronde.adapters.ledger.stepping import HELD
from ronde.adapters.ledger.tables import places
from ronde.model.lanes import lanes_text
from ronde.model.plan import Lane
from ronde.ports import Claim

_OVER = delete(places).where(places.c.expires_at <= bindparam("at"))
_OTHERS = select(func.count()).where(places.c.lane == bindparam("of"), places.c.job_id != bindparam("job"))
_LEAVE = delete(places).where(places.c.job_id == bindparam("job"))


class Placing(Part):
    """The part of `ronde.ports.Jobs` that makes changes take turns."""

    def take_places(self, claim: Claim, lanes: Sequence[Lane], now: datetime) -> bool:
        with self._db.write(durable=False) as connection:
            if not self._db.sqlite:
                lock_lanes(connection, lanes_text(lanes))
            held = HELD.with_for_update()
            if connection.execute(held, {"job": claim.job, "fence": claim.token, "nth": claim.attempt}).first() is None:
                return False
            connection.execute(_OVER, {"at": now})
            if not all(_others(connection, claim, lane) < lane.places for lane in lanes):
                return False
            for lane in lanes:
                self._db.add_if_new(connection, places, _row(claim, lane, now))
        return True

    def leave_places(self, claim: Claim) -> None:
        with self._db.write(durable=False) as connection:
            connection.execute(_LEAVE, {"job": claim.job})


def _others(connection: Connection, claim: Claim, lane: Lane) -> int:
    return int(connection.execute(_OTHERS, {"of": lane.name, "job": claim.job}).scalar_one())


def _row(claim: Claim, lane: Lane, now: datetime) -> dict[str, object]:
    return {
        "lane": lane.name,
        "job_id": claim.job,
        "client": claim.plan.target.client,
        "expires_at": now + claim.plan.limit + MARGIN,
    }
