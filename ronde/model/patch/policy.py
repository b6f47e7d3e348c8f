"""What a run may take: which of the waiting updates, and what must stop for a person's word."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from ronde.model.check import Finding
from ronde.model.patch.packages import Kept, KeptReason, Pending, Simulation, Transaction
from ronde.model.patch.thresholds import critical

# Every new kernel is a new package by name; a policy that stopped for each would never patch a kernel.
KERNELS = ("linux-image-*", "linux-headers-*", "linux-modules-*", "linux-kbuild-*", "kernel*")


class Scope(StrEnum):
    SECURITY = "security"  # only updates that the repositories call security updates
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Policy:
    """What runs without asking. All lists are shell globs over bare package names.

    Attributes:
        exclude: never touched, not even as a dependency.
        new: may be installed when an upgrade needs them.
        removals: may be removed.
    """

    scope: Scope = Scope.ALL
    exclude: tuple[str, ...] = ()
    new: tuple[str, ...] = KERNELS
    removals: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Selection:
    """Which waiting updates the run is about, and which stay, each with its reason."""

    wanted: tuple[Pending, ...]
    left: tuple[Kept, ...]


def select(simulation: Simulation, policy: Policy) -> Selection:
    """The part of the waiting updates that the policy takes; every other one is left with a reason."""
    kept = {entry.name: entry for entry in simulation.kept}
    wanted, left = [], []
    for pending in sorted(simulation.pending, key=lambda one: (one.name, one.arch)):
        reason = kept.get(pending.label) or kept.get(pending.name) or _left_by(policy, pending)
        if reason is None:
            wanted.append(pending)
        else:
            left.append(reason)
    return Selection(tuple(wanted), tuple(left))


def _left_by(policy: Policy, pending: Pending) -> Kept | None:
    if _matches(pending.name, policy.exclude):
        return Kept(pending.label, KeptReason.EXCLUDED)
    if policy.scope is Scope.ALL or pending.security:
        return None
    untold = pending.security is None
    detail = "the repositories do not say whether it is a security update" if untold else ""
    return Kept(pending.label, KeptReason.NOT_SECURITY, detail)


def objections(transaction: Transaction, policy: Policy) -> tuple[Finding, ...]:
    """What in a run goes beyond the policy; any of it stops the run until a person approves exactly this run."""
    return tuple(
        critical("patch-needs-approval", f"The run would {what}: {', '.join(names)}.", packages=names)
        for what, names in _beyond(transaction, policy)
        if names
    )


def _beyond(transaction: Transaction, policy: Policy) -> Iterator[tuple[str, list[str]]]:
    removed = [p.label for p in transaction.remove if not _matches(p.name, policy.removals)]
    yield "remove packages", removed
    yield "bring new packages", [p.label for p in transaction.new_dependencies if not _matches(p.name, policy.new)]
    yield "go back to older versions", [change.target.label for change in transaction.downgrade]
    touched = [*transaction.targets, *transaction.remove]
    yield "touch excluded packages", sorted({p.label for p in touched if _matches(p.name, policy.exclude)})


def _matches(name: str, globs: Iterable[str]) -> bool:
    return any(fnmatchcase(name, glob) for glob in globs)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Whether the host would still do what was approved; every difference in words."""

    differences: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        return not self.differences


def compare_plans(approved: Transaction, present: Transaction) -> Comparison:
    """The approved run against a simulation made just before it; less than approved is a difference as well."""
    before, now = _acts(approved), _acts(present)
    gone = [f"{act} {label} no longer happens" for (act, label) in sorted(before.keys() - now.keys())]
    new = [f"{act} {label} was not approved ({now[act, label]})" for (act, label) in sorted(now.keys() - before.keys())]
    other = [
        f"{act} {label}: {before[act, label]} was approved, now {now[act, label]}"
        for (act, label) in sorted(before.keys() & now.keys())
        if before[act, label] != now[act, label]
    ]
    return Comparison((*new, *gone, *other))


def _acts(transaction: Transaction) -> dict[tuple[str, str], str]:
    """(act, label) → versions; several versions of one name (rpm's kernels) stand side by side."""
    acts: dict[tuple[str, str], set[str]] = {}
    for package in (*transaction.install, *transaction.new_dependencies):
        acts.setdefault(("install", package.label), set()).add(package.version)
    for package in transaction.remove:
        acts.setdefault(("remove", package.label), set()).add(package.version)
    for act, changes in (("upgrade", transaction.upgrade), ("downgrade", transaction.downgrade)):
        for change in changes:
            acts.setdefault((act, change.target.label), set()).add(f"{change.before} to {change.after}")
    return {key: ", ".join(sorted(versions)) for key, versions in acts.items()}


def plan_findings(comparison: Comparison) -> tuple[Finding, ...]:
    """One finding when the host would do something else than was approved; it stops the run."""
    if comparison.same:
        return ()
    first, more = comparison.differences[0], len(comparison.differences) - 1
    also = f" (and {more} more)" if more else ""
    message = f"The run is not the one that was approved: {first}{also}."
    return (critical("patch-plan-differs", message, differences=list(comparison.differences)),)
