"""What a kind of system does not have, as against what it has and did not tell."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Absent:
    """It does not exist on such a system (Windows has no package database), so nothing about it is missing.

    Said by the look that knows the system, never by a parser: an answer that lacks something is a finding.
    """

    why: str
