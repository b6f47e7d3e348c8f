"""What a fact about packages says, in the words of the case files."""

from collections.abc import Mapping
from typing import Any

from ronde.facts.patch.manager import Choice
from ronde.facts.patch.rpm_updates import Advisory, Offer
from ronde.facts.patch.windows import Progress
from ronde.facts.patch.zypper import Patches
from ronde.model.check import Finding
from ronde.model.patch.audit import Integrity, Manager, Metadata, RepositoryFault
from ronde.model.patch.outcome import Outcome
from ronde.model.patch.packages import Database, Pending, Simulation, Transaction
from ronde.model.patch.reboot import Signal


def summary(fact: object) -> dict[str, Any]:
    match fact:
        case None:
            said: dict[str, Any] = {"nothing": True}
        case Finding():
            said = {"rule": fact.rule, "severity": str(fact.severity), "says": fact.message}
        case Manager():
            said = {"manager": str(fact)}
        case Signal():
            said = {"needed": fact.needed, "settles": fact.settles, "says": f"{fact.reason} {fact.evidence}"}
        case Integrity():
            said = {"journal": list(fact.journal), "audit": list(fact.audit), "unmet": list(fact.unmet)}
        case Transaction():
            said = _transaction(fact)
        case (Transaction() as transaction, Mapping() as skipped):
            said = _transaction(transaction) | {"skipped": dict(skipped)}
        case _:
            said = _lists(fact)
    return said


def _lists(fact: object) -> dict[str, Any]:
    match fact:
        case Metadata():
            refreshed = fact.refreshed.isoformat() if fact.refreshed else None
            said: dict[str, Any] = {"repositories": fact.repositories, "refreshed": refreshed} | _faults(fact.faults)
        case Patches():
            said = {"told": fact.told, "manager": fact.manager} | _advisories(fact.advisories)
        case Database():
            said = {
                "packages": sorted(f"{entry.package.label} {entry.package.version}" for entry in fact.entries),
                "broken": [f"{entry.package.label} {entry.package.version} {entry.mark}" for entry in fact.broken],
            }
        case Simulation():
            said = _transaction(fact.transaction) | {"pending": [_pending(one) for one in fact.pending]}
        case Choice():
            said = {"manager": fact.name, "tier": str(fact.tier)}
        case Progress():
            said = {"state": str(fact.state), "result": fact.result is not None}
        case Outcome():
            said = {
                "known": fact.known,
                "done": [one.name for one in fact.done],
                "failed": [f"{miss.label} {miss.found}" for miss in fact.failed],
                "rules": sorted({finding.rule for finding in fact.findings}),
            }
        case tuple() | frozenset():
            said = _several(fact)
        case _:
            raise AssertionError(fact)
    return said


def _pending(one: Pending) -> list[Any]:
    return [one.label, one.candidate, one.security, one.severity, list(one.advisories), list(one.cves)]


def _several(values: tuple[object, ...] | frozenset[object]) -> dict[str, Any]:
    faults = tuple(value for value in values if isinstance(value, RepositoryFault))
    advisories = tuple(value for value in values if isinstance(value, Advisory))
    offers = [value for value in values if isinstance(value, Offer)]
    names = sorted(value for value in values if isinstance(value, str))
    if advisories:
        return _advisories(advisories)
    if offers:
        return {"offers": sorted(f"{one.package.label} {one.package.version} {one.repository}" for one in offers)}
    return {"names": names, "offers": [], "advisories": {}} | _faults(faults)


def _faults(faults: tuple[RepositoryFault, ...]) -> dict[str, Any]:
    return {"faults": [fault.name for fault in faults], "says": " ".join(fault.why for fault in faults)}


def _advisories(advisories: tuple[Advisory, ...]) -> dict[str, Any]:
    told = {one.id: [one.security, one.severity, list(one.cves), sorted(one.packages)] for one in advisories}
    return {"advisories": told}


def _transaction(transaction: Transaction) -> dict[str, Any]:
    return {
        "install": [f"{one.label} {one.version}" for one in transaction.install],
        "new": [f"{one.label} {one.version}" for one in transaction.new_dependencies],
        "upgrade": [f"{one.target.label} {one.before} {one.after}" for one in transaction.upgrade],
        "downgrade": [f"{one.target.label} {one.before} {one.after}" for one in transaction.downgrade],
        "remove": [f"{one.label} {one.version}" for one in transaction.remove],
    }
