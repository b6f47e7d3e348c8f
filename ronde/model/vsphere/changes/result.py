"""What came of a change."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ronde.model.check import Exchange, Finding, Json
from ronde.model.verdict import Severity


class Outcome(StrEnum):
    CHANGED = "changed"  # done by us, and verified
    UNCHANGED = "unchanged"  # it was so already; the reason says what
    REFUSED = "refused"  # nothing was done, for the reasons in the findings
    FAILED = "failed"  # the vCenter tried and could not; the machine is as it was
    RUNNING = "running"  # the vCenter is still at it: come back with the same journal
    NEEDS_HUMAN = "needs-human"  # it cannot be told from here what the machine is like


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of one change, as a value.

    Attributes:
        reason: one English sentence; of a no-op what made it one.
        facts: figures and identities that later steps need; JSON only.
        findings: what is not simply in order.
        exchanges: what was asked of the vCenter and what it answered.
    """

    outcome: Outcome
    reason: str
    facts: Mapping[str, Json] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    exchanges: tuple[Exchange, ...] = field(default=(), repr=False)

    @property
    def done(self) -> bool:
        """Whether the machine is as it was wanted."""
        return self.outcome in (Outcome.CHANGED, Outcome.UNCHANGED)

    @property
    def changed(self) -> bool:
        return self.outcome is Outcome.CHANGED


def failed(reason: str, evidence: Mapping[str, Json]) -> Finding:
    return Finding("change-failed", Severity.CRITICAL, reason, evidence)


def unclear(reason: str, evidence: Mapping[str, Json]) -> Finding:
    return Finding("change-unclear", Severity.UNKNOWN, reason, evidence)


def running(reason: str, evidence: Mapping[str, Json]) -> Finding:
    return Finding("change-running", Severity.UNKNOWN, reason, evidence)
