"""One attempt at a job that acts: held against its plan and its guards, carried out, and told what it came to."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime

import structlog

from ronde.engine.holding import JobSignal
from ronde.engine.parts import Engine
from ronde.engine.procedure.carrying_out import LOOK_EVERY, Undertaking
from ronde.engine.procedure.gate import StepGate
from ronde.engine.procedure.guarding import guard_checks, rulings_on, trouble_of
from ronde.engine.procedure.planning import narrowed, procedure_of
from ronde.engine.steps import JobContext
from ronde.engine.vmchanges import was_asked_for
from ronde.facts.detached import tidy_old_question, tidy_question
from ronde.model.detached import Key
from ronde.model.errors import Fenced, InputError, LedgerError, RemoteError, RondeError, Unreachable
from ronde.model.inventory import Client
from ronde.model.plan import Step, TargetKind, job_digest
from ronde.model.procedure import StepRecord, StepState
from ronde.model.records import JobOutcome, Scope, Trouble
from ronde.model.run import JobState
from ronde.ports import Claim

log = structlog.get_logger(__name__)
KEPT_DAYS = 30  # for folders of jobs that needed a person, or whose host was away when they ended


def attempt_procedure(
    engine: Engine, claim: Claim, client: Client, signal: JobSignal, resources: ExitStack
) -> JobOutcome:
    """Do, or go on with, one procedure.

    Raises:
        Fenced: the job is no longer ours.
        LedgerError: the ledger cannot be written; the lease runs out, and the job is taken up again.
    """
    now = engine.clock.now()
    gate = StepGate(signal)
    known = {record.step: record for record in engine.ledger.steps(claim)}
    job = JobContext(engine, claim, client, gate, now, resources)
    if not known_to_act(known) and (refusal := _not_to_begin(job)) is not None:
        return refusal
    before = engine.ledger.last_facts(Scope.of(client.client), claim.plan.playbook, claim.plan.target.name)
    undertaking = Undertaking(job, gate, known, before)
    try:
        if job.target.kind is TargetKind.HOST:
            job.shell()  # a host that is away is told before anything is put on record as begun
        outcome = undertaking.carry_out()
    except (Fenced, LedgerError):
        raise
    except RondeError as error:
        return after_trouble(job, undertaking.known, error, engine.clock.now())
    _tidy(job, undertaking.known, outcome.state)
    return outcome


def _tidy(job: JobContext, known: Mapping[str, StepRecord], state: JobState) -> None:
    """Take what the job's detached commands left on the host away; every step's end is on record by now.

    What cannot be tidied lies in a private folder and goes with a later job's tidying.
    """
    launched = any(name.startswith("launched.") for record in known.values() for name in record.journal)
    if not launched or state is JobState.NEEDS_HUMAN:
        return
    key = Key(job.claim.job, "tidy", job.claim.attempt)
    try:
        shell = job.shell()
        shell.run(tidy_question(key.job, key.fence).command)
        shell.run(tidy_old_question(KEPT_DAYS).command)
    except RemoteError as error:
        log.info("the host was left untidy", error=str(error))


def _not_to_begin(job: JobContext) -> JobOutcome | None:
    """Why nothing is begun on this target: the plan is not the approved one any more, or a guard stands before it."""
    if (changed := _another_plan(job)) is not None:
        other = Trouble("plan-changed", changed, "Order it again, and have that plan approved.", permanent=True)
        return JobOutcome(JobState.SKIPPED, trouble=other)
    rulings = rulings_on(job.engine, job.client, job.claim.plan, job.now, job.claim.run)
    job.checks += guard_checks(rulings, job.target.name, job.now)
    trouble = trouble_of(rulings)
    procedure = job.claim.plan.procedure
    if trouble is None or (procedure is not None and procedure.dry):
        return None
    return JobOutcome(JobState.SKIPPED, tuple(job.checks), trouble)


def _another_plan(job: JobContext) -> str | None:
    """What an approved plan would be if it were made now, held against what was approved."""
    plan = job.claim.plan
    procedure = plan.procedure
    if procedure is None or not procedure.approved:
        return None
    named = job.engine.playbooks.get(plan.playbook)
    if named is None:
        return f"the playbook {plan.playbook} is not there any more"
    if plan.target.name not in (*job.client.hosts, *job.client.vcenters):
        return f"{plan.target.name} is no longer in the inventory"
    try:
        steps, fresh = procedure_of(named, procedure.values[""], job.engine.playbooks, procedure.overrides)
    except InputError as error:
        return str(error)
    fresh = narrowed(fresh, procedure.windows)
    if job_digest(replace(plan, steps=steps, procedure=fresh)) != job_digest(plan):
        return "the playbook has changed since this plan was approved"
    return None


def after_trouble(job: JobContext, known: dict[str, StepRecord], error: RondeError, now: datetime) -> JobOutcome:
    """A target that went away: waited for, tried again, given up, or left to a person."""
    claim = job.claim
    procedure = claim.plan.procedure
    trouble = Trouble.of(error)
    until = procedure.wait_until if procedure else None
    if isinstance(error, Unreachable) and not known_to_act(known) and until is not None and now < until:
        return JobOutcome(JobState.QUEUED, trouble=trouble, not_before=now + LOOK_EVERY, waits=True)
    if not error.permanent and claim.attempt < claim.most:
        later = now + claim.plan.retry.delay(claim.attempt)
        return JobOutcome(JobState.QUEUED, tuple(job.checks), trouble, later)
    steps = [step for section in claim.plan.sections().values() for step in section]
    doubtful = [step.id for step in steps if _in_doubt(known, step)]
    if doubtful and claim.plan.is_change:
        words = f"{', '.join(doubtful)} was begun and what came of it is not known: {error.message}"
        advice = "Look at the target: what was begun may be half done. Until then nothing else changes it."
        return JobOutcome(
            JobState.NEEDS_HUMAN, tuple(job.checks), Trouble("needs-human", words, advice, permanent=True)
        )
    return JobOutcome(JobState.FAILED, tuple(job.checks), trouble)


def known_to_act(known: dict[str, StepRecord]) -> bool:
    """Whether a step of the job has ended; one that was begun and never reached its target has done nothing."""
    return any(record.ended or record.journal for record in known.values())


def _in_doubt(known: dict[str, StepRecord], step: Step) -> bool:
    """Whether it may be half done; one that may be repeated is taken up by whoever does it next."""
    record = known.get(step.id)
    repeats = step.terms is not None and step.terms.repeats
    if record is None or record.state is not StepState.BEGUN or repeats:
        return False
    if step.use.startswith("vsphere."):
        return was_asked_for(record.journal)  # what it looked up and decided is in the journal as well, and did nothing
    return bool(record.journal)
