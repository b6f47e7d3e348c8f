"""Sending messages by task name, from anywhere that knows the broker."""

from collections.abc import Sequence

from celery import Celery
from kombu.exceptions import BatchPublishError, OperationalError
from redis.exceptions import RedisError

from ronde.adapters.queue.app import ADVANCE, CONTROL, DELIVER, DO, WORK
from ronde.model.errors import QueueError
from ronde.ports import Hint

PUBLISH_ERRORS = (OperationalError, BatchPublishError, RedisError, OSError)


class CeleryQueue:
    """The `Queue` port on a Celery application; one connection is used for all messages of a call."""

    def __init__(self, app: Celery) -> None:
        self._app = app

    def wake(self, hints: Sequence[Hint]) -> None:
        if hints:
            self._send([(DO, [hint.job, hint.attempt]) for hint in hints], WORK)

    def advance(self, run: str) -> None:
        self._send([(ADVANCE, [run])], CONTROL)

    def deliver(self) -> None:
        self._send([(DELIVER, [])], CONTROL)

    def _send(self, messages: Sequence[tuple[str, list[object]]], queue: str) -> None:
        try:
            # One round trip for all. When it breaks nobody knows what arrived; what did not is sent again.
            with self._app.producer_or_acquire() as producer, producer.batch():
                for name, arguments in messages:
                    self._app.send_task(name, arguments, queue=queue, producer=producer, retry=False)
        except PUBLISH_ERRORS as error:
            raise QueueError(f"the broker did not take a message: {error}") from error


class NoQueue:
    """For work in this very process (`--here`): nobody is woken, the caller works through the ledger itself."""

    def wake(self, hints: Sequence[Hint]) -> None:
        """Nothing: see the class."""

    def advance(self, run: str) -> None:
        """Nothing: see the class."""

    def deliver(self) -> None:
        """Nothing: see the class."""
