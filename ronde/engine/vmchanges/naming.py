"""Which snapshot of ours a person means by a moId or a name."""

from collections.abc import Mapping

from ronde.engine.vmchanges.access import Access, look, same_machine
from ronde.model.errors import InputError
from ronde.model.vsphere.changes.guards import Taken
from ronde.model.vsphere.changes.sight import Sight, marker_of
from ronde.model.vsphere.machine import SnapshotNode
from ronde.model.words import hint
from ronde.ports import Journal


def named_snapshot(access: Access, vm: str, reference: str, journal: Journal) -> Taken:
    """The snapshot of a machine that a moId or a name means; found once, and the same on later attempts.

    Raises:
        InputError: no such machine or snapshot, several of that name, or it is not provably ours.
        VCenterError, LedgerError, Fenced, Cancelled: call again later with the same journal.
    """
    kept = journal.stored().get("taken")
    if isinstance(kept, Mapping):
        return Taken.of(kept)
    machine = same_machine(access, vm, journal)
    seen = look(access, machine.id)
    if seen is None:
        raise InputError(f"{machine} vanished while we looked.")
    taken = snapshot_in(seen.sight, reference, access.key)
    journal.keep({"taken": taken.facts()})
    return taken


def snapshot_in(sight: Sight, reference: str, key: bytes) -> Taken:
    """The same in one look at the machine; raises InputError as `named_snapshot`."""
    node = _meant(sight, reference)
    marker = marker_of(node, sight.machine, key)
    if marker is None:
        raise InputError(
            f'The snapshot "{node.name}" does not carry a marker of ours that can be believed.',
            advice="Only what is provably ours is removed; the others are for their owners.",
        )
    return Taken(node.id, node.number, node.name, node.created, marker.step, marker.run)


def _meant(sight: Sight, reference: str) -> SnapshotNode:
    nodes = sight.machine.snapshots
    found = [node for node in nodes if reference in (node.id, node.name)]
    if not found:
        raise InputError(
            f'{sight.machine.name} has no snapshot "{reference}"{hint(reference, [n.name for n in nodes])}'
        )
    if len(found) > 1:
        raise InputError(
            f'"{reference}" means {len(found)} snapshots: {", ".join(node.id for node in found)}.',
            advice="Name one by its id.",
        )
    return found[0]
