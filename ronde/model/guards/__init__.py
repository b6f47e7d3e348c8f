"""May a change begin on a host now? Five questions, each answered with a reason and its figures.

`judge` knows nothing of the world: whoever asks gathers a `Situation`. What was not gathered blocks.
"""

from ronde.model.guards.backups import proofs_of
from ronde.model.guards.judge import allowed, judge
from ronde.model.guards.situation import BackupProof, Guard, HostLock, PastRuns, Ruling, Situation

__all__ = [
    "BackupProof",
    "Guard",
    "HostLock",
    "PastRuns",
    "Ruling",
    "Situation",
    "allowed",
    "judge",
    "proofs_of",
]
