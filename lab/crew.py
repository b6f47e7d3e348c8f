"""Several slow things at once, all of which end when one fails or the person in front of it presses Ctrl-C."""

import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from lab.process import end, marked

_ROUND_SECONDS = 0.1


class Crew:
    """Threads that work while the context lasts; leaving it waits for all of them, and raises the first error.

    When anything goes wrong, jobs that wait are dropped, and what the others run (every process marked with `mark`) is
    ended until they have given up.
    """

    def __init__(self, mark: Path, size: int) -> None:
        self._mark = mark
        self._pool = ThreadPoolExecutor(max_workers=size)
        self._jobs: list[Future[object]] = []

    def submit(self, job: Callable[[], object]) -> None:
        self._jobs.append(self._pool.submit(job))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                for job in as_completed(self._jobs):
                    job.result()
        finally:
            with undisturbed():
                self._stop()

    def _stop(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        # `wait` alone would wait for ever for a job that was dropped before it began: it asks for more than `done`.
        while working := [job for job in self._jobs if not job.done()]:
            # In rounds: a job may be between two processes when the first round looks.
            end(marked(self._mark), ask=False)
            wait(working, timeout=_ROUND_SECONDS)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Clean up to the end, even when Ctrl-C is pressed again."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
