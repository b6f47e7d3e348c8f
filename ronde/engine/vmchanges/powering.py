"""Switching a machine on or off, and restarting its guest."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from itertools import chain, repeat

from ronde.engine.vmchanges.access import Access, look, same_machine
from ronde.engine.vmchanges.carrying import End, Page, Spoken, ask, carry, told
from ronde.model.check import Exchange, Finding
from ronde.model.errors import InputError
from ronde.model.verdict import Severity
from ronde.model.vsphere.changes.caps import POLLS
from ronde.model.vsphere.changes.goals import Power
from ronde.model.vsphere.changes.guards import refused
from ronde.model.vsphere.changes.orders import PowerOff, PowerOn, RebootGuest, ShutDownGuest
from ronde.model.vsphere.changes.precheck import can_quiesce
from ronde.model.vsphere.changes.progress import Done
from ronde.model.vsphere.changes.result import Outcome, Result, failed, unclear
from ronde.model.vsphere.changes.sight import Sight
from ronde.model.vsphere.machine import POWERED_OFF, POWERED_ON
from ronde.ports import Journal


class Wanted(StrEnum):
    ON = "on"
    OFF = "off"  # at once, as by pulling the plug
    SHUT_DOWN = "shut-down"  # the guest is asked
    RESTART = "restart"  # the guest is asked; at most once for a step


@dataclass(frozen=True, slots=True)
class PowerRequest:
    """What to do with a machine's power.

    Attributes:
        vm: name, instanceUuid or moId.
        grace: how long a guest may take to shut down, or to come back from a restart.
        force: whether a guest that does not shut down is switched off.
        patience: how long to wait for the machine to be free, and for a task.
    """

    vm: str
    wanted: Wanted
    grace: timedelta = timedelta(minutes=5)
    force: bool = False
    patience: timedelta = timedelta(minutes=5)


def set_power(access: Access, request: PowerRequest, journal: Journal) -> Result:
    """Bring a machine's power where it is wanted; where it is so already, the reason says so.

    Raises:
        InputError: no such machine.
        VCenterError, LedgerError, Fenced, Cancelled: call again later with the same journal.
    """
    machine = same_machine(access, request.vm, journal)
    if request.wanted is Wanted.RESTART:
        return _restarted(access, request, machine.id, journal)
    if request.wanted is Wanted.SHUT_DOWN:
        return _shut_down(access, request, machine.id, journal)
    on = request.wanted is Wanted.ON
    goal = Power(PowerOn(machine.id), POWERED_ON) if on else Power(PowerOff(machine.id), POWERED_OFF)
    return _power_result(carry(access, machine.id, goal, Page(journal, "power"), request.patience), goal.wanted)


def _power_result(end: End, wanted: str, how: str = "switched") -> Result:
    word = "on" if wanted == POWERED_ON else "off"
    if not isinstance(end.action, Done):
        return told(end, f"Switching the machine {word}")
    facts = {"power": wanted, "task": end.memory.task}
    if not end.action.changed:
        return Result(Outcome.UNCHANGED, f"The machine was powered {word} already.", facts, exchanges=end.exchanges)
    return Result(Outcome.CHANGED, f"The machine was {how} {word}.", facts, exchanges=end.exchanges)


def _shut_down(access: Access, request: PowerRequest, moid: str, journal: Journal) -> Result:
    """Ask the guest; what it does not do within its grace is done by force, or told."""
    polite = Power(ShutDownGuest(moid), POWERED_OFF, settle=request.grace)
    end = carry(access, moid, polite, Page(journal, "shut-down"), request.grace + request.patience)
    first = _power_result(end, POWERED_OFF, how="shut down and is")
    if first.outcome not in (Outcome.FAILED, Outcome.NEEDS_HUMAN) or not request.force or end.sight is None:
        return first
    goal = Power(PowerOff(moid), POWERED_OFF)
    forced = carry(access, moid, goal, Page(journal, "power"), request.patience)
    result = _power_result(forced, POWERED_OFF)
    text = f"{result.reason} Before that: {first.reason}"
    return replace(result, reason=text, exchanges=(*first.exchanges, *result.exchanges))


def _restarted(access: Access, request: PowerRequest, moid: str, journal: Journal) -> Result:
    """Asked for once; that the guest went down and came back is seen by its Tools, or not at all."""
    page = Page(journal, "restart")
    seen = look(access, moid)
    if page.memory().called is not None:
        text = "The guest was to be restarted before, and nobody knows whether it was: its boot id tells."
        return Result(Outcome.NEEDS_HUMAN, text, findings=(unclear(text, {"machine": moid}),))
    if seen is None or not can_quiesce(seen.sight):
        text = "The guest cannot be asked to restart: the machine is off, or its VMware Tools do not run."
        return Result(Outcome.REFUSED, text, findings=(refused(text, machine=moid),))
    spoken = Spoken()
    verdict = ask(access, RebootGuest(moid), page, seen, spoken)
    if verdict is not None or page.memory().called is None:
        fault = verdict.fault if verdict is not None else "the vCenter refused it for now"
        text = f"The restart of the guest failed: {fault}"
        return Result(Outcome.FAILED, text, findings=(failed(text, {}),), exchanges=tuple(spoken.exchanges))
    return _came_back(access, request, moid, tuple(spoken.exchanges))


def _came_back(access: Access, request: PowerRequest, moid: str, exchanges: tuple[Exchange, ...]) -> Result:
    went = await_sight(access, moid, request.grace, lambda sight: not can_quiesce(sight))
    if went and await_sight(access, moid, request.grace, can_quiesce):
        return Result(Outcome.CHANGED, "The guest has restarted.", {"restarted": True}, exchanges=exchanges)
    text = "The guest has not come back from its restart." if went else "The guest was not seen to go down."
    finding = Finding("tools", Severity.UNKNOWN, text, {"grace_s": request.grace.total_seconds()})
    return Result(Outcome.NEEDS_HUMAN, text, {"restarted": False}, (finding,), exchanges)


def await_tools(access: Access, moid: str, limit: timedelta) -> tuple[Finding, ...]:
    """Wait until VMware Tools run in a machine; a finding when they do not within the limit."""
    if await_sight(access, moid, limit, can_quiesce):
        return ()
    text = f"VMware Tools did not come back within {int(limit.total_seconds())} seconds: look whether the guest runs."
    return (Finding("tools", Severity.CRITICAL, text, {"limit_s": limit.total_seconds()}),)


def await_sight(access: Access, moid: str, limit: timedelta, wanted: Callable[[Sight], bool]) -> bool:
    """Look until a machine is as wanted; False when it is not within the limit.

    Raises:
        InputError: it vanished; VCenterError, Fenced, Cancelled: as `look`.
    """
    deadline = access.clock.now() + limit
    for pause in chain(POLLS, repeat(POLLS[-1])):
        seen = look(access, moid)
        if seen is None:
            raise InputError(f"The machine {moid} is no longer there.")
        if wanted(seen.sight):
            return True
        if access.clock.now() >= deadline:
            return False
        access.pause(pause)
    return False
