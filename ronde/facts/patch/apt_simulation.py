"""What apt would do: its simulations, and the plan in each of them.

Four of them are asked. apt prints "kept back" without a reason, and prints nothing at all of what it keeps; so the
reasons are found (`apt_waiting`) by asking again with one obstacle taken away each time:

- `planned`: `upgrade --with-new-pkgs`. Without that option every new kernel is only "kept back": it is a new package.
- `unphased`: the same without the vendor's phasing. What appears only here is deferred for this host, not missing.
- `free`: `dist-upgrade` without holds and phasing. What appears only here is held, or wants another package gone.
- `unpinned`: the same without the host's preferences. A security update that appears only here is pinned away, of which
  no other simulation shows a trace: its candidate is the installed version.

Simulations take no lock and need no rights, and end with 0 while dpkg is broken or interrupted: they say what would be
done, not that it can be.
"""

import re
from dataclasses import dataclass

from ronde.facts.patch.apt import ask, refused, secure
from ronde.facts.patch.reading import SOLVE_LIMIT, common_failure, cut, not_understood
from ronde.facts.question import Question
from ronde.model.check import Finding
from ronde.model.command import Answer
from ronde.model.patch.debian_version import version_key
from ronde.model.patch.packages import Change, Database, Package, Transaction
from ronde.model.patch.thresholds import critical

SIMULATE = ("-s", "-q", "-o", "Debug::NoLocking=true")
_UNPHASED = ("-o", "APT::Get::Always-Include-Phased-Updates=true")
_FREE = (*_UNPHASED, "--ignore-hold")
_UNPINNED = (*_FREE, "-o", "Dir::Etc::preferences=/dev/null", "-o", "Dir::Etc::preferencesparts=/dev/null")
_PLAN = ("--with-new-pkgs", "upgrade")
_ALL = ("dist-upgrade",)
# `Inst name [old] (new Label:Version/Archive, Label:Archive [arch]) [...]`; a local file has no origin.
_INST = re.compile(r"^Inst (\S+)(?: \[([^\]]+)\])? \((\S+)(?: (.+?))? \[([^\]]+)\]\)", re.MULTILINE)
_GOES = re.compile(r"^(?:Remv|Purg) (\S+) \[([^\]]+)\]", re.MULTILINE)
_ACT = re.compile(r"^(?:Inst|Remv|Purg) ", re.MULTILINE)
_UNMET = re.compile(r"^ \S+ : .+$", re.MULTILINE)
_KEPT = re.compile(r"^The following packages have been kept back:\n((?:  .*\n)+)", re.MULTILINE)
_DEFERRED = re.compile(r"^The following upgrades have been deferred due to phasing:\n((?:  .*\n)+)", re.MULTILINE)
_SUMMARY = re.compile(r"^\d+ upgraded, .*$", re.MULTILINE)
_COUNT = re.compile(r"(\d+) (?:upgraded|newly installed|reinstalled|downgraded|to remove)")


@dataclass(frozen=True, slots=True)
class Step:
    """One package that a run would install: `old` is empty when it is new. Origins are `Label:Version/Archive`."""

    name: str
    arch: str
    old: str
    new: str
    origins: tuple[str, ...]

    @property
    def label(self) -> str:
        return f"{self.name}:{self.arch}"

    @property
    def security(self) -> bool:
        return any(_secure(origin) for origin in self.origins)


def _secure(origin: str) -> bool:
    """`Debian-Security:12/stable-security`; the version between the two may be missing."""
    label, _, release = origin.rpartition(":")
    return secure(label, release.rpartition("/")[2])


@dataclass(frozen=True, slots=True)
class Run:
    """One simulated run.

    Attributes:
        steps: what would be installed or changed.
        goes: what would go, as apt names it (`goes`, `goes:i386`), with its version.
        kept: names that apt keeps back without a word why; `deferred` those it says are phased (from 2.7.11 on).
    """

    steps: tuple[Step, ...]
    goes: tuple[tuple[str, str], ...] = ()
    kept: frozenset[str] = frozenset()
    deferred: frozenset[str] = frozenset()

    @property
    def upgrades(self) -> dict[str, Step]:
        """By label, what is installed in another version now."""
        return {step.label: step for step in self.steps if step.old}


