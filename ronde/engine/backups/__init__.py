"""Checks of backups: gather the evidence through a shell, let the model decide, hand back one check a backup.

Nothing here changes anything on a host: no lock, no cache, no file is left behind, and nothing is unlocked, pruned or
repaired.
"""

from ronde.engine.backups.checking import BackupRequest, check_all, check_backup, unreached
from ronde.engine.backups.clock import check_clock, skew_of

__all__ = ["BackupRequest", "check_all", "check_backup", "check_clock", "skew_of", "unreached"]
