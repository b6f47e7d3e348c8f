"""The check of all virtual machines of one vCenter: gather, judge each machine, reconcile with the backups.

A machine's check speaks of its snapshots, not of a copy of it, so that the ladder of backup proof hardly applies: its
level is `REACHABLE` when the vCenter told the machine's state (which says nothing about any copy), and None when it did
not, which makes the verdict `unknown` whatever else was found.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from ronde.engine.survey import Survey, as_evidence, survey
from ronde.facts import vsphere as facts
from ronde.model.check import Check, Exchange, Finding, Json
from ronde.model.errors import InputError
from ronde.model.inventory import Client
from ronde.model.verdict import Level, Severity
from ronde.model.vsphere.coverage import Bearer, Coverage, reconcile
from ronde.model.vsphere.history import PastMachine
from ronde.model.vsphere.identity import gone, identity_findings, vanished
from ronde.model.vsphere.machine import Machine
from ronde.model.vsphere.rules import Scene, Subject, examine, occupied_by
from ronde.model.vsphere.rules.state import CONNECTED
from ronde.model.vsphere.rules.storage import datastore_findings, holding
from ronde.model.vsphere.thresholds import Thresholds, read_thresholds
from ronde.ports import Clock, VCenter


@dataclass(frozen=True, slots=True)
class MachinesRequest:
    """What to check, and what is known already.

    Attributes:
        client: the inventory's entry: hosts, backups, exemptions, thresholds.
        vcenter: the vCenter's name in the inventory.
        now: the worker's clock at the start; exemptions end, and machines are missed, by it. Ages of snapshots use the
            vCenter's own clock.
        clock: the worker's, for the comparison of the two.
        history: earlier facts of each machine, newest first, by its key `vc_uuid/VirtualMachine/vm-42`, which stands
            under `key` in its check's facts (`PastMachine.of` reads those).
        everything: whether files and hardware of all machines are read, as the rules about orphaned deltas and disks
            left attached need; otherwise only those of machines with snapshots.
        elsewhere: names of machines on the client's other vCenters, as far as known.
        mark_key: verifies the markers of our own snapshots; without it none is believed.
    """

    client: Client
    vcenter: str
    now: datetime
    clock: Clock
    history: Mapping[str, Sequence[PastMachine]] = field(default_factory=dict)
    everything: bool = True
    elsewhere: frozenset[str] = frozenset()
    mark_key: bytes | None = field(default=None, repr=False)


def check_machines(vcenter: VCenter, request: MachinesRequest) -> list[Check]:
    """One check of the vCenter itself, one of each machine (`vm`), and one of what backs it up (`coverage`).

    Raises:
        InputError: the inventory's thresholds do not hold, or it has no such vCenter.
        VCenterError, Fenced, Cancelled: as `VCenter.fetch`.
    """
    entry = request.client.vcenters.get(request.vcenter)
    if entry is None:
        raise InputError(f'Client {request.client.client} has no vCenter named "{request.vcenter}".')
    thresholds = read_thresholds(entry.thresholds)
    read = survey(vcenter, request.clock, everything=request.everything)
    scene = _scene(read, request, thresholds)
    past = _past(read.machines, request.history)
    subjects = [Subject(m, scene, occupied_by(m), past.get(m.key, ())) for m in read.machines]
    missed = gone(read.machines, request.history, request.now)
    names = _distinct(read.machines)
    machines = [_machine_check(subject, names[subject.machine.key], read, request) for subject in subjects]
    covers = list(_coverage_checks(subjects, names, missed, read, request))
    return [_vcenter_check(subjects, machines, vanished(missed), read, request), *machines, *covers]


def _scene(read: Survey, request: MachinesRequest, thresholds: Thresholds) -> Scene:
    homes = Counter(machine.folder for machine in read.machines)
    return Scene(
        now=read.now,
        zone=ZoneInfo(request.client.timezone),
        thresholds=thresholds,
        datastores=read.datastores,
        homes={m.folder: m for m in read.machines if m.folder is not None and homes[m.folder] == 1},
        key=request.mark_key,
    )


def _past(
    machines: Sequence[Machine], history: Mapping[str, Sequence[PastMachine]]
) -> dict[str, tuple[PastMachine, ...]]:
    """Each machine's own history: found by its instanceUuid when it was registered anew, never by its id alone."""
    by_identity = {past[0].instance_uuid or "": past for past in history.values() if past and past[0].instance_uuid}
    found = {m.key: history.get(m.key) or by_identity.get(m.instance_uuid or "") or () for m in machines}
    return {m.key: tuple(night for night in found[m.key] if _same(night, m)) for m in machines}


def _same(night: PastMachine, machine: Machine) -> bool:
    return None in (night.instance_uuid, machine.instance_uuid) or night.instance_uuid == machine.instance_uuid


def _distinct(machines: Sequence[Machine]) -> dict[str, str]:
    """A subject for each machine: its name, with its moId where several bear the same."""
    bearers = Counter(machine.name for machine in machines)
    return {m.key: m.name if bearers[m.name] == 1 else f"{m.name} ({m.id})" for m in machines}


# ------------------------------------------------------------------- checks


