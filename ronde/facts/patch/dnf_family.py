"""What dnf 4 and dnf5 have in common: the questions that both answer, and how their answers are read.

`dnf` and `dnf_run` are for the one, `dnf5` and `dnf5_run` for the other: modules of one shape (`Facts`, `Runs`), each
with the words of its own tool.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from ronde.facts.patch.dnf_table import Layout, read_table
from ronde.facts.patch.reading import common_failure, cut, not_understood
from ronde.facts.patch.rpm import nevra
from ronde.facts.patch.rpm_updates import Advisory, Offer
from ronde.facts.question import Question
from ronde.facts.reading import Unreadable
from ronde.model.check import Finding
from ronde.model.command import Answer, Command
from ronde.model.patch.audit import Integrity, Manager, Metadata, RepositoryFault
from ronde.model.patch.evr import evr
from ronde.model.patch.packages import Database, Package, Transaction
from ronde.model.patch.reboot import Signal
from ronde.model.patch.thresholds import critical

APPLY_LIMIT = 4 * 3600.0  # seconds; a whole minor release over a slow line
TOLERANT = "--setopt=*.skip_if_unavailable=1"
FORMAT = "%{name}\t%{epoch}\t%{version}\t%{release}\t%{arch}\t%{repoid}"
_UNSOLVED = re.compile(r"^(?:Failed to resolve the transaction:| Problem)", re.MULTILINE)

Preview = tuple[Transaction, Mapping[str, str]]
"""What would happen, and what is skipped: label → why."""


class Facts(Protocol):
    """What waits on a host."""

    def version_question(self) -> Question: ...
    def parse_version(self, answer: Answer) -> Manager | Finding: ...
    def refresh_question(self) -> Question: ...
    def parse_refresh(self, answer: Answer) -> tuple[RepositoryFault, ...] | Finding: ...
    def repositories_question(self) -> Question: ...
    def parse_repositories(self, answer: Answer, faults: Sequence[RepositoryFault]) -> Metadata | Finding: ...
    def upgrades_question(self, *, excluded: bool = False) -> Question: ...
    def parse_upgrades(self, answer: Answer) -> tuple[Offer, ...] | Finding: ...
    def advisories_question(self) -> Question: ...
    def references_question(self) -> Question: ...
    def parse_advisories(self, listed: Answer, detailed: Answer) -> tuple[Advisory, ...] | Finding: ...
    def advised_question(self, repositories: Sequence[str]) -> Question: ...
    def parse_advised(self, answer: Answer) -> frozenset[str] | Finding: ...
    def locks_question(self) -> Question: ...
    def parse_locks(self, answer: Answer) -> frozenset[str] | Finding: ...


class Runs(Protocol):
    """What a run would do and does, and whether it went to its end."""

    def preview_question(self, targets: Sequence[Package] = ()) -> Question: ...
    def parse_preview(self, answer: Answer, database: Database) -> Preview | Finding: ...
    def apply_command(self, targets: Sequence[Package]) -> Command: ...
    def explain(self, status: int | None, said: str) -> Finding | None: ...
    def integrity_question(self) -> Question: ...
    def history_question(self) -> Question: ...
    def parse_integrity(self, checked: Answer, last: Answer) -> Integrity | Finding: ...
    def recovery_commands(self, integrity: Integrity) -> tuple[Command, ...]: ...
    def reboot_question(self) -> Question: ...
    def parse_reboot(self, answer: Answer) -> Signal | Finding: ...
    def holders_question(self) -> Question: ...
    def parse_holders(self, answer: Answer) -> tuple[str, ...] | Finding: ...


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one of the two speaks of a run.

    Attributes:
        layout: of the table that shows it.
        unreadable: the finding in place of an answer that did not succeed in full; None when it may be read.
        no_plugin: what it says of a command that a plugin would bring.
    """

    tool: str
    layout: Layout
    unreadable: Callable[[Answer], Finding | None]
    no_plugin: str


def read_version(tool: str, pattern: "re.Pattern[str]", answer: Answer) -> Manager | Finding:
    match = pattern.search(answer.text)
    if answer.exit_status == 0 and match:
        return Manager(tool, tuple(int(number) for number in match.groups()))
    return common_failure(tool, answer) or not_understood(tool, answer)


def read_offers(tool: str, answer: Answer) -> tuple[Offer, ...] | Finding:
    """The lines of `repoquery` in our `FORMAT`."""
    offers = []
    for line in answer.text.splitlines():
        columns = line.split("\t")
        if len(columns) != 6 or not columns[1].isdecimal():
            return not_understood(f"{tool} repoquery", answer, f"a line we do not know: {line[:80]!r}")
        name, epoch, version, release, arch, repository = columns
        offers.append(Offer(Package(name, arch, evr(int(epoch), version, release)), repository))
    return tuple(offers)


