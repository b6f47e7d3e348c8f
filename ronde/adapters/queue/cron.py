"""A beat schedule in a client's own time zone."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from celery.schedules import BaseSchedule, schedstate

from ronde.model.schedule import next_occurrence, occurrences


class ZonedCron(BaseSchedule):  # type: ignore[misc]  # Celery ships no types
    """Five-field cron in an IANA zone, by the same function that the roll call uses.

    Celery 5.7's own crontab reads the application's zone whatever it is given, which is why it is not used.
    """

    def __init__(self, cron: str, zone: str) -> None:
        super().__init__()
        self.cron = cron
        self.zone = zone

    def now(self) -> datetime:
        return datetime.now(UTC)

    def remaining_estimate(self, last_run_at: datetime) -> timedelta:
        """Time until the first occurrence after `last_run_at`; negative when it has passed."""
        return next_occurrence(self.cron, ZoneInfo(self.zone), last_run_at) - self.now()

    def is_due(self, last_run_at: datetime) -> schedstate:
        """(whether an occurrence lies between the last run and now, seconds until the next look)."""
        now = self.now()
        zone = ZoneInfo(self.zone)
        due = next(occurrences(self.cron, zone, last_run_at, now), None) is not None
        return schedstate(is_due=due, next=max(0.0, (next_occurrence(self.cron, zone, now) - now).total_seconds()))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ZonedCron) and (self.cron, self.zone) == (other.cron, other.zone)

    def __hash__(self) -> int:
        return hash((self.cron, self.zone))

    def __repr__(self) -> str:
        return f"<cron {self.cron} {self.zone}>"

    def __reduce__(self) -> tuple[type["ZonedCron"], tuple[str, str]]:
        return type(self), (self.cron, self.zone)
