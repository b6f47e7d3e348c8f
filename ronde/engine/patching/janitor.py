"""`vsphere.sweep`: the janitor. Snapshots of ours that have outlived their time are removed, and nobody else's."""

from collections.abc import Sequence
from typing import Final

from ronde.engine.procedure.journal import StepJournal
from ronde.engine.procedure.machines import access_to, flag
from ronde.engine.procedure.result import Result
from ronde.engine.procedure.stage import Stage
from ronde.engine.vmchanges import overdue, sweep_expired
from ronde.model.errors import InputError
from ronde.model.procedure import StepState
from ronde.model.vsphere.changes.janitor import Expired
from ronde.model.vsphere.changes.result import Outcome
from ronde.model.vsphere.changes.result import Result as Change

# What the vCenter has not finished goes on by itself, and is looked for again by the next sweep.
_FINE: Final = frozenset({Outcome.CHANGED, Outcome.UNCHANGED, Outcome.RUNNING})

Swept = Sequence[tuple[Expired, Change]]


def sweep(stage: Stage) -> Result:
    """Remove what is due on the target vCenter, oldest first, at most as many as the step says.

    Raises:
        VCenterError, SecretError, LedgerError, Fenced, Cancelled: another attempt goes on where this one was cut off.
    """
    with access_to(stage, stage.job.target.name) as access:
        swept = sweep_expired(
            access,
            lambda step: StepJournal(stage, f"removed.{step}"),
            limit=_most(stage),
            consolidate=flag(stage, "consolidate"),
        )
    removed = [f"{each.machine.name}: {each.node.name}" for each, change in swept if change.outcome is Outcome.CHANGED]
    return Result(
        StepState.DONE if all(change.outcome in _FINE for _, change in swept) else StepState.FAILED,
        _told(swept),
        changed=bool(removed),
        facts={"removed": removed, "due": len(swept)},
        exchanges=tuple(exchange for _, change in swept for exchange in change.exchanges),
        findings=tuple(finding for _, change in swept for finding in change.findings),
    )


def _told(swept: Swept) -> str:
    if not swept:
        return "no snapshot of ours has outlived its time"
    return " ".join(f"{each.machine.name}: {change.reason}" for each, change in swept)


def foresee_sweep(stage: Stage) -> tuple[str, ...]:
    """What would be removed now, as `machine: snapshot`."""
    with access_to(stage, stage.job.target.name) as access:
        due = overdue(access)
    return tuple(f"{each.machine.name}: {each.node.name}" for each in due[: _most(stage)])


def _most(stage: Stage) -> int:
    text = stage.text("most")
    if not text.isdecimal() or not int(text):
        raise InputError(f'most: "{text}" is not a whole number above zero.')
    return int(text)
