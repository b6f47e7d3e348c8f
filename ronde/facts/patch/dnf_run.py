"""What dnf 4 would do and does, whether it went to its end, and what it says of a reboot.

Exit statuses say little: 1 is an error and also every preview (`--assumeno`), 0 is what `upgrade` ends with after it
skipped a package, found no match for one of several names, or a `%post` scriptlet failed.
"""

import re
from collections.abc import Sequence

from ronde.facts.patch import rpm
from ronde.facts.patch.dnf import CACHED, LOCKED, UNWAITING, ask, holder, unreadable
from ronde.facts.patch.dnf_family import (
    APPLY_LIMIT,
    Dialect,
    Preview,
    duplicates_command,
    failed_run,
    read_preview,
    read_reboot,
    unchecked,
    upgrade_words,
)
from ronde.facts.patch.dnf_table import DNF4
from ronde.facts.patch.reading import LOOK_LIMIT
from ronde.facts.question import Question
from ronde.model.check import Finding
from ronde.model.command import Answer, Command
from ronde.model.patch.audit import Integrity
from ronde.model.patch.packages import Database, Package, Transaction
from ronde.model.patch.reboot import Signal
from ronde.model.patch.thresholds import unknown

_ERRORS = ("Error", "error:", " Problem", "  - ")
_DIALECT = Dialect("dnf", DNF4, unreadable, no_plugin="No such command")


def preview_question(targets: Sequence[Package] = ()) -> Question:
    """What an upgrade would do: of exactly these, or without targets of everything that can be had."""
    return ask("-C", "--assumeno", *upgrade_words(targets))


def parse_preview(answer: Answer, database: Database) -> Preview | Finding:
    """What would happen, and what is skipped."""
    if answer.exit_status in {0, 1} and not answer.truncated:
        if "Error: No packages marked for upgrade." in answer.error_text:
            return Transaction(), {}
        if "There are no enabled repositories" in answer.error_text:
            return unknown("patch-no-repository", "No repository is defined.")
    return read_preview(_DIALECT, answer, database)


def apply_command(targets: Sequence[Package]) -> Command:
    """The run itself. It does not wait for another program's lock, but ends with 200."""
    words = ("dnf", "-y", UNWAITING, *upgrade_words(targets))
    return Command(words, timeout=APPLY_LIMIT)


def explain(status: int | None, said: str) -> Finding | None:
    """Why a run ended as it did, for a person; whether it succeeded is told by the package database alone."""
    if status == 0:
        return None
    if status == LOCKED:
        return unknown("patch-locked", holder(said), exit_status=status)
    return failed_run("dnf", status, said, _ERRORS)


def reboot_question() -> Question:
    return ask("needs-restarting", "-r")


def parse_reboot(answer: Answer) -> Signal | Finding:
    return read_reboot(_DIALECT, answer)


def integrity_question() -> Question:
    return ask(*CACHED, "check")


def history_question() -> Question:
    return ask("-q", "history", "info", "last", limit=LOOK_LIMIT)


def parse_integrity(checked: Answer, last: Answer) -> Integrity | Finding:
    """Unmet dependencies and duplicates, and whether the last run ever came to its end.

    A run that was killed has no database digest at its end. It also has one when it is running now: ask who holds the
    lock before this is believed.
    """
    lines = tuple(line.strip() for line in checked.text.splitlines() if line.strip())
    untold = None if "No transaction" in last.error_text else unreadable(last)
    bad = unchecked("dnf", checked, lines) or untold
    if bad:
        return bad
    unmet = tuple(line for line in lines if "missing requires" in line)
    number = re.search(r"^Transaction ID : (\d+)$", last.text, re.MULTILINE)
    open_end = number and re.search(r"^End rpmdb +: +\**$", last.text, re.MULTILINE)
    journal = (f"transaction {number[1]} never ended",) if number and open_end else ()
    return Integrity(journal, tuple(line for line in lines if line not in unmet), unmet)


def recovery_commands(integrity: Integrity) -> tuple[Command, ...]:
    return duplicates_command(integrity, "dnf", "-y", UNWAITING)


def holders_question() -> Question:
    return rpm.holders_question(rpm.DNF_LOCKS)


def parse_holders(answer: Answer) -> tuple[str, ...] | Finding:
    return rpm.parse_holders(answer)
