"""A package manager in the hands of a run: its preview, the run itself, the way back from a wreck, what became of it.

The look at what waits is the audit's (`ronde.engine.patches`); here is what changes a host, and the few questions that
are asked again around it. Only managers whose answers are held against the real tool change anything.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

from ronde.engine.patches.look import known
from ronde.facts.patch.feeding import Fed
from ronde.facts.patch.kernel import marker_question, parse_marker
from ronde.facts.patch.leftovers import leftovers_question, parse_leftovers
from ronde.facts.patch.needrestart import absent, parse_restart, restart_question
from ronde.facts.patch.reading import LOOK_LIMIT
from ronde.facts.patch.rights import as_root
from ronde.facts.question import Question
from ronde.model.check import Finding
from ronde.model.command import Answer, Command
from ronde.model.detached import Carried
from ronde.model.patch.audit import Integrity, Leftovers
from ronde.model.patch.packages import Database, Kept, Package, Transaction
from ronde.model.patch.policy import Policy
from ronde.model.patch.reboot import Signal

Ask = Callable[..., list[Answer]]
"""Puts questions to the host in one round trip; an answer for each, in order."""

NEEDRESTART: Final = "/usr/sbin/needrestart"
FIND: Final = "/usr/bin/find"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a run is about.

    Attributes:
        updates: the updates that are named, in their new versions.
        removals: packages that may go for them, because somebody said so.
    """

    updates: tuple[Package, ...]
    removals: tuple[Package, ...] = ()


class Tool(ABC):
    """One manager on one host.

    Attributes:
        left: how it names new versions of configuration files.
    """

    left: tuple[str, ...]

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def one(self, question: Question) -> Answer:
        return self._ask(question)[0]

    # -- questions

    @abstractmethod
    def preview(self, wanted: Wanted, database: Database) -> Transaction | Finding:
        """What the run would do, asked with the very words that do it."""

    @abstractmethod
    def database(self) -> Database | Finding:
        """Everything installed now."""

    @abstractmethod
    def whole(self) -> Integrity | Finding:
        """Whether the database is whole; a finding `patch-locked` while somebody works on it."""

    @abstractmethod
    def holders(self) -> tuple[str, ...] | Finding:
        """Who holds the manager's locks, in words that name the program and its process."""

    @abstractmethod
    def signals(self) -> tuple[Signal | Finding, ...]:
        """Every word of the manager's own about a reboot."""

    def reboot_signals(self) -> tuple[Signal | Finding, ...]:
        """Every word about a reboot."""
        there = Question(Command(("test", "-x", NEEDRESTART), timeout=LOOK_LIMIT), f"test -x {NEEDRESTART}")
        marker, installed = self._ask(marker_question(), there)
        restart: Signal | Finding = absent()
        if installed.exit_status == 0:
            told = known(parse_restart, self.one(as_root(NEEDRESTART, restart_question())))
            restart = told if isinstance(told, Finding) else told[0]
        return (parse_marker(marker), restart, *self.signals())

    def leftovers(self) -> Leftovers | Finding:
        """New versions of configuration files that wait beside the old ones."""
        return known(parse_leftovers, self.one(as_root(FIND, leftovers_question(self.left))))

    # -- changes

    @abstractmethod
    def apply(self, wanted: Wanted, plan: Transaction) -> Fed:
        """The run itself: exactly the plan, or nothing."""

    @abstractmethod
    def recovery(self, database: Database, integrity: Integrity) -> tuple[Fed, ...]:
        """What brings a run that was cut off to its end; empty when there is nothing that would."""

    @abstractmethod
    def explain(self, carried: Carried) -> Finding | None:
        """Why the run ended as it did, for a person; whether it succeeded is told by the database alone."""

    def again(self, carried: Carried) -> bool:
        """Whether the very same run has to be started once more: it did not begin, or stopped half way on purpose."""
        found = self.explain(carried)
        return found is not None and found.rule == "patch-locked"

    def after(self, database: Database, said: str) -> Database:  # noqa: ARG002 - what a manager said may add to it
        """The database after a run, with what it does not show of itself."""
        return database

    # -- what naming packages takes from them

    def automatic(self) -> frozenset[str]:
        """Names that count as installed automatically, before a run; empty where a run does not change that."""
        return frozenset()

    def marks(self, plan: Transaction, automatic: Collection[str]) -> Fed | None:  # noqa: ARG002 - none to put back
        """What gives those marks back after a run; None when there is nothing to give."""
        return None

    def removals_for(self, kept: Kept, policy: Policy, database: Database) -> tuple[Package, ...]:  # noqa: ARG002 - the same
        """The packages that would have to go for one that is kept back, if the policy lets all of them go."""
        return ()


def package_words(packages: Sequence[Package]) -> list[list[str]]:
    """Packages as JSON values."""
    return [[package.name, package.arch, package.version] for package in packages]