@dataclass(frozen=True, slots=True)
class Runs:
    """The four simulations of the module's head."""

    planned: Run
    unphased: Run
    free: Run
    unpinned: Run


def runs_questions() -> tuple[Question, Question, Question, Question]:
    """The four simulations, in the order in which `parse_runs` takes their answers."""
    options = (_PLAN, (*_UNPHASED, *_PLAN), (*_FREE, *_ALL), (*_UNPINNED, *_ALL))
    planned, unphased, free, unpinned = (ask("apt-get", *SIMULATE, *some, limit=SOLVE_LIMIT) for some in options)
    return planned, unphased, free, unpinned


def parse_runs(planned: Answer, unphased: Answer, free: Answer, unpinned: Answer) -> Runs | Finding:
    """All four, or the first that is not known: without one of them a reason, or an update, would be missing."""
    runs = []
    for answer in (planned, unphased, free, unpinned):
        run = parse_run(answer)
        if isinstance(run, Finding):
            return run
        runs.append(run)
    return Runs(*runs)


def tell_all(planned: Run, unpinned: Run) -> bool:
    """Whether the first and the last simulation leave nothing to explain, so that the two between need not be asked.

    So it is when nothing is kept back, nothing would go, and with every obstacle away no other package would be newer.
    """
    silent = not (planned.kept or planned.deferred or planned.goes or unpinned.goes)
    return silent and unpinned.upgrades.keys() == planned.upgrades.keys()


def parse_run(answer: Answer) -> Run | Finding:
    """One simulation. Every act must be understood, and be as many as apt itself counts: half a plan is none."""
    bad = _failed(answer)
    if bad:
        return bad
    said = answer.text
    steps = tuple(_step(match) for match in _INST.finditer(said))
    goes = tuple((match[1], match[2]) for match in _GOES.finditer(said))
    summary = _SUMMARY.search(said)
    counted = sum(map(int, _COUNT.findall(summary[0]))) if summary else -1
    if not len(steps) + len(goes) == len(_ACT.findall(said)) == counted:
        return not_understood("apt-get", answer, "its plan is not what it says it would do")
    return Run(steps, goes, _names(_KEPT, said), _names(_DEFERRED, said))


def _failed(answer: Answer) -> Finding | None:
    if answer.exit_status == 0:
        return cut(answer)
    unmet = [line.strip() for line in _UNMET.findall(answer.text + answer.error_text)]
    if unmet:
        return critical("patch-broken-dependencies", f"apt cannot work out a run: {unmet[0]}", unmet=unmet)
    return common_failure("apt-get", answer) or refused(answer) or not_understood("apt-get", answer)


def _step(match: re.Match[str]) -> Step:
    name, old, new, origins, arch = match.groups()
    listed = tuple(part for part in (origins or "").split(", ") if part)
    return Step(name.partition(":")[0], arch, old or "", new, listed)


def _names(heading: re.Pattern[str], said: str) -> frozenset[str]:
    match = heading.search(said)
    return frozenset(match[1].split()) if match else frozenset()


def transaction_of(run: Run, database: Database) -> Transaction:
    """A simulated run in the words of every package manager; the database tells the architecture of what goes."""
    changes = [Change(step.name, step.arch, step.old, step.new) for step in run.steps if step.old]
    back = [change for change in changes if version_key(change.after) < version_key(change.before)]
    return Transaction(
        upgrade=tuple(change for change in changes if change not in back),
        downgrade=tuple(back),
        new_dependencies=tuple(Package(step.name, step.arch, step.new) for step in run.steps if not step.old),
        remove=tuple(_going(name, version, database) for name, version in run.goes),
    )


def _going(named: str, version: str, database: Database) -> Package:
    """What goes, by the name that apt gives it: without an architecture where that is the host's own, or `all`."""
    name, _, arch = named.partition(":")
    found = [entry.package for entry in database.entries if entry.package.name == name]
    matching = [package for package in found if package.arch == arch or (not arch and package.arch in _own(database))]
    return matching[0] if matching else Package(name, arch, version)


def _own(database: Database) -> tuple[str, ...]:
    return ("all", *(entry.package.arch for entry in database.entries if entry.package.name == "dpkg"))
