"""Gathering what one vCenter says of its machines, in two passes and one clock reading."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from ronde.facts import vsphere as facts
from ronde.model.vsphere.machine import Datastore, Machine
from ronde.model.vsphere.marks import is_consolidate_helper
from ronde.model.vsphere.objects import ManagedObject
from ronde.model.vsphere.rules.state import CONNECTED
from ronde.ports import Clock, VCenter

_VANISHED = "it vanished while we looked"


@dataclass(frozen=True, slots=True)
class Survey:
    """What was read.

    Attributes:
        now: the vCenter's clock; `skew` how far it is ahead of the worker's.
        started, ended: by the worker's clock.
        raw: moId → the answers about that machine, first pass first.
    """

    uuid: str
    version: str
    now: datetime
    skew: timedelta
    started: datetime
    ended: datetime
    machines: tuple[Machine, ...]
    datastores: Mapping[str, Datastore]
    raw: Mapping[str, Sequence[ManagedObject]] = field(repr=False)


def survey(vcenter: VCenter, clock: Clock, *, everything: bool) -> Survey:
    """Ask the vCenter about all its machines.

    Args:
        vcenter: an open session.
        clock: the worker's.
        everything: whether the second, wider pass looks at all machines, or only at those with snapshots.

    Raises:
        VCenterError, Fenced, Cancelled: as `VCenter.fetch`.
    """
    started = clock.now()
    now = vcenter.now()
    skew = now - (started + (clock.now() - started) / 2)
    first = vcenter.fetch(facts.FIRST_PASS)
    fields = {k: name for a in first if a.kind == facts.FIELDS for k, name in facts.field_names(a).items()}
    slim = {a.id: a for a in first if a.kind == facts.MACHINE}
    machines = [facts.machine(answer, vcenter.instance_uuid, fields) for answer in slim.values()]
    wide = _second_pass(vcenter, [m.id for m in machines if _wanted(m, everything=everything)])
    complete = [_with_detail(machine, wide) for machine in machines]
    return Survey(
        uuid=vcenter.instance_uuid,
        version=vcenter.version,
        now=now,
        skew=skew,
        started=started,
        machines=tuple(_with_tasks(vcenter, complete)),
        ended=clock.now(),
        datastores={a.id: facts.datastore(a) for a in first if a.kind == facts.DATASTORE},
        raw={moid: [a for a in (slim[moid], wide.get(moid)) if a is not None] for moid in slim},
    )


def _wanted(machine: Machine, *, everything: bool) -> bool:
    """Without a connection to the machine its files and hardware are not asked: they would be old."""
    suspicious = bool(machine.snapshots) or machine.consolidation_needed is not False or bool(machine.missing)
    return machine.connection == CONNECTED and (everything or suspicious)


def _second_pass(vcenter: VCenter, ids: Sequence[str]) -> dict[str, ManagedObject | None]:
    """The wide answers by moId; None for a machine that was asked for and did not come."""
    if not ids:
        return {}
    answers = {answer.id: answer for answer in vcenter.fetch([facts.second_pass(ids)])}
    return {moid: answers.get(moid) for moid in ids}


def _with_detail(machine: Machine, wide: Mapping[str, ManagedObject | None]) -> Machine:
    if machine.id not in wide:
        return machine
    answer = wide[machine.id]
    if answer is None:
        return replace(machine, missing={**machine.missing, **dict.fromkeys(facts.DETAIL_PATHS, _VANISHED)})
    return facts.with_detail(machine, answer)


def _with_tasks(vcenter: VCenter, machines: Sequence[Machine]) -> list[Machine]:
    """Whether a task runs, for the few machines where a rule needs to know; no call when there are none."""
    asked = {
        machine.id: machine.detail.tasks
        for machine in machines
        if machine.detail is not None and any(is_consolidate_helper(node.name) for node in machine.snapshots)
    }
    ids = sorted({task for tasks in asked.values() for task in tasks})
    states = {a.id: facts.is_running(a) for a in vcenter.fetch([facts.task_states(ids)])} if ids else {}
    return [replace(m, busy=_busy(asked[m.id], states)) if m.id in asked else m for m in machines]


def _busy(tasks: Sequence[str], states: Mapping[str, bool | None]) -> bool | None:
    """True when a task runs; None when none is seen to run and one may not be read. A vanished task has ended."""
    seen = [states[task] for task in tasks if task in states]
    return True if True in seen else None if None in seen else False


def as_evidence(answers: Sequence[ManagedObject]) -> bytes:
    """Answers as they are kept: JSON, one object a line."""
    lines = (
        json.dumps(
            {"kind": a.kind, "id": a.id, "properties": dict(a.properties), "missing": dict(a.missing)},
            default=_written,
            ensure_ascii=False,
        )
        for a in answers
    )
    return "\n".join(lines).encode()


def _written(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
