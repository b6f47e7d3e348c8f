"""Removing a snapshot of ours, and what it left behind."""

from dataclasses import dataclass, replace
from datetime import timedelta

from ronde.engine.vmchanges.access import Access, Look, look, same_machine
from ronde.engine.vmchanges.carrying import End, Page, carry, told
from ronde.model.check import Json
from ronde.model.vsphere.changes.caps import removal_budget
from ronde.model.vsphere.changes.goals import Consolidation, Removal
from ronde.model.vsphere.changes.guards import Taken, refused
from ronde.model.vsphere.changes.progress import Done
from ronde.model.vsphere.changes.result import Outcome, Result, unclear
from ronde.model.vsphere.changes.sight import Sight, ours
from ronde.model.vsphere.changes.verify import occupied, removal_flaws
from ronde.ports import Journal


@dataclass(frozen=True, slots=True)
class RemoveRequest:
    """Which snapshot to remove.

    Attributes:
        vm: name, instanceUuid or moId.
        taken: the snapshot as its creation told it.
        consolidate: whether the disks may be consolidated once, should the removal leave that to do; it can take
            hours, and belongs into a maintenance window.
        patience: how long to wait; None = half an hour, and a minute for each gigabyte. What takes longer goes on.
    """

    vm: str
    taken: Taken
    consolidate: bool = True
    patience: timedelta | None = None


def remove_snapshot(access: Access, request: RemoveRequest, journal: Journal) -> Result:
    """Remove one snapshot that provably is ours; its children stay. It cannot be cancelled once it runs.

    Raises:
        InputError: no such machine.
        VCenterError, LedgerError, Fenced, Cancelled: call again later with the same journal.
    """
    machine = same_machine(access, request.vm, journal)
    seen = look(access, machine.id)
    if seen is None:
        return _gone(str(machine))
    node = _node(access, request.taken, seen.sight, journal)
    if node is None:
        return _nothing_to_remove(request.taken, seen)
    patience = request.patience or removal_budget(occupied(seen.sight))
    goal = Removal(node, request.taken.step, access.key)
    end = carry(access, machine.id, goal, Page(journal, f"remove-{node}"), patience)
    if not isinstance(end.action, Done) or end.sight is None:
        return told(end, f'The removal of the snapshot "{request.taken.name}"')
    return _cleaned(access, request, end, journal, patience)


def _node(access: Access, taken: Taken, sight: Sight, journal: Journal) -> str | None:
    """The snapshot's moId: the one that was decided on before, the one that bears the step's marker, or the one known.

    A machine that was registered anew has other moIds, and the same markers: what was decided on holds only while it is
    there, or while nothing else bears the marker.
    """
    kept = journal.stored().get("node")
    marked = [node.id for node in ours(sight.machine, access.key, taken.step)]
    if isinstance(kept, str) and (sight.node(kept) is not None or not marked):
        return kept
    known = [taken.id] if sight.node(taken.id) is not None else []
    found = next(iter([*(moid for moid in marked if moid == taken.id), *marked, *known]), None)
    if found is not None:
        journal.keep({"node": found})
    return found


def _nothing_to_remove(taken: Taken, seen: Look) -> Result:
    alike = [node for node in seen.sight.machine.snapshots if node.name == taken.name]
    if alike:
        text = f'A snapshot is named "{taken.name}" as ours was, and its marker cannot be believed.'
        finding = refused(text, snapshot=alike[0].id, description=alike[0].description)
        return Result(Outcome.REFUSED, text, findings=(finding,), exchanges=(seen.exchange,))
    reason = f'The snapshot "{taken.name}" was removed already.'
    return Result(Outcome.UNCHANGED, reason, _facts(taken, None), removal_flaws(seen.sight), (seen.exchange,))


def _gone(machine: str) -> Result:
    text = f"{machine} vanished while we looked."
    return Result(Outcome.NEEDS_HUMAN, text, findings=(unclear(text, {}),))


def _facts(taken: Taken, task: str | None) -> dict[str, Json]:
    return {"snapshot": taken.id, "name": taken.name, "task": task}


def _cleaned(access: Access, request: RemoveRequest, end: End, journal: Journal, patience: timedelta) -> Result:
    """The snapshot is gone; its disks may still need what the removal did not finish."""
    done = _removed(request.taken, end)
    if end.sight is None or not end.sight.machine.consolidation_needed or not request.consolidate:
        return done
    moid = end.sight.machine.id
    after = carry(access, moid, Consolidation(moid), Page(journal, "consolidate"), patience)
    exchanges = (*end.exchanges, *after.exchanges)
    if isinstance(after.action, Done) and after.sight is not None:
        facts = {**done.facts, "consolidated": True}
        return replace(done, facts=facts, findings=removal_flaws(after.sight), exchanges=exchanges)
    left = told(after, "The consolidation of the disks")
    outcome = Outcome.RUNNING if left.outcome is Outcome.RUNNING else done.outcome
    return replace(done, outcome=outcome, findings=(*done.findings, *left.findings), exchanges=exchanges)


def _removed(taken: Taken, end: End) -> Result:
    changed = isinstance(end.action, Done) and end.action.changed
    reason = f'The snapshot "{taken.name}" was removed{"" if changed else " already"}.'
    outcome = Outcome.CHANGED if changed else Outcome.UNCHANGED
    flaws = removal_flaws(end.sight) if end.sight is not None else ()
    return Result(outcome, reason, _facts(taken, end.memory.task), flaws, end.exchanges)
