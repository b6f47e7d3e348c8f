from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from lab.redis import RedisServer


@pytest.fixture
def server(tmp_path: Path, network: str) -> Iterator[RedisServer]:
    fresh = RedisServer(tmp_path / "broker", f"{network}.61")
    fresh.start()
    yield fresh
    fresh.stop()


def link(server: RedisServer) -> redis.Redis:
    return redis.Redis.from_url(server.url, decode_responses=True, socket_timeout=0.5, retry=None)


def test_what_it_was_told_survives_a_restart(server: RedisServer) -> None:
    with link(server) as client:
        client.rpush("work", "job 1")
    server.stop()
    server.start()
    with link(server) as client:
        assert client.lrange("work", 0, -1) == ["job 1"]


def test_once_wiped_it_is_back_and_empty(server: RedisServer) -> None:
    with link(server) as client:
        client.rpush("work", "job 1")
    server.wipe()
    with link(server) as client:
        assert client.dbsize() == 0


def test_frozen_it_accepts_and_does_not_answer_until_it_is_thawed(server: RedisServer) -> None:
    server.freeze()
    with link(server) as client, pytest.raises(redis.TimeoutError):
        client.ping()
    server.thaw()
    with link(server) as client:
        assert client.ping()


def test_a_frozen_one_can_still_be_ended(server: RedisServer) -> None:
    server.freeze()
    server.stop()
    assert server.process is None
    with link(server) as client, pytest.raises(redis.ConnectionError):
        client.ping()
