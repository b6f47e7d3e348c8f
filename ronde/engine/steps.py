"""What each `use` of a step does: gather through the ports, decide with the rules, return checks."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast
from zoneinfo import ZoneInfo

from pydantic import TypeAdapter

from ronde.engine.backups import BackupRequest, check_all, check_clock, skew_of, unreached
from ronde.engine.machines import MachinesRequest, check_machines
from ronde.engine.parts import Engine, ReportOrder
from ronde.engine.patches import AuditRequest, Line, check_patches, check_windows, task_id, unaudited
from ronde.model.backup.history import PastCheck
from ronde.model.check import Check, Exchange, unverified
from ronde.model.command import Answer, Command
from ronde.model.errors import ConnectionLost, InputError, RondeError
from ronde.model.inventory import Backup, Client
from ronde.model.plan import Step, Target
from ronde.model.records import CheckRecord, Scope
from ronde.model.vsphere.history import PastMachine
from ronde.ports import Claim, Ear, Listener, Shell, Signal

BACKUP_KINDS = ("restic", "borg", "dump")
SEEN_LATELY = timedelta(days=7)  # a machine not seen for a week on any vCenter is not "elsewhere"
BACKUPS: TypeAdapter[list[Backup]] = TypeAdapter(list[Backup])


@dataclass(slots=True)
class JobContext:
    """One attempt at one job: what it works with, and what it has found so far.

    Attributes:
        checks: grows step by step, so that what was established before a link broke is kept.
        skew: how far the target's clock is ahead of ours, once it was asked.
        lost: the link broke while a command ran; what came after it was not examined, and another try may help.
        opened: whether the target let us in at all, in this attempt.
    """

    engine: Engine
    claim: Claim
    client: Client
    signal: Signal
    now: datetime
    resources: ExitStack
    checks: list[Check] = field(default_factory=list)
    skew: timedelta = timedelta(0)
    lost: ConnectionLost | None = None
    opened: bool = False
    _shell: Shell | None = None

    @property
    def target(self) -> Target:
        return self.claim.plan.target

    @property
    def scope(self) -> Scope:
        return Scope.of(self.client.client)

    def shell(self) -> Shell:
        """The job's one connection, opened when the first step needs it."""
        if self._shell is None:
            self._shell = self._open(self.signal)
        return self._shell

    def reopen(self, signal: Signal) -> Shell:
        """A new connection in place of the one before."""
        if self._shell is not None:
            self._shell.close()
        self._shell = None
        self._shell = self._open(signal)
        return self._shell

    def lend_shell(self) -> Shell | None:
        """The open connection, for somebody who brings it back or another one; None when none is open."""
        return self._shell

    def take_back(self, shell: Shell | None) -> None:
        self._shell = shell

    def ear(self, step: str) -> Ear:
        """Where the output of one carrying-out of a step is handed to."""
        claim = self.claim
        return self.engine.publisher.listener(claim.run, claim.job, f"{self.target.client}/{self.target.name}", step)

    def _open(self, signal: Signal) -> Shell:
        opened = self.engine.shells.open(self.client, self.target.name, signal)
        shell = WatchedShell(self.resources.enter_context(opened), self)
        self.opened = True
        return shell


@dataclass(frozen=True, slots=True)
class WatchedShell:
    """A shell that tells its job when the link broke, whatever the check in hand makes of it."""

    shell: Shell
    context: JobContext

    def run(self, command: Command, listen: Listener | None = None) -> Answer:
        try:
            return self.shell.run(command, listen)
        except ConnectionLost as error:
            self.context.lost = self.context.lost or error
            raise

    def close(self) -> None:
        self.shell.close()


def run_step(context: JobContext, step: Step) -> None:
    """Run one step; its checks are added to the context.

    Raises:
        InputError: a plan made by a later version uses a step this version does not know.
        RondeError: the step came to no result; checks of what it did examine are in the context all the same.
    """
    use = STEPS.get(step.use)
    if use is None:
        raise InputError(f'This version does not know the step "{step.use}".', advice="Upgrade this worker.")
    use(context, step)


def missing_checks(context: JobContext, error: RondeError) -> list[Check]:
    """One check for each planned subject that was not examined: `unknown`, or worse when that lasts for nights."""
    done = {(check.kind, check.subject) for check in context.checks}
    missing: list[Check] = []
    for step in context.claim.plan.steps:
        if step.use == "backups":
            missing += [
                unreached(request, error)
                for request in _requests(context, step)
                if (request.backup.tool, request.backup.name) not in done
            ]
        elif step.use == "machines" and ("vcenter", context.target.name) not in done:
            name, rule = context.target.name, f"not-verified-{error.code}"
            missing.append(unverified(name, "vcenter", name, rule, f"not verified: {error.message}"))
        elif step.use == "patches" and ("patches", "patches") not in done:
            missing.append(unaudited(_audit(context, step), error))
    return missing


