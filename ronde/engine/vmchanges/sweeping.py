"""The janitor: snapshots of ours that have outlived their time are removed."""

from collections.abc import Callable, Sequence

from ronde.engine.vmchanges.access import Access
from ronde.engine.vmchanges.removing import RemoveRequest, remove_snapshot
from ronde.facts import vsphere as facts
from ronde.model.vsphere.changes.caps import CHANGES_PER_VCENTER
from ronde.model.vsphere.changes.guards import Taken
from ronde.model.vsphere.changes.janitor import Expired, expired
from ronde.model.vsphere.changes.result import Result
from ronde.model.vsphere.objects import Question
from ronde.ports import Journal


def sweep_expired(
    access: Access, journals: Callable[[str], Journal], *, limit: int = CHANGES_PER_VCENTER, consolidate: bool = False
) -> Sequence[tuple[Expired, Result]]:
    """Remove expired snapshots of ours on one vCenter, oldest first, one after the other.

    Only those whose marker can be believed are touched. What is left over waits for the next sweep.

    Args:
        access: the vCenter.
        journals: the journal of a snapshot's removal, by the step in its marker, so that a sweep that was cut off goes
            on where it was.
        limit: the most to remove in one sweep.
        consolidate: whether disks may be consolidated where a removal leaves that to do.

    Raises:
        VCenterError, LedgerError, Fenced, Cancelled: what was not removed yet waits for the next sweep.
    """
    due = overdue(access)[:limit]
    return [(each, _swept(access, each, journals(each.marker.step), consolidate=consolidate)) for each in due]


def overdue(access: Access) -> Sequence[Expired]:
    """The snapshots that a sweep would remove, oldest first; raises as `VCenter.fetch`."""
    answers = access.vcenter.fetch([Question(facts.MACHINE, facts.SLIM_PATHS)])
    machines = [facts.machine(answer, access.vcenter.instance_uuid, {}) for answer in answers]
    return expired(machines, access.key, access.vcenter.now())


def _swept(access: Access, each: Expired, journal: Journal, *, consolidate: bool) -> Result:
    node, marker = each.node, each.marker
    taken = Taken(node.id, node.number, node.name, node.created, marker.step, marker.run)
    return remove_snapshot(access, RemoveRequest(each.machine.id, taken, consolidate=consolidate), journal)
