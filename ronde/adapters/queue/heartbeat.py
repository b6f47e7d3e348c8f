"""One thread a process that keeps its leases alive."""

import threading
from collections.abc import Callable

import structlog

from ronde.model.errors import LedgerError

log = structlog.get_logger(__name__)


class Heartbeat:
    """Calls `beat` every `every` seconds until stopped; a ledger that is away is tried again at the next turn."""

    def __init__(self, beat: Callable[[], None], *, every: float) -> None:
        self._beat = beat
        self._every = every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread; returns when it has ended or after one interval."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(self._every)

    def _run(self) -> None:
        while True:
            try:
                self._beat()
            except LedgerError as error:
                log.warning("heartbeat not recorded", error=str(error))
            if self._stop.wait(self._every):
                return
