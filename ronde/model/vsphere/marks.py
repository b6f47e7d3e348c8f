"""How snapshots are told apart: those that backup products make, and our own."""

import re
from dataclasses import dataclass
from datetime import datetime

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
_OURS = re.compile(r"\bronde/1 ((?:\w+=\S+ ?)+)")


def made_by_backup(name: str) -> bool:
    """Whether a snapshot's name is one that a backup product gives."""
    return _BACKUP_NAME.search(name) is not None


def is_consolidate_helper(name: str) -> bool:
    return name.startswith(CONSOLIDATE_HELPER)


@dataclass(frozen=True, slots=True)
class Mark:
    """What our own snapshots say about themselves in their description.

    Attributes:
        run: the run that took it.
        expires: when it must be gone; None when it does not say, or not as a time with its zone.
        quiesced: whether its taking was to be consistent for applications or file systems.
    """

    run: str
    expires: datetime | None
    quiesced: bool


def read_mark(description: str) -> Mark | None:
    """The mark in a snapshot's description, `ronde/1 run=… expires=… consistency=…`; None when it is not ours."""
    match = _OURS.search(description)
    if match is None:
        return None
    fields = dict(pair.split("=", 1) for pair in match[1].split())
    return Mark(
        run=fields.get("run", ""),
        expires=_time(fields.get("expires", "")),
        quiesced=fields.get("consistency") in {"application", "filesystem"},
    )


def _time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo is not None else None
