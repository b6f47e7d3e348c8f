"""The audit of a Windows host: one search by Windows Update, through a task of SYSTEM. Not verified on Windows."""

from typing import Final

from ronde.engine.patches.auditing import AuditRequest, Seen, concluded, trouble
from ronde.engine.patches.windows_task import Line, search
from ronde.facts.patch.windows import Result, simulation_of
from ronde.facts.patch.windows_release import release_of
from ronde.model.check import Check, Finding
from ronde.model.errors import RemoteError, Unreachable
from ronde.model.patch.absent import Absent
from ronde.model.patch.audit import Audit, Manager, Metadata
from ronde.model.patch.thresholds import unknown

NO_COUNTERPART: Final = Absent("Windows has no counterpart of it.")
LABEL: Final = unknown(
    "patch-windows-unverified",
    "This way to look at Windows was never verified on a real Windows. There is no counterpart there of a package "
    "database, of programs on old files and of configuration files beside the old ones.",
)


def check_windows(line: Line, request: AuditRequest, task: str) -> Check:
    """The audit of one host: `UNKNOWN` at best, as long as this was never held against a real Windows.

    `task` names the search: an attempt that comes with the same name takes up the search of the one before.

    Raises:
        Unreachable: the host is away; another attempt takes it up. Fenced, Cancelled: the work must stop.
    """
    seen = Seen(remark=LABEL)
    try:
        found = search(line, task)
    except Unreachable:
        raise
    except RemoteError as error:
        found = trouble(error)
    if isinstance(found, Finding):
        seen.trouble = found
    else:
        seen.audit = audit_of(found)
    return concluded(seen, request, line.exchanges)


def audit_of(result: Result) -> Audit:
    """What a search tells, in the words that every host is judged by.

    Windows asks its source of updates each time, so what it knows is of the moment at which it ended.
    """
    numbers = tuple(int(part) for part in result.version.split(".") if part.isdecimal())
    return Audit(
        manager=Manager("Windows Update", numbers),
        release=release_of(result),
        metadata=Metadata(repositories=1, refreshed=result.ended),
        simulation=simulation_of(result),
        database=NO_COUNTERPART,
        integrity=NO_COUNTERPART,
        reboot=(result.reboot,),
        services=NO_COUNTERPART,
        leftovers=NO_COUNTERPART,
    )
