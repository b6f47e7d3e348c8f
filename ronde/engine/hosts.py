"""Looking after hosts outside a run: which one is meant, and whether it can be reached."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from ronde.engine.backups import check_clock, skew_of
from ronde.engine.ordering import find_client
from ronde.model.errors import InputError, RondeError
from ronde.model.inventory import Client, Host, Inventory
from ronde.model.verdict import Verdict
from ronde.model.words import hint
from ronde.ports import Clock, Shells, Signal


@dataclass(frozen=True, slots=True)
class HostOnFile:
    """A host of the inventory, with its client."""

    client: Client
    name: str

    @property
    def host(self) -> Host:
        return self.client.hosts[self.name]


@dataclass(frozen=True, slots=True)
class Reached:
    """Whether a host lets us in and runs what we ask.

    Attributes:
        error: the stable code of what went wrong, or of the rule that spoke; empty when all is well. `words` says it.
        skew: the host's clock minus ours; None when unknown.
    """

    verdict: Verdict
    words: str
    error: str = ""
    skew: timedelta | None = None


def hosts_on_file(inventory: Inventory, client: str | None) -> Iterator[HostOnFile]:
    """All hosts, or those of one client.

    Raises:
        InputError: there is no such client.
    """
    if client is not None:
        find_client(inventory, client)
    for each in inventory.clients.values():
        if client in (None, each.client):
            yield from (HostOnFile(each, name) for name in each.hosts)


def find_host(inventory: Inventory, name: str, client: str | None) -> HostOnFile:
    """The one host of that name.

    Raises:
        InputError: there is none, or several clients have one.
    """
    known = list(hosts_on_file(inventory, client))
    found = [host for host in known if host.name == name]
    if not found:
        raise InputError(f'There is no host "{name}"{hint(name, [host.name for host in known])}')
    if len(found) > 1:
        names = ", ".join(host.client.client for host in found)
        raise InputError(f"Several clients have a host {name}: {names}.", advice="Say which with --client.")
    return found[0]


def reach(shells: Shells, on_file: HostOnFile, clock: Clock, signal: Signal) -> Reached:
    """Connect, log in, run one harmless command and compare clocks."""
    try:
        with shells.open(on_file.client, on_file.name, signal) as shell:
            check = check_clock(shell, on_file.name, clock)
    except RondeError as error:
        verdict = Verdict.FAILED if error.permanent else Verdict.UNKNOWN
        return Reached(verdict, str(error), error=error.code)
    words = " ".join(finding.message for finding in check.findings)
    skew = skew_of(check) if check.level is not None else None
    error_code = check.findings[0].rule if check.findings else ""
    return Reached(check.verdict, words or "Reached; its clock is right.", error=error_code, skew=skew)
