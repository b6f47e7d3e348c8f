"""Live output through a real Redis that is cut off, restarted, emptied, frozen or full."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from structlog.testing import capture_logs

from lab.process import end, spawn
from lab.redis import RedisServer
from ronde.adapters.queue.client import broker_client
from ronde.adapters.queue.feed import ENTRIES, RedisFeed
from ronde.adapters.supervisor.broker import broker_command
from ronde.model.errors import InputError, QueueError
from ronde.model.feed import Arrival, Assembler, Piece, ending
from tests.doubles.feed import piece
from tests.e2e.installation import poll
from tests.servers.tcp_proxy import TcpProxy

RUN = "0198c0de"
KEY = f"ronde:live:{RUN}"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.stop()


class Reader:
    """Follows a run over a feed that may break, as `ronde follow` does."""

    def __init__(self, feed: RedisFeed) -> None:
        self.feed = feed
        self.after = ""
        self.assembler = Assembler()
        self.arrivals: list[Arrival] = []
        self.failures = 0

    def read(self) -> bool:
        """One reading; whether it brought anything."""
        try:
            entries = self.feed.read(RUN, self.after, 0.05)
        except QueueError:
            self.failures += 1
            return False
        for id_, one in entries:
            self.after = id_
            if (arrival := self.assembler.take(one)) is not None:
                self.arrivals.append(arrival)
        return bool(entries)

    @property
    def text(self) -> bytes:
        return b"".join(arrival.piece.data for arrival in self.arrivals)

    @property
    def gaps(self) -> int:
        return sum(arrival.gap for arrival in self.arrivals)


def numbered(begin: int, count: int) -> list[Piece]:
    """Lines of ten bytes, one a piece."""
    return [piece(b"line %04d\n" % number, 10 * number) for number in range(begin, begin + count)]


def text(count: int) -> bytes:
    return b"".join(one.data for one in numbered(0, count))


def through(broker: RedisServer, proxy: TcpProxy) -> str:
    return broker.url.replace(str(broker.port), str(proxy.port))


def test_a_reader_whose_connection_is_cut_again_and_again_misses_nothing(broker: RedisServer) -> None:
    with (
        TcpProxy(broker.port) as proxy,
        closing(RedisFeed(broker.url)) as mouth,
        closing(RedisFeed(through(broker, proxy))) as ear,
    ):
        reader = Reader(ear)
        for number in range(30):
            mouth.publish(RUN, numbered(10 * number, 10))
            reader.read()
            proxy.cut()
        poll(lambda: not reader.read() and reader.text == text(300), within=20, what="everything is read")
        assert (reader.gaps, proxy.connections > 20) == (0, True)


def test_a_publisher_whose_connection_is_cut_doubles_at_most_and_nobody_sees_it(broker: RedisServer) -> None:
    with (
        TcpProxy(broker.port) as proxy,
        closing(RedisFeed(through(broker, proxy))) as mouth,
        closing(RedisFeed(broker.url)) as ear,
    ):
        reader = Reader(ear)
        for number in range(30):
            mouth.publish(RUN, numbered(10 * number, 10))
            proxy.cut()
        poll(lambda: not reader.read(), within=20, what="everything is read")
        assert (reader.text, reader.gaps, mouth.losses.total) == (text(300), 0, 0)


def test_while_nothing_reaches_the_broker_output_is_dropped_counted_and_told_once(broker: RedisServer) -> None:
    clock = [0.0]
    with (
        TcpProxy(broker.port) as proxy,
        closing(RedisFeed(through(broker, proxy), monotonic=lambda: clock[0])) as mouth,
        closing(RedisFeed(broker.url)) as ear,
    ):
        reader = Reader(ear)
        mouth.publish(RUN, numbered(0, 5))
        proxy.away = True
        proxy.cut()
        with capture_logs() as logs:
            for number in range(5, 55):
                clock[0] += 0.5  # every second time within the rest after a failure
                mouth.publish(RUN, numbered(number, 1))
            proxy.away = False
            clock[0] += 5
            mouth.publish(RUN, numbered(55, 1))
        assert [log["event"] for log in logs] == [
            "live output is lost; the ledger keeps the record",
            "live output flows again",
        ]
        assert (logs[1]["lost_bytes"], mouth.losses.total) == (500, 500)
        poll(lambda: not reader.read(), within=20, what="everything is read")
        assert (reader.text, reader.gaps) == (text(5) + b"line 0055\n", 1)


def test_a_restarted_broker_has_what_it_had_and_the_reader_goes_on(broker: RedisServer) -> None:
    with closing(RedisFeed(broker.url)) as mouth, closing(RedisFeed(broker.url)) as ear:
        reader = Reader(ear)
        mouth.publish(RUN, numbered(0, 10))
        assert reader.read()
        mouth.publish(RUN, numbered(10, 10))  # not read yet
        broker.stop()
        assert not reader.read()
        assert reader.failures == 1
        broker.start()
        mouth.publish(RUN, [*numbered(20, 10), piece(ending({piece(b"").stream: 300}), 0, "end")])
        poll(lambda: not reader.read(), within=20, what="everything is read")
        assert reader.text.startswith(text(30))
        assert (reader.gaps, reader.assembler.open) == (0, frozenset())


def test_a_wiped_broker_costs_what_was_not_read_and_that_is_told(broker: RedisServer) -> None:
    with closing(RedisFeed(broker.url)) as mouth, closing(RedisFeed(broker.url)) as ear:
        reader = Reader(ear)
        mouth.publish(RUN, numbered(0, 10))
        assert reader.read()
        mouth.publish(RUN, numbered(10, 10))
        broker.wipe()
        mouth.publish(RUN, numbered(20, 10))
        poll(lambda: not reader.read() and reader.text.endswith(b"line 0029\n"), within=20, what="the rest is read")
        assert (len(reader.text), reader.gaps) == (200, 1)
        mouth.publish(RUN, numbered(0, 31))  # another worker attaches to the step and tells all from the beginning
        assert reader.read()
        assert (reader.text[-20:], reader.gaps) == (b"line 0029\nline 0030\n", 1)


def test_a_wiped_broker_costs_nothing_that_was_read(broker: RedisServer) -> None:
    with closing(RedisFeed(broker.url)) as mouth, closing(RedisFeed(broker.url)) as ear:
        reader = Reader(ear)
        mouth.publish(RUN, numbered(0, 10))
        assert reader.read()
        broker.wipe()
        mouth.publish(RUN, numbered(10, 10))
        poll(lambda: not reader.read() and len(reader.text) == 200, within=20, what="the rest is read")
        assert (reader.text, reader.gaps) == (text(20), 0)


def test_a_frozen_broker_holds_nobody_for_long(broker: RedisServer) -> None:
    with closing(RedisFeed(broker.url, answer=0.5)) as feed:
        feed.publish(RUN, numbered(0, 1))
        broker.freeze()
        started = time.monotonic()
        feed.publish(RUN, numbered(1, 1))
        assert time.monotonic() - started < 2
        with pytest.raises(QueueError):
            feed.read(RUN, "", 60)
        assert time.monotonic() - started < 4
        broker.thaw()


def test_a_long_wait_is_cut_short_rather_than_taken_for_a_broken_link(broker: RedisServer) -> None:
    with closing(RedisFeed(broker.url, answer=0.6)) as feed:
        started = time.monotonic()
        assert feed.read(RUN, "", 60) == []
        assert 0.2 < time.monotonic() - started < 5


def test_a_full_broker_is_given_room_by_what_it_can_do_without(broker: RedisServer) -> None:
    """Messages that wake workers need the room; they must not wait a day for output to expire."""
    with Redis.from_url(broker.url) as redis, closing(RedisFeed(broker.url)) as feed, capture_logs() as logs:
        feed.publish(RUN, [piece(b"x" * 100)])
        redis.config_set("maxmemory", "1")
        feed.publish(RUN, [piece(b"x" * 100, 100)])
        assert feed.losses.total == 100
        assert "maxmemory" in logs[0]["why"]
        assert not redis.exists(KEY)


def test_the_oldest_goes_when_a_run_says_too_much_and_that_is_a_gap(broker: RedisServer) -> None:
    with closing(RedisFeed(broker.url, entries=100)) as feed, Redis.from_url(broker.url) as redis:
        for begin in range(0, 1000, 50):
            feed.publish(RUN, numbered(begin, 50))
        kept: Any = redis.xlen(KEY)
        assert 100 <= kept < 300  # Redis trims whole nodes of some hundred entries
        reader = Reader(feed)
        poll(lambda: not reader.read(), within=20, what="everything is read")
        assert reader.text.endswith(b"line 0999\n")
        assert reader.gaps == 1
        assert ENTRIES == 20_000


def test_a_run_is_forgotten_a_day_after_its_last_word(broker: RedisServer) -> None:
    with closing(RedisFeed(broker.url)) as feed, Redis.from_url(broker.url) as redis:
        feed.publish(RUN, numbered(0, 1))
        redis.expire(KEY, 100)
        feed.publish(RUN, numbered(1, 1))
        left: Any = redis.ttl(KEY)
        assert 86_000 < left <= 86_400


def test_entries_that_no_version_of_ours_wrote_are_passed_over(broker: RedisServer) -> None:
    with closing(RedisFeed(broker.url)) as feed, Redis.from_url(broker.url) as redis:
        for _ in range(300):  # more than one page
            redis.xadd(KEY, {"job": b"\xff", "data": "x"})
        feed.publish(RUN, numbered(0, 1))
        [(_, one)] = feed.read(RUN, "", 0)
        assert one == numbered(0, 1)[0]


def test_over_the_embedded_broker_s_socket(tmp_path: Path) -> None:
    socket = tmp_path / "broker" / "valkey.sock"
    server = spawn(broker_command(socket), mark=tmp_path, log=tmp_path / "log")
    try:
        with closing(RedisFeed(f"redis+socket://{socket}")) as feed:
            poll(lambda: broker_answers(feed), within=20, what="the broker answers")
            feed.publish(RUN, numbered(0, 3))
            assert [one.data for _, one in feed.read(RUN, "", 0)] == [one.data for one in numbered(0, 3)]
    finally:
        end([server])


def broker_answers(feed: RedisFeed) -> bool:
    try:
        return feed.read(RUN, "", 0) == []
    except QueueError:
        return False


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://broker:6380/3", {"host": "broker", "port": 6380, "db": 3}),
        ("redis+socket:///run/ronde/valkey.sock", {"path": "/run/ronde/valkey.sock"}),
        ("redis+socket:///run/valkey.sock?virtual_host=2", {"path": "/run/valkey.sock", "db": 2}),
        ("rediss://u:p@broker/0?ssl_cert_reqs=CERT_REQUIRED", {"username": "u", "ssl_cert_reqs": "required"}),
        ("rediss://broker?ssl_cert_reqs=none", {"ssl_cert_reqs": "none"}),
    ],
)
def test_urls_are_read_as_celery_reads_them(url: str, expected: dict[str, object]) -> None:
    options = broker_client(url, connect=2, answer=5).connection_pool.connection_kwargs
    assert {name: options.get(name) for name in expected} == expected
    assert (options["socket_timeout"], options["socket_connect_timeout"]) == (5, 2)


def test_another_url_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="RONDE_BROKER_URL"):
        broker_client("amqp://broker", connect=2, answer=5)
