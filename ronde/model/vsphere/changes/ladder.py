"""How quiet a snapshot is to be, and what is tried when the guest cannot be made quiet."""

from collections.abc import Sequence

from ronde.model.vsphere.changes.caps import QUIESCE_AGAIN_AFTER
from ronde.model.vsphere.changes.precheck import Policy, Quiesce, can_quiesce
from ronde.model.vsphere.changes.sight import Sight
from ronde.model.vsphere.changes.tasks import Fault, Remedy
from ronde.model.vsphere.machine import POWERED_OFF
from ronde.model.vsphere.marker import Consistency


def ways(policy: Policy, sight: Sight) -> tuple[Consistency, ...]:
    """What to try to reach, one after the other, by what the machine allows.

    Whether applications were made quiet, too, is not told by a vCenter: a quiet snapshot is worth what its file systems
    are.
    """
    if sight.machine.power == POWERED_OFF:
        return (Consistency.OFF,)
    if policy.quiesce is Quiesce.OFF or not can_quiesce(sight):
        return (Consistency.CRASH,)
    quiet = (Consistency.FILESYSTEM, Consistency.FILESYSTEM)
    return quiet if policy.quiesce is Quiesce.STRICT else (*quiet, Consistency.CRASH)


def goes_on(fault: Fault) -> bool:
    """Whether a fault leads to the next way: only when the guest could not be made quiet."""
    return fault.remedy is Remedy.FALL_BACK


def pause_before(tried: Sequence[Consistency], way: int) -> float:
    """Seconds before a way is tried: a guest that could not be made quiet is given time before it is asked again."""
    return QUIESCE_AGAIN_AFTER if way and tried[way] is tried[way - 1] else 0.0
