"""What a run came to, from the package database before and after it; the exit status of the manager says nothing here.

apt ends with 100 after upgrading all but one package, and dnf ends with 0 after skipping some. So each planned package
is looked up: it is at its version and fully installed, or it failed.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ronde.model.check import Finding
from ronde.model.patch.packages import Database, Package, State, Transaction
from ronde.model.patch.thresholds import critical, unknown, warning


@dataclass(frozen=True, slots=True, order=True)
class Miss:
    """A planned package that did not get there: what was meant, and what the database says now."""

    label: str
    meant: str
    found: str


@dataclass(frozen=True, slots=True, order=True)
class Surprise:
    """A package that changed without being planned; an empty version means it was not, or is no longer, there."""

    label: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the plan.

    Attributes:
        done: planned packages that are as planned.
        failed: planned packages that are not.
        unplanned: what changed besides.
        broken: packages besides the planned ones that are no longer fully installed, with the database's mark.
        held, released: labels held now and not before, and the other way round.
        known: whether both databases could be read; without them nothing above is known.
    """

    done: tuple[Package, ...] = ()
    failed: tuple[Miss, ...] = ()
    unplanned: tuple[Surprise, ...] = ()
    broken: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    released: tuple[str, ...] = ()
    known: bool = True
    findings: tuple[Finding, ...] = ()

    @property
    def succeeded(self) -> bool:
        """Everything planned is in place, nothing is broken, no hold was touched. False when nothing is known."""
        return self.known and not (self.failed or self.broken or self.held or self.released)


def judge_outcome(planned: Transaction, before: Database | Finding | None, after: Database | Finding | None) -> Outcome:
    """The outcome of a run that was to do `planned`; with either database missing, unknown."""
    if not isinstance(before, Database) or not isinstance(after, Database):
        missing = [piece for piece in (before, after) if isinstance(piece, Finding)]
        why = missing[0].message if missing else "It was not asked."
        message = f"What the run came to cannot be told, the package database was not read: {why}"
        return Outcome(known=False, findings=(unknown("patch-outcome-unknown", message),))
    misses = tuple(sorted(_misses(planned, after)))
    missed = frozenset(miss.label for miss in misses)
    meant = (*planned.targets, *planned.remove)
    outcome = Outcome(
        done=tuple(sorted(package for package in meant if package.label not in missed)),
        failed=misses,
        unplanned=tuple(_surprises(planned, missed, before, after)),
        broken=tuple(_broken(missed, before, after)),
        held=tuple(sorted(after.holds - before.holds)),
        released=tuple(sorted(before.holds - after.holds - {package.label for package in planned.remove})),
    )
    return replace(outcome, findings=tuple(_findings(outcome)))


def _misses(planned: Transaction, after: Database) -> Iterator[Miss]:
    for package in planned.targets - after.healthy:
        yield Miss(package.label, package.version, _found(after, package))
    for package in planned.remove:
        if package in after.packages:
            yield Miss(package.label, "removed", f"still installed at {package.version}")
    for change in (*planned.upgrade, *planned.downgrade):
        if change.target in after.healthy and change.source in after.packages:
            yield Miss(change.target.label, change.after, f"{change.before} is still installed beside it")


def _found(after: Database, package: Package) -> str:
    entries = after.of(package.name, package.arch)
    if not entries:
        return "not installed"
    return ", ".join(f"{entry.package.version} ({entry.mark or entry.state})" for entry in entries)


def _surprises(planned: Transaction, missed: frozenset[str], before: Database, after: Database) -> Iterator[Surprise]:
    """What appeared or went without being planned; a planned package at a wrong version is told as a miss already."""
    meant_to_go = {*planned.remove, *(change.source for change in (*planned.upgrade, *planned.downgrade))}
    appeared = after.packages - before.packages - planned.targets
    went = before.packages - after.packages - meant_to_go
    for label in sorted({package.label for package in appeared | went} - missed):
        old = ", ".join(sorted(package.version for package in went if package.label == label))
        new = ", ".join(sorted(package.version for package in appeared if package.label == label))
        yield Surprise(label, old, new)


def _broken(missed: frozenset[str], before: Database, after: Database) -> Iterator[str]:
    """What is no longer fully installed, was before, and is not told as a miss already."""
    was = frozenset(before.broken)
    for entry in after.entries:
        if entry.state is State.BROKEN and entry not in was and entry.package.label not in missed:
            yield f"{entry.package.label} ({entry.mark or entry.state})"


def _findings(outcome: Outcome) -> Iterator[Finding]:
    for miss in outcome.failed:
        message = f"{miss.label} should be {miss.meant} and is {miss.found}."
        yield critical("patch-package-failed", message, package=miss.label, meant=miss.meant, found=miss.found)
    for label in outcome.broken:
        yield critical("patch-broken-package", f"{label} is no longer fully installed after the run.", package=label)
    if outcome.held or outcome.released:
        told = [f"{label} is now held" for label in outcome.held]
        told += [f"{label} is no longer held" for label in outcome.released]
        message = f"The run changed what the host holds: {', '.join(told)}."
        yield critical("patch-holds-changed", message, held=list(outcome.held), released=list(outcome.released))
    for change in outcome.unplanned:
        message = (
            f"{change.label} was not planned and went from {change.before or 'absent'} to {change.after or 'absent'}."
        )
        yield warning("patch-unplanned", message, package=change.label, before=change.before, after=change.after)
