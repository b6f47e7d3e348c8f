"""The servers and files of one lab directory, found again by whoever opens it: the running lab, without its faults.

A host is an `SshServer`, or a `Machine` where the plan says so. Both have the same address, keys and `root/`: its
backups lie there, and a machine sees the folder under the same path, so that whatever is said about a host, and done
to its files from outside, holds for both. The machine of a host with backups has restic, borg and the like installed.
"""

import json
import shutil
import uuid
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from lab.borg import BorgRepository
from lab.cache import Cache, dump_nights
from lab.dumps import lay_out
from lab.errors import LabError
from lab.keys import client_key
from lab.machines import Machine
from lab.machines.base import BACKUP_TOOLS
from lab.machines.hypervisor import cut_power
from lab.mail import MailSink
from lab.redis import RedisServer
from lab.restic import ResticRepository
from lab.site import (
    BROKER_OCTET,
    MACHINES,
    MAIL_OCTET,
    SITE,
    VCENTER_OCTET,
    Backup,
    Borg,
    ClientSpec,
    Dump,
    HostSpec,
    Restic,
)
from lab.sshd import SshServer, stop_all
from lab.vcenter import VCenterServer

MAIL = "mail"
BROKER = "broker"

_PORTS = {"ssh": 2222, MAIL: 2525, BROKER: 6379, "vcenter": 8443}
"""The ports of a lab that shares its addresses with nobody; none needs a privilege."""

DEFAULT_NETWORK = "127.77.0"

Server = SshServer | Machine
"""What a host of the lab is."""


@dataclass
class Plan:
    """Which parts a lab has and where they listen; kept in `lab.json`, so that later commands find them.

    Attributes:
        network: the first three numbers of every address.
        free_ports: whether each server takes a free port instead of the usual one.
        only: names of the hosts, vCenters and services wanted; empty = all.
        machines: names of the hosts that are machines; wanted as well.
        ports: the port of each part that has been started once.
    """

    network: str = DEFAULT_NETWORK
    free_ports: bool = False
    only: list[str] = field(default_factory=list)
    machines: list[str] = field(default_factory=list)
    ports: dict[str, int] = field(default_factory=dict)

    @staticmethod
    def load(path: Path) -> "Plan | None":
        try:
            return Plan(**json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(vars(self), indent=1), encoding="utf-8")

    def address(self, octet: int) -> str:
        return f"{self.network}.{octet}"

    def port(self, part: str, kind: str) -> int:
        return self.ports.get(part, 0 if self.free_ports else _PORTS[kind])


