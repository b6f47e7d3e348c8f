"""A procedure carried out on one target: asked what comes next, done, recorded, until nothing is left.

Every step is put on record before it acts and when it has ended, so a worker that takes over from a dead one asks the
same question of the same records. What was done is not done again; what was begun and may not be repeated is found
again on the target, or left to a person.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final

import structlog

from ronde.engine.procedure import showing
from ronde.engine.procedure.foreseeing import foresee
from ronde.engine.procedure.gate import StepGate
from ronde.engine.procedure.registry import ACTIONS
from ronde.engine.procedure.result import Result, check_of, failed, failed_by
from ronde.engine.procedure.stage import Stage
from ronde.engine.redacting import redact_check, redact_record
from ronde.engine.steps import JobContext
from ronde.facts.reading import Unreadable
from ronde.model.check import Json
from ronde.model.errors import (
    Cancelled,
    CannotDetach,
    CommandTimeout,
    ConnectionLost,
    Fenced,
    InputError,
    LedgerError,
    QueueError,
    Unreachable,
)
from ronde.model.expressions import ExpressionError, parse_expression
from ronde.model.plan import Step
from ronde.model.procedure import Do, End, StepRecord, StepState, next_move, values_for
from ronde.model.records import JobOutcome, Trouble
from ronde.model.run import JobState

log = structlog.get_logger(__name__)
LOOK_EVERY: Final = timedelta(seconds=60)  # at a target that is waited for; a roll call long
_FATAL: Final = (Fenced, LedgerError, QueueError)  # our own machinery, which no step may swallow


@dataclass(slots=True)
class Undertaking:
    """One attempt at one procedure.

    Attributes:
        known: what is on record of its steps, by id.
        before: the facts of each step when this playbook last succeeded here.
    """

    job: JobContext
    gate: StepGate
    known: dict[str, StepRecord]
    before: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)

    def carry_out(self) -> JobOutcome:
        """Go on to the end.

        Raises:
            Fenced: the job is no longer ours.
            RondeError: the target cannot be asked; the caller decides whether it is tried again.
        """
        while True:
            self._look_at_signal()
            move = next_move(self.job.claim.plan, self.known, cancelled=self.gate.cancelled)
            if isinstance(move, End):
                return self._outcome(move)
            if move.section == "always":
                self.gate.shield()
            try:
                self._take(move)
            except Cancelled:
                self.gate.cancelled = True
                if move.step.id in self.known and not self.known[move.step.id].ended:
                    words = "it was under way, and was ended because a person wanted it at once"
                    self._end(self._stage(move), failed(words, changed=_acts(move)))

    def _look_at_signal(self) -> None:
        try:
            self.gate.check()
        except Cancelled:
            return  # it is remembered; what is always done still is

    def _stage(self, move: Do) -> Stage:
        plan = self.job.claim.plan
        record = self.known.get(move.step.id) or StepRecord(
            move.step.id, move.section, StepState.BEGUN, self.job.claim.attempt, self.job.engine.clock.now()
        )
        values = values_for(plan, move.step, self.known, self.before)
        ear = self.job.ear(move.step.id)
        resumed = move.record is not None
        return Stage(self.job, self.gate, move.step, move.section, values, record, ear, resumed=resumed)

    def _take(self, move: Do) -> None:
        """One step: held back by its condition, or begun, done and ended."""
        stage = self._stage(move)
        try:
            why_not = self._held_back(move.step)
        except ExpressionError as error:
            self._end(stage, replace(self._unanswered(error), proven=False))
            return
        if why_not is not None:
            self._end(stage, Result(StepState.SKIPPED, why_not, proven=self.job.opened))
            return
        if not stage.resumed:
            self._begin(stage.record)
        stage.say(f"{move.step.id}: {stage.terms.shown or move.step.use}")
        try:
            result = self._done(stage)
        finally:
            self.known[stage.step.id] = stage.record  # with its journal, which tells whether it may have begun
        self._end(stage, result)

    def _held_back(self, step: Step) -> str | None:
        """Which condition does not hold, of the step or of the includes that it came in by; None when all do."""
        plan, terms = self.job.claim.plan, step.terms
        conditions = (*(terms.gates if terms else ()), *(((step.scope, terms.when),) if terms and terms.when else ()))
        for scope, condition in conditions:
            seen = values_for(plan, replace(step, id=f"{scope}.x" if scope else "x"), self.known, self.before)
            if not parse_expression(condition).holds(seen):
                return f"not {condition}"
        return None

    def _done(self, stage: Stage) -> Result:
        """Do it; a step that may be repeated is tried as often as it says."""
        left = stage.terms.attempts
        while True:
            left -= 1
            result = self._tried(stage)
            if result.state is not StepState.FAILED or left <= 0:
                return replace(result, exchanges=(*result.exchanges, *stage.asked))
            stage.say(f"failed ({result.reason}); tried again in {stage.terms.delay:g} s")
            stage.listen("end", b"")
            stage.ear = self.job.ear(f"{stage.step.id}, try {stage.terms.attempts - left + 1}")
            self.gate.check()
            self.job.engine.pause(stage.terms.delay)

    def _tried(self, stage: Stage) -> Result:
        if (another := _another_command(stage)) is not None:
            return failed(another)
        act = foresee if self._only_looks and stage.terms.changes else ACTIONS[stage.step.use]
        try:
            return act(stage)
        except (*_FATAL, Cancelled):
            raise
        except ExpressionError as error:
            return self._unanswered(error)
        except Unreadable as error:
            return failed(str(error))
        except (ConnectionLost, Unreachable):
            raise  # the target is away, not the step wrong: another attempt takes it up
        except CommandTimeout as error:
            self.gate.check()  # the job's own limit looks like the command's
            return failed_by(error)
        except (CannotDetach, InputError) as error:
            return failed_by(error)

    @property
    def _only_looks(self) -> bool:
        procedure = self.job.claim.plan.procedure
        return procedure is not None and procedure.dry

    def _unanswered(self, error: ExpressionError) -> Result:
        """A condition that cannot be answered; a dry run may lack what a step that it did not do would have told."""
        if self._only_looks:
            return Result(StepState.SKIPPED, f"not known before it runs: {error}", facts={"would": None})
        return failed(str(error))

    def _begin(self, record: StepRecord) -> None:
        """The intent is on record before anything is done."""
        job = self.job
        if not job.engine.ledger.keep_step(job.claim, record, job.engine.clock.now()):
            raise Fenced("this worker no longer holds the job")
        self.known[record.step] = record

    def _end(self, stage: Stage, result: Result) -> None:
        """Put the end of a step on record, with its evidence, free of secrets."""
        job, now = self.job, self.job.engine.clock.now()
        redactor = job.engine.secrets.redactor()
        record = redact_record(
            replace(
                stage.record,
                state=result.state,
                ended_at=now,
                changed=result.changed,
                reason=result.reason,
                facts=result.facts,
            ),
            redactor,
        )
        check = redact_check(check_of(record, result, job.target.name, _shown(stage)), redactor)
        worth = result.proven or result.findings or result.state in (StepState.FAILED, StepState.UNCLEAR)
        if not job.engine.ledger.keep_step(job.claim, record, now, check if worth else None):
            raise Fenced("this worker no longer holds the job")
        self.known[record.step] = record
        stage.say(f"{record.state}" + (f": {record.reason}" if record.reason else ""))
        stage.listen("end", b"")

    def _outcome(self, end: End) -> JobOutcome:
        checks = tuple(self.job.checks)
        if end.state is JobState.SUCCEEDED:
            return JobOutcome(end.state, checks)
        if end.state is JobState.CANCELLED:
            begun = [record.step for record in self.known.values() if record.ended and record.changed]
            words = f"what had been done by then: {', '.join(begun)}" if begun else "nothing had been changed"
            return JobOutcome(end.state, checks, Trouble("cancelled", f"it was asked to stop; {words}", permanent=True))
        because = end.because
        said = f"{because.step}: {because.reason}" if because is not None else "a step failed"
        if end.state is JobState.NEEDS_HUMAN:
            advice = "Look at the target: what was begun may be half done. Until then nothing else changes it."
            return JobOutcome(end.state, checks, Trouble("needs-human", said, advice, permanent=True))
        away = because is not None and because.facts.get("back") is False  # it was rebooted, and is not there
        code = Unreachable.code if away else "step-failed"
        return JobOutcome(end.state, checks, Trouble(code, said, permanent=True))


def _acts(move: Do) -> bool:
    return move.step.terms is not None and move.step.terms.changes


def _another_command(stage: Stage) -> str | None:
    """Why the step is not done: it would be something else than the plan says."""
    planned = stage.terms.shown
    if planned is None or stage.step.use not in showing.SHOWN:
        return None
    now = showing.shown(stage.step.use, stage.content, stage.values)
    return None if now == planned else f"the plan says {planned}, and this worker would do {now}"


def _shown(stage: Stage) -> str:
    try:
        return stage.shown if stage.step.use in showing.SHOWN else stage.step.use
    except ExpressionError:
        return stage.step.use
