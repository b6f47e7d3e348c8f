"""A night report in one language: every word of it, in order, before it becomes text or HTML.

Both faces are made from this one value, so they cannot say different things.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ronde.model.verdict import Level, Verdict
from ronde.reports.change_rows import change_rows
from ronde.reports.clean import clean, isolate
from ronde.reports.patch_lines import patch_rows
from ronde.reports.phrases import Phrase, counted, phrase
from ronde.reports.rows import SHAPES, Row, first_few, more, row_of
from ronde.reports.view import BackupLine, Gap, MachineGroup, MachineLine, NightView, OtherLine, Proof
from ronde.reports.voice import Language, Voice

MOST_ROWS = 10  # more rows are counted, not listed: a morning mail is read in seconds, the ledger has them all
MOST_CHANGES = 8
MOST_DECISIONS = 3
MOST_GAPS = 12

LEVELS = {
    Level.REACHABLE: phrase("reachable"),
    Level.PRESENT: phrase("present"),
    Level.COHERENT: phrase("coherent"),
    Level.SAMPLED: phrase("intact in part"),
    Level.INTACT: phrase("intact"),
    Level.RESTORED: phrase("restored"),
    Level.BOOTED: phrase("booted"),
}


@dataclass(frozen=True, slots=True)
class NightPage:
    """Every word of the report.

    Attributes:
        patches: the updates of the client's servers; the part is left out where none is audited.
        changes: what we did on the client's servers; the part is left out on a night without.
        more_backups, more_machines, more_patches, more_changes, more_gaps: what the lists leave out, in words; empty
            when nothing.
    """

    language: Language
    subject_parts: tuple[str, str, str]
    verdict: Verdict
    shape: str
    client: str
    period: str
    headline: str
    rest: str
    decision_title: str
    decisions: tuple[str, ...]
    lead: str
    found_title: str
    headings: tuple[str, str, str]  # of a backup, of a machine, of what was found
    backups: tuple[Row, ...]
    more_backups: str
    machines_title: str
    machines: tuple[Row, ...]
    more_machines: str
    patches_title: str
    patch_headings: tuple[str, str]
    patches: tuple[Row, ...]
    more_patches: str
    changes_title: str
    change_headings: tuple[str, str]
    changes: tuple[Row, ...]
    more_changes: str
    gaps_title: str
    gaps: tuple[Row, ...]
    more_gaps: str
    no_gaps: str
    exclusions: tuple[str, ...]
    restore: str
    legend: str
    evidence: str
    next_night: str
    signature: str


def night_page(view: NightView, language: Language) -> NightPage:
    """The report in the words of a language, times in the client's zone."""
    voice = Voice(language, view.zone, view.now)
    say = voice.say
    first, *rest = (say(sentence) for sentence in view.headline)
    machines = _machine_rows(view, voice)
    changes, patches = change_rows(view.changes, voice), patch_rows(view.patches, voice)
    gaps = [_gap_row(gap, voice) for gap in view.gaps]
    name = isolate(clean(view.name))
    return NightPage(
        language=language,
        subject_parts=(name, say(view.short), _night(view, voice)),
        verdict=view.verdict,
        shape=SHAPES[view.verdict],
        client=name,
        period=_night(view, voice),
        headline=first,
        rest=" ".join(rest),
        decision_title=_decision_title(view, voice),
        decisions=_decision_list(view, voice),
        lead=" ".join(say(part) for part in view.lead),
        found_title=say(phrase("What we checked and found")),
        headings=(say(phrase("Backup")), say(phrase("Machine or server")), say(phrase("Result"))),
        backups=tuple(_backup_row(line, voice) for line in view.backups[:MOST_ROWS]),
        more_backups=_more_backups(view.backups[MOST_ROWS:], voice),
        machines_title=say(phrase("Virtual machines and servers")) if machines else "",
        machines=machines[:MOST_ROWS],
        more_machines=more(machines[MOST_ROWS:], voice),
        patches_title=say(phrase("Updates")) if patches else "",
        patch_headings=(say(phrase("Server")), say(phrase("Result"))),
        patches=patches[:MOST_ROWS],
        more_patches=more(patches[MOST_ROWS:], voice),
        changes_title=say(phrase("What we did on your servers")) if changes else "",
        change_headings=(say(phrase("Intervention")), say(phrase("Result"))),
        changes=changes[:MOST_CHANGES],
        more_changes=more(changes[MOST_CHANGES:], voice),
        gaps_title=say(phrase("What we could not verify")),
        gaps=tuple(gaps[:MOST_GAPS]),
        more_gaps=more(gaps[MOST_GAPS:], voice),
        no_gaps="" if view.gaps else _no_gaps(view, voice),
        exclusions=_exclusions(view, voice),
        restore=say(view.restore),
        legend=_legend(voice),
        evidence=_evidence(view, voice),
        next_night=say(phrase("Next check: {at}.", at=view.next_night)) if view.next_night else "",
        signature=_signature(view, voice),
    )


