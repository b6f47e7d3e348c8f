"""The night report as values without a language: what every face of it says."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from ronde.model.verdict import Level, Verdict
from ronde.reports.material import Period
from ronde.reports.meanings import Cause
from ronde.reports.phrases import Phrase, Titled


@dataclass(frozen=True, slots=True)
class Proof:
    """What was proven about a copy, and when.

    Attributes:
        share: with `Level.SAMPLED`, the part of the stored bytes that was read back, `1/20`; empty when not recorded.
    """

    level: Level
    at: datetime
    share: str = ""


@dataclass(frozen=True, slots=True)
class BackupLine:
    """One backup of the inventory, whether or not it was checked.

    Attributes:
        newest: the newest restore point, as the backup tool itself dates it.
        objective: how old that point may be.
        proofs: tonight's proof, then stronger and older ones; empty unless the verdict is ok or warning.
        last_verified: for an unverified backup, when it was verified last, if that is on record.
        problems: what is wrong, worst first; `gaps`: why something could not be verified.
        causes: what its critical findings mean for the copies.
    """

    host: str
    name: str
    verdict: Verdict
    objective: timedelta
    newest: datetime | None = None
    proofs: tuple[Proof, ...] = ()
    last_verified: datetime | None = None
    problems: tuple[Phrase, ...] = ()
    gaps: tuple[Phrase, ...] = ()
    causes: frozenset[Cause] = frozenset()


@dataclass(frozen=True, slots=True)
class MachineLine:
    """One virtual machine that is not simply in order."""

    vcenter: str
    name: str
    verdict: Verdict
    problems: tuple[Phrase, ...] = ()
    gaps: tuple[Phrase, ...] = ()


@dataclass(frozen=True, slots=True)
class MachineGroup:
    """The machines of one vCenter: how many, and the exceptions.

    Attributes:
        total: machines that were looked at.
        problems, gaps: of the vCenter itself, or of the look at it as a whole.
        exceptions: machines that are not in order, worst first.
    """

    vcenter: str
    verdict: Verdict
    total: int
    in_order: int
    problems: tuple[Phrase, ...] = ()
    gaps: tuple[Phrase, ...] = ()
    exceptions: tuple[MachineLine, ...] = ()


@dataclass(frozen=True, slots=True)
class OtherLine:
    """A check of something else (a host's clock) that is not in order."""

    where: str
    verdict: Verdict
    problems: tuple[Phrase, ...] = ()
    gaps: tuple[Phrase, ...] = ()


@dataclass(frozen=True, slots=True)
class PatchLine:
    """The updates of one server, whether or not it was audited.

    Attributes:
        waiting, security: how many updates wait, and how many of them are for security; None when it is not known.
        oldest: since when the longest missing security update has been missing.
        reboot: whether a restart is known to be due.
        audit: the playbook that audits such a server.
        remarks: what is to be known about the way in which it was looked at.
    """

    host: str
    verdict: Verdict
    waiting: int | None = None
    security: int | None = None
    oldest: datetime | None = None
    reboot: bool = False
    problems: tuple[Phrase, ...] = ()
    gaps: tuple[Phrase, ...] = ()
    audit: str = "patch/audit"
    remarks: tuple[Phrase, ...] = ()


class Ending(StrEnum):
    """What an intervention came to, in one word; the most pressing first."""

    UNFINISHED = "unfinished"  # what came of a step is not known; a person has to look
    FAILED = "failed"
    UNRECORDED = "unrecorded"  # it is said to have ended well, and its record does not show it
    STOPPED = "stopped"  # by a person, after it began
    NOT_DONE = "not_done"  # it never began
    WAITS = "waits"
    UNDER_WAY = "under_way"
    DONE = "done"
    NOTHING = "nothing"  # it looked, and nothing had to be done


@dataclass(frozen=True, slots=True)
class ChangeLine:
    """One job that could change something: an intervention, in the client's words.

    Attributes:
        at: when it began or, as long as it has not, when it was ordered.
        where: the host, or the vCenter.
        who: by whom, or by which schedule; `reason`: why, as he wrote it.
        told: what came of it, in sentences; empty when the one word says it all.
        set_aside: the guards that a person passed over, with his reason.
        gaps: what of it could not be established.
        step: the step that failed or whose outcome is not known; empty when it is none.
    """

    at: datetime
    where: str
    title: Titled
    who: Phrase
    reason: str
    ending: Ending
    verdict: Verdict
    run: str
    job: str
    told: tuple[Phrase, ...] = ()
    set_aside: tuple[Phrase, ...] = ()
    gaps: tuple[Phrase, ...] = ()
    step: str = ""


@dataclass(frozen=True, slots=True)
class Gap:
    """What could not be verified: where, which subjects (none = the place as a whole), and why."""

    where: str
    subjects: tuple[str, ...]
    reasons: tuple[Phrase, ...]


@dataclass(frozen=True, slots=True)
class Exclusion:
    """A machine that needs no backup, by the client's decision."""

    vm: str
    reason: str
    until: date


@dataclass(frozen=True, slots=True)
class NightView:
    """One client's night.

    Attributes:
        verdict: the worst of everything expected; a pending decision alone makes it a warning.
        headline: the verdict in sentences of a closed set.
        short: the verdict in a few words, for the subject line.
        decisions: what needs the client's decision; empty means none.
        lead: how much was examined.
        patches: the updates of the servers that are audited, worst first.
        changes: what we did, or were to do, on the client's servers, worst first.
        gaps: everything expected that could not be verified; empty only if all of it was.
        exclusions, bare_hosts: what is outside the round by decision, and hosts without a declared backup.
        restore: the sentence on the last trial restore.
        runs: ids of the runs behind the report; `digest`: SHA-256 over the records it was made from.
    """

    client: str
    name: str
    provider: str
    phone: str | None
    reply_to: str
    zone: str
    period: Period
    now: datetime
    verdict: Verdict
    headline: tuple[Phrase, ...]
    short: Phrase
    decisions: tuple[Phrase, ...]
    lead: tuple[Phrase, ...]
    backups: tuple[BackupLine, ...]
    machines: tuple[MachineGroup, ...]
    others: tuple[OtherLine, ...]
    patches: tuple[PatchLine, ...]
    changes: tuple[ChangeLine, ...]
    gaps: tuple[Gap, ...]
    exclusions: tuple[Exclusion, ...]
    bare_hosts: tuple[str, ...]
    restore: Phrase
    runs: tuple[str, ...]
    digest: str
    next_night: datetime | None
