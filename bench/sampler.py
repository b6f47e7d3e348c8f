"""CPU seconds by part of the program, by looking at every thread again and again.

At each look, the CPU time that a thread has used since the last one goes to the part its innermost known frame is in.
A waiting thread uses none, so this measures work, not patience, and it costs a few per cent.
"""

import gc
import json
import sys
import threading
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from bench.figures import Profile

_PARTS = (
    ("/bench/", "the benchmark itself"),
    ("/ronde/adapters/ledger/", "ledger"),
    ("/sqlalchemy/", "ledger"),
    ("/ronde/adapters/ssh/", "ssh: our own part"),
    ("/paramiko/", "ssh: paramiko"),
    ("/cryptography/", "ssh: paramiko"),
    ("/ronde/adapters/vsphere/", "vSphere: our own part"),
    ("/pyVmomi/", "vSphere: pyVmomi"),
    ("/kombu/", "queue: Celery and kombu"),
    ("/celery/", "queue: Celery and kombu"),
    ("/redis/", "queue: Celery and kombu"),
    ("/vine/", "queue: Celery and kombu"),
    ("/ronde/adapters/queue/", "queue: our own part"),
    ("/tasks/", "queue: our own part"),
    ("/structlog/", "log"),
    ("/logging/", "log"),
    ("/ronde/adapters/files/", "inventory"),
    ("/ronde/facts/", "facts and rules"),
    ("/ronde/model/", "facts and rules"),
    ("/ronde/engine/", "engine"),
)
_EVERY = 0.004  # seconds between two looks
_WRITE_EVERY = 40  # looks between two writings


class Sampler:
    """Collects from `start` to `stop`; `path`, when given, is rewritten several times a second with what there is."""

    def __init__(self, path: Path | None = None) -> None:
        self.spent: Profile = defaultdict(float)
        self._path = path
        self._seen: dict[int, int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)

    def start(self) -> "Sampler":
        self._look()
        self._thread.start()
        return self

    def stop(self) -> Profile:
        self._stop.set()
        self._thread.join()
        self._look()
        return dict(self.spent)

    def _run(self) -> None:
        looks = 0
        while not self._stop.wait(_EVERY):
            self._look()
            looks += 1
            if self._path is not None and looks % _WRITE_EVERY == 0:
                self._write(self._path)

    def _write(self, path: Path) -> None:
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps(self.spent), encoding="utf-8")
        draft.replace(path)

    def _look(self) -> None:
        frames = _frames()
        for thread in threading.enumerate():
            if thread is self._thread or thread.native_id is None or thread.ident is None:
                continue
            used = _cpu_ns(thread.native_id)
            if used is None:
                continue
            last = self._seen.get(thread.native_id, 0 if self._seen else used)
            self._seen[thread.native_id] = used
            if used > last:
                self.spent[_part(frames.get(thread.ident))] += (used - last) / 1e9


def watched(work: Callable[[], object]) -> Profile:
    """Where the time of this process goes while it does the work."""
    sampler = Sampler().start()
    work()
    return sampler.stop()


def read_profile(path: Path) -> Profile:
    """What a sampler in another process has written; empty when it has not yet."""
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def since(before: Profile, after: Profile) -> Profile:
    return {part: spent - before.get(part, 0.0) for part, spent in after.items()}


def _frames() -> dict[int, FrameType]:
    """The innermost frame of each thread.

    CPython holds a lock of its own meanwhile: a collection that ran a finaliser in there would let another thread go
    on, which wants the same lock as soon as it starts a thread, and everything stands still for ever.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        return sys._current_frames()  # noqa: SLF001 - documented, and the only door
    finally:
        if collecting:
            gc.enable()


def _cpu_ns(thread: int) -> int | None:
    try:
        return int(Path(f"/proc/self/task/{thread}/schedstat").read_text(encoding="ascii").split()[0])
    except (OSError, IndexError):
        return None  # it has just ended


def _part(frame: FrameType | None) -> str:
    while frame is not None:
        path = frame.f_code.co_filename
        for mark, name in _PARTS:
            if mark in path:
                return name
        frame = frame.f_back
    return "other"
