"""Taking a machine back to a snapshot of ours, and starting it again."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ronde.engine.vmchanges.access import Access, look, same_machine
from ronde.engine.vmchanges.carrying import Page, carry, told
from ronde.engine.vmchanges.powering import await_tools
from ronde.model.check import Exchange, Json
from ronde.model.errors import InputError
from ronde.model.vsphere.changes.goals import Power, Reversion
from ronde.model.vsphere.changes.guards import Revert
from ronde.model.vsphere.changes.orders import PowerOn
from ronde.model.vsphere.changes.precheck import can_quiesce
from ronde.model.vsphere.changes.progress import Done
from ronde.model.vsphere.changes.result import Outcome, Result
from ronde.model.vsphere.machine import POWERED_ON
from ronde.ports import Journal


@dataclass(frozen=True, slots=True)
class RevertRequest:
    """What to take back.

    Attributes:
        vm: name, instanceUuid or moId.
        revert: the snapshot, and who answers for it.
        start: whether the machine is started again if it was on before; our snapshots leave it off.
        patience: how long to wait for the revert, and again for the start.
        tools: how long to wait for VMware Tools, where they ran before.
    """

    vm: str
    revert: Revert
    start: bool = True
    patience: timedelta = timedelta(minutes=15)
    tools: timedelta = timedelta(minutes=10)


def revert_snapshot(access: Access, request: RevertRequest, journal: Journal) -> Result:
    """Take the machine back, once: everything written since the snapshot is lost. The snapshot stays.

    Raises:
        InputError: no such machine.
        VCenterError, LedgerError, Fenced, Cancelled: call again later with the same journal.
    """
    machine = same_machine(access, request.vm, journal)
    before = _before(access, machine.id, journal)
    exchanges: tuple[Exchange, ...] = ()
    if journal.stored().get("reverted") is not True:
        goal = Reversion(request.revert, access.key, _instant(before["booted"]))
        end = carry(access, machine.id, goal, Page(journal, "revert"), request.patience)
        if not isinstance(end.action, Done):
            return told(end, f'The return to the snapshot "{request.revert.taken.name}"')
        journal.keep({"reverted": True})
        exchanges = end.exchanges
    return _started(access, request, machine.id, journal, exchanges)


def _before(access: Access, moid: str, journal: Journal) -> Mapping[str, Json]:
    """How the machine was before anything was done to it.

    Raises:
        InputError: it vanished.
    """
    known = journal.stored().get("before")
    if isinstance(known, Mapping):
        return known
    seen = look(access, moid)
    if seen is None:
        raise InputError(f"The machine {moid} is no longer there.")
    sight = seen.sight
    found: dict[str, Json] = {
        "on": sight.machine.power == POWERED_ON,
        "tools": can_quiesce(sight),
        "booted": sight.booted.isoformat() if sight.booted is not None else None,
    }
    journal.keep({"before": found})
    return found


def _instant(value: Json) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else None


def _started(
    access: Access, request: RevertRequest, moid: str, journal: Journal, exchanges: tuple[Exchange, ...]
) -> Result:
    """The machine is back; start it if it ran before, and wait for its Tools if they did."""
    taken, before = request.revert.taken, _before(access, moid, journal)
    reason = f'The machine was taken back to the snapshot "{taken.name}".'
    done = Result(Outcome.CHANGED, reason, {"snapshot": taken.id, "name": taken.name}, exchanges=exchanges)
    if not (request.start and before["on"]):
        return done
    end = carry(access, moid, Power(PowerOn(moid), POWERED_ON), Page(journal, "start"), request.patience)
    if not isinstance(end.action, Done):
        left = told(end, "The start of the machine after its return")
        text = f"{reason} {left.reason}"
        return replace(left, reason=text, facts=done.facts, exchanges=(*exchanges, *left.exchanges))
    findings = await_tools(access, moid, request.tools) if before["tools"] else ()
    facts = {**done.facts, "power": POWERED_ON, "tools": bool(before["tools"]) and not findings}
    return replace(done, facts=facts, findings=findings, exchanges=(*exchanges, *end.exchanges))
