"""Which places a change takes while it is made, so that a vCenter and its datastores are not asked for too much."""

from ronde.model.plan import Lane
from ronde.model.vsphere.changes.caps import CHANGES_PER_VCENTER, CREATES_PER_DATASTORE, REMOVES_PER_DATASTORE
from ronde.model.vsphere.changes.orders import Change, ConsolidateDisks, CreateSnapshot, RemoveSnapshot
from ronde.model.vsphere.changes.sight import Sight


def turns(vcenter: str, change: Change, sight: Sight) -> tuple[Lane, ...]:
    """The lanes of one change, under the names of one client's vCenters."""
    lanes = [Lane(f"changes:{vcenter}", CHANGES_PER_VCENTER)]
    match change:
        case CreateSnapshot():
            kind, most = "creates", CREATES_PER_DATASTORE
        case RemoveSnapshot() | ConsolidateDisks():
            kind, most = "removes", REMOVES_PER_DATASTORE
        case _:
            return tuple(lanes)
    return (*lanes, *(Lane(f"{kind}:{vcenter}/{moid}", most) for moid in sorted(set(sight.machine.datastores))))
