"""A consumer that survives what Celery 5.7.0's does not."""

import structlog
from celery.worker.consumer import Consumer

log = structlog.get_logger(__name__)


class SteadyConsumer(Consumer):  # type: ignore[misc]  # Celery ships no types
    """Celery's consumer, except that a broker restarted under an unacknowledged message does not end the worker.

    In 5.7.0 the connection is torn down before the message is acknowledged, and the acknowledgement then raises
    AttributeError on the missing transport. That is counted as a connection error here; closing the dead connection,
    which stumbles over the same, is given up when it fails.
    """

    connection_errors: tuple[type[Exception], ...]

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)
        self.connection_errors = (*self.connection_errors, AttributeError, OSError)

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        try:
            super().on_connection_error_after_connected(exc)
        except self.connection_errors as error:
            log.warning("closing the dead broker connection failed", error=repr(error))
            self.connection = None
