"""Taking a snapshot as a safety net."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ronde.engine.vmchanges.access import Access, Look, look, same_machine
from ronde.engine.vmchanges.carrying import End, Page, carry, told
from ronde.model.check import Finding, Json
from ronde.model.errors import InputError
from ronde.model.verdict import Severity
from ronde.model.vsphere.changes.caps import LIFETIME, LONGEST_LIFETIME
from ronde.model.vsphere.changes.goals import Creation
from ronde.model.vsphere.changes.guards import Taken
from ronde.model.vsphere.changes.ladder import goes_on, pause_before, ways
from ronde.model.vsphere.changes.orders import CreateSnapshot
from ronde.model.vsphere.changes.precheck import PRIVILEGES, Policy, Quiesce
from ronde.model.vsphere.changes.progress import Done, Failed
from ronde.model.vsphere.changes.result import Outcome, Result
from ronde.model.vsphere.changes.sight import Sight, marker_of, ours
from ronde.model.vsphere.changes.verify import chain_grew, creation_flaws
from ronde.model.vsphere.machine import SnapshotNode
from ronde.model.vsphere.marker import Consistency, Marker, snapshot_name, written
from ronde.ports import Journal


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """Which snapshot to take.

    Attributes:
        vm: name, instanceUuid or moId.
        run, step: ids of what orders it; a step takes one snapshot, however often it is resumed.
        purpose: a few lower-case letters, digits, dashes; part of the snapshot's name.
        lifetime: after it the janitor removes the snapshot; 72 hours at most.
        patience: how long to wait for the machine to be free, and for the task.
    """

    vm: str
    run: str
    step: str
    purpose: str
    policy: Policy = field(default_factory=Policy)
    lifetime: timedelta = LIFETIME
    patience: timedelta = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class _Intent:
    """What was decided before the first call, and holds for all later attempts."""

    name: str
    created: datetime
    expires: datetime
    ways: tuple[Consistency, ...]
    way: int


def create_snapshot(access: Access, request: CreateRequest, journal: Journal) -> Result:
    """Take one snapshot without memory, and make sure that it is there and serves.

    Done, its facts are those of `Taken.facts`, with `consistency`, `expires`, `task`, and the machine's `vm`,
    `instance_uuid` and `name`. Nothing may be built on a snapshot whose outcome is not `changed` or `unchanged`.

    Raises:
        InputError: no such machine, a lifetime of more than 72 hours, a purpose or key that cannot be used.
        VCenterError, LedgerError, Fenced, Cancelled: call again later with the same journal.
    """
    if not timedelta() < request.lifetime <= LONGEST_LIFETIME:
        raise InputError("A snapshot of ours lives for 72 hours at most.")
    machine = same_machine(access, request.vm, journal)
    seen = look(access, machine.id)
    if seen is None or seen.sight.machine.instance_uuid is None:
        raise InputError(f"{machine} has vanished, or has no instanceUuid to know it by.")
    intent = _intent(request, seen, journal)
    lacking = tuple(access.vcenter.lacking(machine.id, PRIVILEGES))
    while True:
        end = _try(access, request, seen.sight, intent, Page(journal, f"create-{intent.way}"), lacking)
        last = intent.way + 1 == len(intent.ways)
        if last or not (isinstance(end.action, Failed) and goes_on(end.action.fault)):
            return _result(access, request, intent, end)
        journal.keep({"way": intent.way + 1})
        intent = _intent(request, seen, journal)
        access.pause(pause_before(intent.ways, intent.way))


def _intent(request: CreateRequest, seen: Look, journal: Journal) -> _Intent:
    """What an earlier attempt decided, or a decision now, committed before anything is asked for."""
    if "name" not in journal.stored():
        at = seen.sight.at.replace(microsecond=0)
        journal.keep({
            "name": snapshot_name(request.run, request.purpose),
            "created": at.isoformat(),
            "expires": (at + request.lifetime).isoformat(),
            "ways": [way.value for way in ways(request.policy, seen.sight)],
            "way": 0,
        })  # fmt: skip
    return _read(journal.stored())


def _read(kept: Mapping[str, Json]) -> _Intent:
    listed = kept["ways"]
    words = [str(word) for word in listed] if isinstance(listed, (list, tuple)) else []
    return _Intent(
        name=str(kept["name"]),
        created=datetime.fromisoformat(str(kept["created"])),
        expires=datetime.fromisoformat(str(kept["expires"])),
        ways=tuple(Consistency(word) for word in words),
        way=int(str(kept["way"])),
    )


def _try(
    access: Access, request: CreateRequest, sight: Sight, intent: _Intent, page: Page, lacking: tuple[str, ...]
) -> End:
    way = intent.ways[intent.way]
    marker = Marker(
        run=request.run,
        step=request.step,
        vm=str(sight.machine.instance_uuid),
        created=intent.created,
        expires=intent.expires,
        consistency=way,
    )
    order = CreateSnapshot(sight.machine.id, intent.name, written(marker, access.key), quiesce=marker.quiesced)
    goal = Creation(order, marker, access.key, request.policy, lacking)
    return carry(access, sight.machine.id, goal, page, request.patience)


def _result(access: Access, request: CreateRequest, intent: _Intent, end: End) -> Result:
    if not isinstance(end.action, Done) or end.sight is None:
        return told(end, f'The snapshot "{intent.name}"')
    node = ours(end.sight.machine, access.key, request.step)[0]
    marker = marker_of(node, end.sight.machine, access.key)
    quiet = marker is not None and marker.quiesced and node.quiesced
    facts = _facts(node, marker, end, request)
    flaws = creation_flaws(end.sight, node)
    findings = (*flaws, *(() if quiet else _not_quiet(request.policy, node, facts)))
    if flaws:
        reason = f'The snapshot "{node.name}" is there and cannot be relied on: {flaws[0].message}'
        return Result(Outcome.NEEDS_HUMAN, reason, facts, findings, end.exchanges)
    if not end.action.changed:
        reason = f'The snapshot "{node.name}" of this step was there already.'
        return Result(Outcome.UNCHANGED, reason, facts, findings, end.exchanges)
    return Result(Outcome.CHANGED, f'The snapshot "{node.name}" was taken.', facts, findings, end.exchanges)


def _facts(node: SnapshotNode, marker: Marker | None, end: End, request: CreateRequest) -> dict[str, Json]:
    taken = Taken(node.id, node.number, node.name, node.created, request.step, request.run)
    claimed = marker.consistency if marker is not None else Consistency.CRASH
    kept = Consistency.CRASH if marker is not None and marker.quiesced and not node.quiesced else claimed
    sight = end.sight
    return {
        **taken.facts(),
        "consistency": kept.value,
        "expires": marker.expires.isoformat() if marker is not None else None,
        "task": end.memory.task,
        "vm": sight.machine.id if sight is not None else None,
        "vm_name": sight.machine.name if sight is not None else None,
        "instance_uuid": sight.machine.instance_uuid if sight is not None else None,
        "chain_grew": chain_grew(sight, node) if sight is not None else None,
    }


def _not_quiet(policy: Policy, node: SnapshotNode, facts: Mapping[str, Json]) -> tuple[Finding, ...]:
    if policy.quiesce is Quiesce.OFF or facts["consistency"] == Consistency.OFF.value:
        return ()
    text = f'Our snapshot "{node.name}" was to be taken with the guest made quiet, and was taken without.'
    return (Finding("not-quiesced", Severity.WARNING, text, {"consistency": facts["consistency"]}),)