def _clock(context: JobContext, _step: Step) -> None:
    check = check_clock(context.shell(), context.target.name, context.engine.clock)
    context.checks.append(check)
    context.skew = skew_of(check)


def _backups(step: Step) -> list[Backup]:
    return BACKUPS.validate_python(step.parameters.get("backups", []))


def _requests(context: JobContext, step: Step) -> list[BackupRequest]:
    history = context.engine.ledger.history(context.scope, context.target.name, BACKUP_KINDS, before=context.now)
    deep = cast("list[str]", step.parameters.get("deep", []))
    return [
        BackupRequest(
            client=context.client.client,
            host=context.target.name,
            backup=backup,
            now=context.now,
            zone=ZoneInfo(context.client.timezone),
            history=[
                _past(record) for record in history if (record.kind, record.subject) == (backup.tool, backup.name)
            ],
            clock=context.engine.clock,
            deep=backup.name in deep,
            skew=context.skew,
        )
        for backup in _backups(step)
    ]


def _check_backups(context: JobContext, step: Step) -> None:
    requests = _requests(context, step)
    context.checks += check_all(context.shell(), context.engine.secrets, requests)


def _check_machines(context: JobContext, step: Step) -> None:
    frozen = Client.model_validate(step.parameters["client"])
    history: dict[str, list[PastMachine]] = {}
    for record in context.engine.ledger.history(context.scope, context.target.name, ("vm",), before=context.now):
        key = record.facts.get("key")
        if isinstance(key, str):
            history.setdefault(key, []).append(PastMachine.of(record.recorded_at, record.facts))
    opened = context.engine.vcenters.open(context.client, context.target.name, context.signal)
    with opened as vcenter:
        request = MachinesRequest(
            client=frozen,
            vcenter=context.target.name,
            now=context.now,
            clock=context.engine.clock,
            history=history,
            elsewhere=_machines_elsewhere(context),
            mark_key=context.engine.mark_key(),
        )
        context.checks += check_machines(vcenter, request)


def _machines_elsewhere(context: JobContext) -> frozenset[str]:
    """Names of the machines last seen on the client's other vCenters."""
    if len(context.client.vcenters) < 2:
        return frozenset()
    since = context.now - SEEN_LATELY
    latest = context.engine.ledger.latest_checks(context.scope, since=since, until=context.now)
    return frozenset(check.subject for check in latest if check.kind == "vm" and check.host != context.target.name)


def _check_patches(context: JobContext, step: Step) -> None:
    host = context.client.hosts.get(context.target.name)
    if host is not None and host.system == "windows":
        task = task_id(context.claim.job, step.id, "audit")
        context.checks.append(check_windows(line_to(context), _audit(context, step), task))
        return
    context.checks.append(check_patches(context.shell(), _audit(context, step)))


def line_to(context: JobContext, *, grace: float = 0.0, exchanges: list[Exchange] | None = None) -> Line:
    """The way to the PowerShell of a job's host; `grace` and `exchanges`, which grow, as `Line` says."""

    def pause(seconds: float) -> None:
        context.signal.check()
        context.engine.pause(seconds)

    evidence = [] if exchanges is None else exchanges
    return Line(context.shell, lambda: context.reopen(context.signal), pause, context.engine.clock, grace, evidence)


def _audit(context: JobContext, step: Step) -> AuditRequest:
    history = context.engine.ledger.history(context.scope, context.target.name, ("patches",), before=context.now)
    return AuditRequest(
        host=context.target.name,
        now=context.now,
        history=[record.facts for record in history],
        clock=context.engine.clock,
        pause=context.engine.pause,
        refresh=bool(step.parameters.get("refresh", True)),
    )


def _report(context: JobContext, step: Step) -> None:
    order = ReportOrder(
        client=context.client,
        report=str(step.parameters["report"]),
        schedule=cast("str | None", step.parameters.get("schedule")),
        due=context.claim.due or context.now,
    )
    context.checks.append(context.engine.report(order))


def _past(record: CheckRecord) -> PastCheck:
    return PastCheck(
        at=record.recorded_at,
        verdict=record.verdict,
        level=record.level,
        facts=record.facts,
        findings=tuple(finding.rule for finding in record.findings),
    )


STEPS: Mapping[str, Callable[[JobContext, Step], None]] = {
    "clock": _clock,
    "backups": _check_backups,
    "machines": _check_machines,
    "patches": _check_patches,
    "report": _report,
}
