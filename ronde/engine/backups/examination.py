"""What the examination of any repository has in common: one conversation, one body of evidence that grows."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from ronde.engine.backups.asking import Interview
from ronde.facts.host import HeldLock, living_question, parse_living
from ronde.facts.question import Question
from ronde.model.backup.conclusion import DAMAGE_RULES
from ronde.model.backup.evidence import Locks, RepositoryEvidence
from ronde.model.backup.objective import Night, Objective
from ronde.model.backup.thresholds import unknown
from ronde.model.check import Finding
from ronde.model.command import Answer


@dataclass(frozen=True, slots=True)
class Order:
    """What an examination works by.

    Attributes:
        secret: the repository's password; empty for one without.
        limit: seconds that one reading of stored bytes may take.
    """

    night: Night
    objective: Objective
    secret: bytes = field(repr=False)
    limit: int


Fact = TypeVar("Fact")


class Examination(ABC):
    """One look at one repository.

    Every answer goes into `evidence` at once, so that a link that breaks loses only what would have come after.
    """

    def __init__(self, interview: Interview, order: Order) -> None:
        self.interview = interview
        self.order = order
        self.evidence = RepositoryEvidence()

    @abstractmethod
    def run(self) -> None:
        """Ask everything.

        Raises:
            RemoteError, Fenced, Cancelled: see `Interview.ask`; what was learnt until then is kept.
        """

    def learn(self, **pieces: Any) -> None:
        self.evidence = replace(self.evidence, **pieces)

    @abstractmethod
    def fingerprint(self) -> object:
        """Something cheap that is another value once anybody has rewritten the repository."""

    def ask_for(self, question: Question, parse: Callable[[Answer], Fact | Finding]) -> Fact | Finding:
        """The fact, or the finding in its place; see `sure`."""
        return self.sure(lambda: parse(self.interview.ask(question)))

    def sure(self, look: Callable[[], Fact | Finding]) -> Fact | Finding:
        """What a look shows; damage is only believed at a second look during which the repository stood still.

        Without a lock, a prune or compaction running at the same time pulls files from under the reader.
        """
        fact = look()
        if not _doubtful(fact):
            return fact
        before = self.fingerprint()
        again = look()
        if not _doubtful(again) or before == self.fingerprint():
            return again
        return unknown("backup-busy", "The repository was rewritten at both looks, so what they showed may just move.")

    def locks_of(self, held: list[HeldLock]) -> Locks:
        """The locks, each with whether its process lives where that can be told."""
        if not held:
            return Locks(())
        living = parse_living(self.interview.ask(living_question({lock.pid for lock in held})))
        return Locks(tuple(lock.judged(living) for lock in held))


def _doubtful(fact: object) -> bool:
    return isinstance(fact, Finding) and fact.rule in DAMAGE_RULES | {"backup-busy"}
