"""The inventory, secrets and settings with which Ronde looks after the lab's two clients."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyrage
from ruamel.yaml import YAML

from lab.parts import Parts
from lab.site import Backup as BackupSpec
from lab.site import ClientSpec, Dump, HostSpec, Restic

Schedules = Mapping[str, Mapping[str, Any]]
"""A client's `schedules`, as its file holds them."""

SCHEDULES: Schedules = {
    "night-backups": {"playbook": "backup/check", "at": "0 2 * * *", "on": "all", "catch_up": {"within": "4h"}},
    "snapshots": {"playbook": "vsphere/snapshots", "at": "30 5 * * *", "on": "all"},
    "morning-report": {"report": "night", "at": "0 7 * * *"},
}

_PROVIDER = {
    "name": "Infogérance Témoin",
    "sender": "ronde@infogerance.example",
    "reply_to": "support@infogerance.example",
    "message_domain": "infogerance.example",
    "alerts": ["techniciens@infogerance.example"],
    "phone": "+33 1 99 00 00 00",
}


def _fitting(entry: Mapping[str, Any], schedules: Schedules) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The schedules that find something to do at a client; a look at machines needs a vCenter."""
    for name, schedule in schedules.items():
        if "vcenters" in entry or not str(schedule.get("playbook", "")).startswith("vsphere/"):
            yield name, schedule


def reschedule(inventory: Path, schedules: Schedules) -> None:
    """Give every client of an inventory other schedules; whatever else its files say stays, pinned keys above all."""
    yaml = YAML()
    for path in sorted((inventory / "clients").glob("*.yml")):
        entry = yaml.load(path)
        entry["schedules"] = {name: dict(schedule) for name, schedule in _fitting(entry, schedules)}
        draft = path.with_suffix(".draft")
        with draft.open("w", encoding="utf-8") as file:
            yaml.dump(entry, file)
        draft.replace(path)


# Stored bytes may be read from an hour before the lab came up: a round in the next hours verifies samples, too.
_WINDOW_BEFORE = timedelta(hours=1)
_WINDOW_AFTER = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes what Ronde reads about a lab.

    Attributes:
        now: what the check windows and dates of exemptions are reckoned from; aware.
    """

    parts: Parts
    now: datetime

    @property
    def inventory(self) -> Path:
        return self.parts.directory / "inventory"

    def write(self, schedules: Schedules = SCHEDULES) -> None:
        """Write the inventory, its certificates, the secrets, and `ronde.env`."""
        self._keep("provider.yml", _PROVIDER)
        self._identity()
        for client in self.parts.clients():
            self._keep(f"clients/{client.id}.yml", self._client(client, schedules))
        settings = "".join(f"{name}={value}\n" for name, value in self.settings().items())
        (self.parts.directory / "ronde.env").write_text(settings, encoding="utf-8")

    def settings(self) -> dict[str, str]:
        """The RONDE_… variables of an installation that looks after this lab."""
        parts = self.parts
        settings = {
            "RONDE_INVENTORY": str(self.inventory),
            "RONDE_DATA_DIR": str(parts.directory / "data"),
            "RONDE_SECRETS_DIR": str(self._secrets),
            "RONDE_AGE_IDENTITY": str(parts.directory / "identity.age"),
        }
        if parts.broker is not None:
            settings["RONDE_BROKER_URL"] = parts.broker.url
        if parts.mail is not None:
            settings |= {
                "RONDE_SMTP_HOST": parts.mail.address,
                "RONDE_SMTP_PORT": str(parts.mail.port),
                "RONDE_SMTP_TLS": "none",
            }
        return settings

    def _client(self, client: ClientSpec, schedules: Schedules) -> dict[str, Any]:
        who, email = client.contact
        hosts = [host for owner, host in self.parts.hosts() if owner is client]
        entry: dict[str, Any] = {
            "client": client.id,
            "name": client.name,
            "language": client.language,
            "timezone": client.timezone,
            "contacts": [{"name": who, "email": email, "receives": ["night", "month"]}],
            "hosts": {host.name: self._host(client, host) for host in hosts},
        }
        if client.vcenter and self.parts.vcenter is not None:
            entry["vcenters"] = {client.vcenter: self._vcenter(client)}
            until = (self.now + timedelta(days=365)).date()
            entry["exempt"] = [{"vm": name, "reason": reason, "until": until} for name, reason in client.exempt]
        return {**entry, "schedules": {name: dict(schedule) for name, schedule in _fitting(entry, schedules)}}

    def _host(self, client: ClientSpec, host: HostSpec) -> dict[str, Any]:
        server = self.parts.servers[host.name]
        private, _ = self.parts.client_key(client)
        entry: dict[str, Any] = {
            "address": server.address,
            "port": server.port,
            "user": server.user,
            "key": self._secret(client, "ssh", private.read_bytes()),
            "host_key": server.public_keys,
        }
        if host.via:
            entry["via"] = host.via
        if host.tags:
            entry["tags"] = list(host.tags)
        if host.backups:
            entry["backups"] = [self._backup(client, host, backup) for backup in host.backups]
        return entry

    def _backup(self, client: ClientSpec, host: HostSpec, backup: BackupSpec) -> dict[str, Any]:
        place = self.parts.place(host, backup)
        if isinstance(backup, Dump):
            path = f"{place}/*{backup.suffix}"
            own: dict[str, Any] = {"tool": "dump", "path": path, "format": backup.format, "min_size": backup.min_size}
            return {"name": backup.name, **own, "max_age": "26h", "keep_at_least": 7}
        password = self._secret(client, backup.name, self.parts.password(backup).read_bytes())
        tool = "restic" if isinstance(backup, Restic) else "borg"
        entry: dict[str, Any] = {"name": backup.name, "tool": tool, "repository": str(place), "password": password}
        entry |= {"max_age": "26h", "keep_at_least": 7}
        if isinstance(backup, Restic) and backup.machines:
            entry["vm"] = list(backup.machines)
        if backup.sample:
            entry |= {"sample": backup.sample, "check_window": self._window(client)}
        return entry

    def _vcenter(self, client: ClientSpec) -> dict[str, Any]:
        vcenter = self.parts.vcenter
        assert vcenter is not None  # noqa: S101 - the caller has asked
        certificate = f"{client.id}/{client.vcenter}.pem"
        path = self.inventory / "certificates" / certificate
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(vcenter.certificate_pem, encoding="ascii")
        return {
            "address": vcenter.address,
            "port": vcenter.port,
            "user": vcenter.user,
            "password": self._secret(client, client.vcenter, vcenter.password.encode()),
            "certificate": certificate,
        }

    def _window(self, client: ClientSpec) -> str:
        local = self.now.astimezone(ZoneInfo(client.timezone))
        return f"{local - _WINDOW_BEFORE:%H:%M}-{local + _WINDOW_AFTER:%H:%M}"

    def _secret(self, client: ClientSpec, name: str, content: bytes) -> str:
        """Keep a secret and return its reference: age for the client with a vCenter, plain files for the other."""
        folder = self._secrets / client.id
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if client.vcenter:
            recipient = pyrage.x25519.Recipient.from_str(self._identity())
            _private(folder / f"{name}.age", pyrage.encrypt(content, [recipient]))
            return f"age://{client.id}/{name}"
        _private(folder / name, content)
        return f"file://{folder / name}"

    def _identity(self) -> str:
        """The public half of the key that opens the age files; made on first use."""
        path = self.parts.directory / "identity.age"
        if not path.exists():
            _private(path, f"{pyrage.x25519.Identity.generate()}\n".encode())
        identity = pyrage.x25519.Identity.from_str(path.read_text(encoding="utf-8").strip())
        return str(identity.to_public())

    @property
    def _secrets(self) -> Path:
        return self.parts.directory / "secrets"

    def _keep(self, name: str, content: Mapping[str, Any]) -> None:
        """Write one file of the inventory; whoever watches the folder never sees half of it."""
        path = self.inventory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        yaml = YAML()
        yaml.width = 4096
        unfinished = path.with_suffix(".part")
        with unfinished.open("w", encoding="utf-8") as stream:
            yaml.dump(dict(content), stream)
        unfinished.rename(path)


def _private(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_bytes(content)
