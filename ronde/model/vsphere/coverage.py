"""The reconciliation: every machine is backed up by a named check, exempt with a reason and a date, or uncovered.

A machine that nobody decided about is a warning, not a failure: no backup is broken, a decision is missing. (The guide
d'hygiène informatique of the ANSSI, measure 37, and CIS Control 11 ask for that decision to be written down.)
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from ronde.model.check import Finding
from ronde.model.inventory import Client, Exemption
from ronde.model.verdict import Severity

_HELPERS = frozenset({"com.vmware.vim.eam"})  # vSphere's own agents (vCLS): VMware KB 80472 says to leave them alone


@dataclass(frozen=True, slots=True)
class Bearer:
    """A machine as far as its name and its keeper go; `key` tells machines of the same name apart."""

    key: str
    name: str
    managed_by: str = ""


@dataclass(frozen=True, slots=True)
class Coverage:
    """What stands for one machine, or for one name that no machine bears.

    Attributes:
        name: the machine's name, or the name that only the inventory knows.
        key: the machine's key; None when there is no such machine.
        backups: `host/backup` of the checks that cover it.
    """

    name: str
    key: str | None
    backups: tuple[str, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class _Claims:
    """What the inventory says about machine names, folded to lower case: vSphere names ignore case as people do.

    Attributes:
        backups: name → the backups that cover it; spelled: name → as the inventory writes it, when it names a machine.
    """

    backups: Mapping[str, tuple[str, ...]]
    spelled: Mapping[str, str]
    exempt: Mapping[str, Exemption]


def _claims(client: Client) -> _Claims:
    backups: dict[str, list[str]] = {}
    spelled: dict[str, str] = {}
    for name, host in client.hosts.items():
        for backup in host.backups:
            for machine in (host.vm or name, *backup.vm):
                known = backups.setdefault(machine.casefold(), [])
                known.append(f"{name}/{backup.name}")
            spelled.update({machine.casefold(): machine for machine in backup.vm})
        if host.vm and host.backups:
            spelled[host.vm.casefold()] = host.vm
    exempt: dict[str, Exemption] = {}
    for entry in client.exempt:
        known_one = exempt.get(entry.vm.casefold())
        if known_one is None or known_one.until < entry.until:
            exempt[entry.vm.casefold()] = entry
    return _Claims({name: tuple(dict.fromkeys(checks)) for name, checks in backups.items()}, spelled, exempt)


def reconcile(
    client: Client, machines: Sequence[Bearer], today: date, elsewhere: frozenset[str] = frozenset()
) -> list[Coverage]:
    """What covers each machine, in their order, then the names of the inventory that no machine bears.

    Args:
        client: its hosts, backups and exemptions.
        machines: all machines of one vCenter.
        today: in the client's time zone; an exemption holds through its last day.
        elsewhere: names that machines bear on the client's other vCenters.
    """
    claims = _claims(client)
    bearers: dict[str, int] = {}
    for machine in machines:
        bearers[machine.name.casefold()] = bearers.get(machine.name.casefold(), 0) + 1
    covered = [_coverage(machine, claims, today, bearers[machine.name.casefold()]) for machine in machines]
    known = bearers.keys() | {name.casefold() for name in elsewhere}
    return [*covered, *_strays(claims, known, several=len(client.vcenters) > 1)]


def _coverage(machine: Bearer, claims: _Claims, today: date, bearers: int) -> Coverage:
    name = machine.name.casefold()
    backups, exemption = claims.backups.get(name, ()), claims.exempt.get(name)
    if bearers > 1 and (backups or exemption):
        text = f"{bearers} machines bear this name: which of them the inventory means is not known. Rename one of them."
        finding = Finding("vm-name-ambiguous", Severity.UNKNOWN, text, {"bearers": bearers, "backups": list(backups)})
        return Coverage(machine.name, machine.key, (), (finding,))
    if backups:
        return Coverage(machine.name, machine.key, backups, ())
    if exemption is not None:
        return Coverage(machine.name, machine.key, (), (_exempted(exemption, today),))
    if machine.managed_by in _HELPERS:
        text = "vSphere looks after this machine itself; it needs no backup."
        return Coverage(machine.name, machine.key, (), (Finding("vm-of-vsphere", Severity.INFO, text),))
    text = "No backup check covers this machine, and nobody has exempted it."
    return Coverage(machine.name, machine.key, (), (Finding("vm-uncovered", Severity.WARNING, text),))


def _exempted(exemption: Exemption, today: date) -> Finding:
    evidence = {"reason": exemption.reason, "until": exemption.until.isoformat()}
    if today <= exemption.until:
        text = f"Needs no backup until {exemption.until}: {exemption.reason}."
        return Finding("vm-exempt", Severity.INFO, text, evidence)
    text = f"The exemption from backup ended on {exemption.until} ({exemption.reason}), and no backup check covers it."
    return Finding("exemption-expired", Severity.WARNING, text, evidence)


def _strays(claims: _Claims, known: Iterable[str], *, several: bool) -> list[Coverage]:
    """Names that the inventory gives and no machine bears. With several vCenters they may belong to another one."""
    names, found = set(known), []
    for folded, spelled in sorted(claims.spelled.items()):
        if folded not in names:
            backups = claims.backups[folded]
            text = f"{', '.join(backups)} claims to cover this machine, and no machine bears that name"
            severity = Severity.INFO if several else Severity.WARNING
            text += " on this vCenter." if several else ": it was renamed or removed."
            finding = Finding("backup-vm-missing", severity, text, {"backups": list(backups)})
            found.append(Coverage(spelled, None, backups, (finding,)))
    for folded, exemption in sorted(claims.exempt.items()):
        if folded not in names and not several:
            text = "The inventory exempts this machine, and no machine bears that name."
            found.append(Coverage(exemption.vm, None, (), (Finding("exempt-vm-missing", Severity.INFO, text),)))
    return found
