"""What waits on a host with apt, whether it is about security, and why something stays behind.

Whether an update mends a security hole is told by where it comes from, and the candidate's own origins are not enough.
After a point release the candidate comes from the main archive alone, while a security fix between the two still stands
above the installed version in the table of versions: it is a security update all the same.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ronde.facts.patch.apt import Source, ask
from ronde.facts.patch.apt_simulation import Runs, Step, transaction_of
from ronde.facts.patch.reading import SOLVE_LIMIT, unusable
from ronde.facts.question import Question
from ronde.model.check import Finding
from ronde.model.command import Answer
from ronde.model.patch.packages import Database, Kept, KeptReason, Pending, Simulation

_SOURCE_ROW = re.compile(r" {8} *-?\d+ (.+)")
_INSTALLED_ROW = " *** "
_CANDIDATE = re.compile(r"^  Candidate: (.+)$", re.MULTILINE)
_INSTALLED = re.compile(r"^  Installed: (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Versions:
    """The table of versions of one package: what is installed, what is offered, and who offers anything newer."""

    installed: str
    candidate: str
    newer: frozenset[Source]


def waiting(runs: Runs) -> tuple[str, ...]:
    """Names of everything that could be newer, or is kept back: what the tables of versions are asked about."""
    upgrades = {label for run in (runs.planned, runs.unphased, runs.free, runs.unpinned) for label in run.upgrades}
    return tuple(sorted(upgrades | runs.planned.kept))


def versions_question(labels: Sequence[str]) -> Question:
    return ask("apt-cache", "policy", *labels, limit=SOLVE_LIMIT)


def parse_versions(answer: Answer, sources: Sequence[Source]) -> Mapping[str, Versions] | Finding:
    """By the name that apt uses: bare for the host's own architecture and for `all`."""
    bad = unusable("apt-cache", answer)
    if bad:
        return bad
    by_line = {source.line: source for source in sources}
    tables = re.split(r"^(?=\S)", answer.text, flags=re.MULTILINE)
    return {table.partition("\n")[0].removesuffix(":"): _versions(table, by_line) for table in tables if table.strip()}


def _versions(table: str, by_line: Mapping[str, Source]) -> Versions:
    installed, candidate = _INSTALLED.search(table), _CANDIDATE.search(table)
    newer = frozenset(_newer(table.partition("Version table:\n")[2].splitlines(), by_line))
    return Versions(installed[1] if installed else "", candidate[1] if candidate else "", newer)


def _newer(rows: Sequence[str], by_line: Mapping[str, Source]) -> Iterator[Source]:
    """Rows stand newest first: what stands above the installed version is newer."""
    for row in rows:
        if row.startswith(_INSTALLED_ROW):
            return
        match = _SOURCE_ROW.fullmatch(row)
        if match and match[1].strip() in by_line:
            yield by_line[match[1].strip()]


@dataclass(frozen=True, slots=True)
class Look:
    """All that is needed to tell what waits, each of it known."""

    runs: Runs
    versions: Mapping[str, Versions]
    sources: tuple[Source, ...]
    held: frozenset[str]
    database: Database

    def of(self, label: str) -> Versions | None:
        """The table of a package by its label; apt's tables name the host's own architecture by the bare name."""
        return self.versions.get(label) or self.versions.get(label.partition(":")[0])


def simulation(look: Look) -> Simulation:
    """What apt would do, what waits, and each thing that stays with its reason."""
    runs = look.runs
    steps = runs.unpinned.upgrades | runs.free.upgrades | runs.unphased.upgrades | runs.planned.upgrades
    pinned = steps.keys() - runs.free.upgrades.keys() - runs.unphased.upgrades.keys() - runs.planned.upgrades.keys()
    pending = [_pending(steps[label], look) for label in sorted(steps)]
    told = tuple(one for one in pending if one.label not in pinned or one.security)
    stuck = tuple(_stuck(look, {step.name for step in steps.values()} | steps.keys()))
    kept = (_kept(one.label, look) for one in told if one.label not in runs.planned.upgrades)
    broken = (Kept(one.label, _stuck_reason(one, look), "its dependencies cannot be had") for one in stuck)
    return Simulation(transaction_of(runs.planned, look.database), (*told, *stuck), (*kept, *broken))


def _pending(step: Step, look: Look) -> Pending:
    versions = look.of(step.label)
    security = True if step.security else _security(versions, look)
    return Pending(step.name, step.arch, step.old, step.new, security, step.origins)


def _security(versions: Versions | None, look: Look) -> bool | None:
    """No only counts from a vendor that keeps its security updates apart on this very host; else nobody told."""
    if versions is None or not versions.newer:
        return None
    if any(source.security for source in versions.newer):
        return True
    telling = {source.vendor for source in look.sources if source.security}
    return False if {source.vendor for source in versions.newer} <= telling else None


def _stuck(look: Look, known: set[str]) -> Iterator[Pending]:
    """What apt keeps back although no simulation, however free, would install it."""
    for named in sorted(look.runs.planned.kept - known):
        versions, (name, _, arch) = look.of(named), named.partition(":")
        old, new = (versions.installed, versions.candidate) if versions else ("", "")
        own = next((entry.package.arch for entry in look.database.entries if entry.package.name == name), "")
        yield Pending(name, arch or own, old, new, _security(versions, look))


def _stuck_reason(pending: Pending, look: Look) -> KeptReason:
    return KeptReason.HELD if {pending.name, pending.label} & look.held else KeptReason.BROKEN


def _kept(label: str, look: Look) -> Kept:
    """Why a package that some freer simulation would upgrade stays as it is; the host's own word comes first."""
    runs, name = look.runs, label.partition(":")[0]
    if {name, label} & look.held:
        return Kept(label, KeptReason.HELD)
    if label in runs.unphased.upgrades or {name, label} & runs.planned.deferred:
        return Kept(label, KeptReason.PHASED)
    if label not in runs.free.upgrades:
        return Kept(label, KeptReason.PINNED)
    goes = sorted({named for named, _ in runs.free.goes} - {named for named, _ in runs.planned.goes})
    if goes:
        return Kept(label, KeptReason.NEEDS_REMOVAL, f"apt would remove {', '.join(goes)}")
    return Kept(label, KeptReason.UNKNOWN)
