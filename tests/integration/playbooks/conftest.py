"""A technician at a real machine: the shipped playbooks, ordered and worked through in this process."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from lab.keys import client_key
from lab.machines import Machine
from ronde.adapters.queue.heartbeat import Heartbeat
from ronde.bootstrap import Services, build_here
from ronde.engine.ordering import Request, order, work_through
from ronde.model.records import JobRecord, RunRecord, Scope
from ronde.settings import Settings
from tests.integration.machines.conftest import own_network

CLIENT = "commune"
SCOPE = Scope.of(CLIENT)
ROOT = Path(__file__).resolve().parents[3]


@dataclass
class Desk:
    """Where a technician sits: an inventory of one machine, and Ronde in laptop mode."""

    services: Services
    machine: Machine
    extra: dict[str, Any] = field(default_factory=dict)

    def run(self, playbook: str, parameters: Mapping[str, str] | None = None, **more: Any) -> RunRecord:
        """Order a playbook on the machine and work through it."""
        asked = {"clients": [CLIENT], "on": ["srv"], "who": "alice", "once": True, **more}
        run = order(self.services.engine, Request(playbook, parameters=dict(parameters or {}), **asked))
        engine = self.services.engine
        return work_through(engine, run, SCOPE, threads=2, tell=lambda _record: None)

    def job(self, playbook: str, parameters: Mapping[str, str] | None = None, **more: Any) -> JobRecord:
        """The only job of such a run, whole."""
        record = self.run(playbook, parameters, **more)
        (job,) = self.services.ledger.run(SCOPE, record.id).jobs
        return job


def write_inventory(directory: Path, machine: Machine, key: Path) -> None:
    host = {
        "address": machine.address,
        "port": machine.port,
        "user": machine.user,
        "key": f"file://{key}",
        "host_key": list(machine.public_keys),
        "tags": ["apps"],
    }
    client = {
        "client": CLIENT,
        "name": "Commune",
        "timezone": "Europe/Paris",
        "hosts": {"srv": host},
        "windows": {"always": {"at": "00:00-24:00"}},
    }
    provider = {"name": "Infogérance", "sender": "ronde@infogerance.example"}
    (directory / "clients").mkdir(parents=True)
    for name, content in (("provider.yml", provider), (f"clients/{CLIENT}.yml", client)):
        with (directory / name).open("w") as file:
            YAML().dump(content, file)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """One machine for a whole module, and a ledger of its own."""
    folder = tmp_path_factory.mktemp("desk")
    key, line = client_key(folder)
    with Machine("srv", folder / "srv", f"{own_network()}.1", authorized_keys=[line]) as machine:
        write_inventory(folder / "inventory", machine, key)
        settings = Settings(
            inventory=folder / "inventory",
            data_dir=folder / "data",
            playbooks=ROOT / "playbooks",
            retry_delays=(timedelta(seconds=1),),
        )
        services = build_here(settings)
        heart = Heartbeat(services.holding.beat, every=5)
        heart.start()
        try:
            yield Desk(services, machine)
        finally:
            heart.stop()
            services.close()
