"""A patch run in one sentence: what it would do, what it did, what it left."""

from collections.abc import Collection, Iterable, Sequence
from fnmatch import fnmatchcase

from ronde.model.patch.packages import Change, Kept, Package, Transaction
from ronde.model.patch.policy import KERNELS

_MOST = 6  # names in a sentence; the record has them all


def plan_words(plan: Transaction, security: Collection[str]) -> str:
    """`install 4 security updates (…) and 1 other (…), 1 new package (…), no removal; reboot needed: kernel`.

    Args:
        plan: what would be done.
        security: labels of the updates that mend a security hole.
    """
    urgent = [change for change in plan.upgrade if change.target.label in security]
    others = [change for change in plan.upgrade if change.target.label not in security]
    parts = [_counted(len(urgent), "security update", map(_step, urgent))] if urgent or not others else []
    parts += [_counted(len(others), "other update" if urgent else "update", map(_step, others))] if others else []
    new = (*plan.install, *plan.new_dependencies)
    parts += [_counted(len(new), "new package", map(_named, new))] if new else []
    parts += [_counted(len(plan.downgrade), "older version", map(_step, plan.downgrade))] if plan.downgrade else []
    gone = _counted(len(plan.remove), "removal", map(_named, plan.remove)) if plan.remove else "no removal"
    kernel = "; reboot needed: kernel" if brings_kernel(plan) else ""
    return f"install {', '.join([*parts, gone])}{kernel}"


def updates_words(security: Sequence[str], others: Sequence[str]) -> str:
    """`install 1 security update (2026-11 Cumulative Update …) and 2 other updates (…)`, where updates have titles."""
    parts = [_counted(len(security), "security update", security)] if security or not others else []
    parts += [_counted(len(others), "other update" if security else "update", others)] if others else []
    return f"install {' and '.join(parts)}"


def brings_kernel(plan: Transaction) -> bool:
    """Whether a kernel comes along, which nothing but a reboot brings into force."""
    return any(fnmatchcase(package.name, glob) for package in plan.targets for glob in KERNELS)


def left_words(left: Sequence[Kept]) -> str:
    """`left: nginx (held), samba (needs-removal: apt would remove …)`; empty when nothing was."""
    told = [f"{kept.name} ({kept.reason}{f': {kept.detail}' if kept.detail else ''})" for kept in left]
    return f"left: {_listed(told)}" if told else ""


def _step(change: Change) -> str:
    return f"{change.name} {change.before} → {change.after}"


def _named(package: Package) -> str:
    return f"{package.name} {package.version}"


def _counted(count: int, noun: str, names: Iterable[str]) -> str:
    told = list(names)
    return f"{count} {noun}{'' if count == 1 else 's'}" + (f" ({_listed(told)})" if told else "")


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MOST
    return ", ".join(names[:_MOST]) + (f" and {more} more" if more > 0 else "")
