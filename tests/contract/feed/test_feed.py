"""What every feed owes those who speak and those who listen; over Redis, and in memory."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lab.redis import RedisServer
from ronde.adapters.queue.feed import PAGE, RedisFeed
from ronde.model.errors import QueueError
from ronde.model.feed import PIECE_BYTES, Piece, Stream
from ronde.ports import Feed
from tests.doubles.feed import ScriptedFeed, piece

HOSTILE = b"\x00\xff\xfe\x1b[2J\r\n\x80\x9b31m\xe2\x80\xaeevil \"'$(x)\n"


@dataclass
class Setup:
    feed: Feed
    leave: Callable[[], None]
    come_back: Callable[[], None]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(Path(tmp_path_factory.mktemp("redis")))
    yield server
    server.stop()


@pytest.fixture(params=["redis", "memory"])
def setup(request: pytest.FixtureRequest, server: RedisServer) -> Iterator[Setup]:
    if request.param == "memory":
        double = ScriptedFeed()
        yield Setup(double, lambda: setattr(double, "away", True), lambda: setattr(double, "away", False))
        return
    server.start()
    feed = RedisFeed(server.url, monotonic=lambda: time.monotonic() * 1000)  # its rest after a failure is over at once
    feed.forget("run")
    yield Setup(feed, server.kill, server.start)
    feed.close()


@pytest.fixture
def feed(setup: Setup) -> Feed:
    return setup.feed


def everything(feed: Feed, run: str = "run", after: str = "") -> list[Piece]:
    """All there is, page by page."""
    found = []
    while page := feed.read(run, after, 0):
        found += [one for _, one in page]
        after = page[-1][0]
    return found


def test_what_is_published_is_read_as_it_was(feed: Feed) -> None:
    said = [
        Piece("j-1", "commune/srv é", "restart", Stream.OUT, 0, HOSTILE, datetime(2027, 1, 13, 2, 0, 0, 7, UTC)),
        piece(b"unit not found\n", 4711, "err"),
        piece(b"restart: systemctl restart cron\n", 0, "note"),
        piece(b"out=3 err=0 note=0", 0, "end"),
    ]
    feed.publish("run", said)
    assert everything(feed) == said


def test_a_reader_goes_on_after_what_it_has_read(feed: Feed) -> None:
    feed.publish("run", [piece(b"one\n"), piece(b"two\n", 4)])
    first, second = feed.read("run", "", 0)
    assert [one.data for _, one in feed.read("run", first[0], 0)] == [b"two\n"]
    assert feed.read("run", second[0], 0) == []
    feed.publish("run", [piece(b"three\n", 8)])
    assert [one.data for _, one in feed.read("run", second[0], 0)] == [b"three\n"]


def test_everything_comes_page_by_page_in_its_order(feed: Feed) -> None:
    said = [piece(b"x", number) for number in range(3 * PAGE + 1)]
    for begin in range(0, len(said), 100):
        feed.publish("run", said[begin : begin + 100])
    assert len(feed.read("run", "", 0)) <= PAGE
    assert everything(feed) == said


def test_runs_do_not_hear_each_other(feed: Feed) -> None:
    feed.publish("run", [piece(b"mine")])
    feed.publish("run-2", [piece(b"theirs")])
    assert [one.data for one in everything(feed)] == [b"mine"]
    feed.forget("run-2")


def test_large_data_comes_in_pieces_that_follow_each_other(feed: Feed) -> None:
    data = bytes(range(256)) * 300
    feed.publish("run", [piece(data, 100)])
    found = everything(feed)
    assert b"".join(one.data for one in found) == data
    assert [one.offset for one in found] == list(range(100, 100 + len(data), PIECE_BYTES))


def test_nothing_said_is_a_normal_answer(feed: Feed) -> None:
    assert feed.read("never spoke", "", 0) == []
    feed.publish("run", [])
    assert feed.read("run", "", 0.05) == []


def test_a_reader_that_waits_hears_at_once(setup: Setup) -> None:
    if isinstance(setup.feed, ScriptedFeed):
        setup.feed.read = super(ScriptedFeed, setup.feed).read  # type: ignore[method-assign]  # a script never waits
    heard: list[bytes] = []
    reader = threading.Thread(target=lambda: heard.extend(one.data for _, one in setup.feed.read("run", "", 2)))
    started = time.monotonic()
    reader.start()
    setup.feed.publish("run", [piece(b"now")])
    reader.join(10)
    assert heard == [b"now"]
    assert time.monotonic() - started < 1.5


def test_what_is_forgotten_is_gone(feed: Feed) -> None:
    feed.publish("run", [piece(b"x")])
    feed.forget("run")
    assert everything(feed) == []


def test_a_broker_that_is_away_hurts_readers_only(setup: Setup) -> None:
    setup.feed.publish("run", [piece(b"one\n")])
    [(seen, _)] = setup.feed.read("run", "", 0)
    setup.leave()
    setup.feed.publish("run", [piece(b"two\n", 4)])
    with pytest.raises(QueueError):
        setup.feed.read("run", seen, 0)
    setup.come_back()
    setup.feed.publish("run", [piece(b"three\n", 8)])
    assert [one.data for _, one in setup.feed.read("run", seen, 0)] == [b"three\n"]
