"""What happens on clients' targets, and what follows."""

from celery import shared_task

from ronde.bootstrap import services
from ronde.engine import firing
from ronde.engine import work as engine_work
from ronde.model.errors import InventoryError, LedgerError
from ronde.ports import Hint
from tasks.logs import log


@shared_task(name="ronde.work")
def work(job: str, attempt: int) -> None:
    """One attempt at one job. A doubled, late or early message does nothing."""
    try:
        run = engine_work.work(services().engine, Hint(job, attempt))
    except (LedgerError, InventoryError) as error:
        log.warning("left to the roll call", job=job, error=str(error))
        return
    if run is not None:
        services().advances.ask(run)


@shared_task(name="ronde.advance")
def advance(run: str) -> None:
    """Move a run on after one of its jobs ended."""
    try:
        firing.advance(services().engine, run)
    except LedgerError as error:
        log.warning("left to the roll call", run=run, error=str(error))
