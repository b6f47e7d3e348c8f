"""The names by which snapshots of backup products are known; our own are known by their marker, never by a name."""

import re

CONSOLIDATE_HELPER = "Consolidate Helper"  # Broadcom KB 337175

_BACKUP_NAMES = (
    r"^VEEAM BACKUP TEMPORARY SNAPSHOT",  # Veeam KB1790
    r"^Restore Point ",  # Veeam replicas
    r"^Consolidate Helper",  # vSphere itself, after a backup product removed its snapshot
    r"^_VCB-BACKUP_",  # VMware Consolidated Backup and its successors
    r"^smvi_",  # NetApp SnapManager
    r"^NBU_SNAPSHOT",  # NetBackup
    r"^__GX_BACKUP__",  # Commvault
    r"^TSM-VM",  # IBM Spectrum Protect
    r"SYMC|NAKIVO|Acronis",  # Backup Exec, NAKIVO, Acronis
)
_BACKUP_NAME = re.compile("|".join(f"(?:{name})" for name in _BACKUP_NAMES), re.IGNORECASE)


def made_by_backup(name: str) -> bool:
    """Whether a snapshot's name is one that a backup product gives."""
    return _BACKUP_NAME.search(name) is not None


def is_consolidate_helper(name: str) -> bool:
    return name.startswith(CONSOLIDATE_HELPER)
