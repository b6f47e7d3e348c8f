"""What dnf 4 would do and does, whether it went to its end, and what it says of a reboot.

Exit statuses say little: 1 is an error and also every preview (`--assumeno`), 0 is what `upgrade` ends with after it
skipped a package, found no match for one of several names, or a `%post` scriptlet failed.
"""

import re
from collections.abc import Mapping, Sequence

from ronde.facts.patch.dnf import CACHED, LOCKED, TOLERANT, UNWAITING, ask, holder, unreadable
from ronde.facts.patch.dnf_table import read_table
from ronde.facts.patch.reading import LOOK_LIMIT, common_failure, cut, not_understood
from ronde.facts.patch.rpm import nevra
from ronde.facts.question import Question
from ronde.facts.reading import Unreadable
from ronde.model.check import Finding
from ronde.model.command import Answer, Command
from ronde.model.patch.audit import Integrity
from ronde.model.patch.packages import Database, Package, Transaction
from ronde.model.patch.reboot import Signal
from ronde.model.patch.thresholds import critical, unknown

APPLY_LIMIT = 4 * 3600.0  # seconds; a whole minor release over a slow line


def preview_question(targets: Sequence[Package] = ()) -> Question:
    """What an upgrade would do: of exactly these, or without targets of everything that can be had."""
    return ask("-C", "--assumeno", *_upgrade(targets))


def _upgrade(targets: Sequence[Package]) -> tuple[str, ...]:
    """The words that preview and run have in common, so that they cannot part.

    `best=1`: a named version that cannot be installed is an error, and not skipped with "Complete!" and status 0.
    """
    best = "--setopt=best=1" if targets else "--setopt=best=0"
    return (best, TOLERANT, "upgrade", *sorted(nevra(package) for package in targets))


def parse_preview(answer: Answer, database: Database) -> tuple[Transaction, Mapping[str, str]] | Finding:
    """What would happen, and what is skipped (label → why). A preview ends with 1 unless there is nothing to do."""
    if answer.truncated or answer.exit_status not in {0, 1}:
        return cut(answer) or unreadable(answer) or not_understood("dnf", answer)
    said = answer.error_text
    if "Operation aborted." not in said:
        return _nothing(answer)
    try:
        transaction, skipped = read_table(answer.text, database)
    except Unreadable as error:
        return not_understood("dnf", answer, str(error))
    return transaction, {package.label: _problem(package, said) for package in skipped}


def _nothing(answer: Answer) -> tuple[Transaction, Mapping[str, str]] | Finding:
    """A preview that did not come to the question: nothing to do, or an error."""
    idle = answer.exit_status == 0 and "Nothing to do." in answer.text
    if idle or "Error: No packages marked for upgrade." in answer.error_text:
        return Transaction(), {}
    if "There are no enabled repositories" in answer.error_text:
        return unknown("patch-no-repository", "No repository is defined.")
    _, problem, why = answer.error_text.partition("\n Problem")
    if problem:
        told = " / ".join(line.strip(" -:") for line in why.splitlines())[:300]
        return critical("patch-broken-dependencies", f"dnf cannot work out the run: {told}")
    return not_understood("dnf", answer)


def _problem(package: Package, said: str) -> str:
    telling = [line.strip(" -") for line in said.splitlines() if nevra(package) in line]
    return telling[-1] if telling else "its dependencies cannot be had"


def apply_command(targets: Sequence[Package]) -> Command:
    """The run itself. It does not wait for another program's lock, but ends with 200."""
    words = ("dnf", "-y", UNWAITING, *_upgrade(targets))
    return Command(words, timeout=APPLY_LIMIT)


def explain(status: int | None, said: str) -> Finding | None:
    """Why a run ended as it did, for a person; whether it succeeded is told by the package database alone."""
    if status == 0:
        return None
    if status == LOCKED:
        return unknown("patch-locked", holder(said), exit_status=status)
    lines = [line for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("Error", "error:", " Problem", "  - "))]
    told = " / ".join(line.strip() for line in errors[-4:] or lines[:2])[:300] or "nothing"
    return critical("patch-package-failed", f"dnf ended with exit status {status}: {told}", exit_status=status)


def reboot_question() -> Question:
    return ask("needs-restarting", "-r")


def parse_reboot(answer: Answer) -> Signal | Finding:
    """The plugin's word, which it must have spoken: without the plugin the exit status is 1 as well."""
    if answer.exit_status == 1 and "Reboot is required" in answer.text:
        names = ", ".join(re.findall(r"^ +\* (\S+)$", answer.text, re.MULTILINE))
        return Signal("needs-restarting", needed=True, reason=f"Updated since boot: {names}.", evidence=names)
    if answer.exit_status == 0 and "Reboot should not be necessary" in answer.text:
        reason = "No core library or service was updated since boot."
        return Signal("needs-restarting", needed=False, reason=reason)
    if "No such command" in answer.error_text:
        return Signal("needs-restarting", None, "The needs-restarting plugin of dnf is not installed.")
    return common_failure("dnf", answer) or not_understood("dnf needs-restarting", answer)


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
    told = re.search(r"Check discovered (\d+) problem", checked.error_text)
    understood = checked.exit_status == 0 and not lines
    understood |= checked.exit_status == 1 and told is not None and int(told[1]) == len(lines)
    if checked.truncated or not understood:
        return cut(checked) or common_failure("dnf", checked) or not_understood("dnf check", checked)
    bad = unreadable(last)
    if bad and "No transaction" not in last.error_text:
        return bad
    unmet = tuple(line for line in lines if "missing requires" in line)
    number = re.search(r"^Transaction ID : (\d+)$", last.text, re.MULTILINE)
    open_end = number and re.search(r"^End rpmdb +: +\**$", last.text, re.MULTILINE)
    journal = (f"transaction {number[1]} never ended",) if number and open_end else ()
    return Integrity(journal, tuple(line for line in lines if line not in unmet), unmet)


def recovery_commands(integrity: Integrity) -> tuple[Command, ...]:
    """What mends a run that was cut off: the older halves go, the newer ones are installed again with their scripts."""
    if not any("is a duplicate with" in line for line in integrity.audit):
        return ()
    return (Command(("dnf", "-y", UNWAITING, "remove", "--duplicates"), timeout=APPLY_LIMIT),)
