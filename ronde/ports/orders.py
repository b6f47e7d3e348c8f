"""The ledger's occurrences and runs."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Protocol

from ronde.model.approvals import Approval
from ronde.model.plan import Occurrence, Order
from ronde.model.records import (
    Scope,
)


class Orders(Protocol):
    """Runs come into being here, and nowhere else."""

    def claim_occurrence(self, order: Order, now: datetime) -> str | None:
        """Record the order's due instant as fired together with its run and jobs, in one transaction.

        Returns:
            The run's id, or None when that instant was decided before (fired or missed): the unique key
            (client, schedule, due) makes two beats, a restart or a doubled message harmless.

        Raises:
            InputError: the order has no job, or no occurrence; what has no target is missed, with the reason.
        """

    def miss_occurrence(
        self, occurrence: Occurrence, reason: str, now: datetime, count: int = 1, after: datetime | None = None
    ) -> bool:
        """Record a due instant as missed (`count` instants, the newest of which is named); False if decided before.

        With `after`, only while that still is the newest decided instant (or the first sighting): two deciders that
        sum up different numbers of missed instants must not both be believed.
        """

    def decided_until(self, scope: Scope, keys: Collection[tuple[str, str]]) -> Mapping[tuple[str, str], datetime]:
        """For each known (client, schedule) its newest decided instant, or the first sighting as defined, if later."""

    def see_schedules(self, definitions: Mapping[tuple[str, str], str], now: datetime) -> None:
        """Remember when each (client, schedule) was first seen as it is now defined.

        A schedule that is new, or whose definition (`ronde.model.schedule.definition`) changed, never fires for the
        past, and the time it was another one, or switched off, is not missed.
        """

    def create_run(self, order: Order, now: datetime) -> str:
        """Record an order by a person; the run's id.

        Raises:
            InputError: the order has no job.
        """

    def cancel_run(self, scope: Scope, run: str, who: str, now: datetime, *, at_once: bool = False) -> bool:
        """Cancel what is queued at once and ask what runs to stop; False when nothing was open.

        With `at_once` the step in hand is ended on its target; without, it is the last one that is done.
        """

    def pause_run(self, scope: Scope, run: str, who: str, now: datetime) -> bool:
        """Begin nothing more of a run; False when it has no rings, is paused, has ended, or is not all in the scope."""

    def resume_run(self, scope: Scope, run: str, who: str, now: datetime) -> bool:
        """Go on with a paused run, by the plan that it has; False as for `pause_run`, or when nobody paused it."""

    def approval(self, scope: Scope, run: str) -> Approval | None:
        """The request of a run for a second technician; None when it needs none, or is of other clients."""

    def decide_run(self, approval: Approval, now: datetime) -> bool:
        """Store what was decided, and release what was approved; False when it is too late, or for another plan."""