def _machine_check(subject: Subject, name: str, read: Survey, request: MachinesRequest) -> Check:
    machine = subject.machine
    findings = examine(subject)
    told = machine.connection == CONNECTED
    remarkable = bool(machine.snapshots) or any(finding.severity is not Severity.INFO for finding in findings)
    return Check(
        subject=name,
        kind="vm",
        host=request.vcenter,
        findings=findings,
        level=Level.REACHABLE if told else None,
        evidence_at=read.ended if told else None,
        facts=_facts(subject),
        objective=subject.scene.thresholds.objective(),
        exchanges=(_exchange(machine, read, whole=remarkable),),
    )


def _exchange(machine: Machine, read: Survey, *, whole: bool) -> Exchange:
    """The answers about one machine. The wide one is kept where there is something to look up in it."""
    answers = read.raw[machine.id] if whole else read.raw[machine.id][:1]
    paths = [*facts.SLIM_PATHS, *(facts.DETAIL_PATHS if len(answers) > 1 else ())]
    return Exchange(
        question=f"RetrievePropertiesEx {machine.key}: {', '.join(paths)}",
        started=read.started,
        ended=read.ended,
        output=as_evidence(answers),
        tool=read.version,
    )


def _facts(subject: Subject) -> dict[str, Json]:
    """What the next nights compare with, and what reports show."""
    machine, occupied = subject.machine, subject.occupied
    oldest = min((node.created for node in machine.snapshots), default=None)
    return {
        "key": machine.key,
        "instance_uuid": machine.instance_uuid,
        "name": machine.name,
        "power": machine.power,
        "template": machine.template,
        "snapshots": len(machine.snapshots),
        "snapshot_ids": [node.id for node in machine.snapshots],
        "depth": machine.depth,
        "oldest_snapshot": oldest.isoformat() if oldest is not None else None,
        "snapshot_bytes": occupied.total if occupied is not None else None,
        "committed": machine.committed,
        "consolidation_needed": machine.consolidation_needed,
        "detailed": machine.detail is not None,
    }


def _coverage_checks(
    subjects: Sequence[Subject],
    names: Mapping[str, str],
    missed: Mapping[str, PastMachine],
    read: Survey,
    request: MachinesRequest,
) -> Iterator[Check]:
    machines = {subject.machine.key: subject for subject in subjects}
    bearers = [Bearer(m.key, m.name, m.managed_by) for m in read.machines]
    today = request.now.astimezone(ZoneInfo(request.client.timezone)).date()
    for coverage in reconcile(request.client, bearers, today, request.elsewhere):
        subject = machines.get(coverage.key or "")
        identity = identity_findings(subject.machine, subject.past, missed) if subject is not None else []
        yield _coverage_check(coverage, names, tuple(identity), read, request)


def _coverage_check(
    coverage: Coverage, names: Mapping[str, str], identity: tuple[Finding, ...], read: Survey, request: MachinesRequest
) -> Check:
    """Both sides of the comparison were read: the inventory, and the vCenter's list of machines."""
    return Check(
        subject=names.get(coverage.key or "", coverage.name),
        kind="coverage",
        host=request.vcenter,
        findings=(*coverage.findings, *identity),
        level=Level.REACHABLE,
        evidence_at=read.ended,
        facts={"key": coverage.key, "backups": list(coverage.backups)},
    )


def _vcenter_check(
    subjects: Sequence[Subject],
    machines: Sequence[Check],
    missed: tuple[Finding, ...],
    read: Survey,
    request: MachinesRequest,
) -> Check:
    thresholds = read_thresholds(request.client.vcenters[request.vcenter].thresholds)
    findings = [*_clock(read, thresholds), *missed, *datastore_findings(subjects, thresholds)]
    if not subjects:
        text = "The vCenter shows no machine at all: that is more likely a lack of permission than an empty vCenter."
        findings.append(Finding("no-machine-seen", Severity.UNKNOWN, text))
    used = {store.id for subject in subjects for store in holding(subject)}
    return Check(
        subject=request.vcenter,
        kind="vcenter",
        host=request.vcenter,
        findings=tuple(findings),
        level=Level.REACHABLE,
        evidence_at=read.ended,
        facts={
            "uuid": read.uuid,
            "version": read.version,
            "machines": len(subjects),
            "unverified": sum(1 for check in machines if check.level is None),
            "with_snapshots": sum(1 for subject in subjects if subject.machine.snapshots),
            "snapshot_bytes": sum(subject.occupied.total for subject in subjects if subject.occupied is not None),
            "skew_s": round(read.skew.total_seconds(), 1),
            "datastores": [
                {"name": store.name, "free": store.free, "capacity": store.capacity, "deltas": store.id in used}
                for store in read.datastores.values()
            ],
        },
        objective=thresholds.objective(),
    )


def _clock(read: Survey, thresholds: Thresholds) -> Iterator[Finding]:
    limit = thresholds["clock-skew"]
    off = abs(read.skew.total_seconds())
    severity = limit.severity(off)
    if severity is not None:
        ahead = "ahead of" if read.skew.total_seconds() > 0 else "behind"
        text = f"The vCenter's clock is {limit.shown(off)} {ahead} ours; the limit is {limit.limit(severity)}."
        yield Finding("clock-skew", severity, text, {"skew_s": round(read.skew.total_seconds(), 1)})
