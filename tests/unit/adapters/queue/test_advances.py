import threading
from collections.abc import Sequence

from ronde.adapters.queue.advances import Advances
from ronde.model.errors import QueueError
from ronde.ports import Hint


class Recorder:
    """A queue that remembers what it was asked; it may be told to hold the sender, or to refuse."""

    def __init__(self, refuse: Sequence[str] = ()) -> None:
        self.sent: list[str] = []
        self.refuse = refuse
        self.entered = threading.Event()
        self.gate = threading.Event()
        self.gate.set()

    def advance(self, run: str) -> None:
        self.entered.set()
        assert self.gate.wait(10)
        if run in self.refuse:
            raise QueueError("no broker")
        self.sent.append(run)

    def wake(self, hints: Sequence[Hint]) -> None:
        raise AssertionError

    def deliver(self) -> None:
        raise AssertionError


def test_what_is_asked_is_sent() -> None:
    queue = Recorder()
    advances = Advances(queue)
    advances.ask("a")
    advances.stop()
    assert queue.sent == ["a"]


def test_jobs_that_end_while_one_is_being_sent_share_the_next() -> None:
    queue = Recorder()
    queue.gate.clear()
    advances = Advances(queue)
    advances.ask("a")
    assert queue.entered.wait(10)  # the first is under way; these come after whatever it will see
    for _ in range(50):
        advances.ask("a")
    advances.ask("b")
    queue.gate.set()
    advances.stop()
    assert queue.sent == ["a", "a", "b"]


def test_nothing_asked_before_the_end_is_left_behind() -> None:
    queue = Recorder()
    advances = Advances(queue, pause=60)
    advances.ask("a")
    assert queue.entered.wait(10)
    advances.ask("b")
    advances.stop()
    assert queue.sent == ["a", "b"]


def test_a_broker_that_is_away_stops_nobody() -> None:
    queue = Recorder(refuse=["a"])
    advances = Advances(queue)
    advances.ask("a")
    assert queue.entered.wait(10)
    advances.ask("b")
    advances.stop()
    assert queue.sent == ["b"]


def test_stopping_without_ever_being_asked() -> None:
    Advances(Recorder()).stop()
