"""Puts questions through a shell and keeps every exchange as evidence."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from ronde.facts.bundle import bundle, unbundle
from ronde.facts.question import Question
from ronde.model.check import Exchange
from ronde.model.command import Answer
from ronde.model.errors import RemoteError
from ronde.ports import Clock, Shell


class Interview:
    """One conversation with one host about one subject.

    Attributes:
        exchanges: everything asked so far, with the answers; also a question that ended in an error.
        tool: name and version of the tool, once it is known.
    """

    def __init__(self, shell: Shell, clock: Clock) -> None:
        self._shell = shell
        self._clock = clock
        self.exchanges: list[Exchange] = []
        self.tool = ""

    def ask(self, question: Question) -> Answer:
        """The answer.

        Raises:
            RemoteError: the link broke or the answer did not come in time; the exchange is kept all the same.
            Fenced, Cancelled: the work must stop.
        """
        started = self._clock.now()
        try:
            answer = self._shell.run(question.command)
        except RemoteError as error:
            self.exchanges.append(self._broken(question, started, error))
            raise
        self.exchanges.append(self._exchange(question, answer))
        return answer

    def ask_all(self, questions: Sequence[Question]) -> list[Answer]:
        """Several questions in one round trip, each with an answer and an exchange of its own; raises as `ask`."""
        answers = unbundle(questions, self.ask(bundle(questions)))
        self.exchanges[-1:] = [
            self._exchange(question, answer) for question, answer in zip(questions, answers, strict=True)
        ]
        return answers

    def _exchange(self, question: Question, answer: Answer) -> Exchange:
        return Exchange(
            question.shown,
            answer.started,
            answer.ended,
            answer.exit_status,
            answer.stdout,
            answer.stderr,
            self.tool,
            answer.truncated,
        )

    def _broken(self, question: Question, started: datetime, error: RemoteError) -> Exchange:
        kept = error.exchange
        if kept is None:
            return Exchange(question.shown, started, self._clock.now(), errors=error.message.encode(), tool=self.tool)
        return replace(kept, question=question.shown, tool=self.tool)
