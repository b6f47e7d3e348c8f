"""What a check concludes, how strong its proof is, and how conclusions combine."""

from collections.abc import Iterable
from enum import IntEnum, StrEnum


class Verdict(StrEnum):
    """The conclusion about one subject, one job or one run.

    `UNKNOWN` means not run, not reached, not understood or too old. It ranks above `WARNING`: not knowing whether a
    client's data is safe is worse than knowing a small thing is wrong.
    """

    OK = "ok"
    WARNING = "warning"
    UNKNOWN = "unknown"
    FAILED = "failed"

    @property
    def rank(self) -> int:
        """Badness, 0 (ok) to 3 (failed); the order in which people are shown things."""
        return _RANK[self]


_RANK = {Verdict.OK: 0, Verdict.WARNING: 1, Verdict.UNKNOWN: 2, Verdict.FAILED: 3}


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst of several verdicts; of none at all it is `UNKNOWN`, since silence is never success."""
    return max(verdicts, key=lambda verdict: verdict.rank, default=Verdict.UNKNOWN)


class Level(IntEnum):
    """The evidence ladder: what has been proven about a copy. A level is never rounded up."""

    REACHABLE = 0  # the repository answers and the key opens it
    PRESENT = 1  # a recent restore point is listed, from the right host and paths
    COHERENT = 2  # the metadata graph is consistent
    SAMPLED = 3  # a share of the stored bytes was read back and is intact
    INTACT = 4  # all stored bytes were read back and are intact
    RESTORED = 5  # content was restored and compared with its source
    BOOTED = 6  # the service was started from the copy


class Severity(StrEnum):
    """How much one finding weighs on the verdict of its subject."""

    INFO = "info"
    WARNING = "warning"
    UNKNOWN = "unknown"
    CRITICAL = "critical"

    @property
    def verdict(self) -> Verdict:
        return _VERDICT_OF[self]


_VERDICT_OF = {
    Severity.INFO: Verdict.OK,
    Severity.WARNING: Verdict.WARNING,
    Severity.UNKNOWN: Verdict.UNKNOWN,
    Severity.CRITICAL: Verdict.FAILED,
}
