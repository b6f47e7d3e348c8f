"""The signals by which work started from the command line is stopped."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class NeverStops:
    """The signal of work that a person ends with Ctrl-C, and nobody else."""

    def check(self) -> None:
        """Always go on; the adapters' own limits still hold."""


@contextmanager
def asked_to_stop() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C was pressed inside; pressed once more, it interrupts as it always does."""
    asked = False

    def ask(_number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        asked = True
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, before)
