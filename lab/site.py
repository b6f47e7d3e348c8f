"""What the lab consists of: two clients, their hosts and what these back up. Data only; `Lab` brings it to life."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Restic:
    """A restic repository.

    Attributes:
        folders: the source folders each snapshot holds.
        sample: the share of the stored bytes read back each night, as the inventory writes it.
        machines: the virtual machines it covers, beside that of its own host.
    """

    name: str
    nights: int
    folders: tuple[str, ...]
    sample: str = ""
    machines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Borg:
    name: str
    nights: int
    sample: str = ""


@dataclass(frozen=True, slots=True)
class Dump:
    """A series of dump files; `min_size` as the inventory writes it."""

    name: str
    format: Literal["pg_dump", "pg_custom", "mysqldump", "tar", "zip", "plain"]
    suffix: str
    min_size: str = "1kB"

    @property
    def is_postgres(self) -> bool:
        return self.format.startswith("pg_")


Backup = Restic | Borg | Dump


@dataclass(frozen=True, slots=True)
class HostSpec:
    """A host.

    Attributes:
        octet: the last part of its address.
        via: the jump host it is reached through.
        machine: whether it is a whole machine, with systemd and packages, that only an `up` which names it brings up.
            Any other host is an sshd, and becomes such a machine when `up` is told so.
    """

    name: str
    octet: int
    backups: tuple[Backup, ...] = ()
    via: str = ""
    tags: tuple[str, ...] = ()
    machine: bool = False


@dataclass(frozen=True, slots=True)
class ClientSpec:
    id: str
    name: str
    language: str
    timezone: str
    contact: tuple[str, str]
    hosts: tuple[HostSpec, ...]
    vcenter: str = ""
    exempt: tuple[tuple[str, str], ...] = ()


DUMP_NIGHTS = 7
"""How many dumps of each kind are kept."""

COMMUNE = ClientSpec(
    id="commune-exemple",
    name="Commune d'Exemple",
    language="fr",
    timezone="Europe/Paris",
    contact=("Service informatique", "informatique@commune.example"),
    vcenter="vc1",
    exempt=(("modele-debian", "template"), ("bastion", "holds no data, rebuilt from its configuration")),
    hosts=(
        HostSpec("bastion", 10, tags=("jump",)),
        HostSpec(
            "srv-fichiers",
            11,
            tags=("files",),
            backups=(
                Restic("documents", nights=21, folders=("communs", "rh"), sample="1/4", machines=("GED",)),
                Restic("partages", nights=10, folders=("partages",)),
                Dump("configurations", "tar", ".tar.gz"),
            ),
        ),
        HostSpec(
            "srv-compta",
            12,
            tags=("db",),
            backups=(
                Borg("compta", nights=21),
                Dump("mairie-db", "pg_dump", ".sql.gz", min_size="50kB"),
                Dump("paie", "pg_custom", ".dump", min_size="50kB"),
            ),
        ),
        HostSpec(
            "srv-archives",
            13,
            via="bastion",
            tags=("files",),
            backups=(Dump("etat-civil", "zip", ".zip"), Dump("deliberations", "tar", ".tar.xz")),
        ),
        HostSpec("srv-applis", 14, tags=("apps",), machine=True),
    ),
)

ECOLE = ClientSpec(
    id="ecole-modele",
    name="École Modèle",
    language="fr",
    timezone="Europe/Paris",
    contact=("Direction", "direction@ecole.example"),
    hosts=(
        HostSpec(
            "srv-ecole",
            21,
            backups=(
                Borg("pedagogie", nights=10, sample="1/1"),
                Dump("moodle", "mysqldump", ".sql.zst", min_size="10kB"),
            ),
        ),
        HostSpec("srv-web", 22, backups=(Restic("site", nights=10, folders=("htdocs", "medias")),)),
        HostSpec("srv-cantine", 23, backups=(Dump("cantine", "pg_dump", ".sql", min_size="50kB"),)),
        HostSpec("srv-biblio", 24, backups=(Dump("biblio", "tar", ".tar"),)),
        HostSpec("srv-labo", 25, backups=(Dump("releves", "plain", ".csv"),)),
        HostSpec("srv-salle", 26, tags=("apps",), machine=True),
    ),
)

MACHINES = ("GED", "bastion", "modele-debian", "srv-archives", "srv-compta", "srv-fichiers")
"""The virtual machines of the vCenter; each is a host with backups, covered by one, or exempt."""

SITE = (COMMUNE, ECOLE)

USUAL_MACHINES = ("srv-fichiers", "srv-applis", "srv-salle")
"""The hosts that are machines when `up` is asked for machines and told no names."""

VCENTER_OCTET = 50
MAIL_OCTET = 60
BROKER_OCTET = 61
