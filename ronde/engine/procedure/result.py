"""What doing one step came to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ronde.model.check import Check, Exchange, Finding, Json
from ronde.model.errors import RondeError
from ronde.model.procedure import StepRecord, StepState
from ronde.model.verdict import Level, Severity

STEP_KIND = "step"  # the kind of check that a step of a procedure is recorded as
_READABLE = 1000  # characters of one value


@dataclass(frozen=True, slots=True)
class Result:
    """What one step came to.

    Attributes:
        state: `DONE`, `SKIPPED`, `FAILED` or `UNCLEAR`.
        changed: whether the target is another one than before; `reason` says why, or why not.
        facts: what later steps can look at.
        exchanges: what was asked and answered, as evidence.
        findings: what is worth telling though the step went on.
        proven: whether the target itself answered; without that, nothing is known to be in order.
    """

    state: StepState
    reason: str = ""
    changed: bool = False
    facts: Mapping[str, Json] = field(default_factory=dict)
    exchanges: tuple[Exchange, ...] = ()
    findings: tuple[Finding, ...] = ()
    proven: bool = True


def done(reason: str = "", *, changed: bool = False, facts: Mapping[str, Json] | None = None) -> Result:
    return Result(StepState.DONE, reason, changed, facts or {})


def failed(reason: str, facts: Mapping[str, Json] | None = None, *, changed: bool = False) -> Result:
    return Result(StepState.FAILED, reason, changed, facts or {})


def unclear(reason: str, facts: Mapping[str, Json] | None = None) -> Result:
    """It was begun, and what came of it cannot be established: a person has to look."""
    return Result(StepState.UNCLEAR, reason, changed=True, facts=facts or {})


def failed_by(error: RondeError) -> Result:
    """A step that met an error of ours, with what had come back until then."""
    exchanges = () if error.exchange is None else (error.exchange,)
    return Result(StepState.FAILED, str(error), exchanges=exchanges, proven=False)


def check_of(record: StepRecord, result: Result, host: str, shown: str) -> Check:
    """The step as the ledger keeps it beside all other checks: what was done, what was found, on what evidence."""
    return Check(
        subject=record.step,
        kind=STEP_KIND,
        host=host,
        findings=(*result.findings, *_verdict_on(record, result)),
        level=Level.REACHABLE if result.proven else None,
        evidence_at=record.ended_at,
        facts={"state": record.state.value, "changed": record.changed, "reason": record.reason, "shown": shown},
        exchanges=result.exchanges,
    )


def _verdict_on(record: StepRecord, result: Result) -> Sequence[Finding]:
    if result.state is StepState.FAILED:
        return (Finding("step-failed", Severity.CRITICAL, f"{record.step}: {result.reason}", {"step": record.step}),)
    if result.state is StepState.UNCLEAR:
        message = f"{record.step}: {result.reason}"
        return (Finding("step-unclear", Severity.CRITICAL, message, {"step": record.step, **_telling(record.journal)}),)
    return ()


def _telling(journal: Mapping[str, Json]) -> dict[str, Json]:
    """What of a step's journal a person can read; what is long is for the next attempt, and stays on the record."""
    return {name: value for name, value in journal.items() if len(str(value)) <= _READABLE}
