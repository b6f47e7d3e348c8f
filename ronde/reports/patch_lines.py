"""The updates of a client's servers in a night: one line for each server that is audited, examined or not."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from ronde.model.check import Json
from ronde.model.inventory import Client
from ronde.model.plan import Target, TargetKind
from ronde.model.records import CheckRecord
from ronde.model.selection import candidates_of, parse_selection, select
from ronde.model.verdict import Verdict
from ronde.reports.lines import Judged, Night
from ronde.reports.meanings import read_instant
from ronde.reports.patches import AUDITS, UNVERIFIED
from ronde.reports.phrases import Phrase, counted, phrase
from ronde.reports.rows import Row, row_of
from ronde.reports.standing import PATCHES
from ronde.reports.view import PatchLine
from ronde.reports.voice import Voice


def patch_lines(night: Night) -> list[PatchLine]:
    """A line for each server that a schedule audits or that was audited, worst first.

    One that should have been audited and was not is `unknown` with its reason; nothing can be taken out of the
    material and leave a line better.
    """
    client = night.client
    schedules = {
        system: sorted(name for name, entry in client.schedules.items() if entry.enabled and entry.playbook == audit)
        for system, audit in AUDITS.items()
    }
    wanted = {host for host, kind, _ in night.checks if kind == PATCHES}
    for system, names in schedules.items():
        wanted |= _audited(client, names, system)
    lines = [_line(night, name, schedules[host.system]) for name, host in client.hosts.items() if name in wanted]
    return sorted(lines, key=lambda line: -line.verdict.rank)


def _audited(client: Client, schedules: Iterable[str], system: str) -> set[str]:
    """The servers of one system that the schedules name."""
    known = candidates_of(client)
    meant = {one for name in schedules for one in select(parse_selection(client.schedules[name].on), known)}
    names = {one.name for one in meant if one.kind == "host"}
    return {name for name, host in client.hosts.items() if name in names and host.system == system}


def _line(night: Night, host: str, schedules: Sequence[str]) -> PatchLine:
    target = Target(night.client.client, TargetKind.HOST, host)
    check = night.checks.get((host, PATCHES, PATCHES))
    audit = AUDITS[night.client.hosts[host].system]
    if check is None:
        absent = night.standing.absence(target, PATCHES, schedules, use=PATCHES)
        return PatchLine(host, Verdict.UNKNOWN, gaps=(absent,), audit=audit)
    return replace(_told(host, night.judge([check], target), check), audit=audit)


def _told(host: str, judged: Judged, check: CheckRecord) -> PatchLine:
    """The figures of a check; of one that proved nothing none is repeated."""
    facts = check.facts if check.level is not None else {}
    return PatchLine(
        host=host,
        verdict=judged.verdict,
        waiting=_whole(facts.get("pending")),
        security=_whole(facts.get("security")),
        oldest=read_instant(facts.get("oldest_fix")),
        reboot=facts.get("reboot_needed") is True,
        problems=judged.problems,
        gaps=judged.gaps,
        remarks=_remarks(check),
    )


def _remarks(check: CheckRecord) -> tuple[Phrase, ...]:
    if not any(finding.rule == UNVERIFIED for finding in check.findings):
        return ()
    return (phrase("The way in which this Windows server was looked at has not been verified on a real Windows."),)


def _whole(value: Json) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


# ------------------------------------------------------------------- in words


def patch_rows(lines: Sequence[PatchLine], voice: Voice) -> tuple[Row, ...]:
    """A row for each server: how much waits, since when, and what is not in order."""
    return tuple(_row(line, voice) for line in lines)


def _row(line: PatchLine, voice: Voice) -> Row:
    details = [*_counts(line), *line.problems, *line.remarks]
    if line.gaps:
        details += [phrase("The reason is given below.")] if line.verdict is Verdict.UNKNOWN else line.gaps
    return row_of(line.verdict, line.host, "", [voice.say(one) for one in details], voice)


def _counts(line: PatchLine) -> tuple[Phrase, ...]:
    if line.waiting is None or line.security is None:
        return ()
    if not line.waiting:
        return (phrase("No update waits."),)
    told = [counted("{n} update waits.", "{n} updates wait.", line.waiting)]
    if line.security and line.oldest:
        told.append(
            counted(
                "{n} of them for security, waiting since {since}.",
                "{n} of them for security, the oldest since {since}.",
                line.security,
                since=line.oldest,
            )
        )
    return tuple(told)


def patch_lead(lines: Sequence[PatchLine]) -> tuple[Phrase, ...]:
    """How many servers were audited, out of how many; counts only, no judgement."""
    if not lines:
        return ()
    done = sum(line.verdict is not Verdict.UNKNOWN for line in lines)
    return (phrase("Updates verified on {done} of {total} servers.", done=done, total=len(lines)),)
