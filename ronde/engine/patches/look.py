"""One look at one host: what all package managers have in common, and how questions go out in few round trips."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from ronde.engine.backups.asking import Interview
from ronde.facts.patch.kernel import marker_question, parse_marker
from ronde.facts.patch.leftovers import leftovers_question, parse_leftovers
from ronde.facts.patch.needrestart import (
    absent,
    parse_restart,
    parse_scan,
    restart_question,
    scan_question,
)
from ronde.facts.patch.rights import as_root, refused
from ronde.facts.question import Question
from ronde.model.check import Finding
from ronde.model.command import Answer
from ronde.model.patch.audit import Audit, Manager, OldServices
from ronde.model.patch.reboot import Signal

NEEDRESTART = "/usr/sbin/needrestart"
FIND = "/usr/bin/find"
Fact = TypeVar("Fact")


@dataclass(frozen=True, slots=True)
class Means:
    """How an audit is made.

    Attributes:
        refresh: whether the repositories may be read anew.
        pause: waits so many seconds, for a lock to be given back.
    """

    refresh: bool
    pause: Callable[[float], None]


class Look(ABC):
    """One manager's way to ask everything.

    Every answer goes into `audit` at once, so that a link that breaks loses only what would have come after.

    Attributes:
        unrefreshed: why the repositories were not read anew, when they were not.
    """

    left: tuple[str, ...]  # how the manager names new configuration files

    def __init__(self, interview: Interview, means: Means, audit: Audit) -> None:
        self.interview = interview
        self.means = means
        self.audit = audit
        self.unrefreshed: Finding | None = None

    @abstractmethod
    def run(self) -> None:
        """Ask everything.

        Raises:
            RemoteError, Fenced, Cancelled: see `Interview.ask`; what was learnt until then is kept.
        """

    def learn(self, **pieces: Any) -> None:
        self.audit = replace(self.audit, **pieces)
        if isinstance(self.audit.manager, Manager):
            self.interview.tool = str(self.audit.manager)

    def ask(self, **questions: Question) -> dict[str, Answer]:
        """All of them in one round trip; the answers by the same names."""
        return dict(zip(questions, self.interview.ask_all(list(questions.values())), strict=True))

    def common(self, *, needrestart: bool) -> dict[str, Question]:
        """Questions about the host that every manager's look asks; `learn_common` takes their answers."""
        programs = restart_question() if needrestart else scan_question()
        return {
            "marker": marker_question(),
            "programs": as_root(NEEDRESTART if needrestart else "/bin/sh", programs),
            "left": as_root(FIND, leftovers_question(self.left)),
        }

    def learn_common(self, answers: dict[str, Answer], *signals: Signal | Finding, needrestart: bool) -> None:
        """Files left, programs on old files, and every word about a reboot, those of the manager among them."""
        restart, services = _programs(answers["programs"], needrestart=needrestart)
        self.learn(
            reboot=(parse_marker(answers["marker"]), restart, *signals),
            services=services,
            leftovers=known(parse_leftovers, answers["left"]),
        )


def known(parse: Callable[..., Fact | Finding], *answers: Answer) -> Fact | Finding:
    """The fact, or the finding in its place; what sudo refused was not asked at all."""
    no = next((found for answer in answers if (found := refused(answer)) is not None), None)
    return no or parse(*answers)


def _programs(answer: Answer, *, needrestart: bool) -> tuple[Signal, OldServices | Finding]:
    """The word of needrestart on a reboot, and the programs; from /proc alone where it is not installed."""
    if not needrestart:
        return absent(), known(parse_scan, answer)
    told = known(parse_restart, answer)
    return (Signal("needrestart", None, told.message), told) if isinstance(told, Finding) else told
