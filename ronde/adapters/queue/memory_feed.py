"""Live output that never leaves its process: for `--here`, and for tests."""

import threading
from collections import deque
from collections.abc import Sequence
from itertools import islice

from ronde.adapters.queue.feed import ENTRIES, PAGE
from ronde.model.feed import Piece, split_piece

_RUNS = 32  # whose output is kept; a process that works by itself does one


class MemoryFeed:
    """The `Feed` port in memory: the same promises, without a broker that could be away."""

    def __init__(self, *, entries: int = ENTRIES) -> None:
        self._entries = entries
        self._runs: dict[str, deque[tuple[int, Piece]]] = {}
        self._count = 0
        self._change = threading.Condition()

    def publish(self, run: str, pieces: Sequence[Piece]) -> None:
        with self._change:
            kept = self._runs.pop(run, None)  # and in again: the one that spoke last is forgotten last
            self._runs[run] = kept = deque(maxlen=self._entries) if kept is None else kept
            for part in [part for piece in pieces for part in split_piece(piece)]:
                self._count += 1
                kept.append((self._count, part))
            while len(self._runs) > _RUNS:
                del self._runs[next(iter(self._runs))]
            self._change.notify_all()

    def read(self, run: str, after: str, wait: float) -> Sequence[tuple[str, Piece]]:
        seen = int(after or 0)
        with self._change:
            self._change.wait_for(lambda: self._newest(run) > seen, wait)
            new = ((str(number), piece) for number, piece in self._runs.get(run, ()) if number > seen)
            return list(islice(new, PAGE))

    def forget(self, run: str) -> None:
        with self._change:
            self._runs.pop(run, None)

    def _newest(self, run: str) -> int:
        kept = self._runs.get(run)
        return kept[-1][0] if kept else 0
