"""`vsphere.*`: snapshots and power of virtual machines, each change made once, and found again by a later attempt."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from ronde.engine.procedure.journal import StepJournal
from ronde.engine.procedure.result import Result
from ronde.engine.procedure.stage import Stage
from ronde.engine.steps import JobContext
from ronde.engine.vmchanges import (
    Access,
    CreateRequest,
    PowerRequest,
    RemoveRequest,
    RevertRequest,
    Wanted,
    create_snapshot,
    named_snapshot,
    remove_snapshot,
    revert_snapshot,
    same_machine,
    set_power,
)
from ronde.model.errors import InputError, VCenterError
from ronde.model.plan import Lane
from ronde.model.procedure import StepState
from ronde.model.units import parse_duration
from ronde.model.vsphere.changes import result as changes
from ronde.model.vsphere.changes.guards import Revert
from ronde.model.vsphere.changes.precheck import Policy, Quiesce
from ronde.model.words import hint

STATES: Final[Mapping[str, Wanted]] = {
    "start": Wanted.ON,
    "stop": Wanted.OFF,
    "shutdown": Wanted.SHUT_DOWN,
    "reboot": Wanted.RESTART,
}
"""The words of a playbook for what a machine's power is brought to."""

_MARGIN: Final = timedelta(seconds=30)  # left to record what came of it, before the job's own limit
_OUTCOMES: Final[Mapping[changes.Outcome, StepState]] = {
    changes.Outcome.CHANGED: StepState.DONE,
    changes.Outcome.UNCHANGED: StepState.DONE,
    changes.Outcome.REFUSED: StepState.FAILED,
    changes.Outcome.FAILED: StepState.FAILED,
    changes.Outcome.NEEDS_HUMAN: StepState.UNCLEAR,
    changes.Outcome.RUNNING: StepState.UNCLEAR,
}


@contextmanager
def access_to(stage: Stage, vcenter: str) -> Iterator[Access]:
    """A session on one of the client's vCenters, for the length of the block.

    Raises:
        VCenterError, SecretError: as `ronde.ports.VCenters.open`.
    """
    job = stage.job
    key = job.engine.mark_key()
    with job.engine.vcenters.open(job.client, vcenter, job.signal) as session:
        job.opened = job.opened or job.target.name == vcenter
        yield Access(session, vcenter, job.engine.clock, job.signal, job.engine.pause, _JobTurns(job), key)


@dataclass(frozen=True, slots=True)
class _JobTurns:
    """The places that a job takes in the ledger; of one client, whose vCenters nobody else has."""

    job: JobContext

    def take(self, lanes: Sequence[Lane]) -> bool:
        engine, own = self.job.engine, self.job.client.client
        named = [replace(lane, name=f"{own}/{lane.name}") for lane in lanes]
        return engine.ledger.take_places(self.job.claim, named, engine.clock.now())

    def leave(self) -> None:
        self.job.engine.ledger.leave_places(self.job.claim)


def create(stage: Stage) -> Result:
    """Take the step's one snapshot."""
    return changed(stage, lambda access: create_snapshot(access, create_request(stage), StepJournal(stage)))


def remove(stage: Stage) -> Result:
    """Remove one snapshot of ours."""

    def act(access: Access) -> changes.Result:
        journal = StepJournal(stage)
        taken = named_snapshot(access, stage.text("vm"), stage.text("snapshot"), journal)
        request = RemoveRequest(stage.text("vm"), taken, patience=patience_of(stage))
        return remove_snapshot(access, request, journal)

    return changed(stage, act)


def revert(stage: Stage) -> Result:
    """Take a machine back to a snapshot of ours, because two people said so."""

    def act(access: Access) -> changes.Result:
        journal = StepJournal(stage)
        spare(stage, same_machine(access, stage.text("vm"), journal).name)
        taken = named_snapshot(access, stage.text("vm"), stage.text("snapshot"), journal)
        request = RevertRequest(stage.text("vm"), Revert(taken, answerable(stage)), patience=patience_of(stage) / 3)
        return revert_snapshot(access, request, journal)

    return changed(stage, act)