class Parts:
    """The parts of the lab in `directory`, as its plan names them.

    Attributes:
        servers: host name to its sshd or machine; `mail`, `broker`, `vcenter`: None when the plan leaves them out.
    """

    def __init__(self, directory: Path, plan: Plan, cache: Path) -> None:
        self.directory = directory
        self.plan = plan
        self.cache = cache
        self._check_names()
        self.servers = {host.name: self._server(client, host) for client, host in self.hosts()}
        self.mail = self._mail() if self.wants(MAIL) else None
        self.broker = self._broker() if self.wants(BROKER) else None
        self.vcenter = self._vcenter() if any(self.wants(client.vcenter) for client in SITE if client.vcenter) else None

    def wants(self, part: str) -> bool:
        return not self.plan.only or part in self.plan.only

    def hosts(self) -> Iterator[tuple[ClientSpec, HostSpec]]:
        """The hosts of the plan, and the jump hosts they are reached through."""
        for client in SITE:
            wanted = {host.name for host in client.hosts if self._wants_host(host)}
            needed = wanted | {host.via for host in client.hosts if host.name in wanted}
            yield from ((client, host) for host in client.hosts if host.name in needed)

    def _wants_host(self, host: HostSpec) -> bool:
        named = host.name in self.plan.machines or host.name in self.plan.only
        return named or (not self.plan.only and not host.machine)

    def clients(self) -> list[ClientSpec]:
        """The clients that have a part in the plan."""
        present = {client.id for client, _ in self.hosts()}
        return [client for client in SITE if client.id in present or (client.vcenter and self.wants(client.vcenter))]

    def find(self, backup: str) -> tuple[HostSpec, Backup]:
        """The backup of that name and its host.

        Raises:
            LabError: this lab has none.
        """
        for _, host in self.hosts():
            for candidate in host.backups:
                if candidate.name == backup:
                    return host, candidate
        raise LabError(f'this lab has no backup "{backup}"')

    def place(self, host: HostSpec, backup: Backup) -> Path:
        """Where a backup is on its host: a repository, or the folder of a series of dumps."""
        root = self.servers[host.name].root
        if isinstance(backup, Dump):
            return root / "var/backups" / backup.name
        return root / "srv" / ("restic" if isinstance(backup, Restic) else "borg") / backup.name

    def restic(self, host: HostSpec, backup: Restic) -> ResticRepository:
        return ResticRepository(
            self.place(host, backup), self.password(backup), host.name, self._tools(backup), self.directory
        )

    def borg(self, host: HostSpec, backup: Borg) -> BorgRepository:
        return BorgRepository(
            self.place(host, backup), self.password(backup), host.name, self._tools(backup), self.directory
        )

    def password(self, backup: Restic | Borg) -> Path:
        """The file that holds a repository's password."""
        return self.cached(backup) / "password"

    def cached(self, backup: Backup) -> Path:
        """What the cache keeps of a backup: its `password` and `source`, or its `series` of dumps."""
        return Cache(self.cache, datetime.now(UTC)).folder(backup.name)

    def client_key(self, client: ClientSpec) -> tuple[Path, str]:
        """The key pair that opens all hosts of a client."""
        return client_key(self._key_folder(client))

    def lay_out(self, now: datetime) -> None:
        """Give every host its backups, healthy and dated from `now`, in place of whatever was there."""
        cache = Cache(self.cache, now)
        cache.prepare([host for _, host in self.hosts()])
        shutil.rmtree(self.directory / "tools", ignore_errors=True)
        for client, host in self.hosts():
            server = self.servers[host.name]
            server.authorized_keys = [self.client_key(client)[1]]
            shutil.rmtree(server.root, ignore_errors=True)
            if isinstance(server, Machine):
                server.reinstall()
            for backup in host.backups:
                place = self.place(host, backup)
                if isinstance(backup, Dump):
                    lay_out(backup, cache.folder(backup.name) / "series", place, dump_nights(now))
                else:
                    shutil.copytree(cache.folder(backup.name) / "repository", place)

    def end_hosts(self) -> None:
        """End all hosts at once, as a power cut would."""
        stop_all([server for server in self.servers.values() if isinstance(server, SshServer)])
        cut_power([server.hypervisor for server in self.servers.values() if isinstance(server, Machine)])

    def keep_ports(self) -> None:
        """Remember the ports that the servers took."""
        self.plan.ports = {name: server.port for name, server in self.servers.items()}
        for name, part in ((MAIL, self.mail), (BROKER, self.broker), ("vcenter", self.vcenter)):
            if part is not None:
                self.plan.ports[name] = part.port
        self.plan.save(self.directory / "lab.json")

    def _check_names(self) -> None:
        known: Collection[str] = {
            MAIL,
            BROKER,
            *(client.vcenter for client in SITE if client.vcenter),
            *(host.name for client in SITE for host in client.hosts),
        }
        if unknown := sorted({*self.plan.only, *self.plan.machines} - set(known)):
            raise LabError(f"the lab has no part {', '.join(unknown)}; it has {', '.join(sorted(known))}")
        if strange := sorted(set(self.plan.machines) - {host.name for client in SITE for host in client.hosts}):
            raise LabError(f"{', '.join(strange)} is no host, and so cannot be a machine")

    def _server(self, client: ClientSpec, host: HostSpec) -> Server:
        directory, address = self.directory / "hosts" / host.name, self.plan.address(host.octet)
        port, lines = self.plan.port(host.name, "ssh"), self._authorized(client)
        if host.machine or host.name in self.plan.machines:
            machine = Machine(host.name, directory, address, port, authorized_keys=lines, mark=self.directory)
            machine.packages = BACKUP_TOOLS if host.backups else ()
            machine.cache = self.cache
            return machine
        return SshServer(host.name, directory, address, port, authorized_keys=lines, mark=self.directory)

    def _authorized(self, client: ClientSpec) -> list[str]:
        """The client's public line; none before `up` has made it, so that a mere look at a lab writes nothing."""
        path = self._key_folder(client)
        return [client_key(path)[1]] if path.exists() else []

    def _key_folder(self, client: ClientSpec) -> Path:
        return self.directory / "keys" / client.id

    def _mail(self) -> MailSink:
        address, port = self.plan.address(MAIL_OCTET), self.plan.port(MAIL, MAIL)
        return MailSink(self.directory / "mail", address, port, mark=self.directory)

    def _broker(self) -> RedisServer:
        address, port = self.plan.address(BROKER_OCTET), self.plan.port(BROKER, BROKER)
        return RedisServer(self.directory / "broker", address, port, mark=self.directory)

    def _vcenter(self) -> VCenterServer:
        return VCenterServer(
            self.directory / "vcenter",
            self.plan.address(VCENTER_OCTET),
            self.plan.port("vcenter", "vcenter"),
            vms=MACHINES,
            identity=str(uuid.uuid5(uuid.NAMESPACE_URL, self.directory.as_uri())),
            mark=self.directory,
            cache=self.cache,
        )

    def _tools(self, backup: Backup) -> Path:
        home = self.directory / "tools" / backup.name
        home.mkdir(parents=True, exist_ok=True)
        return home
