"""Until when a Windows gets security fixes: from the name that it gives itself."""

import re
from datetime import date
from typing import Final

from ronde.facts.patch.windows import Result
from ronde.model.check import Finding
from ronde.model.patch.audit import Release
from ronde.model.patch.thresholds import unknown

# The last day of extended support, after which fixes need a contract. Of 2025 sources name October and November; the
# earlier one counts.
SOURCE: Final = "Microsoft Lifecycle, fixed policy, extended end date"
END_OF_LIFE: Final = {
    "2008": date(2020, 1, 14),
    "2008 R2": date(2020, 1, 14),
    "2012": date(2023, 10, 10),
    "2012 R2": date(2023, 10, 10),
    "2016": date(2027, 1, 12),
    "2019": date(2029, 1, 9),
    "2022": date(2031, 10, 14),
    "2025": date(2034, 10, 10),
}
_SERVER: Final = re.compile(r"Windows Server\W*\s(20\d\d(?: R2)?)\b")


def release_of(result: Result) -> Release | Finding:
    """The release that a job's host names; a Windows that is no server, or a new one, has no date with us."""
    if not result.system:
        return unknown("patch-not-read", "Windows did not name its release.")
    server = _SERVER.search(result.system)
    end = END_OF_LIFE.get(server.group(1)) if server else None
    return Release("windows", result.version, result.system, end, SOURCE if end else "")
