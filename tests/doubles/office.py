"""A real installation in this process: its inventory as files, its ledger as SQLite, its hosts and vCenters the lab's.

What a person orders is worked through here at once, by the very engine that workers use.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from ruamel.yaml import YAML

from lab.identity import Identity
from lab.keys import client_key
from lab.vcenter import VCenterServer
from ronde.adapters.queue.memory_feed import MemoryFeed
from ronde.adapters.queue.sender import NoQueue
from ronde.bootstrap import Services, build
from ronde.engine.approving import decide_on
from ronde.engine.ordering import Request, order, work_through
from ronde.engine.parts import Engine
from ronde.model.inventory import TechnicianEntry
from ronde.model.people import technician_of
from ronde.model.records import JobRecord, RunRecord, Scope
from ronde.settings import Settings

CLIENT = "commune"
SCOPE = Scope.of(CLIENT)
_BOB = TechnicianEntry(name="Bob", email="bob@msp.example", roles=("approve",), clients=("all",))
SECOND = technician_of({"bob": _BOB}, "bob")


@dataclass
class Office:
    """One client's hosts and vCenters, and what is ordered about them.

    Attributes:
        more: fields of the client's file beside its hosts and vCenters.
        settings: settings that differ from the defaults.
    """

    directory: Path
    hosts: dict[str, dict[str, Any]] = field(default_factory=dict)
    vcenters: dict[str, dict[str, Any]] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if "services" in self.__dict__:
            self.services.close()

    def host(self, machine: Identity, key: Path, **changes: Any) -> None:
        """Look after a host of the lab; `key` is the private key that opens it."""
        self.hosts[machine.name] = {
            "address": machine.address, "port": machine.port, "user": "root", "key": f"file://{key}",
            "host_key": list(machine.public_keys), **changes,
        }  # fmt: skip
        self.write()

    def vcenter(self, server: VCenterServer, name: str = "vc1") -> None:
        """Look after a vCenter of the lab."""
        password = self.directory / f"{name}.password"
        password.write_text(server.password)
        certificate = self.directory / "inventory" / "certificates" / f"{name}.pem"
        certificate.parent.mkdir(parents=True, exist_ok=True)
        certificate.write_text(server.certificate_pem)
        self.vcenters[name] = {
            "address": server.address, "port": server.port, "user": server.user, "password": f"file://{password}",
            "certificate": f"{name}.pem",
        }  # fmt: skip
        self.write()

    def write(self) -> None:
        """The inventory as it stands; a running office reads it anew."""
        folder = self.directory / "inventory" / "clients"
        folder.mkdir(parents=True, exist_ok=True)
        provider = {"name": "Infogérance", "sender": "ronde@infogerance.example"}
        client = {
            "client": CLIENT, "name": "Commune", "timezone": "UTC", "hosts": self.hosts, "vcenters": self.vcenters,
            **self.more,
        }  # fmt: skip
        for path, document in ((folder.parent / "provider.yml", provider), (folder / f"{CLIENT}.yml", client)):
            with path.open("w", encoding="utf-8") as file:
                YAML().dump(document, file)

    @cached_property
    def services(self) -> Services:
        own = {"inventory": self.directory / "inventory", "data_dir": self.directory / "data", "retry_delays": ()}
        settings = Settings.model_validate({**own, "lease": 900.0, **self.settings})
        made = build(settings, queue=NoQueue(), role="here", feed=MemoryFeed())
        made.ledger.upgrade()
        return made

    @property
    def engine(self) -> Engine:
        return self.services.engine

    def request(self, playbook: str, on: str, **more: Any) -> Request:
        parameters = {name: str(value) for name, value in more.pop("parameters", {}).items()}
        return Request(playbook, [CLIENT], [on], "alice", parameters=parameters, **more)

    def order(self, playbook: str, on: str, **more: Any) -> str:
        """Record an order, agreed to by a second technician where it needs one; the run's id."""
        run = order(self.engine, self.request(playbook, on, **more))
        if self.engine.ledger.approval(SCOPE, run) is not None:
            decide_on(self.engine, SCOPE, self.services.ledger.run(SCOPE, run), SECOND, agrees=True)
        return run

    def work(self, run: str, tell: Callable[[RunRecord], None] = lambda _record: None) -> JobRecord:
        """Work through a run to its end; its one job."""
        record = work_through(self.engine, run, SCOPE, threads=2, tell=tell)
        (job,) = self.services.ledger.run(SCOPE, record.id).jobs
        return job

    def do(self, playbook: str, on: str, **more: Any) -> JobRecord:
        """Order something and work through it."""
        return self.work(self.order(playbook, on, **more))

    def with_engine(self, **parts: Any) -> Engine:
        """Another engine of the same installation with some of its surroundings replaced."""
        return replace(self.engine, **parts)


def key_of(directory: Path) -> tuple[Path, str]:
    """The private key and the public line that the lab's hosts below a directory are opened with."""
    return client_key(directory)
