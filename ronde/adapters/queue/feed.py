"""Live output on its way: one Redis stream a run, capped, and gone a day after the last word."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import cast

import structlog
from redis.exceptions import OutOfMemoryError, RedisError
from redis.typing import EncodableT, FieldT

from ronde.adapters.queue.client import broker_client
from ronde.model.errors import QueueError
from ronde.model.feed import Piece, Stream, split_piece

log = structlog.get_logger(__name__)
ENTRIES = 20_000  # of one run; the oldest go first
EXPIRE = timedelta(hours=24)  # after the last word of a run; the ledger has it all by then
LONGEST_WAIT = 2.0  # seconds one reading may wait at the broker; well below what an answer may take
_CONNECT = 2.0  # seconds
_ANSWER = 5.0  # seconds
_REST = 1.0  # seconds in which a broker that failed is not asked to take anything
PAGE = 256  # pieces of one reading, 4 MiB at most
_BEGINNING = "0-0"
_FAILURES = (RedisError, OSError)
_Found = list[tuple[bytes, list[tuple[bytes, dict[bytes, bytes]]]]]  # as redis-py answers without RESP3


class Losses:
    """Counts the bytes that were lost, and tells of it when that begins and when it is over: twice for an outage."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._lock = threading.Lock()
        self._since_told = 0
        self._losing = False
        self.total = 0

    def lost(self, count: int, why: str) -> None:
        with self._lock:
            begins, self._losing = not self._losing, True
            self.total += count
            self._since_told += count
        if begins:
            log.warning("live output is lost; the ledger keeps the record", what=self._what, why=why)

    def over(self) -> None:
        with self._lock:
            ends, self._losing = self._losing, False
            count, self._since_told = self._since_told, 0
        if ends:
            log.warning("live output flows again", lost_bytes=count)


class RedisFeed:
    """The `Feed` port on the broker; one round trip publishes everything it is given.

    Attributes:
        losses: what the broker did not take.
    """

    def __init__(
        self,
        url: str,
        *,
        entries: int = ENTRIES,
        answer: float = _ANSWER,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.losses = Losses("the broker does not take it")
        self._redis = broker_client(url, connect=min(_CONNECT, answer), answer=answer)
        self._entries = entries
        self._longest_wait = min(LONGEST_WAIT, answer / 2)
        self._monotonic = monotonic
        self._rests_until = -1.0

    def publish(self, run: str, pieces: Sequence[Piece]) -> None:
        size = sum(len(piece.data) for piece in pieces)
        if self._monotonic() < self._rests_until:
            self.losses.lost(size, "")
            return
        try:
            self._send(run, [part for piece in pieces for part in split_piece(piece)])
        except _FAILURES as error:
            self._rests_until = self._monotonic() + _REST
            self.losses.lost(size, str(error))
            if isinstance(error, OutOfMemoryError):
                self.forget(run)  # messages need the room more
        else:
            self.losses.over()

    def read(self, run: str, after: str, wait: float) -> Sequence[tuple[str, Piece]]:
        block = int(min(wait, self._longest_wait) * 1000) or None  # for Redis, 0 is for ever
        while True:
            try:
                found = self._redis.xread({_key(run): after or _BEGINNING}, count=PAGE, block=block)
            except _FAILURES as error:
                raise QueueError(f"the broker cannot be asked for live output: {error}") from error
            entries = [(id_.decode(), fields) for _, page in cast("_Found", found) for id_, fields in page]
            pieces = [(id_, piece) for id_, fields in entries if (piece := _piece(fields)) is not None]
            if pieces or not entries:
                return pieces
            after = entries[-1][0]  # nothing of this page was understood; its bytes will be missed as a gap

    def forget(self, run: str) -> None:
        try:
            self._redis.delete(_key(run))
        except _FAILURES as error:
            log.debug("live output not removed; it expires", run=run, error=str(error))

    def close(self) -> None:
        self._redis.close()

    def _send(self, run: str, pieces: Iterable[Piece]) -> None:
        key = _key(run)
        with self._redis.pipeline(transaction=False) as pipe:
            for piece in pieces:
                pipe.xadd(key, _fields(piece), maxlen=self._entries, approximate=True)
            pipe.expire(key, EXPIRE)
            pipe.execute()


def _key(run: str) -> str:
    return f"ronde:live:{run}"


def _fields(piece: Piece) -> dict[FieldT, EncodableT]:
    return {
        "job": piece.job,
        "target": piece.target,
        "step": piece.step,
        "stream": piece.stream.value,
        "offset": piece.offset,
        "at": piece.at.isoformat(),
        "data": piece.data,
    }


def _piece(fields: Mapping[bytes, bytes]) -> Piece | None:
    """One entry as a piece; None when it is none that this version knows."""
    try:
        return Piece(
            job=fields[b"job"].decode(),
            target=fields[b"target"].decode(),
            step=fields[b"step"].decode(),
            stream=Stream(fields[b"stream"].decode()),
            offset=int(fields[b"offset"]),
            data=fields[b"data"],
            at=datetime.fromisoformat(fields[b"at"].decode()),
        )
    except (KeyError, ValueError):
        return None
