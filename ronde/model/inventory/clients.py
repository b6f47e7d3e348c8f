"""The provider, its clients, and everything a client's file can declare."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from ronde.model.inventory.backups import Backup
from ronde.model.inventory.fields import (
    Account,
    Address,
    CertificatePath,
    Domain,
    Email,
    Entry,
    HostKeys,
    Login,
    Name,
    SecretRef,
    Text,
    Words,
    Zone,
)
from ronde.model.inventory.people import Approvals, TechnicianEntry
from ronde.model.inventory.probes import Probe
from ronde.model.inventory.schedules import Schedule
from ronde.model.inventory.windows import Closed, Holidays, Maintenance, MaintenanceWindow
from ronde.model.vsphere.thresholds import Overrides, problems


class Contact(Entry):
    """A person of the client; `receives` says which reports are sent to them."""

    name: Text
    email: Email
    receives: tuple[Literal["night", "month"], ...] = ()
    language: Literal["fr", "en"] | None = None


class Host(Entry):
    """A server reached by SSH.

    Attributes:
        key: the private key of our user.
        host_key: pinned public keys, one or several; a host without any is refused, never trusted on first use.
        system: what it runs; decides which playbooks can act on it.
        via: another host of the same client to jump through.
        vm: the virtual machine's name in the vCenter when it differs from the host's.
        windows: which of the client's windows apply to it; left out, all of them.
        maintenance: somebody works on it: no change runs meanwhile.
        probes: what proves that its services work, before a change and after it.
        no_revert: it is never taken back to a snapshot, whatever a policy says: a domain controller, whose replication
            that breaks, or a database that others follow.
    """

    address: Address
    port: Annotated[int, Field(ge=1, le=65535)] = 22
    user: Login
    key: SecretRef
    host_key: HostKeys = ()
    system: Literal["linux", "windows"] = "linux"
    via: Name | None = None
    tags: Words = ()
    vm: str | None = None
    backups: tuple[Backup, ...] = ()
    windows: Words | None = None
    maintenance: Maintenance | None = None
    probes: tuple[Probe, ...] = ()
    no_revert: bool = False

    @model_validator(mode="after")
    def _names_once(self) -> "Host":
        names = [backup.name for backup in self.backups]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two backups are named {twice[0]}")
        return self


class VCenter(Entry):
    """A vCenter or a lone ESXi.

    Attributes:
        certificate: path of the pinned PEM below the inventory's `certificates` folder; the only trust anchor.
        thresholds: rule thresholds that differ from the defaults, by rule id: `snap-age: {warning: 48h, critical: 7d}`.
    """

    address: Address
    port: Annotated[int, Field(ge=1, le=65535)] = 443
    user: Text
    password: SecretRef
    certificate: CertificatePath
    thresholds: Mapping[str, Mapping[str, str | int | float]] = Field(default_factory=dict)

    @field_validator("thresholds")
    @classmethod
    def _known_thresholds(cls, value: Overrides) -> Overrides:
        if found := problems(value):
            raise ValueError("; ".join(found))
        return value


class Exemption(Entry):
    """A virtual machine that needs no backup, why, and until when that holds."""

    vm: Text
    reason: Annotated[str, Field(min_length=3)]
    until: date


class Limits(Entry):
    """How much may happen at once. Ten a client keeps below sshd's default MaxStartups of 10:30:100.

    Attributes:
        changes: hosts of one client that may be changed at the same time.
    """

    per_client: Annotated[int, Field(ge=1, le=1000)] = 10
    per_jump_host: Annotated[int, Field(ge=1, le=1000)] = 5
    per_vcenter: Annotated[int, Field(ge=1, le=16)] = 2
    changes: Annotated[int, Field(ge=1, le=1000)] = 5


class Client(Entry):
    """One client's file.

    Attributes:
        windows: when its machines may be changed; with none, change runs that ask for a window do not start.
        closed: days on which they may not, whatever the windows say.
    """

    client: Name
    name: Text
    language: Literal["fr", "en"] = "fr"
    timezone: Zone = "Europe/Paris"
    contacts: tuple[Contact, ...] = ()
    hosts: Mapping[Name, Host] = Field(default_factory=dict)
    vcenters: Mapping[Name, VCenter] = Field(default_factory=dict)
    exempt: tuple[Exemption, ...] = ()
    schedules: Mapping[Name, Schedule] = Field(default_factory=dict)
    windows: Mapping[Name, MaintenanceWindow] = Field(default_factory=dict)
    closed: tuple[Closed, ...] = ()
    holidays: Holidays | None = None
    maintenance: Maintenance | None = None
    limits: Limits = Limits()


class Provider(Entry):
    """`provider.yml`: who we are.

    Attributes:
        sender: address the reports come from; `reply_to` is a mailbox somebody reads.
        message_domain: right-hand side of our Message-IDs; the sender's domain when left out.
        alerts: addresses of the technicians who are told what clients are not.
        technicians: who may do what, by login name. Left out, anybody who reaches the ledger may do everything, except
            approve: that needs two people whom we can tell apart.
        approvals: which runs wait for a second technician.
    """

    name: Text
    sender: Email
    reply_to: Email | None = None
    message_domain: Domain | None = None
    phone: str | None = None
    alerts: tuple[Email, ...] = ()
    timezone: Zone = "Europe/Paris"
    language: Literal["fr", "en"] = "fr"
    technicians: Mapping[Account, TechnicianEntry] = Field(default_factory=dict)
    approvals: Approvals = Approvals()


class Inventory(Entry):
    """The whole, as one value. `clients` is keyed by the client's identifier."""

    provider: Provider
    clients: Mapping[Name, Client]
