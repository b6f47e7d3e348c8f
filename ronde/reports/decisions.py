"""What needs the client's decision, derived by rule: nothing is asked that a technician can settle alone."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from ronde.model.inventory import Client
from ronde.model.records import CheckRecord
from ronde.model.verdict import Severity
from ronde.reports.clean import shorten
from ronde.reports.meanings import Meaning
from ronde.reports.phrases import Phrase, Shown, counted, phrase
from ronde.reports.rules import MEANINGS

NOTICE = timedelta(days=30)  # an exemption is raised a month before it ends, so that a monthly meeting falls before it
_MOST_NAMES, _MOST_NAME = 3, 32  # the verdict and the first decision fit into the first 300 characters


def decisions(client: Client, checks: Iterable[CheckRecord], now: datetime) -> tuple[Phrase, ...]:
    """The pending decisions, most pressing first; empty means there is none."""
    asked: list[Phrase] = []
    for one in (*_of_exemptions(client, now), *_of_findings(client, checks)):
        if one not in asked:
            asked.append(one)
    return tuple(asked)


def _of_exemptions(client: Client, now: datetime) -> Iterator[Phrase]:
    today = now.astimezone(ZoneInfo(client.timezone)).date()
    for exemption in sorted(client.exempt, key=lambda one: one.until):
        if exemption.until < today:
            yield phrase(
                "Say whether machine “{vm}” needs a backup: its exemption ended on {until}.",
                vm=exemption.vm,
                until=exemption.until,
            )
        elif exemption.until - today <= NOTICE:
            yield phrase(
                "Say whether machine “{vm}” needs a backup: its exemption ends on {until}.",
                vm=exemption.vm,
                until=exemption.until,
            )


def _of_findings(client: Client, checks: Iterable[CheckRecord]) -> Iterator[Phrase]:
    """The questions of findings that leave the client a choice; one for all subjects where the rule allows it."""
    exempt = {exemption.vm.casefold() for exemption in client.exempt}
    asked: dict[str, list[CheckRecord]] = {}
    for check in checks:
        if check.kind in {"vm", "coverage"} and check.subject.casefold() in exempt:
            continue  # the exemption's own question asks the same
        for finding in check.findings:
            if finding.rule in MEANINGS and finding.severity in {Severity.WARNING, Severity.CRITICAL}:
                asked.setdefault(finding.rule, []).append(check)
    for rule, concerned in asked.items():
        yield from _questions(MEANINGS[rule], concerned)


def _questions(meaning: Meaning, checks: Sequence[CheckRecord]) -> Iterator[Phrase]:
    if not meaning.decision:
        return
    if len(checks) == 1 or not meaning.decisions:
        for check in checks:
            yield Phrase(meaning.decision, {"subject": check.subject, "host": check.host})
        return
    names = sorted({check.subject for check in checks})
    shown: tuple[Shown, ...] = tuple(phrase("“{name}”", name=shorten(name, _MOST_NAME)) for name in names[:_MOST_NAMES])
    left = len(names) - len(shown)
    yield Phrase(
        meaning.decisions, {"subjects": (*shown, counted("and one more", "and {n} more", left)) if left else shown}
    )
