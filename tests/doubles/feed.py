"""Live output without a broker: the product's own feed in memory, which can be away, and a publisher that keeps.

`MemoryFeed` keeps the promises of the port; `tests/contract/feed` holds it to them beside the real one.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from ronde.adapters.queue.memory_feed import MemoryFeed
from ronde.model.errors import QueueError
from ronde.model.feed import Piece, Stream

AT = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)


class ScriptedFeed(MemoryFeed):
    """A feed that a test switches off, and whose next reading may do something first.

    Attributes:
        away: nothing is taken, and asking raises.
        asked: how often it was read.
        on_read: called before each reading, with the number of those before.
    """

    def __init__(self) -> None:
        super().__init__()
        self.away = False
        self.asked = 0
        self.on_read: Callable[[int], None] = lambda _number: None

    def publish(self, run: str, pieces: Sequence[Piece]) -> None:
        if not self.away:
            super().publish(run, pieces)

    def read(self, run: str, after: str, wait: float) -> Sequence[tuple[str, Piece]]:
        self.asked += 1
        self.on_read(self.asked - 1)
        if self.away:
            raise QueueError("the broker cannot be asked for live output: connection refused")
        return super().read(run, after, 0)


class Spoken:
    """A publisher that keeps what each listener heard: `said[(job, step)]` is its (stream, bytes), in order."""

    def __init__(self) -> None:
        self.said: dict[tuple[str, str], list[tuple[str, bytes]]] = {}

    def listener(self, run: str, job: str, target: str, step: str) -> Callable[[str, bytes], None]:
        heard = self.said.setdefault((job, step), [])
        return lambda stream, data: heard.append((stream, data))


def piece(data: bytes, offset: int = 0, stream: str = "out", *, job: str = "job", step: str = "restart") -> Piece:
    return Piece(job, "commune/srv-fichiers", step, Stream(stream), offset, data, AT)
