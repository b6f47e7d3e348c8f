"""One whole look at a host, as the engine makes it."""

from collections.abc import Callable
from typing import TypeVar

from lab.rpm_roots import Manager
from ronde.engine.backups.asking import Interview
from ronde.engine.patches.look import Look as EngineLook
from ronde.engine.patches.look import Means
from ronde.engine.patches.rpm import DnfLook, ZypperLook
from ronde.facts.patch import dnf, rpm, zypper
from ronde.facts.question import Question
from ronde.model.check import Finding
from ronde.model.command import Answer
from ronde.model.patch.audit import Audit
from ronde.model.patch.packages import Database
from ronde.ports import Shell
from tests.doubles.shell import WallClock

Fact = TypeVar("Fact")
Look = Callable[[Shell], Audit]


def put(shell: Shell, question: Question) -> Answer:
    return shell.run(question.command)


def told(fact: Fact | Finding) -> Fact:
    assert not isinstance(fact, Finding), fact
    return fact


def refresh(shell: Shell, manager: Manager) -> None:
    """Fill the cache, for tests that need no whole look."""
    put(shell, dnf.refresh_question() if manager == "dnf" else zypper.refresh_question())


def database(shell: Shell) -> Database:
    return told(rpm.parse_database(put(shell, rpm.database_question())))


def look_dnf(shell: Shell) -> Audit:
    return _look(DnfLook, shell)


def look_zypper(shell: Shell) -> Audit:
    return _look(ZypperLook, shell)


def _look(kind: type[EngineLook], shell: Shell) -> Audit:
    look = kind(Interview(shell, WallClock()), Means(refresh=True, pause=_no_pause), Audit())
    look.run()
    return look.audit


def _no_pause(seconds: float) -> None:
    raise AssertionError(f"nothing holds a lock here, and it waits {seconds} s")
