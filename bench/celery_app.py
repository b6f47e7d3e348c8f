"""The product's own Celery application, with an empty task beside it to compare with; watched when asked to be."""

import os
from pathlib import Path

from bench.names import EMPTY, PROFILE
from bench.sampler import Sampler
from worker import app


@app.task(name=EMPTY)  # type: ignore[untyped-decorator] # Celery ships no types
def empty(job: str, attempt: int) -> None:
    """What Celery costs when a task does nothing: the same arguments, queue and settings as a job's message."""


if os.environ.get(PROFILE):
    Sampler(Path(os.environ[PROFILE])).start()

__all__ = ["app", "empty"]
