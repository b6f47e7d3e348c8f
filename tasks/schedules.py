"""What beat sends: one schedule's due instant, and the roll call over all of them."""

from celery import Task, shared_task

from ronde.bootstrap import services
from ronde.engine import firing
from ronde.model.errors import InventoryError, LedgerError
from tasks.logs import log


@shared_task(name="ronde.fire")
def fire(client: str, schedule: str) -> None:
    """Decide what is due of one schedule. What goes wrong here is caught up by the next roll call."""
    try:
        firing.fire(services().engine, client, schedule)
    except (LedgerError, InventoryError) as error:
        log.error("not fired; the roll call tries again", client=client, schedule=schedule, error=str(error))


@shared_task(name="ronde.roll_call", bind=True)
def roll_call(self: Task) -> None:
    """Once a minute over everything; the message's origin tells which beat is alive."""
    try:
        done = firing.roll_call(services().engine, beat=str(self.request.origin or "unknown"))
    except LedgerError as error:
        log.error("roll call failed; the next one tries again", error=str(error))
    else:
        log.info("roll call", fired=done.fired, missed=done.missed, reaped=done.reaped, sent=done.sent)