def _night(view: NightView, voice: Voice) -> str:
    """`night of 12 to 13 January`; `on 13 January` for a span within one day."""
    begin, end = voice.local(view.period.since).date(), voice.local(view.period.until).date()
    if begin == end:
        return voice.day(end)
    shown = str(begin.day) if (begin.month, begin.year) == (end.month, end.year) else voice.day(begin)
    if voice.language == "fr" and shown == "1":
        shown = "1er"
    if (end - begin).days == 1:
        return voice.say(phrase("night of {begin} to {end}", begin=shown, end=end))
    return voice.say(phrase("nights of {begin} to {end}", begin=shown, end=end))


def _decision_title(view: NightView, voice: Voice) -> str:
    count = len(view.decisions)
    if not count:
        return voice.say(phrase("Your decision: none."))
    return voice.say(counted("Your decision:", "Your decisions ({n}):", count))


def _decision_list(view: NightView, voice: Voice) -> tuple[str, ...]:
    shown = [voice.say(one) for one in view.decisions[:MOST_DECISIONS]]
    left = len(view.decisions) - len(shown)
    if left:
        shown.append(voice.say(counted("And one further question.", "And {n} further questions.", left)))
    return tuple(shown)


def _backup_row(line: BackupLine, voice: Voice) -> Row:
    details: list[str] = []
    if line.proofs:
        details.append(", ".join(_proof(proof, number, voice) for number, proof in enumerate(line.proofs)) + ".")
    if line.newest is not None:
        newest = phrase("Newest copy: {at} (agreed: at most {limit}).", at=line.newest, limit=line.objective)
        details.append(voice.say(newest))
    if line.verdict is Verdict.UNKNOWN and line.last_verified is not None:
        details.append(voice.say(phrase("Last verified on {at}.", at=line.last_verified)))
    details += [voice.say(sentence) for sentence in line.problems]
    details += _reasons(line.verdict, line.gaps, voice)
    return row_of(line.verdict, line.name, line.host, details, voice)


def _reasons(verdict: Verdict, gaps: Sequence[Phrase], voice: Voice) -> list[str]:
    """Why something could not be verified has its own section; the row of what is simply unverified points there."""
    if verdict is Verdict.UNKNOWN and gaps:
        return [voice.say(phrase("The reason is given below."))]
    return [voice.say(sentence) for sentence in gaps]


def _proof(proof: Proof, number: int, voice: Voice) -> str:
    """Tonight's proof by its word alone, older ones with their day: `present, intact (1/20) on 9 January`."""
    word = voice.say(LEVELS[proof.level])
    if proof.level is Level.SAMPLED and proof.share:
        word = voice.say(phrase("intact ({share} read back)", share=proof.share))
    if number == 0:
        return word[:1].upper() + word[1:]
    return voice.say(phrase("{word} on {day}", word=word, day=voice.local(proof.at).date()))


