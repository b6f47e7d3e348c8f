"""Which machines came, went, or took another's name since the last rounds."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from ronde.model.check import Finding
from ronde.model.verdict import Severity
from ronde.model.vsphere.history import PastMachine
from ronde.model.vsphere.machine import Machine

_REMEMBERED = timedelta(days=3)  # a machine that is gone is told of for a weekend, then it is history

History = Mapping[str, Sequence[PastMachine]]


def gone(machines: Sequence[Machine], history: History, now: datetime) -> dict[str, PastMachine]:
    """Machines of the last rounds that the vCenter no longer shows, by key.

    They were removed, or we may no longer see them: their findings went with them, and that is not good news by itself.
    One that was registered anew has another key and the same instanceUuid; it is not gone.
    """
    keys = {machine.key for machine in machines}
    identities = {machine.instance_uuid for machine in machines if machine.instance_uuid}
    return {
        key: past[0]
        for key, past in history.items()
        if past and key not in keys and now - past[0].at <= _REMEMBERED and past[0].instance_uuid not in identities
    }


def vanished(missed: Mapping[str, PastMachine]) -> tuple[Finding, ...]:
    """A finding about the machines that are gone, when there are any."""
    if not missed:
        return ()
    names = sorted(past.name or key for key, past in missed.items())
    shown = ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
    text = f"The vCenter no longer shows {shown}: removed, or hidden from our user. Nothing is known of them any more."
    return (Finding("vm-gone", Severity.WARNING, text, {"machines": names}),)


def identity_findings(
    machine: Machine, past: Sequence[PastMachine], missed: Mapping[str, PastMachine]
) -> list[Finding]:
    """What a machine's name is worth: backups are matched by name, and names move."""
    if past:
        before = past[0].name
        if before and before != machine.name:
            text = f'This machine was named "{before}" until the last round; the inventory may still say so.'
            return [Finding("vm-renamed", Severity.INFO, text, {"before": before})]
        return []
    if any(former.name == machine.name for former in missed.values()):
        text = "Another machine bore this name until lately: confirm that its backup is the backup of this one."
        return [Finding("vm-replaced", Severity.WARNING, text, {"instance_uuid": machine.instance_uuid})]
    return []
