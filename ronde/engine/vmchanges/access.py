"""A vCenter, what it takes to wait for it, and a look at one of its machines."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ronde.engine.survey import as_evidence
from ronde.facts import vsphere as facts
from ronde.facts import vsphere_changes as questions
from ronde.model.check import Exchange
from ronde.model.plan import Lane
from ronde.model.vsphere.changes.choosing import Candidate, chosen, meant
from ronde.model.vsphere.changes.sight import Sight
from ronde.model.vsphere.machine import Machine
from ronde.model.vsphere.objects import ManagedObject
from ronde.ports import Clock, Journal, Signal, VCenterChanges


class Turns(Protocol):
    """Places for changes that must not pile up on one vCenter or datastore."""

    def take(self, lanes: Sequence[Lane]) -> bool:
        """A place in each lane, or in none; those that are held already count as taken.

        Raises:
            LedgerError: nobody knows whether there is room.
        """

    def leave(self) -> None:
        """Give back what was taken."""


@dataclass(frozen=True, slots=True)
class Access:
    """What every change works with.

    Attributes:
        vcenter: an open session; it must outlast the patience of the requests.
        name: the vCenter's, as the inventory gives it.
        turns: asked before each change.
        clock: the worker's; patience is measured by it. Everything on the machine is dated by the vCenter's own.
        signal: asked before each look.
        pause: waits some seconds.
        key: signs and verifies the markers of our snapshots; at least 16 bytes.
    """

    vcenter: VCenterChanges
    name: str
    clock: Clock
    signal: Signal
    pause: Callable[[float], None]
    turns: Turns
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of a machine, and the answers behind it."""

    sight: Sight
    exchange: Exchange


def look(access: Access, moid: str, task: str | None = None) -> Look | None:
    """One look at a machine, at its recent tasks, and at one task that is wanted besides; None when it is gone.

    Raises:
        VCenterError, Fenced, Cancelled: as `VCenter.fetch`.
    """
    access.signal.check()
    started = access.clock.now()
    at = access.vcenter.now()
    answers = access.vcenter.fetch(questions.state_of(moid))
    found = next((a for a in answers if a.kind == facts.MACHINE), None)
    if found is None:
        return None
    machine = _machine(access, found)
    told = _tasks(access, machine, task)
    sight = Sight(
        at=at,
        machine=machine,
        tasks={answer.id: questions.task(answer) for answer in told},
        datastores={a.id: facts.datastore(a) for a in answers if a.kind == facts.DATASTORE},
        disabled=questions.disabled(found),
        booted=questions.booted(found),
    )
    question = f"RetrievePropertiesEx {machine.key} and its tasks"
    output = as_evidence([found, *told])
    return Look(sight, Exchange(question, started, access.clock.now(), output=output, tool=access.vcenter.version))


def _machine(access: Access, found: ManagedObject) -> Machine:
    read = facts.machine(found, access.vcenter.instance_uuid, {})
    return facts.with_detail(read, found)


def _tasks(access: Access, machine: Machine, task: str | None) -> list[ManagedObject]:
    recent = machine.detail.tasks if machine.detail is not None else ()
    ids = {*recent, *([task] if task is not None else [])}
    return list(access.vcenter.fetch([questions.tasks(ids)])) if ids else []


def find_machine(access: Access, reference: str) -> Candidate:
    """The machine that a name, an instanceUuid or a moId means.

    Raises:
        InputError: there is none, or there are several; the message names them.
        VCenterError, Fenced, Cancelled: as `VCenter.fetch`.
    """
    answers = access.vcenter.fetch([questions.NAMES])
    return chosen(reference, [questions.candidate(answer) for answer in answers], access.name)


def machines_meant(access: Access, reference: str) -> list[Candidate]:
    """Every machine that a name, an instanceUuid or a moId could mean; raises as `VCenter.fetch`."""
    answers = access.vcenter.fetch([questions.NAMES])
    return meant(reference, [questions.candidate(answer) for answer in answers])


def same_machine(access: Access, reference: str, journal: Journal) -> Candidate:
    """The machine of a step: looked up once, and on later attempts found by its identity, whatever it is called then.

    Raises:
        InputError, VCenterError, LedgerError, Fenced, Cancelled: as `find_machine` and `Journal.keep`.
    """
    kept = journal.stored().get("machine")
    if isinstance(kept, str):
        return find_machine(access, kept)
    found = find_machine(access, reference)
    journal.keep({"machine": found.instance_uuid or found.id})
    return found
