"""Whether a change that a vCenter calls done left the machine as it should be."""

from collections.abc import Iterator

from ronde.model.check import Finding
from ronde.model.verdict import Severity
from ronde.model.vsphere.changes.result import unclear
from ronde.model.vsphere.changes.sight import Sight
from ronde.model.vsphere.layout import Branch, Layout, occupation
from ronde.model.vsphere.machine import SnapshotNode


def creation_flaws(sight: Sight, node: SnapshotNode) -> tuple[Finding, ...]:
    """Why a snapshot that is in the tree cannot serve as a safety net; empty when it can."""
    return (*_runs_upon(sight, node), *_clean(sight), *_without_memory(node))


def _runs_upon(sight: Sight, node: SnapshotNode) -> Iterator[Finding]:
    if sight.machine.current != node.id:
        text = f'The machine does not run upon our snapshot "{node.name}": another was taken at the same time.'
        yield unclear(text, {"current": sight.machine.current, "snapshot": node.id})
    elif stands_upon(sight, node) is False:
        text = f'The files of the machine do not stand upon those that our snapshot "{node.name}" froze.'
        yield unclear(text, {"snapshot": node.id})


def _without_memory(node: SnapshotNode) -> Iterator[Finding]:
    if node.powered_on:
        yield unclear("Our snapshot holds the machine's memory, which we never ask for.", {"snapshot": node.id})


def stands_upon(sight: Sight, node: SnapshotNode) -> bool | None:
    """Whether each frozen chain is the beginning of the running one; None when the layout does not know.

    A running chain that did not grow is no flaw: vVols and vSAN keep snapshots in their own way.
    """
    layout = _layout(sight)
    if layout is None or node.id not in layout.frozen:
        return None
    frozen = layout.frozen[node.id].chains
    return all(layout.chains.get(disk, chain)[: len(chain)] == chain for disk, chain in frozen.items())


def chain_grew(sight: Sight, node: SnapshotNode) -> bool | None:
    """Whether a disk has a delta upon the snapshot; None when the layout does not know the snapshot."""
    layout = _layout(sight)
    if layout is None or node.id not in layout.frozen:
        return None
    frozen = layout.frozen[node.id].chains
    return any(len(layout.chains.get(disk, ())) > len(chain) for disk, chain in frozen.items())


def removal_flaws(sight: Sight) -> tuple[Finding, ...]:
    """What a removed snapshot has left behind."""
    return (*_clean(sight), *_surplus(sight))


def _clean(sight: Sight) -> Iterator[Finding]:
    needed = sight.machine.consolidation_needed
    if needed:
        text = "The machine's disks need consolidation: deltas of removed snapshots are still in use and grow unseen."
        yield Finding("consolidation-needed", Severity.CRITICAL, text)
    elif needed is None:
        text = "The vCenter does not say whether the machine's disks need consolidation."
        yield Finding("consolidation-needed", Severity.UNKNOWN, text)


def _surplus(sight: Sight) -> Iterator[Finding]:
    layout, machine = _layout(sight), sight.machine
    if layout is None or machine.folder is None:
        return
    tree = [Branch(node.id, node.parent) for node in machine.snapshots]
    left = occupation(layout, tree, machine.current, machine.folder).surplus
    if left:
        text = f"The removal left {sum(left.values())} delta files that belong to no snapshot."
        yield Finding("chain-orphan", Severity.CRITICAL, text, {"surplus": {str(k): v for k, v in left.items()}})


def _layout(sight: Sight) -> Layout | None:
    return sight.machine.detail.layout if sight.machine.detail is not None else None


def occupied(sight: Sight) -> int:
    """Bytes of all deltas of the machine; 0 when not known."""
    layout, machine = _layout(sight), sight.machine
    if layout is None or machine.folder is None:
        return 0
    tree = [Branch(node.id, node.parent) for node in machine.snapshots]
    return occupation(layout, tree, machine.current, machine.folder).total
