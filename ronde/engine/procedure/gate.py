"""The signal of a procedure: a person's word to stop takes effect between steps, not in the middle of one."""

from ronde.engine.holding import JobSignal
from ronde.model.errors import Cancelled


class StepGate:
    """A job's signal as a step sees it.

    Attributes:
        cancelled: a person asked for the job to stop.
    """

    def __init__(self, signal: JobSignal) -> None:
        self._signal = signal
        self._shielded = False
        self.cancelled = False

    def check(self) -> None:
        """Go on, unless the job is lost, out of time, or to be ended at once.

        Raises:
            Fenced, CommandTimeout: see `ronde.ports.Signal`.
            Cancelled: the step in hand is to be ended as well.
        """
        try:
            self._signal.check()
        except Cancelled:
            self.cancelled = True
            if self.ends_now:
                raise

    @property
    def ends_now(self) -> bool:
        """Whether the step in hand is to be ended; never once what is always done has begun."""
        return self._signal.at_once and not self._shielded

    def shield(self) -> None:
        """From here on only what is always done is left; that is not stopped."""
        self._shielded = True

    def seconds_left(self) -> float:
        """Until the job's own limit."""
        return self._signal.seconds_left
