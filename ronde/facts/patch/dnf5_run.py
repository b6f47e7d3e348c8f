"""What dnf5 would do and does, whether it went to its end, and what it says of a reboot; held against 5.4.6.

Exit statuses say little here too: 1 is an error, every preview, and a run of which a `%post` scriptlet failed after
everything had been installed (0 in earlier versions of rpm).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ronde.facts.patch import file_locks
from ronde.facts.patch.dnf5 import ask, unreadable
from ronde.facts.patch.dnf_family import (
    APPLY_LIMIT,
    TOLERANT,
    Dialect,
    Preview,
    duplicates_command,
    failed_run,
    read_preview,
    read_reboot,
    unchecked,
    upgrade_words,
)
from ronde.facts.patch.dnf_table import DNF5
from ronde.facts.patch.reading import LOOK_LIMIT, not_understood
from ronde.facts.question import Question
from ronde.facts.reading import Unreadable, items, loads, mapping, text
from ronde.model.check import Finding
from ronde.model.command import Answer, Command
from ronde.model.patch.audit import Integrity
from ronde.model.patch.packages import Database, Package
from ronde.model.patch.reboot import Signal
from ronde.model.patch.thresholds import unknown

LOCKS = (
    "/run/dnf/rpmtransaction.lock",
    "/var/lib/dnf/system-repo.lock",
    "/var/lib/rpm/.rpm.lock",
    "/usr/lib/sysimage/rpm/.rpm.lock",
)
_LOCKED = "Failed to obtain rpm transaction lock"
_ERRORS = (">>> ", "Problem", "  - ", "Failed", "Transaction failed", "No match", "Error")
_DIALECT = Dialect("dnf5", DNF5, unreadable, no_plugin='Unknown argument "needs-restarting"')


def preview_question(targets: Sequence[Package] = ()) -> Question:
    """What an upgrade would do: of exactly these, or without targets of everything that can be had."""
    return ask("-C", "--assumeno", *upgrade_words(targets))


def parse_preview(answer: Answer, database: Database) -> Preview | Finding:
    """What would happen, and what is skipped."""
    return read_preview(_DIALECT, answer, database)


def apply_command(targets: Sequence[Package]) -> Command:
    """The run itself. It waits for another program's lock, and then does what was named or nothing."""
    return Command(("dnf5", "-y", *upgrade_words(targets)), timeout=APPLY_LIMIT)


def explain(status: int | None, said: str) -> Finding | None:
    """Why a run ended as it did, for a person; whether it succeeded is told by the package database alone."""
    if status == 0:
        return None
    if _LOCKED in said:
        return unknown("patch-locked", "Another program held rpm's lock.", exit_status=status)
    return failed_run("dnf5", status, said, _ERRORS)


def reboot_question() -> Question:
    """Not from the cache alone: it wants metadata that `makecache` leaves out, and fails where that is missing."""
    return ask(TOLERANT, "needs-restarting")


def parse_reboot(answer: Answer) -> Signal | Finding:
    return read_reboot(_DIALECT, answer)


def integrity_question() -> Question:
    return ask("check")


def history_question() -> Question:
    return ask("history", "info", "last", "--json", limit=LOOK_LIMIT)


def parse_integrity(checked: Answer, last: Answer) -> Integrity | Finding:
    """Unmet dependencies and duplicates, and whether the last run ever came to its end.

    A run that was killed is `Started` for ever. So is one that is going on now: ask who holds the lock before this is
    believed.
    """
    lines = tuple(_problems(checked.text))
    bad = unchecked("dnf5", checked, lines) or unreadable(last)
    if bad:
        return bad
    try:
        journal = tuple(_unended(mapping(entry)) for entry in items(loads(last.text)))
    except Unreadable as error:
        return not_understood("dnf5 history", last, str(error))
    unmet = tuple(line for line in lines if ": missing require " in line)
    return Integrity(tuple(filter(None, journal)), tuple(line for line in lines if line not in unmet), unmet)


def _problems(said: str) -> Iterator[str]:
    """`slow-0:1.1-1.noarch: duplicate with "…"`: what is wrong stands indented below the package."""
    package = ""
    for line in said.splitlines():
        if line.startswith(" "):
            yield f"{package}: {line.strip()}"
        else:
            package = line.strip()


def _unended(entry: Mapping[str, Any]) -> str:
    number, status = entry.get("id"), text(entry, "status")
    return f"transaction {number} never ended" if status == "Started" else ""


def recovery_commands(integrity: Integrity) -> tuple[Command, ...]:
    return duplicates_command(integrity, "dnf5", "-y")


def holders_question() -> Question:
    return file_locks.holders_question(LOCKS)


def parse_holders(answer: Answer) -> tuple[str, ...] | Finding:
    return file_locks.parse_holders(answer, LOCKS)
