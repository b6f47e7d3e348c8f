"""Rules about the machine's state: whether it can be believed at all, and what stands in the way of snapshots."""

from collections.abc import Iterator

from ronde.model.check import Finding
from ronde.model.verdict import Severity
from ronde.model.vsphere.attributes import backup_attribute, read_instant
from ronde.model.vsphere.machine import POWERED_ON, Machine
from ronde.model.vsphere.marks import made_by_backup
from ronde.model.vsphere.rules.subject import CLOCK_TOLERANCE, Subject, unknown
from ronde.model.vsphere.words import span

CONNECTED = "connected"
_FT_OFF = "notConfigured"
TOOLS_RUNNING = "guestToolsRunning"
_TOOLS_POOR = {
    "guestToolsNotInstalled": "are not installed",
    "guestToolsTooOld": "are too old to work",
    "guestToolsSupportedOld": "are out of date",
    "guestToolsNeedUpgrade": "are out of date",
    "guestToolsBlacklisted": "have a known serious fault and must be replaced",
}


def reachable(subject: Subject) -> Iterator[Finding]:
    """Of a machine whose host is gone the vCenter repeats what it last knew: nothing of that is evidence."""
    state = subject.machine.connection
    if state != CONNECTED:
        shown = state or "not told"
        text = f"The vCenter has no connection to this machine (state: {shown}); what it says of it may be old."
        yield unknown("vm-unreachable", text, {"connection": state})


def readable(subject: Subject) -> Iterator[Finding]:
    """What we may not read cannot be in order."""
    machine = subject.machine
    unset = [
        path
        for path, value in (
            ("runtime.powerState", machine.power),
            ("config.files.vmPathName", machine.folder),
            ("config.template", machine.template),
        )
        if value is None and path not in machine.missing
    ]
    if machine.missing or unset:
        paths = ", ".join([*sorted(machine.missing), *unset])
        text = f"The vCenter does not let us read {paths}: the rules that need it could not speak."
        yield unknown("vm-not-readable", text, {"missing": dict(machine.missing), "unset": unset})


def consolidation(subject: Subject) -> Iterator[Finding]:
    needed = subject.machine.consolidation_needed
    if needed:
        text = "The machine's disks need consolidation: deltas of removed snapshots are still in use and grow unseen."
        yield Finding("consolidation-needed", Severity.CRITICAL, text)
    elif needed is None and "runtime.consolidationNeeded" not in subject.machine.missing:
        # Unset is not false: a host that does not report it may well have leftovers.
        yield unknown(
            "consolidation-needed", "The vCenter does not say whether the machine's disks need consolidation."
        )


def question(subject: Subject) -> Iterator[Finding]:
    if subject.machine.question is not None:
        text = f"The machine waits for the answer to a question and stands still: {subject.machine.question}"
        yield Finding("question", Severity.CRITICAL, text)


def tools(subject: Subject) -> Iterator[Finding]:
    """Of a machine that is off, or a template, Tools cannot run."""
    machine = subject.machine
    if machine.power != POWERED_ON or machine.template:
        return
    fault = _TOOLS_POOR.get(machine.tools_version or "")
    if fault is None and machine.tools_running not in (None, TOOLS_RUNNING):
        fault = "are not running"
    if fault is not None:
        text = f"VMware Tools {fault}: snapshots of this machine are not consistent for its applications."
        evidence = {"running": machine.tools_running, "version": machine.tools_version}
        yield Finding("tools", Severity.WARNING, text, evidence)
    elif machine.tools_running is None and "guest.toolsRunningStatus" not in machine.missing:
        yield unknown("tools", "The vCenter does not say whether VMware Tools run in this machine.")


def change_tracking(subject: Subject) -> Iterator[Finding]:
    """Only where a product that backs up whole machines has left a trace: backups from within do not use it."""
    machine = subject.machine
    traced = backup_attribute(machine.attributes) or any(made_by_backup(node.name) for node in machine.snapshots)
    if traced and not machine.change_tracking and "config.changeTrackingEnabled" not in machine.missing:
        text = "Changed block tracking is off although the machine is backed up as an image: each backup reads it all."
        yield Finding("cbt-off", Severity.WARNING, text, {"change_tracking": machine.change_tracking})


def unsupported(subject: Subject) -> Iterator[Finding]:
    """The limits of snapshots by the vSphere documentation: told, not judged, as long as nothing needs a snapshot."""
    reasons = unsupported_because(subject.machine)
    if reasons:
        text = f"Snapshots of this machine are not supported: {'; '.join(reasons)}."
        yield Finding("snapshot-unsupported", Severity.INFO, text, {"reasons": list(reasons)})


def unsupported_because(machine: Machine) -> tuple[str, ...]:
    """What in a machine's hardware stands against snapshots, by the vSphere documentation."""
    detail, reasons = machine.detail, []
    if machine.fault_tolerance not in (None, _FT_OFF):
        reasons.append(f"fault tolerance is {machine.fault_tolerance}")
    if detail is not None and detail.shared_buses:
        reasons.append(f"{', '.join(detail.shared_buses)} shares its bus")
    if detail is not None and detail.passthrough:
        reasons.append(f"{', '.join(detail.passthrough)} is passed through")
    return tuple(reasons)


def backup_stale(subject: Subject) -> Iterator[Finding]:
    """Only where a product writes its last backup into a custom attribute; without one there is nothing to compare."""
    found = backup_attribute(subject.machine.attributes)
    if found is None:
        return
    name, value = found
    last = read_instant(value, subject.scene.zone, subject.scene.now)
    if last is None:
        yield unknown(
            "backup-stale", f'The attribute "{name}" holds no date that we understand: "{value}".', {name: value}
        )
        return
    age = subject.scene.now - last
    if age < -CLOCK_TOLERANCE:
        yield unknown("backup-stale", f'The attribute "{name}" is dated in the future: "{value}".', {name: value})
        return
    text = f'The last backup, by the attribute "{name}", is {span(age)} old; the limit is {{limit}}.'
    yield from subject.graded("backup-stale", age.total_seconds(), text, {name: value, "last": last.isoformat()})
