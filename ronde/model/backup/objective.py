"""What a backup is held to, and the night it is judged in."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ronde.model.backup.history import Memory
from ronde.model.backup.thresholds import FUTURE_TOLERANCE
from ronde.model.check import Json
from ronde.model.inventory import BackupBase
from ronde.model.inventory.backups import BorgBackup, DumpBackup, ResticBackup
from ronde.model.units import format_duration


@dataclass(frozen=True, slots=True)
class Night:
    """The circumstances of one check.

    Attributes:
        now: the instant decisions are made for (UTC).
        skew: how far the host's clock is ahead of ours; its timestamps may lie that far in our future.
        memory: what earlier checks left.
        deep: whether stored bytes may be read now.
    """

    now: datetime
    memory: Memory = field(default_factory=Memory)
    skew: timedelta = timedelta(0)
    deep: bool = False

    @property
    def horizon(self) -> datetime:
        """The latest instant a timestamp may carry without lying in the future."""
        return self.now + max(self.skew, timedelta(0)) + FUTURE_TOLERANCE


@dataclass(frozen=True, slots=True)
class Objective:
    """The thresholds in force, frozen from the inventory.

    Attributes:
        parts: into how many parts the stored bytes are cut for sampling; 0 when no sample is declared.
        paths: paths that the newest point must hold; empty = those of the points before.
        encrypted: whether a password is declared, so that an unencrypted repository contradicts the inventory.
    """

    location: str
    max_age: timedelta
    keep_at_least: int = 1
    parts: int = 0
    active: bool = True
    paths: tuple[str, ...] = ()
    encrypted: bool = True
    min_size: int = 0

    @classmethod
    def of(cls, backup: BackupBase) -> "Objective":
        parts = backup.sample.of if backup.sample is not None else 0
        common = (backup.max_age, backup.keep_at_least, parts, backup.active)
        match backup:
            case ResticBackup():
                return cls(backup.repository, *common, paths=backup.paths)
            case BorgBackup():
                return cls(backup.repository, *common, encrypted=backup.password is not None)
            case DumpBackup():
                return cls(backup.path, *common, min_size=backup.min_size)
        raise TypeError(type(backup).__name__)

    def json(self) -> dict[str, Json]:
        """The objective as the ledger keeps it with the check."""
        return {
            "location": self.location,
            "max_age": format_duration(self.max_age),
            "keep_at_least": self.keep_at_least,
            "sample": f"1/{self.parts}" if self.parts else None,
            "active": self.active,
            "paths": list(self.paths),
            "encrypted": self.encrypted,
            "min_size": self.min_size,
        }
