"""Messages on a real broker."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from lab.redis import RedisServer
from ronde.adapters.queue import CONTROL, WORK, CeleryQueue, make_app
from ronde.model.errors import QueueError
from ronde.ports import Hint


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.stop()


def sent(broker: RedisServer, queue: str) -> list[dict[str, object]]:
    """The headers of the messages that wait, oldest first."""
    with Redis.from_url(broker.url) as redis:
        return [json.loads(raw)["headers"] for raw in reversed(redis.lrange(queue, 0, -1))]


def test_a_message_for_each_hint_in_their_order(broker: RedisServer) -> None:
    app = make_app(broker.url)
    CeleryQueue(app).wake([Hint(f"job-{number}", number) for number in range(1200)])
    waiting = sent(broker, WORK)
    assert [header["argsrepr"] for header in waiting] == [f"['job-{n}', {n}]" for n in range(1200)]
    assert {header["task"] for header in waiting} == {"ronde.work"}


def test_nothing_to_wake_asks_no_broker() -> None:
    CeleryQueue(make_app("redis://127.0.0.1:1/0")).wake([])


def test_control_messages_go_to_their_own_queue(broker: RedisServer) -> None:
    queue = CeleryQueue(make_app(broker.url))
    queue.advance("run")
    queue.deliver()
    assert [header["task"] for header in sent(broker, CONTROL)] == ["ronde.advance", "ronde.deliver"]


def test_a_broker_that_went_away_is_told_and_its_return_is_noticed(broker: RedisServer) -> None:
    queue = CeleryQueue(make_app(broker.url))
    queue.wake([Hint("job", 1)])
    broker.kill()
    with pytest.raises(QueueError):
        queue.wake([Hint("job", 2), Hint("other", 1)])
    broker.start()
    queue.wake([Hint("job", 3)])
    assert [header["argsrepr"] for header in sent(broker, WORK)][-1] == "['job', 3]"
