"""From a request to a check: find the manager, look, decide; what goes wrong on the way becomes `UNKNOWN`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from ronde.engine.backups.asking import Interview
from ronde.engine.patches.apt import AptLook
from ronde.engine.patches.documented import ApkLook
from ronde.engine.patches.look import Look, Means
from ronde.engine.patches.rpm import Dnf5Look, DnfLook, ZypperLook
from ronde.facts.patch.manager import choose, parse_probe, probe_question
from ronde.facts.patch.release import parse_release, release_question
from ronde.model.check import Check, Exchange, Finding
from ronde.model.errors import CommandTimeout, RemoteError, RondeError
from ronde.model.patch.audit import Audit
from ronde.model.patch.conclusion import Conclusion, decide_audit
from ronde.model.patch.figures import OBJECTIVE, figures
from ronde.model.patch.nights import Facts, carried, memory_of, unverified, verified_at
from ronde.model.patch.thresholds import info, unknown
from ronde.ports import Clock, Shell

KIND: Final = "patches"
LOOKS: Mapping[str, type[Look]] = {
    "apt": AptLook,
    "dnf": DnfLook,
    "dnf5": Dnf5Look,
    "zypper": ZypperLook,
    "apk": ApkLook,
}


@dataclass(frozen=True, slots=True)
class AuditRequest:
    """One host to audit.

    Attributes:
        now: decisions are made for this instant; `clock` is for the times of exchanges only.
        history: facts of earlier audits of this host, newest first.
        refresh: whether the package manager may read its repositories anew, where our user may have it do so.
        pause: waits so many seconds, for a lock to be given back.
    """

    host: str
    now: datetime
    history: Sequence[Facts]
    clock: Clock
    pause: Callable[[float], None]
    refresh: bool = True


@dataclass(slots=True)
class Seen:
    """How far a look has come: what it learnt, or what it met instead; `remark` is told of its way in any case."""

    audit: Audit = field(default_factory=Audit)
    unrefreshed: Finding | None = None
    trouble: Finding | None = None
    remark: Finding | None = None


def check_patches(shell: Shell, request: AuditRequest) -> Check:
    """The audit of one host. A link that breaks makes it `UNKNOWN`, with what had been learnt.

    Raises:
        Fenced, Cancelled: the work must stop.
    """
    interview = Interview(shell, request.clock)
    return concluded(_look(interview, request), request, interview.exchanges)


def concluded(seen: Seen, request: AuditRequest, exchanges: Sequence[Exchange]) -> Check:
    """What was learnt, or met, as the check that stands on record."""
    at = max([request.now, *(exchange.ended for exchange in exchanges)])
    conclusion = decide_audit(seen.audit, memory_of(request.history), at)
    verified = at if conclusion.level is not None else verified_at(request.history)
    return Check(
        subject=KIND,
        kind=KIND,
        host=request.host,
        findings=tuple(_findings(seen, conclusion, verified, at)),
        level=conclusion.level,
        evidence_at=at if conclusion.level is not None else None,
        facts={**figures(seen.audit, conclusion, at), "verified_at": verified.isoformat() if verified else None},
        objective=OBJECTIVE,
        exchanges=tuple(exchanges),
    )


def unaudited(request: AuditRequest, error: RondeError) -> Check:
    """The check of a host that was never reached: what earlier nights remember stays remembered."""
    findings = (trouble(error), *unverified(verified_at(request.history), request.now))
    return Check(KIND, KIND, request.host, findings, facts=carried(request.history), objective=OBJECTIVE)


def trouble(error: RondeError) -> Finding:
    """The finding that an error of the way becomes."""
    if isinstance(error, CommandTimeout):
        return unknown("patch-timed-out", f"No answer in time: {error.message}", code=error.code)
    return unknown("patch-not-read", f"The host could not be asked: {error.message}", code=error.code)


def _look(interview: Interview, request: AuditRequest) -> Seen:
    seen = Seen()
    look: Look | None = None
    try:
        probe, release = interview.ask_all([probe_question(), release_question()])
        seen.audit = Audit(release=parse_release(release))
        found = parse_probe(probe)
        choice = found if isinstance(found, Finding) else choose(found)
        if isinstance(choice, Finding):
            seen.trouble = choice
            return seen
        look = LOOKS[choice.name](interview, Means(request.refresh, request.pause), seen.audit)
        look.run()
    except RemoteError as error:
        seen.trouble = trouble(error)
    if look is not None:
        seen.audit, seen.unrefreshed = look.audit, look.unrefreshed
    return seen


def _findings(seen: Seen, conclusion: Conclusion, verified: datetime | None, at: datetime) -> Iterator[Finding]:
    """What is told once, although it may stand in the place of several facts; what broke the look comes first."""
    found = list(conclusion.findings)
    if seen.trouble is not None:
        moot = {"patch-not-read"} if seen.audit.reboot else {"patch-not-read", "patch-reboot-unknown"}
        found = [seen.trouble, *(one for one in found if one.rule not in moot)]
    yield from (one for place, one in enumerate(found) if one not in found[:place])
    if seen.unrefreshed is not None:
        yield info("patch-not-refreshed", f"The repositories were not read anew: {seen.unrefreshed.message}")
    if seen.remark is not None:
        yield seen.remark
    yield from unverified(verified, at)
