"""What a change would meet if it were made now, for a preview; nothing is changed and nothing is written down."""

from dataclasses import dataclass, field

from ronde.engine.vmchanges.access import Access, Look, find_machine, look
from ronde.engine.vmchanges.creating import CreateRequest
from ronde.engine.vmchanges.naming import snapshot_in
from ronde.engine.vmchanges.powering import PowerRequest, Wanted
from ronde.model.check import Exchange, Finding
from ronde.model.errors import InputError
from ronde.model.vsphere.changes.guards import Revert, refused, removal_objections, revert_objections
from ronde.model.vsphere.changes.precheck import PRIVILEGES, Plan, can_quiesce, obstacles
from ronde.model.vsphere.machine import POWERED_OFF, POWERED_ON


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What was seen.

    Attributes:
        needless: why there would be nothing to do; empty when there would.
        obstacles: what would keep the change from being made.
    """

    needless: str = ""
    obstacles: tuple[Finding, ...] = ()
    exchanges: tuple[Exchange, ...] = field(default=(), repr=False)


def foresee_snapshot(access: Access, request: CreateRequest) -> Foreseen:
    """Whether the machine could be given a snapshot.

    Raises:
        InputError: no such machine; VCenterError, Fenced, Cancelled: as `VCenter.fetch`.
    """
    seen = _look(access, request.vm)
    lacking = tuple(access.vcenter.lacking(seen.sight.machine.id, PRIVILEGES))
    found = obstacles(Plan(seen.sight, request.policy, seen.sight.at + request.lifetime, lacking))
    return Foreseen(obstacles=found, exchanges=(seen.exchange,))


def foresee_removal(access: Access, vm: str, reference: str) -> Foreseen:
    """Whether the snapshot that is meant could be removed.

    Raises:
        InputError: no such machine or snapshot, or it is not ours; VCenterError, Fenced, Cancelled: as `VCenter.fetch`.
    """
    seen = _look(access, vm)
    taken = snapshot_in(seen.sight, reference, access.key)
    found = removal_objections(seen.sight, taken.id, taken.step, access.key)
    return Foreseen(obstacles=found, exchanges=(seen.exchange,))


def foresee_revert(access: Access, vm: str, reference: str, by: str) -> Foreseen:
    """Whether the machine could be taken back to the snapshot that is meant, if `by` answers for it.

    Raises:
        InputError: no such machine or snapshot, or it is not ours; VCenterError, Fenced, Cancelled: as `VCenter.fetch`.
    """
    seen = _look(access, vm)
    found = revert_objections(seen.sight, Revert(snapshot_in(seen.sight, reference, access.key), by), access.key)
    return Foreseen(obstacles=found, exchanges=(seen.exchange,))


def foresee_power(access: Access, request: PowerRequest) -> Foreseen:
    """Whether the machine's power is as wanted already, and whether its guest could be asked.

    Raises:
        InputError: no such machine; VCenterError, Fenced, Cancelled: as `VCenter.fetch`.
    """
    seen = _look(access, request.vm)
    power, wanted = seen.sight.machine.power, request.wanted
    goal = {Wanted.ON: POWERED_ON, Wanted.OFF: POWERED_OFF, Wanted.SHUT_DOWN: POWERED_OFF}.get(wanted)
    if power == goal:
        word = "on" if goal == POWERED_ON else "off"
        return Foreseen(f"the machine is powered {word} already", exchanges=(seen.exchange,))
    if wanted in (Wanted.RESTART, Wanted.SHUT_DOWN) and not can_quiesce(seen.sight):
        text = "The guest cannot be asked: the machine is off, or its VMware Tools do not run."
        return Foreseen(obstacles=(refused(text, power=power),), exchanges=(seen.exchange,))
    return Foreseen(exchanges=(seen.exchange,))


def _look(access: Access, vm: str) -> Look:
    machine = find_machine(access, vm)
    seen = look(access, machine.id)
    if seen is None:
        raise InputError(f"{machine} vanished while we looked.")
    return seen
