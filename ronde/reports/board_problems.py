"""What on the morning's board needs somebody: each thing in words, with what to type next."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from ronde.model.records import CheckRecord, JobRecord, MailRecord
from ronde.model.run import MailState
from ronde.model.verdict import Severity, Verdict
from ronde.reports.board_work import Needed, needed, work_problems
from ronde.reports.material import NightMaterial
from ronde.reports.problem import Problem
from ronde.reports.rules import NOT_VERIFIED
from ronde.reports.standing import PATCHES, examines
from ronde.reports.view import NightView
from ronde.reports.work import PROCEDURE_KINDS


@dataclass(frozen=True, slots=True)
class ClientNight:
    """Everything the board needs of one client, read within that client's scope.

    Attributes:
        report_due: the newest instant of the period at which a night report was due; None when none was.
        report_next: when the next one is due; None when the client has no schedule for it.
    """

    view: NightView
    material: NightMaterial
    mails: Sequence[MailRecord] = ()
    report_due: datetime | None = None
    report_next: datetime | None = None

    @property
    def work(self) -> list[Needed]:
        """The procedures that need somebody, most pressing first."""
        return needed(self.view, self.material)


def problems_of(night: ClientNight) -> list[Problem]:
    """Everything that is not in order; never empty for a client whose verdict is not `ok`."""
    work = work_problems(night.view.client, night.work, night.view.now)
    found = [*work, *_checks(night), *_unproven(night), *_unaudited(night), *_report(night)]
    return found if found or night.view.verdict is Verdict.OK else [_something(night)]


def _checks(night: ClientNight) -> Iterator[Problem]:
    """What checks found, in their own words; steps and guards are told with their procedure."""
    client = night.view.client
    audits = {line.host: line.audit for line in night.view.patches}
    for check in night.material.checks:
        if check.verdict is not Verdict.OK and check.kind not in PROCEDURE_KINDS:
            steps = _next_for(client, check, audits.get(check.host, ""))
            yield Problem(client, check.verdict, _where(check), _said(check), steps)


def _unproven(night: ClientNight) -> Iterator[Problem]:
    """What the inventory expects and no believable check speaks of."""
    view, client = night.view, night.view.client
    told = {(check.host, check.subject) for check in night.material.checks if check.verdict is not Verdict.OK}
    for line in view.backups:
        if line.verdict is not Verdict.OK and (line.host, line.name) not in told:
            job = _job_on(night.material.jobs, line.host)
            action = _order(client, "backup/check", line.host)
            yield Problem(client, line.verdict, f"{line.host} · {line.name}", _why(job), (action,))
    for group in view.machines:
        job, action = _job_on(night.material.jobs, group.vcenter), _order(client, "vsphere/snapshots", group.vcenter)
        hidden = [one for one in group.exceptions if (group.vcenter, one.name) not in told]
        for machine in hidden:
            yield Problem(client, machine.verdict, f"vm {machine.name}", _why(job), (action,))
        if group.verdict is not Verdict.OK and not group.exceptions and (group.vcenter, group.vcenter) not in told:
            yield Problem(client, group.verdict, f"vCenter {group.vcenter}", _why(job), (action,))


def _unaudited(night: ClientNight) -> Iterator[Problem]:
    """Servers whose updates should be known, and of which no believable audit speaks."""
    told = {check.host for check in night.material.checks if check.kind == PATCHES and check.verdict is not Verdict.OK}
    for line in night.view.patches:
        if line.verdict is not Verdict.OK and line.host not in told:
            jobs = [job for job in night.material.jobs if examines(job, PATCHES, PATCHES)]
            action = _order(night.view.client, line.audit, line.host)
            yield Problem(
                night.view.client, line.verdict, f"{line.host} · updates", _why(_job_on(jobs, line.host)), (action,)
            )


def _report(night: ClientNight) -> Iterator[Problem]:
    """A report that the relay has not taken, or that was due and never written."""
    client = night.view.client
    since = night.report_due or night.view.period.since
    mails = [mail for mail in night.mails if mail.created_at >= since]
    action = f"ronde report outbox --client {client}"
    for mail in mails:
        if mail.state is not MailState.ACCEPTED and mail.attempts:
            dead = mail.state is MailState.DEAD
            words = f"{mail.recipient}: {mail.answer or 'no answer yet'} ({mail.attempts} tries)"
            yield Problem(client, Verdict.FAILED if dead else Verdict.UNKNOWN, "report by email", (words,), (action,))
    if night.report_due is not None and not any(mail.kind == "report/night" for mail in mails):
        action = f"ronde report night {client} --send"
        yield Problem(client, Verdict.UNKNOWN, "report by email", ("was due and has not been written",), (action,))


def _something(night: ClientNight) -> Problem:
    view = night.view
    if view.decisions:
        words, action = "the client has something to decide", f"ronde report night {view.client}"
    elif view.backups or view.machines or view.others or view.patches:
        words, action = "see the report", f"ronde report night {view.client}"
    else:
        words, action = "nothing is declared, so nothing was checked", f"ronde inventory show {view.client}"
    return Problem(view.client, view.verdict, "the night as a whole", (words,), (action,))


def _where(check: CheckRecord) -> str:
    if check.kind in {"vm", "coverage"}:
        return f"vm {check.subject}"
    return check.host if check.subject in {check.host, check.kind} else f"{check.host} · {check.subject}"


def _said(check: CheckRecord) -> tuple[str, ...]:
    ranked = sorted(check.findings, key=lambda finding: -finding.severity.verdict.rank)
    return tuple(item.message for item in ranked if item.severity is not Severity.INFO) or ("nothing was proven",)


def _next_for(client: str, check: CheckRecord, audit: str) -> tuple[str, ...]:
    """The evidence first, then what mends it or looks again; `audit` is the playbook that audits its host."""
    show = f"ronde show {check.run[:8]}"
    codes = {finding.evidence.get("code") or finding.rule.removeprefix(NOT_VERIFIED) for finding in check.findings}
    of = f"{check.host} --client {client}"
    if "host-key-changed" in codes:
        return (f"ronde host enrol {of} --replace    # once you know why", show)
    if "host-key-missing" in codes:
        return (f"ronde host enrol {of}", show)
    if "certificate-changed" in codes:
        return (f"ronde vcenter pin {of} --replace    # once you know why", show)
    if "vm-uncovered" in codes:
        return ("in the client's file: `vm:` of the backup that covers it, or an entry under `exempt:`", show)
    if check.kind == PATCHES:
        return (f"ronde patches {client} --host {check.host}", _order(client, audit or "patch/audit", check.host))
    playbook = "vsphere/snapshots" if check.kind in {"vm", "coverage", "vcenter"} else "backup/check"
    return (show, _order(client, playbook, check.host))


def _order(client: str, playbook: str, target: str) -> str:
    return f"ronde run {playbook} --client {client} --host {target}"


def _job_on(jobs: Iterable[JobRecord], target: str) -> JobRecord | None:
    """The newest job on a host or vCenter."""
    return max((job for job in jobs if job.target.name == target), key=lambda job: job.created_at, default=None)


def _why(job: JobRecord | None) -> tuple[str, ...]:
    if job is None:
        return ("not verified: no check ran",)
    if job.trouble is not None:
        tries = f", {job.attempt} tries" if job.attempt > 1 else ""
        return (f"not verified: {job.trouble.message}{tries}",)
    return (f"not verified: the check is {job.state}",)
