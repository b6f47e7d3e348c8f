"""From the inventory and the night's records to one line for each expected subject."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ronde.model.check import Finding, verdict_of
from ronde.model.inventory import Backup, Client
from ronde.model.plan import Target, TargetKind
from ronde.model.records import CheckRecord
from ronde.model.verdict import Level, Severity, Verdict, worst
from ronde.reports.material import NightMaterial
from ronde.reports.meanings import Cause, explain, read_instant
from ronde.reports.phrases import Phrase, phrase
from ronde.reports.rules import MEANINGS, NOT_VERIFIED
from ronde.reports.standing import FUTURE, PATCHES, Standing
from ronde.reports.view import BackupLine, MachineGroup, MachineLine, OtherLine, Proof
from ronde.reports.work import PROCEDURE_KINDS

MACHINE_KINDS = ("vm", "coverage")
_BY_WEIGHT = sorted(Severity, key=lambda severity: -severity.verdict.rank)
_RUNGS = {str(int(level)): level for level in Level}
_BELIEVED = frozenset({Verdict.OK, Verdict.WARNING})


@dataclass(frozen=True, slots=True)
class Judged:
    """What one or several checks of a subject come to tonight."""

    verdict: Verdict
    problems: tuple[Phrase, ...]
    gaps: tuple[Phrase, ...]


@dataclass(frozen=True, slots=True)
class Night:
    """One client's night, arranged: which check belongs to which subject, and whether it counts.

    What the steps and guards of a procedure found is no check of a backup or machine, whatever it is called.
    """

    client: Client
    material: NightMaterial
    standing: Standing
    checks: Mapping[tuple[str, str, str], CheckRecord]

    @classmethod
    def of(cls, client: Client, material: NightMaterial, now: datetime) -> "Night":
        apart = {"report", *PROCEDURE_KINDS}
        own = [check for check in material.checks if check.client == client.client and check.kind not in apart]
        newest = sorted(own, key=lambda check: check.recorded_at)
        checks = {(check.host, check.kind, check.subject): check for check in newest}
        return cls(client, material, Standing.of(material, now), checks)

    def backups(self) -> list[BackupLine]:
        """A line for every backup of every host of the inventory, worst first."""
        lines = [self._backup(name, backup) for name, host in self.client.hosts.items() for backup in host.backups]
        return sorted(lines, key=lambda line: -line.verdict.rank)

    def machines(self) -> list[MachineGroup]:
        """A group for every vCenter of the inventory."""
        return [self._group(name) for name in self.client.vcenters]

    def others(self) -> list[OtherLine]:
        """Checks of other things on known hosts (a clock), as far as they are not in order."""
        lines = []
        known = {"restic", "borg", "dump", "vcenter", PATCHES, *MACHINE_KINDS}
        for (host, kind, _), check in self.checks.items():
            if kind in known or host not in self.client.hosts:
                continue
            judged = self.judge([check], self._target(TargetKind.HOST, host))
            if judged.verdict is not Verdict.OK:
                lines.append(OtherLine(host, judged.verdict, judged.problems, judged.gaps))
        return sorted(lines, key=lambda line: -line.verdict.rank)

    def _backup(self, host: str, backup: Backup) -> BackupLine:
        target = self._target(TargetKind.HOST, host)
        check = self.checks.get((host, backup.tool, backup.name))
        earlier = [
            past
            for past in self.material.earlier
            if (past.host, past.kind, past.subject) == (host, backup.tool, backup.name)
        ]
        if check is None:
            absent = self.standing.absence(target, backup.name, self._schedules(("backup/", "round/")))
            judged = Judged(Verdict.UNKNOWN, (), (absent,))
        else:
            judged = self.judge([check], target)
        believed = judged.verdict in _BELIEVED
        return BackupLine(
            host=host,
            name=backup.name,
            verdict=judged.verdict,
            objective=backup.max_age,
            newest=_newest_point(check, judged.verdict),
            proofs=_proofs(check, self.standing.now) if believed else (),
            last_verified=None if believed else _last_verified(earlier),
            problems=judged.problems,
            gaps=judged.gaps,
            causes=_causes(check),
        )

    def _group(self, vcenter: str) -> MachineGroup:
        target = self._target(TargetKind.VCENTER, vcenter)
        own = self.checks.get((vcenter, "vcenter", vcenter))
        by_machine: dict[str, list[CheckRecord]] = {}
        for (host, kind, subject), check in self.checks.items():
            if host == vcenter and kind in MACHINE_KINDS:
                by_machine.setdefault(subject, []).append(check)
        machines = {name: self.judge(checks, target) for name, checks in by_machine.items()}
        whole = self._whole(own, target, by_machine)
        looked_at = [name for name, checks in by_machine.items() if any(check.kind == "vm" for check in checks)]
        exceptions = [
            MachineLine(vcenter, name, judged.verdict, judged.problems, judged.gaps)
            for name, judged in machines.items()
            if judged.verdict is not Verdict.OK
        ]
        return MachineGroup(
            vcenter=vcenter,
            verdict=worst([whole.verdict, *(judged.verdict for judged in machines.values())]),
            total=len(looked_at),
            in_order=sum(machines[name].verdict is Verdict.OK for name in looked_at),
            problems=whole.problems,
            gaps=whole.gaps,
            exceptions=tuple(sorted(exceptions, key=lambda line: (-line.verdict.rank, line.name))),
        )

    def _whole(self, own: CheckRecord | None, target: Target, machines: Mapping[str, list[CheckRecord]]) -> Judged:
        """The look at a vCenter as a whole; machines it counted that have no check of their own are a gap."""
        if own is None:
            absent = self.standing.absence(target, target.name, self._schedules(("vsphere/", "round/")))
            return Judged(Verdict.UNKNOWN, (), (absent,))
        judged = self.judge([own], target)
        counted_there = own.facts.get("machines")
        seen = sum(any(check.job == own.job and check.kind == "vm" for check in checks) for checks in machines.values())
        if not isinstance(counted_there, int) or seen >= counted_there:
            return judged
        lost = phrase(
            "{missing} of {total} machines have no result.", missing=counted_there - seen, total=counted_there
        )
        return Judged(worst([judged.verdict, Verdict.UNKNOWN]), judged.problems, (*judged.gaps, lost))

    def judge(self, checks: Sequence[CheckRecord], target: Target) -> Judged:
        """What checks of one subject come to tonight, whatever they say of themselves."""
        doubts = [doubt for check in checks if (doubt := self.standing.doubt(check, target)) is not None]
        findings = [finding for check in checks for finding in check.findings]
        verdict = worst(
            [
                *(check.verdict for check in checks),
                *(verdict_of(check.findings, check.level) for check in checks),
                *(Verdict.UNKNOWN for _ in doubts),
            ]
        )
        problems = _sentences(findings, {Severity.CRITICAL, Severity.WARNING})
        unread = [one for one in findings if not (doubts and _tells_of_the_way(one))]
        gaps = _once([*doubts, *_sentences(unread, {Severity.UNKNOWN})])
        if verdict is Verdict.UNKNOWN and not gaps:
            gaps = (phrase("The check ended without proving anything."),)
        return Judged(verdict, problems, gaps)

    def _target(self, kind: TargetKind, name: str) -> Target:
        return Target(self.client.client, kind, name)

    def _schedules(self, areas: tuple[str, ...]) -> list[str]:
        return [name for name, entry in self.client.schedules.items() if entry.purpose.startswith(areas)]


def _tells_of_the_way(finding: Finding) -> bool:
    """Whether it repeats the error that kept the job from the subject; the job's own sentence tells it better."""
    return finding.rule.startswith(NOT_VERIFIED) or "code" in finding.evidence