def _machine_rows(view: NightView, voice: Voice) -> tuple[Row, ...]:
    """A row for each group of machines, then the exceptions and other findings, worst first."""
    exceptions: list[MachineLine | OtherLine] = [line for group in view.machines for line in group.exceptions]
    exceptions += view.others
    worst_first = sorted(exceptions, key=lambda line: -line.verdict.rank)
    groups = [_group_row(group, voice) for group in view.machines]
    return (*groups, *(_exception_row(line, voice) for line in worst_first))


def _group_row(group: MachineGroup, voice: Voice) -> Row:
    details = []
    if group.total:
        details.append(voice.say(_machine_count(group)))
    details += [voice.say(sentence) for sentence in group.problems]
    details += _reasons(group.verdict, group.gaps, voice)
    return row_of(group.verdict, group.vcenter, "", details, voice)


def _machine_count(group: MachineGroup) -> Phrase:
    """How many machines were looked at, and how many are in order unless the look was incomplete."""
    total = counted("{n} virtual machine", "{n} virtual machines", group.total)
    if group.gaps:
        return phrase("{total}.", total=total)
    if group.in_order == group.total:
        return counted("{n} virtual machine, in order.", "{n} virtual machines, all in order.", group.total)
    return phrase("{total}, {good}.", total=total, good=counted("{n} in order", "{n} in order", group.in_order))


def _exception_row(line: MachineLine | OtherLine, voice: Voice) -> Row:
    details = [voice.say(sentence) for sentence in line.problems]
    details += _reasons(line.verdict, line.gaps, voice)
    if isinstance(line, MachineLine):
        return row_of(line.verdict, line.name, line.vcenter, details, voice)
    return row_of(line.verdict, line.where, "", details, voice)


def _gap_row(gap: Gap, voice: Voice) -> Row:
    details = [voice.say(sentence) for sentence in gap.reasons]
    if gap.subjects:
        names = first_few([phrase("“{name}”", name=name) for name in gap.subjects])
        details.append(voice.say(phrase("Hence not verified: {names}.", names=names)))
    return row_of(Verdict.UNKNOWN, gap.where, "", details, voice)


def _more_backups(lines: Sequence[BackupLine], voice: Voice) -> str:
    return more([_backup_row(line, voice) for line in lines], voice)


def _no_gaps(view: NightView, voice: Voice) -> str:
    if not view.backups and not view.machines and not view.patches:
        return voice.say(phrase("No verification is set up."))
    return voice.say(phrase("Nothing: everything that was to be verified was verified."))


def _exclusions(view: NightView, voice: Voice) -> tuple[str, ...]:
    """What is outside the round: machines by decision, and hosts without a declared backup."""
    told = []
    if view.exclusions:
        machines = [
            phrase("“{vm}” ({reason}, until {until})", vm=one.vm, reason=one.reason, until=one.until)
            for one in view.exclusions
        ]
        told.append(phrase("Without a backup, as agreed: {names}.", names=first_few(machines)))
    if view.bare_hosts:
        told.append(phrase("Servers without a declared backup: {names}.", names=first_few(view.bare_hosts)))
    return tuple(voice.say(one) for one in told)


def _legend(voice: Voice) -> str:
    return voice.say(
        phrase(
            "The words: present, the copy is listed; coherent, its table of contents is consistent; intact, the stated "
            "share of the stored data was read back without error; restored, files were restored and compared; booted, "
            "the machine was started from the copy."
        )
    )


def _evidence(view: NightView, voice: Voice) -> str:
    if not view.runs:
        return voice.say(phrase("No run is on record · record {digest}", digest=view.digest[:16]))
    runs = tuple(run[:8] for run in view.runs[-4:])
    return voice.say(
        counted(
            "Run {runs} · record {digest}",
            "Runs {runs} · record {digest}",
            len(runs),
            runs=runs,
            digest=view.digest[:16],
        )
    )


def _signature(view: NightView, voice: Voice) -> str:
    if view.phone:
        return voice.say(
            phrase("{provider} · {address} · {phone}", provider=view.provider, address=view.reply_to, phone=view.phone)
        )
    return voice.say(phrase("{provider} · {address}", provider=view.provider, address=view.reply_to))
