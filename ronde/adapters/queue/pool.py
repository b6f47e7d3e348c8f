"""A pool of threads that are given their next message as soon as they are free."""

import threading
from concurrent.futures import Future
from typing import Any

from celery.concurrency.thread import ApplyResult, TaskPool
from kombu.asynchronous import Hub


class WakingThreads(TaskPool):  # type: ignore[misc]  # Celery ships no types
    """Celery's threads, except that one that becomes free tells the event loop so.

    Without prefetching the loop stops asking the broker while all threads are busy, and 5.7.0 looks for a free one only
    when its poll returns for another reason, up to a second later: a queue of short jobs then moves by one poolful a
    second, whatever the jobs take.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._loop: Hub | None = None
        self._busy = 0
        self._counting = threading.Lock()

    def register_with_event_loop(self, loop: Hub) -> None:
        """Called whenever the worker begins to consume, again after each reconnection."""
        self._loop = loop

    def on_apply(self, *args: Any, **options: Any) -> ApplyResult:
        with self._counting:
            self._busy += 1
        result = super().on_apply(*args, **options)
        result.f.add_done_callback(self._freed)
        return result

    def _freed(self, _: "Future[Any]") -> None:
        """The request has left Celery's count of what is under way before this is called."""
        with self._counting:
            was_full = self._busy >= self.limit
            self._busy -= 1
        if was_full and self._loop is not None:
            self._loop.call_soon(_look_again)  # safe from any thread; wakes the loop


def _look_again() -> None:
    """Nothing: the loop asks the broker again by itself, once it turns."""
