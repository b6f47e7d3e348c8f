"""How each host stands with its updates, from its newest audit; what was never audited is a row as well."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from ronde.model.check import Json
from ronde.model.inventory import Client
from ronde.model.records import CheckRecord
from ronde.model.verdict import Severity, Verdict, worst

KIND = "patches"
AUDITS: Mapping[str, str] = {"linux": "patch/audit", "windows": "patch/audit-windows"}  # by what a host runs
UNVERIFIED = "patch-windows-unverified"  # the one remark that stands beside every answer it is about, good or bad
STALE = timedelta(hours=48)  # as for the lists themselves: two nights without an audit, and nothing is known any more


@dataclass(frozen=True, slots=True)
class PatchRow:
    """One host. Figures are None where they are not known; `at` is None when it was never audited.

    Attributes:
        waiting: all waiting updates, `security` those for security, `untold` those of which nobody says.
        oldest: since when the longest missing security fix has been waiting.
        kept: packages that stay behind, to the reason; what the vendor defers for this host is not among them.
        lists: of when the host's knowledge of its repositories is.
        words: what is not in order, in the words of the findings.
        facts: everything else that the audit told.
        audit: the playbook that audits such a host.
    """

    client: str
    host: str
    verdict: Verdict
    at: datetime | None = None
    waiting: int | None = None
    security: int | None = None
    untold: int = 0
    oldest: datetime | None = None
    held: tuple[str, ...] = ()
    kept: Mapping[str, str] | None = None
    reboot: bool | None = None
    lists: datetime | None = None
    words: tuple[str, ...] = ()
    run: str = ""
    facts: Mapping[str, Json] | None = None
    audit: str = AUDITS["linux"]

    @property
    def others(self) -> int | None:
        """Waiting updates that are not known to be for security."""
        return None if self.waiting is None or self.security is None else self.waiting - self.security


def patch_rows(client: Client, checks: Iterable[CheckRecord], now: datetime) -> list[PatchRow]:
    """A row for each host of a client; `checks` are the newest of each, whatever they are about."""
    newest = {check.host: check for check in checks if check.kind == KIND}
    return [_row(client, name, newest.get(name), now) for name in client.hosts]


def worst_first(rows: Iterable[PatchRow]) -> list[PatchRow]:
    """By verdict, then by the age of what is missing, then by name."""
    return sorted(rows, key=lambda row: (-row.verdict.rank, row.oldest is None, row.oldest, row.client, row.host))


def _row(client: Client, host: str, check: CheckRecord | None, now: datetime) -> PatchRow:
    audit = AUDITS[client.hosts[host].system]
    if check is None:
        return PatchRow(client.client, host, Verdict.UNKNOWN, words=("never audited",), audit=audit)
    facts = check.facts
    stale = now - check.recorded_at > STALE
    words = (*(("the last audit is too old to go by",) if stale else ()), *_words(check))
    return PatchRow(
        client=client.client,
        host=host,
        verdict=worst([check.verdict, *([Verdict.UNKNOWN] if stale else [])]),
        at=check.recorded_at,
        waiting=_whole(facts.get("pending")),
        security=_whole(facts.get("security")),
        untold=_whole(facts.get("security_untold")) or 0,
        oldest=_instant(facts.get("oldest_fix")),
        held=tuple(cast("Sequence[str]", facts.get("held") or ())),
        kept=_kept(facts.get("kept")),
        reboot=cast("bool | None", facts.get("reboot_needed")),
        lists=_instant(facts.get("refreshed")),
        words=words,
        run=check.run,
        facts=facts,
        audit=audit,
    )


def _words(check: CheckRecord) -> tuple[str, ...]:
    ranked = sorted(check.findings, key=lambda finding: -finding.severity.verdict.rank)
    told = tuple(finding.message for finding in ranked if finding.severity is not Severity.INFO)
    label = tuple(finding.message for finding in check.findings if finding.rule == UNVERIFIED)
    return (*(told or (() if check.verdict is Verdict.OK else ("nothing was proven",))), *label)


def _kept(value: Json) -> Mapping[str, str] | None:
    if not isinstance(value, Mapping):
        return None
    return {name: str(reason) for name, reason in value.items() if reason != "phased"}


def _whole(value: Json) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _instant(value: Json) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else None


def patch_json(row: PatchRow) -> dict[str, object]:
    """A row as `ronde patches --json` prints it, with all the audit's facts."""
    return {
        "client": row.client,
        "host": row.host,
        "verdict": row.verdict.value,
        "audited_at": row.at.isoformat() if row.at else None,
        "run": row.run or None,
        "security": row.security,
        "others": row.others,
        "security_untold": row.untold,
        "oldest_security_since": row.oldest.isoformat() if row.oldest else None,
        "held": list(row.held),
        "kept": dict(row.kept) if row.kept is not None else None,
        "reboot_needed": row.reboot,
        "lists_of": row.lists.isoformat() if row.lists else None,
        "words": list(row.words),
        "facts": dict(row.facts) if row.facts is not None else None,
    }
