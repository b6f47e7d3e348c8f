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
from ronde.model.inventory.people import ApprovalRule, Approvals, Risk, TechnicianEntry
from ronde.model.inventory.probes import Probe
from ronde.model.inventory.rings import RingsEntry
from ronde.model.inventory.schedules import CatchUp, Schedule
from ronde.model.inventory.windows import Closed, Holidays, Maintenance, MaintenanceWindow

__all__ = [
    "ApprovalRule",
    "Approvals",
    "Backup",
    "BackupBase",
    "BorgBackup",
    "CatchUp",
    "Client",
    "Closed",
    "Contact",
    "DumpBackup",
    "Exemption",
    "Holidays",
    "Host",
    "Inventory",
    "Limits",
    "Maintenance",
    "MaintenanceWindow",
    "Probe",
    "Provider",
    "ResticBackup",
    "RingsEntry",
    "Risk",
    "Schedule",
    "TechnicianEntry",
    "VCenter",
]
