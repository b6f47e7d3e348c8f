"""How much is changed at once, and how long a snapshot of ours may live. Figures without a source are ours."""

from datetime import timedelta

CREATES_PER_DATASTORE = 4  # Veeam's default for open snapshots on a datastore
REMOVES_PER_DATASTORE = 2
CHANGES_PER_MACHINE = 1  # Broadcom KB: no other task on a machine while a snapshot is removed
CHANGES_PER_VCENTER = 8

LIFETIME = timedelta(hours=24)
LONGEST_LIFETIME = timedelta(hours=72)  # VMware KB 1025279; a domain member's machine password changes monthly

MOST_SNAPSHOTS = 3  # VMware KB 1025279: two or three in a chain
DEEPEST = 30  # vSphere refuses more than 32
FREE_SHARE = 15.0  # per cent of a datastore; vCheck's default warning
BACKUP_WINDOW = timedelta(hours=24)

CALLS = 3  # how often one change is asked for in all
SETTLE = timedelta(seconds=30)  # after a call without an answer: it may still be on its way
RETRY_AFTER = 20.0  # seconds, when something else was in the way
QUIESCE_AGAIN_AFTER = 60.0  # seconds; a guest's writers need that long to become stable again
POLLS = (1.0, 2.0, 5.0, 10.0)  # seconds between two looks at a task; the last repeats

_REMOVAL_BASE = timedelta(minutes=30)
_REMOVAL_PER_GB = timedelta(minutes=1)


def removal_budget(occupied: int) -> timedelta:
    """How long the removal of a snapshot may take before somebody is told: 30 minutes, and one for each gigabyte.

    Args:
        occupied: bytes of all deltas of the machine.
    """
    return _REMOVAL_BASE + _REMOVAL_PER_GB * (occupied / 1000**3)
