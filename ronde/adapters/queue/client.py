"""A plain client of the broker, for what is no message of Celery's."""

import re

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from ronde.model.errors import InputError

_SOCKET = "redis+socket://"


def broker_client(url: str, *, connect: float, answer: float) -> Redis:
    """A client for a broker URL as Celery writes it: `redis://`, `rediss://` or `redis+socket://`.

    It connects when it is first used, and may be used by several threads. A connection that the broker closed meanwhile
    is made anew, once; no answer is not asked for again.

    Args:
        url: of the broker.
        connect: seconds that connecting may take.
        answer: seconds that each answer may take.

    Raises:
        InputError: no such URL.
    """
    options = {
        "socket_timeout": answer,
        "socket_connect_timeout": connect,
        "retry": Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
    }
    try:
        return Redis.from_url(_plain(url), **options)
    except ValueError as error:
        raise InputError(f"RONDE_BROKER_URL: {error}") from error


def _plain(url: str) -> str:
    """The URL as redis-py spells it; kombu has its own words for sockets and for how certificates are checked."""
    if not url.startswith(_SOCKET):
        return re.sub(r"(?<=ssl_cert_reqs=)CERT_(\w+)", lambda match: match[1].lower(), url)
    path, mark, query = url.removeprefix(_SOCKET).partition("?")
    return f"unix://{path}{mark}{query.replace('virtual_host=', 'db=')}"