def _causes(check: CheckRecord | None) -> frozenset[Cause]:
    critical = [one.rule for one in (check.findings if check else ()) if one.severity is Severity.CRITICAL]
    return frozenset(MEANINGS[rule].cause if rule in MEANINGS else Cause.OTHER for rule in critical)


def _sentences(findings: Iterable[Finding], weights: set[Severity]) -> tuple[Phrase, ...]:
    chosen = sorted(
        (one for one in findings if one.severity in weights), key=lambda one: _BY_WEIGHT.index(one.severity)
    )
    return _once(explain(finding, MEANINGS) for finding in chosen)


def _once(phrases: Iterable[Phrase]) -> tuple[Phrase, ...]:
    kept: list[Phrase] = []
    for one in phrases:
        if one not in kept:
            kept.append(one)
    return tuple(kept)


def _newest_point(check: CheckRecord | None, verdict: Verdict) -> datetime | None:
    """The newest restore point as read tonight; what an unverified check says of it is not repeated."""
    return None if check is None or verdict is Verdict.UNKNOWN else read_instant(check.facts.get("newest"))


def _proofs(check: CheckRecord | None, now: datetime) -> tuple[Proof, ...]:
    """Tonight's proof, then the stronger ones on record, each with the day it was last established.

    The figures keep, for each level, when it was last established; a level includes those below it, so a weaker one is
    only told when it is newer.
    """
    if check is None or check.level is None or check.evidence_at is None:
        return ()
    kept = [Proof(check.level, check.evidence_at, share_of(check) if check.level is Level.SAMPLED else "")]
    stronger: list[Proof] = []
    for level, at in sorted(proven(check, now).items(), reverse=True):
        if level > check.level and (not stronger or at > stronger[-1].at):
            stronger.append(Proof(level, at, share_of(check) if level is Level.SAMPLED else ""))
    return tuple(kept + stronger[::-1])


def proven(check: CheckRecord, now: datetime) -> dict[Level, datetime]:
    """When each level was last established, by a check's figures; nothing unreadable, nothing from the future."""
    told = check.facts.get("proofs")
    found: dict[Level, datetime] = {}
    if isinstance(told, Mapping):
        for key, value in told.items():
            at = read_instant(value)
            if key in _RUNGS and at is not None and at <= now + FUTURE:
                found[_RUNGS[key]] = at
    return found


def share_of(check: CheckRecord) -> str:
    """The share of the stored bytes that a sampled check read back, `1/20`; empty when it is not on record."""
    share = check.objective.get("sample")
    return share if isinstance(share, str) else ""


def _last_verified(earlier: Sequence[CheckRecord]) -> datetime | None:
    return next((past.evidence_at for past in earlier if past.verdict in _BELIEVED and past.evidence_at), None)