def gathered(rows: Iterable[Advisory], cves: Mapping[str, tuple[str, ...]]) -> tuple[Advisory, ...]:
    """One of each advisory, from rows that name one package each."""
    found: dict[str, Advisory] = {}
    for row in rows:
        before = found.get(row.id, row)
        found[row.id] = replace(
            before,
            security=before.security or row.security,
            severity=before.severity or row.severity,
            cves=cves.get(row.id, ()),
            packages=before.packages | row.packages,
        )
    return tuple(found.values())


def read_advised(answer: Answer) -> frozenset[str]:
    """The repositories of which something was told; each begins with a line `= NAME`."""
    parts = f"\n{answer.text}".split("\n= ")[1:]
    told = (part.partition("\n") for part in parts)
    return frozenset(name for name, _, body in told if body.strip() not in {"", "[]"})


def upgrade_words(targets: Sequence[Package]) -> tuple[str, ...]:
    """The words that preview and run have in common, so that they cannot part.

    `best=1`: a named version that cannot be installed is an error, and not skipped with "Complete!" and status 0.
    """
    best = "--setopt=best=1" if targets else "--setopt=best=0"
    return (best, TOLERANT, "upgrade", *sorted(nevra(package) for package in targets))


def read_preview(dialect: Dialect, answer: Answer, database: Database) -> Preview | Finding:
    """What would happen, and what is skipped. A preview ends with 1 unless there is nothing to do."""
    tool = dialect.tool
    if answer.truncated or answer.exit_status not in {0, 1}:
        return cut(answer) or dialect.unreadable(answer) or not_understood(tool, answer)
    said = answer.error_text
    if "Operation aborted" not in said:
        return _nothing(tool, answer)
    try:
        transaction, skipped = read_table(answer.text, database, dialect.layout)
    except Unreadable as error:
        return not_understood(tool, answer, str(error))
    return transaction, {package.label: _problem(package, said) for package in skipped}


def _nothing(tool: str, answer: Answer) -> Preview | Finding:
    """A preview that did not come to the question: nothing to do, or an error."""
    if answer.exit_status == 0 and "Nothing to do." in answer.text:
        return Transaction(), {}
    unsolved = _UNSOLVED.search(answer.error_text)
    if unsolved:
        lines = answer.error_text[unsolved.end() :].splitlines()
        told = " / ".join(stripped for line in lines if (stripped := line.strip(" -:")))[:300]
        return critical("patch-broken-dependencies", f"{tool} cannot work out the run: {told}")
    return not_understood(tool, answer)


def _problem(package: Package, said: str) -> str:
    telling = [line.strip(" -") for line in said.splitlines() if nevra(package) in line]
    return telling[-1] if telling else "its dependencies cannot be had"


def failed_run(tool: str, status: int | None, said: str, errors: tuple[str, ...]) -> Finding:
    """A run that ended in failure, in its own words: the last lines that begin with one of `errors`."""
    lines = [line for line in said.splitlines() if line.strip()]
    chosen = [line for line in lines if line.startswith(errors)]
    told = " / ".join(line.strip() for line in chosen[-4:] or lines[:2])[:300] or "nothing"
    return critical("patch-package-failed", f"{tool} ended with exit status {status}: {told}", exit_status=status)


def read_reboot(dialect: Dialect, answer: Answer) -> Signal | Finding:
    """The plugin's word, which it must have spoken: the exit status alone is also that of other things."""
    tool = dialect.tool
    if answer.exit_status == 1 and "Reboot is required" in answer.text:
        names = ", ".join(re.findall(r"^ +\* (\S+)$", answer.text, re.MULTILINE))
        return Signal("needs-restarting", needed=True, reason=f"Updated since boot: {names}.", evidence=names)
    if answer.exit_status == 0 and "Reboot should not be necessary" in answer.text:
        reason = "No core library or service was updated since boot."
        return Signal("needs-restarting", needed=False, reason=reason)
    if dialect.no_plugin in answer.error_text:
        return Signal("needs-restarting", None, f"The needs-restarting plugin of {tool} is not installed.")
    return common_failure(tool, answer) or not_understood(f"{tool} needs-restarting", answer)


def unchecked(tool: str, checked: Answer, problems: Sequence[str]) -> Finding | None:
    """The finding in place of an answer of `check`, unless it counts exactly these problems; None when it does."""
    told = re.search(r"Check discovered (\d+) problem", checked.error_text)
    understood = checked.exit_status == 0 and not problems
    understood |= checked.exit_status == 1 and told is not None and int(told[1]) == len(problems)
    if understood and not checked.truncated:
        return None
    return cut(checked) or common_failure(tool, checked) or not_understood(f"{tool} check", checked)


def duplicates_command(integrity: Integrity, *words: str) -> tuple[Command, ...]:
    """What mends a run that was cut off: the older halves go, the newer ones are installed again with their scripts."""
    if not any("duplicate with" in line for line in integrity.audit):
        return ()
    return (Command((*words, "remove", "--duplicates"), timeout=APPLY_LIMIT),)
