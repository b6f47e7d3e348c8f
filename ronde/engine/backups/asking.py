"""Puts questions through a shell and keeps every exchange as evidence."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from ronde.facts.question import Question
from ronde.model.backup.conclusion import DAMAGE_RULES
from ronde.model.check import Exchange, Finding
from ronde.model.command import Answer
from ronde.model.errors import RemoteError
from ronde.ports import Clock, Shell

Fact = TypeVar("Fact")


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
        self.exchanges.append(
            Exchange(
                question.shown,
                answer.started,
                answer.ended,
                answer.exit_status,
                answer.stdout,
                answer.stderr,
                self.tool,
                answer.truncated,
            )
        )
        return answer

    def ask_for(self, question: Question, parse: Callable[[Answer], Fact | Finding]) -> Fact | Finding:
        """The fact, or the finding in its place.

        Damage is only believed when it is seen twice: without a lock a prune or compaction running at the same time
        may pull files from under the reader.
        """
        fact = parse(self.ask(question))
        if isinstance(fact, Finding) and fact.rule in DAMAGE_RULES | {"backup-busy"}:
            return parse(self.ask(question))
        return fact

    def _broken(self, question: Question, started: datetime, error: RemoteError) -> Exchange:
        kept = error.exchange
        if kept is None:
            return Exchange(question.shown, started, self._clock.now(), errors=error.message.encode(), tool=self.tool)
        return replace(kept, question=question.shown, tool=self.tool)
