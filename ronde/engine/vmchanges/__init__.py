"""Snapshots and power of virtual machines: each change done once, whatever dies on the way, and told as a value.

Every function takes an `Access` (the vCenter and what it takes to wait for it), a request, and the `Journal` of its
step. Called again with the same journal it goes on where the last attempt was cut off.
"""

from ronde.engine.vmchanges.access import Access, find_machine, machines_meant, same_machine
from ronde.engine.vmchanges.carrying import was_asked_for
from ronde.engine.vmchanges.creating import CreateRequest, create_snapshot
from ronde.engine.vmchanges.foreseeing import Foreseen, foresee_power, foresee_removal, foresee_revert, foresee_snapshot
from ronde.engine.vmchanges.naming import named_snapshot
from ronde.engine.vmchanges.powering import PowerRequest, Wanted, set_power
from ronde.engine.vmchanges.removing import RemoveRequest, remove_snapshot
from ronde.engine.vmchanges.reverting import RevertRequest, revert_snapshot
from ronde.engine.vmchanges.sweeping import overdue, sweep_expired

__all__ = [
    "Access",
    "CreateRequest",
    "Foreseen",
    "PowerRequest",
    "RemoveRequest",
    "RevertRequest",
    "Wanted",
    "create_snapshot",
    "find_machine",
    "foresee_power",
    "foresee_removal",
    "foresee_revert",
    "foresee_snapshot",
    "machines_meant",
    "named_snapshot",
    "overdue",
    "remove_snapshot",
    "revert_snapshot",
    "same_machine",
    "set_power",
    "sweep_expired",
    "was_asked_for",
]
