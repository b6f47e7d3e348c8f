"""The provider and its clients as written in the inventory.

The models refuse unknown words and give every default with its source. Reading files, and turning a problem into
`file:line`, is the business of `ronde/adapters/files`.
"""

from ronde.model.inventory.backups import Backup, BackupBase, BorgBackup, DumpBackup, ResticBackup
from ronde.model.inventory.clients import (
    Client,
    Contact,
    Exemption,
    Host,
    Inventory,
    Limits,
    Provider,
    VCenter,
)
from ronde.model.inventory.schedules import CatchUp, Schedule

__all__ = [
    "Backup",
    "BackupBase",
    "BorgBackup",
    "CatchUp",
    "Client",
    "Contact",
    "DumpBackup",
    "Exemption",
    "Host",
    "Inventory",
    "Limits",
    "Provider",
    "ResticBackup",
    "Schedule",
    "VCenter",
]
