"""Sending what waits in the outbox."""

from celery import shared_task

from ronde.bootstrap import services
from ronde.engine.delivery import deliver_due
from ronde.model.errors import LedgerError
from tasks.logs import log


@shared_task(name="ronde.deliver")
def deliver() -> None:
    """Send due messages. A relay that is down loses nothing: each message waits for its next try."""
    engine = services().engine
    try:
        deliver_due(engine.ledger, engine.mailer, engine.clock)
    except LedgerError as error:
        log.warning("mail waits for the ledger", error=str(error))
