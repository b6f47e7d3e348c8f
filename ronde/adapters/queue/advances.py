"""Asking for runs to be moved on: once for all jobs that end close together."""

import threading

import structlog

from ronde.model.errors import QueueError
from ronde.ports import Queue

log = structlog.get_logger(__name__)
PAUSE = 0.05  # seconds between two askings; a free place waits at most so long, a message a job would cost more
_PATIENCE = 5.0  # seconds to wait at the end for a broker that does not answer


class Advances:
    """One thread that sends `advance` for runs whose jobs have ended, the first at once, those that follow together.

    What it could not send is left to the roll call, as everything that is lost.
    """

    def __init__(self, queue: Queue, *, pause: float = PAUSE) -> None:
        self._queue = queue
        self._pause = pause
        self._asked: dict[str, None] = {}
        self._change = threading.Condition()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def ask(self, run: str) -> None:
        """Have the run moved on soon; never waits for the broker."""
        with self._change:
            self._asked[run] = None
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="advances", daemon=True)
                self._thread.start()
            self._change.notify()

    def stop(self) -> None:
        """Send what is left, and end the thread."""
        with self._change:
            self._stopping.set()
            self._change.notify()
        if self._thread is not None:
            self._thread.join(_PATIENCE)

    def _run(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._asked or self._stopping.is_set())
                runs, self._asked = self._asked, {}
            for run in runs:
                self._send(run)
            if self._stopping.wait(self._pause) and not self._asked:
                return

    def _send(self, run: str) -> None:
        try:
            self._queue.advance(run)
        except QueueError as error:
            log.warning("left to the roll call", run=run, error=str(error))
