"""Procedures on a town hall's servers, built from little: a service that is restarted, and what came of it."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from ronde.model.check import Finding, Json
from ronde.model.plan import JobPlan, Procedure, Step, Target, TargetKind, Terms
from ronde.model.procedure import StepRecord, StepState
from ronde.model.records import CheckRecord, EventRecord, JobRecord, RunRecord, Trouble
from ronde.model.run import JOB_OPEN, JobState, RunState
from ronde.model.verdict import Level, Severity, Verdict, worst
from tests.doubles.night import AT

CLIENT = "commune-exemple"
RUN = "5e1d0c2a7be0d24c55"
TITLE = {"fr": "Redémarrer un service", "en": "Restart a service"}
BEGAN = AT - timedelta(minutes=5)
LOOK = Terms(changes=False, repeats=True, timeout=60, shown="look at unit name=nginx")
ACT = Terms(changes=True, repeats=False, timeout=300, shown="systemctl restart nginx")


def plan(where: str = "srv-web", *, risk: str = "change", **more: object) -> JobPlan:
    """A restart: looked at, done, looked at again; on failure the log is read."""
    steps = (Step("at_first", "fact", {}, LOOK), Step("restart", "service", {}, ACT), Step("after", "fact", {}, LOOK))
    procedure = Procedure(
        risk=risk,
        title=TITLE,
        values={"": {"service": "nginx"}},
        rescue=(Step("log", "run", {}, LOOK),),
        guards=("window", "backup"),
        **more,  # type: ignore[arg-type]  # the caller names Procedure's fields
    )
    return JobPlan(Target(CLIENT, TargetKind.HOST, where), "adhoc/restart-service", steps, procedure=procedure)


def step(name: str, state: StepState = StepState.DONE, *, changed: bool = False, reason: str = "") -> StepRecord:
    ended = None if state is StepState.BEGUN else BEGAN + timedelta(seconds=4)
    section = "rescue" if name == "log" else "steps"
    return StepRecord(name, section, state, 1, BEGAN, ended, changed=changed, reason=reason)


DONE = (step("at_first"), step("restart", changed=True, reason="it was active"), step("after"))
NOTHING = (step("at_first"), step("restart", reason="it runs as wanted"), step("after"))
BROKEN = (step("at_first"), step("restart", StepState.FAILED, changed=True, reason="the unit did not come up"))


def found(name: str, *findings: Finding, kind: str = "step", run: str = RUN, **facts: Json) -> CheckRecord:
    """What a step or guard found, as the engine records it."""
    verdict = worst([Verdict.OK, *(one.severity.verdict for one in findings)])
    return CheckRecord(
        id=f"{run}/{kind}/{name}",
        run=run,
        job=f"{run}-srv-web",
        client=CLIENT,
        host="srv-web",
        subject=name,
        kind=kind,
        verdict=verdict,
        level=Level.REACHABLE,
        evidence_at=BEGAN,
        recorded_at=BEGAN + timedelta(seconds=4),
        findings=findings,
        facts=facts,
    )


def ruling(guard: str, *, override: str = "", passed: bool = False) -> CheckRecord:
    reason = "no maintenance window is open; opens Thu 22:00"
    words = Finding("guard-overridden", Severity.WARNING, f"{guard} was set aside ({override}): {reason}")
    findings = () if passed else (words,)
    return found(guard, *findings, kind="guard", passed=passed, reason=reason, override=override)


def checks(steps: Sequence[StepRecord]) -> tuple[CheckRecord, ...]:
    """A check for each step that ended."""
    told = {
        StepState.FAILED: Finding("step-failed", Severity.CRITICAL, "restart: the unit did not come up"),
        StepState.UNCLEAR: Finding("step-unclear", Severity.CRITICAL, "restart: nobody knows"),
    }
    return tuple(
        found(one.step, *((told[one.state],) if one.state in told else ()), shown=f"did {one.step}") for one in steps
    )


def acted(
    where: str = "srv-web",
    state: JobState = JobState.SUCCEEDED,
    steps: Sequence[StepRecord] = (),
    *,
    run: str = RUN,
    trouble: Trouble | None = None,
    rulings: Sequence[CheckRecord] = (),
    of: JobPlan | None = None,
    **more: object,
) -> JobRecord:
    """A job of a procedure with everything on record."""
    seen = (*rulings, *checks(steps))
    begun = state not in {JobState.HELD, JobState.QUEUED, JobState.EXPIRED}
    well = state is JobState.SUCCEEDED
    verdicts = [one.verdict for one in seen]
    fields: dict[str, object] = {
        "attempt": 1,
        "created_at": BEGAN - timedelta(minutes=1),
        "started_at": BEGAN if begun else None,
        "finished_at": None if state in JOB_OPEN else AT,
        "verdict": None if state in JOB_OPEN else worst(verdicts if well else [Verdict.UNKNOWN, *verdicts]),
    }
    return JobRecord(
        id=f"{run}-{where}",
        run=run,
        target=Target(CLIENT, TargetKind.HOST, where),
        playbook="adhoc/restart-service",
        state=state,
        trouble=trouble,
        plan=of or plan(where),
        checks=seen,
        steps=tuple(steps),
        **fields | more,  # type: ignore[arg-type]  # fields of JobRecord
    )


def run_of(*jobs: JobRecord, who: str = "ana", reason: str = "fuite de mémoire", **more: object) -> RunRecord:
    """The run of some jobs, ordered by a person."""
    request: Mapping[str, Json] = {"playbook": "adhoc/restart-service", "parameters": {"service": "nginx"}}
    fields: dict[str, object] = {"plan": "d1ge57" * 8, "request": request, "state": RunState.RUNNING} | more
    return RunRecord(
        id=jobs[0].run,
        playbook="adhoc/restart-service",
        digest="d",
        verdict=None,
        trigger="person",
        requested_by=who,
        reason=reason,
        created_at=jobs[0].created_at,
        jobs=jobs,
        **fields,  # type: ignore[arg-type]  # fields of RunRecord
    )


def waits_for(why: str) -> tuple[EventRecord, ...]:
    """The event of an order that waits for a second technician."""
    return (EventRecord(BEGAN, "ana", "run.order", RUN, {"waits_for": why}),)
