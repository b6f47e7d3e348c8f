"""One subject examined in one job: what was found, how it was proven, and on which facts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ronde.model.verdict import Level, Severity, Verdict, worst

Json = str | int | float | bool | None | Sequence["Json"] | Mapping[str, "Json"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule that spoke.

    Attributes:
        rule: stable identifier, lower-case with dashes, prefixed by its family: `backup-too-old`, `snap-age`.
        severity: its weight on the verdict.
        message: one English sentence for a technician, with the figures in it.
        evidence: the raw values the rule compared, and the threshold it used; JSON values only.
    """

    rule: str
    severity: Severity
    message: str
    evidence: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One question put to the world and what came back, kept as evidence.

    Attributes:
        question: what was asked, as a person would type it; never holds a secret.
        tool: name and version of the tool that answered, if known.
        exit_status: the remote exit status; None when there was none (a lost link, an API call).
        output: standard output, as received (cut at the cap).
        errors: standard error, or the error text of an API.
        truncated: whether the cap cut something off.
    """

    question: str
    started: datetime
    ended: datetime
    exit_status: int | None = None
    output: bytes = b""
    errors: bytes = b""
    tool: str = ""
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """The examination of one subject (a backup, a virtual machine) in one job.

    Attributes:
        subject: the backup's or the virtual machine's name.
        kind: what was examined: `restic`, `borg`, `dump`, `vm`, `coverage`, `clock`, `vcenter`.
        findings: everything that is not simply in order, worst first is not required.
        level: the highest level of proof this check itself established; None when nothing was proven.
        evidence_at: the instant of which that proof speaks (for a backup the instant the reading was made).
        facts: figures kept for reports and for the next night's comparisons (sizes, counts, newest point); JSON only.
        objective: the thresholds in force for this check, frozen from the inventory; JSON only.
        host: the host or vCenter the subject lives on.
        exchanges: the raw questions and answers behind the conclusion.
    """

    subject: str
    kind: str
    host: str
    findings: tuple[Finding, ...] = ()
    level: Level | None = None
    evidence_at: datetime | None = None
    facts: Mapping[str, Json] = field(default_factory=dict)
    objective: Mapping[str, Json] = field(default_factory=dict)
    exchanges: tuple[Exchange, ...] = field(default=(), repr=False)

    @property
    def verdict(self) -> Verdict:
        return verdict_of(self.findings, self.level)

    def age(self, now: datetime) -> timedelta | None:
        """How old the proof is at `now`, or None when there is none."""
        return None if self.evidence_at is None else now - self.evidence_at


def verdict_of(findings: Iterable[Finding], level: Level | None) -> Verdict:
    """The verdict that findings and proof allow.

    Without any established level the verdict cannot be better than `UNKNOWN`, whatever the findings say: a check that
    proved nothing has nothing to be green about.
    """
    floor = Verdict.UNKNOWN if level is None else Verdict.OK
    return worst([floor, *(finding.severity.verdict for finding in findings)])


def unverified(subject: str, kind: str, host: str, rule: str, message: str) -> Check:
    """A check that could not be made, and why: always `UNKNOWN`."""
    return Check(subject, kind, host, findings=(Finding(rule, Severity.UNKNOWN, message),))
