"""The rules by which a machine is judged, one function each: a subject in, its findings out."""

from collections.abc import Callable, Iterator

from ronde.model.check import Finding
from ronde.model.vsphere.rules import snapshots, state, storage
from ronde.model.vsphere.rules.subject import Scene, Subject, occupied_by

__all__ = ["RULES", "Scene", "Subject", "examine", "occupied_by"]

RULES: tuple[Callable[[Subject], Iterator[Finding]], ...] = (
    state.readable,
    state.consolidation,
    state.question,
    state.tools,
    state.change_tracking,
    state.unsupported,
    state.backup_stale,
    snapshots.snapshot_age,
    snapshots.snapshot_count,
    snapshots.snapshot_depth,
    snapshots.backup_leftover,
    snapshots.consolidate_helper,
    snapshots.not_quiesced,
    snapshots.ours_expired,
    snapshots.mark_unverified,
    snapshots.memory_snapshot,
    snapshots.off_with_snapshot,
    snapshots.template_with_snapshot,
    storage.layout_known,
    storage.hardware_known,
    storage.snapshot_size,
    storage.snapshot_growth,
    storage.chain_orphan,
    storage.hotadd_leftover,
    storage.coverage_gap,
    storage.big_disk,
    storage.stale_layout,
)


def examine(subject: Subject) -> tuple[Finding, ...]:
    """All that the rules find; of a machine out of the vCenter's reach only that, since the rest may be old."""
    unreachable = tuple(state.reachable(subject))
    return unreachable or tuple(finding for rule in RULES for finding in rule(subject))
