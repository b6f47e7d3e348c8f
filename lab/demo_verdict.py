"""Whether the product behaved in the demo's night: what was expected, what it found, and what it told."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from email.message import EmailMessage

from lab.faults import Expectation
from ronde.model.records import JobRecord, RunRecord

CLIENT_NAMES = {"commune-exemple": "Commune", "ecole-modele": "cole"}  # what each client's subject line must hold


@dataclass(frozen=True, slots=True)
class Examined:
    """One subject as the ledger has it: the verdict of its check, and every rule or error that spoke."""

    client: str
    target: str
    kind: str
    subject: str
    verdict: str
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """What one run found."""

    playbook: str
    examined: tuple[Examined, ...]

    @classmethod
    def of(cls, run: RunRecord) -> "Found":
        return cls(run.playbook, tuple(item for job in run.jobs for item in _of_job(job)))


@dataclass(frozen=True, slots=True)
class Line:
    """One expectation and what came of it."""

    right: bool
    fault: str
    where: str
    expected: str
    found: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """The whole: each expectation, everything healthy that was not found healthy, and each client's mail."""

    lines: tuple[Line, ...]
    surprises: tuple[str, ...]
    mails: Mapping[str, tuple[bytes, ...]]

    @property
    def behaved(self) -> bool:
        return all(line.right for line in self.lines) and not self.surprises


def judge(expected: Sequence[Expectation], found: Sequence[Found], mails: Sequence[EmailMessage]) -> Judgement:
    """Compare a night with what was put into it."""
    examined = [item for run in found for item in run.examined]
    lines = tuple(_line(expectation, examined) for expectation in expected)
    by_client = {
        client: tuple(mail.as_bytes() for mail in mails if words in str(mail["Subject"]))
        for client, words in CLIENT_NAMES.items()
    }
    surprises = [
        *_unexpected(expected, examined),
        *(
            f"{client} was sent {len(sent)} emails, expected one"
            for client, sent in by_client.items()
            if len(sent) != 1
        ),
    ]
    return Judgement(lines, tuple(surprises), by_client)


def _of_job(job: JobRecord) -> Iterable[Examined]:
    error = (job.trouble.code,) if job.trouble else ()
    for check in job.checks:
        rules = tuple(finding.rule for finding in check.findings)
        yield Examined(
            job.target.client, job.target.name, check.kind, check.subject, check.verdict.value, (*rules, *error)
        )
    if not job.checks:
        verdict = job.verdict.value if job.verdict else "unknown"
        yield Examined(job.target.client, job.target.name, "", "", verdict, error)


def _matching(expectation: Expectation, examined: Iterable[Examined]) -> list[Examined]:
    return [
        item
        for item in examined
        if (item.client, item.target) == (expectation.client, expectation.target)
        and expectation.subject in ("", item.subject)
        and item.kind != "clock"
    ]


def _line(expectation: Expectation, examined: Iterable[Examined]) -> Line:
    items = _matching(expectation, examined)
    verdicts = {item.verdict for item in items}
    rules = [rule for item in items for rule in item.rules]
    spoke = [rule for rule in rules if expectation.rule in rule] if expectation.rule else rules
    right = (
        bool(items)
        and (expectation.verdict in verdicts if expectation.subject else verdicts == {expectation.verdict})
        and (bool(spoke) or not expectation.rule)
    )
    where = f"{expectation.target} · {expectation.subject}" if expectation.subject else expectation.target
    told = ", ".join(dict.fromkeys(spoke)) or "no rule"
    return Line(
        right=right,
        fault=expectation.fault,
        where=where,
        expected=f"{expectation.verdict} {expectation.rule}".strip(),
        found=f"{'/'.join(sorted(verdicts)) or 'nothing'} ({told})",
    )


def _unexpected(expected: Sequence[Expectation], examined: Iterable[Examined]) -> Iterable[str]:
    """Everything not ok that no fault explains: a false alarm is a defect, too."""
    for item in examined:
        explained = any(item in _matching(expectation, [item]) for expectation in expected)
        about_vm = item.kind == "coverage"
        if item.verdict != "ok" and not explained and not about_vm:
            yield f"{item.client} {item.target} · {item.subject or 'all'}: {item.verdict} ({', '.join(item.rules)})"
