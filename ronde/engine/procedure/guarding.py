"""What stands before a change: what the guards are judged by, gathered when it is planned and before each target."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from ronde.engine.parts import Engine
from ronde.model.check import Check, Finding
from ronde.model.guards import Guard, HostLock, PastRuns, Ruling, Situation, judge, proofs_of
from ronde.model.inventory import Client
from ronde.model.plan import JobPlan, TargetKind
from ronde.model.records import Scope, Trouble
from ronde.model.verdict import Level, Severity
from ronde.model.windows.calendar import Calendar
from ronde.model.windows.declared import calendar_of, marks_of

GUARD_KIND = "guard"  # the kind of check that a ruling is recorded as
_SEEN = timedelta(days=14)  # how far back checks of backups are looked for; what is older proves nothing any more
_MOST = 50  # past runs that a duration is estimated from


def rulings_on(engine: Engine, client: Client, plan: JobPlan, now: datetime, run: str = "") -> tuple[Ruling, ...]:
    """What each guard of a plan says at an instant; nothing for a plan that changes nothing.

    Raises:
        LedgerError: it cannot be asked; nothing may begin then.
    """
    procedure = plan.procedure
    if procedure is None or not procedure.guards:
        return ()
    asked = {Guard(name) for name in procedure.guards}
    overrides = {Guard(name): why for name, why in procedure.overrides.items()}
    return judge(asked, situation_of(engine, client, plan, now, run), overrides)


def situation_of(engine: Engine, client: Client, plan: JobPlan, now: datetime, run: str) -> Situation:
    """What is known about a target before a change."""
    scope, name = Scope.of(client.client), plan.target.name
    if plan.target.kind is not TargetKind.HOST:
        past = past_runs(engine, scope, plan)
        return Situation(now, run, calendar_for(client, plan), past, backups=(), marks=(), locks=())
    checks = engine.ledger.latest_checks(scope, since=now - _SEEN, until=now + timedelta(minutes=5))
    lock = engine.ledger.lock_on(scope, name, now)
    held = () if lock is None else (HostLock(lock.run, lock.owner, lock.since, lock.expires_at),)
    return Situation(
        now=now,
        run=run,
        calendar=calendar_for(client, plan),
        past=past_runs(engine, scope, plan),
        backups=proofs_of(client, name, [check for check in checks if check.host == name]),
        marks=marks_of(client, name),
        locks=held,
    )


def calendar_for(client: Client, plan: JobPlan) -> Calendar:
    """When the target of a plan may be changed: its windows as the inventory has them now, of those the plan names."""
    host = plan.target.name if plan.target.kind is TargetKind.HOST else None
    return calendar_of(client, host, plan.procedure.windows if plan.procedure else ())


def past_runs(engine: Engine, scope: Scope, plan: JobPlan) -> PastRuns:
    """How long runs of its playbook took, on its target and at its client; what a duration is estimated from."""
    here = engine.ledger.durations(scope, plan.playbook, plan.target.name, limit=_MOST)
    anywhere = engine.ledger.durations(scope, plan.playbook, None, limit=_MOST)
    return PastRuns(plan.limit, _spans(here), _spans(anywhere))


def _spans(seconds: Sequence[float]) -> tuple[timedelta, ...]:
    return tuple(timedelta(seconds=each) for each in seconds)


def guard_checks(rulings: tuple[Ruling, ...], host: str, now: datetime) -> tuple[Check, ...]:
    """The rulings as they are kept: what was asked, what was answered, and who set it aside."""
    return tuple(
        Check(
            subject=ruling.guard.value,
            kind=GUARD_KIND,
            host=host,
            findings=_finding(ruling),
            level=Level.REACHABLE,
            evidence_at=now,
            facts={"passed": ruling.passed, "reason": ruling.reason, "override": ruling.override},
        )
        for ruling in rulings
    )


def _finding(ruling: Ruling) -> tuple[Finding, ...]:
    if ruling.passed:
        return ()
    evidence = {"reason": ruling.reason, "override": ruling.override}
    if ruling.overridden:
        words = f"{ruling.guard} was set aside ({ruling.override}): {ruling.reason}"
        return (Finding("guard-overridden", Severity.WARNING, words, evidence),)
    return (Finding(f"guard-{ruling.guard}", Severity.WARNING, ruling.reason, evidence),)


def trouble_of(rulings: tuple[Ruling, ...]) -> Trouble | None:
    """Why nothing was begun; None when nothing stands in the way."""
    blocking = [ruling for ruling in rulings if ruling.blocks]
    if not blocking:
        return None
    first = blocking[0]
    words = "; ".join(f"{ruling.guard}: {ruling.reason}" for ruling in blocking)
    advice = f"Set it aside with --override {first.guard} --reason …, or order it for when nothing stands before it."
    return Trouble(f"guard-{first.guard}", words, advice)
