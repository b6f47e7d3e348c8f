"""One wake-up message: claim the job, do its steps, record what came of it."""

from contextlib import ExitStack

import structlog

from ronde.engine.holding import JobSignal
from ronde.engine.parts import Engine
from ronde.engine.procedure.attempt import attempt_procedure
from ronde.engine.redacting import redact_outcome
from ronde.engine.steps import JobContext, missing_checks, run_step
from ronde.model.errors import Cancelled, Fenced, InputError, LedgerError, RondeError
from ronde.model.inventory import Client
from ronde.model.records import JobOutcome, Trouble
from ronde.model.run import JobState
from ronde.ports import Claim, Hint, Refusal

log = structlog.get_logger(__name__)
LEDGER_PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0)  # seconds between tries to record; the last repeats while the lease lasts


def work(engine: Engine, hint: Hint) -> str | None:
    """Do one attempt at one job.

    Returns:
        The id of the run to advance, or None when there was nothing to do: the message was late, doubled or early.

    Raises:
        LedgerError: the ledger could not be asked; the job stays queued and is sent again.
        InventoryError: no inventory has ever been in force here; the job is left to a worker that has one.
    """
    engine.inventories.current()
    asked_at = engine.holding.now()
    claim = engine.ledger.claim(hint, engine.worker, engine.clock.now(), engine.tuning.lease)
    if isinstance(claim, Refusal):
        log.debug("not claimed", job=hint.job, attempt=hint.attempt, why=claim.value)
        return None
    with (
        engine.holding.hold(claim, asked_at) as signal,
        structlog.contextvars.bound_contextvars(
            run=claim.run, job=claim.job, attempt=claim.attempt, client=claim.plan.target.client
        ),
    ):
        outcome = perform(engine, claim, signal)
        if outcome is not None and record(engine, claim, outcome, signal):
            return claim.run
    log.warning("fenced", job=claim.job, attempt=claim.attempt)
    return None


def perform(engine: Engine, claim: Claim, signal: JobSignal) -> JobOutcome | None:
    """Run the steps and say what they came to; None when the job is no longer ours.

    This holds the product's one broad `except`: whatever breaks in our own machinery becomes a recorded outcome, so
    that no job stays `running` and no night goes missing without a word.
    """
    try:
        outcome = _attempt(engine, claim, signal)
    except Fenced:
        return None
    except LedgerError as error:
        log.warning("the ledger is away in mid-job; it is taken up again", error=str(error))
        return None
    except Exception as crash:
        log.exception("crashed")
        trouble = Trouble("crashed", f"{type(crash).__name__}: {crash}", "This is a defect of Ronde; please report it.")
        outcome = JobOutcome(JobState.CRASHED, trouble=trouble)
    return redact_outcome(outcome, engine.secrets.redactor())


def _attempt(engine: Engine, claim: Claim, signal: JobSignal) -> JobOutcome:
    now = engine.clock.now()
    with ExitStack() as resources:
        try:
            client = _client(engine, claim)
        except RondeError as error:
            return JobOutcome(JobState.FAILED, trouble=Trouble.of(error))
        if claim.plan.procedure is not None:
            return attempt_procedure(engine, claim, client, signal, resources)
        context = JobContext(engine, claim, client, signal, now, resources)
        try:
            for step in claim.plan.steps:
                signal.check()
                run_step(context, step)
        except Cancelled as error:
            return JobOutcome(JobState.CANCELLED, tuple(context.checks), Trouble.of(error))
        except Fenced:
            raise
        except RondeError as error:
            return _after_trouble(context, error)
        if context.lost is not None:
            return _after_trouble(context, context.lost)
        return JobOutcome(JobState.SUCCEEDED, tuple(context.checks))


def _after_trouble(context: JobContext, error: RondeError) -> JobOutcome:
    """A passing trouble goes back to the queue while tries are left; otherwise everything unexamined is `unknown`."""
    retry = context.claim.plan.retry
    attempt = context.claim.attempt
    again = not error.permanent and attempt < retry.attempts
    if again:
        return JobOutcome(
            JobState.QUEUED,
            trouble=Trouble.of(error),
            not_before=context.engine.clock.now() + retry.delay(attempt),
        )
    checks = (*context.checks, *missing_checks(context, error))
    return JobOutcome(JobState.FAILED, checks, Trouble.of(error))


def _client(engine: Engine, claim: Claim) -> Client:
    """The client as the inventory in force has it: its addresses and pinned keys may be newer than the plan."""
    name = claim.plan.target.client
    client = engine.inventories.current().clients.get(name)
    if client is None:
        raise InputError(f"{name} is no longer in the inventory")
    return client


def record(engine: Engine, claim: Claim, outcome: JobOutcome, signal: JobSignal) -> bool:
    """Store the outcome, trying again while the ledger is away and the lease lasts; False when we were fenced out."""
    pauses = iter(LEDGER_PAUSES)
    wait = 0.0
    while not signal.fenced:
        try:
            return engine.ledger.record(claim, outcome, engine.clock.now())
        except LedgerError as error:
            wait = next(pauses, LEDGER_PAUSES[-1]) if wait < LEDGER_PAUSES[-1] else LEDGER_PAUSES[-1]
            log.warning("the ledger did not take the result", error=str(error), again_in=wait)
            engine.pause(wait)
    return False
