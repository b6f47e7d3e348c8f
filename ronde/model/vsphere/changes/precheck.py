"""Whether a machine may be given a snapshot as a safety net: all reasons against it, from one look."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from ronde.model.check import Finding, Json
from ronde.model.verdict import Severity
from ronde.model.vsphere.changes.caps import BACKUP_WINDOW, DEEPEST, FREE_SHARE, MOST_SNAPSHOTS
from ronde.model.vsphere.changes.sight import Sight
from ronde.model.vsphere.machine import POWERED_OFF, POWERED_ON
from ronde.model.vsphere.marks import made_by_backup
from ronde.model.vsphere.rules.state import CONNECTED, TOOLS_RUNNING, unsupported_because
from ronde.model.vsphere.rules.storage import left_out
from ronde.model.vsphere.words import size

NEEDED_METHODS = ("CreateSnapshot_Task", "RemoveSnapshot_Task")
PRIVILEGES = (
    "VirtualMachine.State.CreateSnapshot",
    "VirtualMachine.State.RemoveSnapshot",
    "VirtualMachine.State.RevertToSnapshot",
)


class Quiesce(StrEnum):
    """Whether the guest is to be made quiet before a snapshot. Off by default: it can freeze Linux guests."""

    OFF = "off"
    STRICT = "strict"  # no snapshot rather than one that is not quiet
    FALL_BACK = "fall-back"  # rather a crash-consistent one than none


@dataclass(frozen=True, slots=True)
class Policy:
    """What one client accepts for one machine.

    Attributes:
        left_out: labels of the disks that no snapshot holds and whose loss of protection somebody has accepted.
        growth: bytes that may be written while the snapshot lives.
        backup_window: a backup's own snapshot younger than this means that the backup may be running.
        most: snapshots that a machine may have before another is taken; `deepest` of one on top of the other.
        free: per cent of a datastore that must be free.
    """

    quiesce: Quiesce = Quiesce.OFF
    left_out: frozenset[str] = frozenset()
    growth: int = 0
    backup_window: timedelta = BACKUP_WINDOW
    most: int = MOST_SNAPSHOTS
    deepest: int = DEEPEST
    free: float = FREE_SHARE


@dataclass(frozen=True, slots=True)
class Plan:
    """What is looked at together.

    Attributes:
        expires: when the snapshot that is to be taken must be gone.
        lacking: privileges that our user does not have on the machine.
    """

    sight: Sight
    policy: Policy
    expires: datetime
    lacking: tuple[str, ...] = field(default=())


def blocked(obstacle: str, message: str, **evidence: Json) -> Finding:
    return Finding("snapshot-blocked", Severity.CRITICAL, message, {"obstacle": obstacle, **evidence})


def untold(obstacle: str, message: str, **evidence: Json) -> Finding:
    """What is not known stands in the way as what is wrong does."""
    return Finding("snapshot-blocked", Severity.UNKNOWN, message, {"obstacle": obstacle, **evidence})


def obstacles(plan: Plan) -> tuple[Finding, ...]:
    """Everything that speaks against a snapshot now; empty when nothing does."""
    return tuple(finding for look in _LOOKS for finding in look(plan))


def _state(plan: Plan) -> Iterator[Finding]:
    machine = plan.sight.machine
    if machine.connection != CONNECTED:
        state = machine.connection or "not told"
        yield blocked("connection", f"The vCenter has no connection to the machine (state: {state}).")
    if machine.template is not False:
        known = machine.template is not None
        text = "It is a template." if known else "Whether it is a template is not told."
        yield blocked("template", text) if known else untold("template", text)
    if machine.power not in (POWERED_ON, POWERED_OFF):
        yield blocked("power", f"The machine is neither on nor off: {machine.power or 'not told'}.")
    if machine.question is not None:
        yield blocked("question", f"The machine waits for the answer to a question: {machine.question}")
    if machine.instance_uuid is None:
        yield untold("identity", "The machine has no instanceUuid: its snapshot could not be told from another's.")
    if machine.missing:
        paths = ", ".join(sorted(machine.missing))
        yield untold("hidden", f"We may not read {paths}.", missing=dict(machine.missing))


def _disks_clean(plan: Plan) -> Iterator[Finding]:
    needed = plan.sight.machine.consolidation_needed
    if needed:
        yield blocked("consolidation", "The machine's disks need consolidation first.")
    elif needed is None:
        yield untold("consolidation", "The vCenter does not say whether the machine's disks need consolidation.")


def _room_in_the_tree(plan: Plan) -> Iterator[Finding]:
    machine, policy = plan.sight.machine, plan.policy
    count = len(machine.snapshots)
    if count >= policy.most:
        yield blocked("count", f"The machine has {count} snapshots already; {policy.most} is the most.", figure=count)
    if machine.current_depth >= policy.deepest:
        yield blocked("depth", f"Its snapshots stand {machine.current_depth} deep.", figure=machine.current_depth)


def _no_backup_at_work(plan: Plan) -> Iterator[Finding]:
    for node in plan.sight.machine.snapshots:
        if made_by_backup(node.name) and plan.sight.at - node.created < plan.policy.backup_window:
            text = f'A backup seems to run: its snapshot "{node.name}" is from {node.created:%Y-%m-%d %H:%M} UTC.'
            yield blocked("backup", text, snapshot=node.id, name=node.name)


def _methods(plan: Plan) -> Iterator[Finding]:
    off = [method for method in NEEDED_METHODS if method in plan.sight.disabled]
    if off:
        yield blocked("disabled", f"The vCenter does not offer {', '.join(off)} for this machine now.", methods=off)
    if plan.lacking:
        lacking = list(plan.lacking)
        yield blocked("privileges", f"Our user lacks {', '.join(lacking)} on this machine.", privileges=lacking)


def _hardware(plan: Plan) -> Iterator[Finding]:
    machine = plan.sight.machine
    reasons = unsupported_because(machine)
    if reasons:
        yield blocked("unsupported", f"Snapshots of it are not supported: {'; '.join(reasons)}.", reasons=list(reasons))
    if machine.detail is None or machine.detail.disks is None:
        yield untold("hardware", "The machine's hardware could not be read: what a snapshot leaves out is not known.")
        return
    bare = [disk.label for disk in left_out(machine.detail) if disk.label not in plan.policy.left_out]
    if bare:
        text = f"A revert would not bring back {', '.join(bare)}, and nobody has accepted that."
        yield blocked("coverage", text, disks=bare)


def _space(plan: Plan) -> Iterator[Finding]:
    for moid in plan.sight.machine.datastores:
        store = plan.sight.datastores.get(moid)
        if store is None or store.free is None or not store.capacity:
            name = store.name if store is not None and store.name else moid
            yield untold("space", f"How full datastore {name} is, is not known.", datastore=moid)
            continue
        wanted = max(int(store.capacity * plan.policy.free / 100), 2 * plan.policy.growth)
        if store.free < wanted:
            text = f"Datastore {store.name} has {size(store.free)} free; {size(wanted)} are needed."
            yield blocked("space", text, datastore=moid, free=store.free, wanted=wanted)
    if not plan.sight.machine.datastores:
        yield untold("space", "The vCenter does not say which datastores the machine uses.")


def _quiet(plan: Plan) -> Iterator[Finding]:
    """A vCenter ignores the wish for quiet, without a word, when Tools do not run."""
    machine = plan.sight.machine
    if plan.policy.quiesce is Quiesce.STRICT and machine.power == POWERED_ON and not can_quiesce(plan.sight):
        text = "A quiet snapshot was asked for, and VMware Tools do not run in the machine."
        yield blocked("tools", text, running=machine.tools_running)


def can_quiesce(sight: Sight) -> bool:
    return sight.machine.power == POWERED_ON and sight.machine.tools_running == TOOLS_RUNNING


def _time(plan: Plan) -> Iterator[Finding]:
    if plan.expires <= plan.sight.at:
        yield blocked("expired", "The time in which the snapshot was to serve has passed.")


_LOOKS: tuple[Callable[[Plan], Iterator[Finding]], ...] = (
    _state, _disks_clean, _room_in_the_tree, _no_backup_at_work, _methods, _hardware, _space, _quiet, _time,
)  # fmt: skip
