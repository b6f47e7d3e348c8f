"""One look at everything in a lab with Ronde's own engine and adapters, without broker, ledger or schedule."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

from lab.world import Lab
from ronde.adapters.clock import SystemClock
from ronde.adapters.files.inventory import load_inventory
from ronde.adapters.secrets import FileSecrets
from ronde.adapters.ssh import SshLimits, SshShells
from ronde.adapters.vsphere import PyVmomiVCenters, VCenterLimits
from ronde.engine.backups.checking import BackupRequest, check_all
from ronde.engine.machines import MachinesRequest, check_machines
from ronde.model.check import Check
from ronde.model.errors import RondeError
from ronde.model.inventory import Client, Inventory
from tests.doubles.shell import NeverStop

CLOCK = SystemClock()
SSH_LIMITS = SshLimits(connect=2, banner=2)
VCENTER_LIMITS = VCenterLimits(connect=2, silence=2, call=10)


@dataclass(frozen=True)
class Outcome:
    """What was concluded about one subject; about a whole target that could not be asked, with an empty subject."""

    client: str
    target: str
    subject: str
    verdict: str
    rules: tuple[str, ...]


def look(lab: Lab) -> list[Outcome]:
    """Every host with backups and every vCenter of the lab."""
    loaded = load_inventory(lab.inventory, None, datetime.now(UTC))
    assert loaded.inventory is not None, loaded.problems
    secrets = FileSecrets(lab.directory / "secrets", lab.directory / "identity.age", None)
    with ThreadPoolExecutor(max_workers=6) as pool:
        looks = [pool.submit(_outcomes, *job) for job in _jobs(loaded.inventory, secrets, lab.inventory)]
        return [outcome for one in looks for outcome in one.result()]


def _jobs(
    inventory: Inventory, secrets: FileSecrets, directory: Path
) -> Iterator[tuple[str, str, Callable[[], Iterator[Check]]]]:
    for client in inventory.clients.values():
        for name in [name for name, host in client.hosts.items() if host.backups]:
            yield client.client, name, partial(_host, client, name, secrets)
        for name in client.vcenters:
            yield client.client, name, partial(_vcenter, client, name, secrets, directory / "certificates")


def _outcomes(client: str, target: str, checks: Callable[[], Iterator[Check]]) -> list[Outcome]:
    try:
        made = list(checks())
    except RondeError as error:
        return [Outcome(client, target, "", "unknown", (error.code,))]
    return [
        Outcome(client, target, check.subject, check.verdict.value, tuple(f.rule for f in check.findings))
        for check in made
    ]


def _host(client: Client, name: str, secrets: FileSecrets) -> Iterator[Check]:
    zone = ZoneInfo(client.timezone)
    with SshShells(secrets, CLOCK, SSH_LIMITS).open(client, name, NeverStop()) as shell:
        requests = [
            BackupRequest(client.client, name, backup, CLOCK.now(), zone, (), CLOCK, deep=True)
            for backup in client.hosts[name].backups
        ]
        yield from check_all(shell, secrets, requests)


def _vcenter(client: Client, name: str, secrets: FileSecrets, certificates: Path) -> Iterator[Check]:
    with PyVmomiVCenters(secrets, CLOCK, certificates, VCENTER_LIMITS).open(client, name, NeverStop()) as session:
        yield from check_machines(session, MachinesRequest(client, name, CLOCK.now(), CLOCK))
