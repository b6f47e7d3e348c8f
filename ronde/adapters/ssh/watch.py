"""How every wait of this adapter ends: at its deadline, or when the job's signal says stop."""

import threading
import time

from ronde.model.errors import RondeError
from ronde.ports import Signal

GLANCE = 0.5  # seconds between two looks at the signal; the port asks for one a second


class Watch:
    """A deadline and a signal, looked at together; `late` is what it raises when the deadline has passed.

    The signal is asked in the thread that made the watch only: it may belong to a job, and so to that job's thread.
    """

    def __init__(self, signal: Signal, seconds: float, late: Exception) -> None:
        self._signal = signal
        self._late = late
        self._owner = threading.get_ident()
        self._next_glance = 0.0
        self.ends = time.monotonic() + seconds

    def pause(self) -> float:
        """How long to sleep before the next look, in seconds."""
        return max(0.0, min(GLANCE, self.ends - time.monotonic()))

    def check(self) -> None:
        """Return if the wait may go on.

        Raises:
            The error given as `late`: the deadline has passed.
            Fenced, Cancelled: the signal said stop.
        """
        now = time.monotonic()
        if now >= self.ends:
            raise self._late
        if now >= self._next_glance:
            self._next_glance = now + GLANCE
            self._signal.check()

    def over(self) -> bool:
        """Whether to give up, for callers inside paramiko, where an exception of ours would be swallowed."""
        if threading.get_ident() != self._owner:
            return time.monotonic() >= self.ends
        try:
            self.check()
        except (TimeoutError, RondeError):
            return True
        return False

    def await_event(self, event: threading.Event) -> None:
        """Wait for an event.

        Raises:
            As `check`.
        """
        while not event.wait(self.pause()):
            self.check()
