"""From a step's mouth to the feed: redacted, gathered for a moment, and never waited for."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from ronde.adapters.queue.feed import Losses
from ronde.model.feed import PIECE_BYTES, SPEAKING, Piece, Stream, ending
from ronde.model.redaction import Redactor
from ronde.ports import Ear, Feed

PAUSE = 0.1  # seconds that pieces are gathered at most
_ENOUGH = 64 * 1024  # bytes at which they are sent before that
_ROOM = 4 * 1024 * 1024  # bytes that may wait for a slow broker; what comes then is lost, and counted
_OVERHEAD = 256  # bytes counted for each waiting piece beside its data
_PATIENCE = 5.0  # seconds to wait at the end for a broker that does not answer


class BatchingPublisher:
    """One thread a process that publishes what all its jobs say, at most a moment after it was said.

    Args:
        feed: where to.
        redactor: one that knows every secret read so far in this process.
        now: this machine's clock.
        pause: how long to gather.

    Attributes:
        losses: what found no room while the broker was slow.
    """

    def __init__(
        self, feed: Feed, redactor: Callable[[], Redactor], now: Callable[[], datetime], *, pause: float = PAUSE
    ) -> None:
        self.losses = Losses("the broker is too slow")
        self._feed = feed
        self._redactor = redactor
        self._now = now
        self._pause = pause
        self._waiting = _Waiting()
        self._change = threading.Condition()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def listener(self, run: str, job: str, target: str, step: str) -> Ear:
        def give(stream: Stream, offset: int, data: bytes) -> None:
            self._take(run, Piece(job, target, step, stream, offset, data, self._now()))

        return _Voice(give, self._redactor).hear

    def stop(self) -> None:
        """Publish what waits, and end the thread; what is said afterwards is published all the same."""
        with self._change:
            self._stopping = True
            self._change.notify()
            thread = self._thread
        if thread is not None:
            thread.join(_PATIENCE)

    def _take(self, run: str, piece: Piece) -> None:
        with self._change:
            fits = self._waiting.size + len(piece.data) <= _ROOM
            if fits or piece.stream is Stream.END:  # an end is small, and tells that something is missing
                self._waiting.add(run, piece)
                if self._thread is None or not self._thread.is_alive():
                    self._thread = threading.Thread(target=self._run, name="live-output", daemon=True)
                    self._thread.start()
                if len(self._waiting) == 1 or self._waiting.size >= _ENOUGH:
                    self._change.notify()
        if not fits:
            self.losses.lost(len(piece.data), "too much waits")

    def _run(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: len(self._waiting) or self._stopping)
                if not len(self._waiting):
                    self._thread = None  # under the lock: what is said from now on starts another
                    return
                self._change.wait_for(lambda: self._waiting.size >= _ENOUGH or self._stopping, self._pause)
                waiting, self._waiting = self._waiting, _Waiting()
            for run, pieces in waiting.by_run():
                self._feed.publish(run, pieces)
            if waiting.size < _ROOM // 2:
                self.losses.over()


class _Voice:
    """One step of one job: raw bytes in, redacted pieces with their offsets out. Used by one thread at a time."""

    def __init__(self, give: Callable[[Stream, int, bytes], None], redactor: Callable[[], Redactor]) -> None:
        self._give = give
        self._known = redactor
        self._redactors: dict[Stream, Redactor] = {}
        self._said = dict.fromkeys(SPEAKING, 0)

    def hear(self, stream: str, data: bytes) -> None:
        which = Stream(stream)
        if which is Stream.END:
            for other, redactor in self._redactors.items():
                self._say(other, redactor.finish())
            self._give(Stream.END, 0, ending(self._said))
            return
        if which is Stream.NOTE and not data.endswith(b"\n"):
            data += b"\n"
        self._say(which, self._redactor(which).feed(data))

    def _redactor(self, stream: Stream) -> Redactor:
        """The stream's own, which knows by now what was read since it began."""
        known = self._known()
        mine = self._redactors.get(stream)
        if mine is None:
            mine = self._redactors[stream] = known.another()
        mine.learn(known)
        return mine

    def _say(self, stream: Stream, clean: bytes) -> None:
        if clean:
            self._give(stream, self._said[stream], clean)
            self._said[stream] += len(clean)


@dataclass(slots=True)
class _Growing:
    """A piece that more may be added to while it waits."""

    run: str
    first: Piece
    data: bytearray

    def continued_by(self, piece: Piece) -> bool:
        mine, theirs = self.first, piece
        return (
            (mine.step, mine.stream) == (theirs.step, theirs.stream)
            and mine.offset + len(self.data) == theirs.offset
            and len(self.data) + len(theirs.data) <= PIECE_BYTES
        )

    def piece(self) -> Piece:
        first = self.first
        return Piece(first.job, first.target, first.step, first.stream, first.offset, bytes(self.data), first.at)


@dataclass(slots=True)
class _Waiting:
    """What waits to be published: each job's pieces in their order, joined where they follow each other."""

    size: int = 0
    _all: list[_Growing] = field(default_factory=list)
    _last: dict[str, _Growing] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._all)

    def add(self, run: str, piece: Piece) -> None:
        self.size += len(piece.data)
        last = self._last.get(piece.job)
        if last is not None and last.continued_by(piece):
            last.data += piece.data
            return
        self.size += _OVERHEAD
        self._last[piece.job] = growing = _Growing(run, piece, bytearray(piece.data))
        self._all.append(growing)

    def by_run(self) -> Iterator[tuple[str, list[Piece]]]:
        runs: dict[str, list[Piece]] = {}
        for growing in self._all:
            runs.setdefault(growing.run, []).append(growing.piece())
        yield from runs.items()
