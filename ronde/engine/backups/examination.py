"""What the examination of any repository has in common: one conversation, one body of evidence that grows."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import Any

from ronde.engine.backups.asking import Interview
from ronde.facts.host import HeldLock, living_question, parse_living
from ronde.model.backup.evidence import Locks, RepositoryEvidence
from ronde.model.backup.objective import Night, Objective


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

    def locks_of(self, held: list[HeldLock]) -> Locks:
        """The locks, each with whether its process lives where that can be told."""
        if not held:
            return Locks(())
        living = parse_living(self.interview.ask(living_question({lock.pid for lock in held})))
        return Locks(tuple(lock.judged(living) for lock in held))
