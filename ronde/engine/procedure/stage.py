"""One step about to be done: what it works with, in one value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ronde.engine.procedure import showing
from ronde.engine.procedure.gate import StepGate
from ronde.engine.steps import JobContext
from ronde.model.check import Exchange, Json
from ronde.model.command import Answer, Command
from ronde.model.errors import Fenced
from ronde.model.expressions import parse_expression
from ronde.model.plan import Step, Terms
from ronde.model.procedure import StepRecord
from ronde.ports import Ear, Shell

ENVIRONMENT = (("LC_ALL", "C"),)  # one language, so that answers can be read; the zone stays the host's own
WORD_MOST = 120_000  # bytes of one argument; Linux takes 128 KiB (MAX_ARG_STRLEN), less what sudo and sh add


@dataclass(slots=True)
class Stage:
    """A step in the hands of the worker.

    Attributes:
        job: the attempt at the job; `gate` is its signal, as steps see it.
        section: `steps`, `rescue` or `always`.
        values: what its expressions and templates can see.
        record: its record, `BEGUN`; its journal may hold what an earlier attempt left.
        resumed: whether an earlier attempt had begun it.
        ear: hears what is said, for whoever follows the run.
        asked: what was asked and answered so far.
    """

    job: JobContext
    gate: StepGate
    step: Step
    section: str
    values: Mapping[str, Json]
    record: StepRecord
    ear: Ear
    resumed: bool = False
    asked: list[Exchange] = field(default_factory=list)

    @property
    def terms(self) -> Terms:
        assert self.step.terms is not None  # noqa: S101 - every step of a procedure has terms
        return self.step.terms

    @property
    def content(self) -> Mapping[str, Any]:
        return self.step.parameters

    @property
    def shell(self) -> Shell:
        return self.job.shell()

    @property
    def shown(self) -> str:
        """The action as people see it."""
        return self.terms.shown or showing.shown(self.step.use, self.content, self.values)

    def text(self, name: str) -> str:
        """A field of the action with its templates filled in."""
        return self.fill(self.content[name])

    def fill(self, template: object) -> str:
        """A template's text; raises ExpressionError when a value it needs is missing."""
        return showing.filled(template, self.values)

    def holds(self, condition: str, more: Mapping[str, Json] | None = None) -> bool:
        """Whether a condition is true; `more` are the results of this very step, under its own name."""
        values = self.values if more is None else {**self.values, self.step.name: dict(more)}
        return parse_expression(condition).holds(values)

    def listen(self, stream: str, data: bytes) -> None:
        """Hand on what is said, for whoever follows the run."""
        self.ear(stream, data)

    def say(self, words: str) -> None:
        """A remark of ours among the output."""
        self.listen("note", words.encode() + b"\n")

    def keep(self, **journal: Json) -> None:
        """Put on record, durably, what a later attempt needs; the step acts only when this has returned.

        Raises:
            Fenced: the job is no longer ours.
            LedgerError: it could not be stored.
        """
        self.record = replace(self.record, journal={**self.record.journal, **journal})
        if not self.job.engine.ledger.keep_step(self.job.claim, self.record, self.job.engine.clock.now()):
            raise Fenced("this worker no longer holds the job")

    def ask(
        self, argv: Sequence[str], *, timeout: float | None = None, aloud: bool = False, stdin: bytes = b""
    ) -> Answer:
        """Run something that only looks, and keep it as evidence.

        Raises:
            RemoteError: as `ronde.ports.Shell.run`.
        """
        words = ("sudo", "-n", "--", *argv) if self.terms.become else tuple(argv)
        command = Command(words, stdin=stdin, timeout=timeout or self.terms.timeout, env=ENVIRONMENT)
        return self.answer(command, aloud=aloud)

    def answer(self, command: Command, *, aloud: bool = False) -> Answer:
        """Run a command that only looks, and keep it as evidence; raises as `ask`."""
        answer = self.shell.run(command, self.listen if aloud else None)
        self.asked.append(exchange_of(answer))
        return answer


def exchange_of(answer: Answer, shown: str | None = None) -> Exchange:
    """An answer as evidence."""
    return Exchange(
        question=shown or answer.command.display,
        started=answer.started,
        ended=answer.ended,
        exit_status=answer.exit_status,
        output=answer.stdout,
        errors=answer.stderr,
        truncated=answer.truncated,
    )
