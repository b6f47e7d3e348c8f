"""What is true of a backup, decided from facts alone: rules, thresholds, memory of earlier nights, rotation of samples.

`decide_repository` and `decide_dump` turn what was read into findings, a level of proof and figures; nothing here reads
a clock, a file or a host.
"""

from ronde.model.backup.history import Memory, PastCheck, recall

__all__ = ["Memory", "PastCheck", "recall"]