def spare(stage: Stage, machine: str) -> None:
    """Refuse what the inventory forbids; raises InputError when the machine is one that never goes back."""
    hosts = stage.job.client.hosts.items()
    bound = [name for name, host in hosts if host.no_revert and (host.vm or name).casefold() == machine.casefold()]
    if bound:
        raise InputError(f"{machine} is never taken back: the inventory says no_revert of {bound[0]}.")


def answerable(stage: Stage) -> str:
    """Who answers for what cannot be undone: whoever ordered it, and whoever agreed."""
    job = stage.job
    approval = job.engine.ledger.approval(job.scope, job.claim.run)
    agreed = approval.decision.by if approval is not None and approval.decision is not None else ""
    return " and ".join(name for name in (job.claim.requested_by, agreed) if name)


def power(stage: Stage) -> Result:
    """Bring a machine's power where it is wanted."""
    return changed(stage, lambda access: set_power(access, power_request(stage), StepJournal(stage)))


def create_request(stage: Stage) -> CreateRequest:
    """What the step asks for; raises InputError when its words do not fit."""
    return CreateRequest(
        vm=stage.text("vm"),
        run=stage.job.claim.run,
        step=mark_of(stage),
        purpose=stage.content["purpose"],
        policy=Policy(Quiesce.FALL_BACK if flag(stage, "quiesce") else Quiesce.OFF),
        lifetime=lifetime_of(stage.text("keep")),
        patience=patience_of(stage),
    )


def power_request(stage: Stage) -> PowerRequest:
    """What the step asks for; raises InputError when its words do not fit."""
    word = stage.text("state")
    if word not in STATES:
        raise InputError(f'"{word}" is no state of power{hint(word, STATES)}')
    patience = patience_of(stage) / 2  # the guest's grace comes besides
    return PowerRequest(stage.text("vm"), STATES[word], grace=patience, patience=patience)


def mark_of(stage: Stage) -> str:
    """The step as a snapshot's marker names it: one of all jobs there have ever been."""
    return f"{stage.job.claim.job}.{stage.step.id}"


def lifetime_of(text: str) -> timedelta:
    """A duration as a playbook writes it, or as a parameter fills it in: `24h`, or seconds.

    Raises:
        InputError: it is neither.
    """
    try:
        return timedelta(seconds=int(text)) if text.isdecimal() else parse_duration(text)
    except (ValueError, OverflowError) as error:
        raise InputError(f"keep: {error}") from error


def flag(stage: Stage, name: str) -> bool:
    """A field of the action that is filled in as `true` or `false`; raises InputError when it is neither."""
    text = stage.text(name).lower()
    if text not in ("true", "false"):
        raise InputError(f'{name}: "{text}" is neither true nor false.')
    return text == "true"


def patience_of(stage: Stage) -> timedelta:
    """How long the step may wait: its own time, and never past the job's."""
    left = timedelta(seconds=stage.gate.seconds_left()) - _MARGIN
    return max(timedelta(seconds=1), min(timedelta(seconds=stage.terms.timeout), left))


def changed(stage: Stage, act: Callable[[Access], changes.Result]) -> Result:
    """Make a change on the target vCenter, and tell what came of it.

    Raises:
        VCenterError, SecretError, LedgerError, Fenced, Cancelled: another attempt goes on where this one was cut off.
    """
    with access_to(stage, stage.job.target.name) as access:
        return told(stage, act(access))


def told(stage: Stage, result: changes.Result) -> Result:
    """What a change came to, as a step's result.

    Raises:
        VCenterError: the vCenter is still at it, and another attempt may look again.
    """
    claim = stage.job.claim
    if result.outcome is changes.Outcome.RUNNING and claim.attempt < claim.most:
        raise VCenterError(result.reason, advice="It goes on by itself; we look again.")
    state = _OUTCOMES[result.outcome]
    return Result(
        state,
        result.reason,
        changed=result.changed or state is StepState.UNCLEAR,
        facts=result.facts,
        exchanges=result.exchanges,
        findings=result.findings,
    )
