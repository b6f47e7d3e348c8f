"""The audit of a host's packages: what waits, what is kept back and why, and whether the host is whole.

It reads. The one thing that it may do to a host is have the package manager read its repositories anew, since no
manager tells the truth from old lists; where our user may not, the look says so and is judged by the age of the lists.
"""

from ronde.engine.patches.auditing import LOOKS, AuditRequest, check_patches, unaudited
from ronde.engine.patches.sudoers import sudoers_lines
from ronde.engine.patches.windows import check_windows
from ronde.engine.patches.windows_task import Line, task_id

__all__ = [
    "LOOKS",
    "AuditRequest",
    "Line",
    "check_patches",
    "check_windows",
    "sudoers_lines",
    "task_id",
    "unaudited",
]
