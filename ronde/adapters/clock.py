"""The clock of this machine."""

from datetime import UTC, datetime


class SystemClock:
    """See `ronde.ports.Clock`."""

    def now(self) -> datetime:
        return datetime.now(UTC)
