"""Orders, checks and messages of little content, for tests that ask what a ledger does with them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from ronde.model.check import Check, Exchange, Finding
from ronde.model.outbox import Mail, mail_key
from ronde.model.pace import Pace, Place
from ronde.model.plan import (
    JobPlan,
    Lane,
    Occurrence,
    Order,
    Procedure,
    Step,
    Target,
    TargetKind,
    Terms,
    Trigger,
)
from ronde.model.procedure import StepRecord, StepState
from ronde.model.records import JobOutcome, RunRecord, Scope, Trouble
from ronde.model.run import JobState, Policy
from ronde.model.verdict import Level, Severity
from ronde.ports import Claim, Hint, Ledger

NOW = datetime(2027, 1, 13, 1, 0, 0, 123456, tzinfo=UTC)
ACME = Scope.of("acme")
OTHER = Scope.of("other")
BOTH = Scope.of("acme", "other")
LEASE = 60.0


def at(seconds: float) -> datetime:
    """An instant some seconds after the tests' night began."""
    return NOW + timedelta(seconds=seconds)


def job(client: str = "acme", target: str = "srv", *, lanes: dict[str, int] | None = None, **more: Any) -> JobPlan:
    """A job on one host."""
    return JobPlan(
        target=Target(client, TargetKind.HOST, target),
        playbook="backup/check",
        steps=(Step("look", "backups", {"names": ["documents", "été"], "share": 0.05}),),
        lanes=tuple(Lane(name, places) for name, places in sorted((lanes or {}).items())),
        **more,
    )


def change(client: str = "acme", target: str = "srv", **more: Any) -> JobPlan:
    """A job that changes a host, in two steps."""
    terms = Terms(changes=True, repeats=False, timeout=60)
    steps = tuple(Step(name, "run", {"argv": [name]}, terms) for name in ("restart", "look"))
    procedure = Procedure("change", {"en": "Restart", "fr": "Redémarrer"}, {"": {}}, guards=("lock",))
    target_ = Target(client, TargetKind.HOST, target)
    return JobPlan(target_, "adhoc/restart", steps, policy=Policy.AT_MOST_ONCE, procedure=procedure, **more)


def begun(step: str, **more: Any) -> StepRecord:
    """A step whose intent is on record."""
    return StepRecord(step, "steps", StepState.BEGUN, 1, at(1), **more)


def order(*jobs: JobPlan, **more: Any) -> Order:
    """An order by a person."""
    return Order("backup/check", "d" * 64, tuple(jobs), Trigger.PERSON, "alice", "because", **more)


def changing(client: str = "acme", target: str = "srv", **more: Any) -> JobPlan:
    """A job that changes one host."""
    return job(client, target, procedure=Procedure("change", {}), **more)


def ringed(
    *rings: Sequence[str], apart: Mapping[str, Sequence[str]] | None = None, pace: Pace | None = None, **more: Any
) -> Order:
    """A change that goes in these rings of hosts, `client/host` or hosts of acme; `apart` by the same names."""
    plans = []
    for number, ring in enumerate(rings):
        for name in ring:
            client, _, host = name.rpartition("/")
            place = Place(number, tuple((apart or {}).get(name, ())))
            plans.append(changing(client or "acme", host, place=place, **more))
    return order(*plans, pace=pace or Pace(9, timedelta(0)))


def fired(*jobs: JobPlan, due: datetime = NOW, schedule: str = "night") -> Order:
    """An order that answers a due instant of the first job's client."""
    occurrence = Occurrence(jobs[0].target.client, schedule, due)
    return Order("backup/check", "d" * 64, jobs, Trigger.SCHEDULE, f"schedule {schedule}", "", occurrence)


def check(subject: str = "documents", *, level: Level | None = Level.PRESENT, **more: Any) -> Check:
    """A check on `srv` in which nothing was found."""
    return Check(subject, more.pop("kind", "restic"), more.pop("host", "srv"), level=level, **more)


def bad(subject: str = "documents") -> Check:
    """A check that found the worst."""
    finding = Finding("backup-too-old", Severity.CRITICAL, "it is 50 h old", {"age_s": 180000, "limit_s": 93600})
    return check(subject, findings=(finding,))


def exchange(output: bytes = b"[]", errors: bytes = b"") -> Exchange:
    return Exchange("restic snapshots --json", at(0), at(1.5), 0, output, errors, "restic 0.14.0")


def done(*checks: Check) -> JobOutcome:
    return JobOutcome(JobState.SUCCEEDED, checks)


def deferred(until: datetime, *checks: Check) -> JobOutcome:
    return JobOutcome(JobState.QUEUED, checks, Trouble("unreachable", "no answer"), until)


def started(ledger: Ledger, *jobs: JobPlan, now: datetime = NOW, worker: str = "w1") -> list[Claim]:
    """Order jobs and claim all of them."""
    run = ledger.create_run(order(*jobs), now)
    claims = []
    for hint in hints_of(ledger, run):
        claim = ledger.claim(hint, worker, now, LEASE)
        assert isinstance(claim, Claim)
        claims.append(claim)
    return claims


def hints_of(ledger: Ledger, run: str) -> list[Hint]:
    """A wake-up for each job of a run, in the order of its plan, as if all had been sent."""
    return [Hint(one.id, one.attempt) for one in seen(ledger, run).jobs]


def seen(ledger: Ledger, run: str, scope: Scope = BOTH) -> RunRecord:
    return ledger.run(scope, run)


def finished(ledger: Ledger, *checks: Check, now: datetime = NOW, plan: JobPlan | None = None) -> str:
    """The id of a run that made these checks and ended."""
    (claim,) = started(ledger, plan or job(), now=now)
    assert ledger.record(claim, done(*checks), now)
    assert ledger.advance(claim.run, now)
    return claim.run


def mail(client: str = "acme", recipient: str = "it@acme.example", period: str = "2027-01-13") -> Mail:
    return Mail(
        key=mail_key(client, "report/night", period, 1, recipient),
        client=client,
        kind="report/night",
        period=period,
        recipient=recipient,
        sender="ronde@msp.example",
        subject="Sauvegardes : tout va bien",
        message_id=f"<{client}.{period}@msp.example>",
        raw=b"Subject: x\r\n\r\n\x00\xff\r\n",
    )


def subjects(records: Sequence[Any]) -> list[str]:
    return [record.subject for record in records]
