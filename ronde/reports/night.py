"""One client's night: from the inventory, which says what is expected, and the records, which say what was found."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from ronde.model.inventory import Client, Provider
from ronde.model.records import CheckRecord
from ronde.model.verdict import Level, Verdict, worst
from ronde.reports.changes import change_lines
from ronde.reports.decisions import decisions
from ronde.reports.headline import Tally, headline, lead, short
from ronde.reports.lines import Night, proven
from ronde.reports.material import NightMaterial
from ronde.reports.patch_lines import patch_lead, patch_lines
from ronde.reports.phrases import Phrase, phrase
from ronde.reports.scheduled import scheduled_lines
from ronde.reports.view import BackupLine, ChangeLine, Exclusion, Gap, MachineGroup, NightView, OtherLine, PatchLine
from ronde.reports.work import Work

Lines = tuple[list[BackupLine], list[MachineGroup], list[OtherLine]]


def night_view(client: Client, provider: Provider, material: NightMaterial, now: datetime) -> NightView:
    """What is told to a client about one night.

    Everything the inventory expects is there, examined or not: an expected subject without a believable check is
    `unknown` with its reason. No check can be taken out of the material and leave a verdict better than `unknown`,
    or a better one than before. What we did on the servers can make a night worse, and never better: where nothing was
    examined, work that went well proves nothing. `now` is the instant of the report, aware.
    """
    night, work = Night.of(client, material, now), Work.of(material, client.client)
    others = [*night.others(), *scheduled_lines(client, material, work)]
    backups, machines, _ = lines = (night.backups(), night.machines(), others)
    changes, patches = change_lines(work, provider, now), patch_lines(night)
    own = list(night.checks.values())
    asked = decisions(client, own, now)
    examined = worst(line.verdict for group in (*lines, patches) for line in group)
    verdict = worst([examined, *(line.verdict for line in changes), *(Verdict.WARNING for _ in asked)])
    tally = Tally(backups, machines, others, changes, patches)
    told = _told(own, work)
    return NightView(
        client=client.client,
        name=client.name,
        provider=provider.name,
        phone=provider.phone,
        reply_to=provider.reply_to or provider.sender,
        zone=client.timezone,
        period=material.period,
        now=now,
        verdict=verdict,
        headline=headline(verdict, tally, len(asked)),
        short=short(verdict, tally, len(asked)),
        decisions=asked,
        lead=(*lead(tally), *patch_lead(patches)),
        backups=tuple(backups),
        machines=tuple(machines),
        others=tuple(others),
        patches=tuple(patches),
        changes=tuple(changes),
        gaps=_gaps(lines, patches, changes),
        exclusions=_exclusions(client, now),
        bare_hosts=_bare_hosts(client),
        restore=last_restore([*own, *material.earlier], now),
        runs=_runs(told, changes),
        digest=records_digest(told),
        next_night=material.next_night,
    )


def _told(checks: Sequence[CheckRecord], work: Work) -> list[CheckRecord]:
    """The records that the report is made from: the night's checks, and those of what we did; each once."""
    acted = [check for job in work.changes() for check in job.checks]
    return list({check.id: check for check in (*checks, *acted)}.values())


def _runs(checks: Sequence[CheckRecord], changes: Sequence[ChangeLine]) -> tuple[str, ...]:
    """The runs behind the report in order of time, also those of which no check is on record."""
    found = [(check.recorded_at, check.run) for check in checks] + [(line.at, line.run) for line in changes]
    return tuple(dict.fromkeys(run for _, run in sorted(found)))


def records_digest(checks: Sequence[CheckRecord]) -> str:
    """SHA-256 over the records a report was made from, as ASCII JSON sorted by id, keys sorted, no spaces; hexadecimal.

    Whoever holds the ledger can compute it again, and so show that the report tells what was recorded.
    """
    rows = [
        {
            "id": check.id,
            "run": check.run,
            "host": check.host,
            "kind": check.kind,
            "subject": check.subject,
            "verdict": check.verdict.value,
            "level": None if check.level is None else int(check.level),
            "evidence_at": None if check.evidence_at is None else check.evidence_at.isoformat(),
            "recorded_at": check.recorded_at.isoformat(),
            "findings": [[one.rule, one.severity.value, one.message, one.evidence] for one in check.findings],
            "facts": check.facts,
            "objective": check.objective,
        }
        for check in sorted(checks, key=lambda check: check.id)
    ]
    written = json.dumps(rows, sort_keys=True, separators=(",", ":"), default=dict)  # in ASCII: any name can be hashed
    return hashlib.sha256(written.encode()).hexdigest()


def last_restore(checks: Sequence[CheckRecord], now: datetime) -> Phrase:
    """Verifying is not restoring: when a restore was last tried with success, and of what."""
    tried = [
        (at, check.subject, check.host)
        for check in checks
        for level, at in [*proven(check, now).items(), (check.level, check.evidence_at)]
        if level is not None and level >= Level.RESTORED and at is not None
    ]
    if not tried:
        return phrase("Verifying a copy is not restoring it: no trial restore is on record.")
    at, subject, host = max(tried)
    return phrase(
        "Verifying a copy is not restoring it: last successful trial restore on {at}, of “{subject}” ({host}).",
        at=at,
        subject=subject,
        host=host,
    )


def _gaps(lines: Lines, patches: Sequence[PatchLine], changes: Sequence[ChangeLine]) -> tuple[Gap, ...]:
    """What could not be verified; subjects of one place that share their reasons are told together."""
    backups, machines, others = lines
    single = [
        *(Gap(line.host, (line.name,), line.gaps) for line in backups),
        *(Gap(group.vcenter, (), group.gaps) for group in machines),
        *(Gap(line.vcenter, (line.name,), line.gaps) for group in machines for line in group.exceptions),
        *(Gap(line.where, (), line.gaps) for line in others),
        *(Gap(line.host, (), _of_updates(line)) for line in patches),
        *(Gap(line.where, (), _of_change(line)) for line in changes),
    ]
    shared: list[Gap] = []
    for gap in single:
        if not gap.reasons:
            continue
        place = next((i for i, known in enumerate(shared) if _together(known, gap)), None)
        if place is None:
            shared.append(gap)
        else:
            shared[place] = replace(shared[place], subjects=(*shared[place].subjects, *gap.subjects))
    return tuple(shared)


def _of_updates(line: PatchLine) -> tuple[Phrase, ...]:
    return (phrase("Its updates are not verified."), *line.gaps) if line.gaps else ()


def _of_change(line: ChangeLine) -> tuple[Phrase, ...]:
    return (phrase("Intervention “{title}”.", title=line.title), *line.gaps) if line.gaps else ()


def _together(known: Gap, gap: Gap) -> bool:
    return bool(known.subjects and gap.subjects) and (known.where, known.reasons) == (gap.where, gap.reasons)


def _bare_hosts(client: Client) -> tuple[str, ...]:
    """The hosts without a declared backup that no exemption speaks of either."""
    exempt = {one.vm.casefold() for one in client.exempt}
    return tuple(
        name
        for name, host in client.hosts.items()
        if not host.backups and not exempt & {name.casefold(), (host.vm or name).casefold()}
    )


def _exclusions(client: Client, now: datetime) -> tuple[Exclusion, ...]:
    """The machines that need no backup tonight; an exemption that has ended is a decision, not an exclusion."""
    today = now.astimezone(ZoneInfo(client.timezone)).date()
    return tuple(Exclusion(one.vm, one.reason, one.until) for one in client.exempt if one.until >= today)
