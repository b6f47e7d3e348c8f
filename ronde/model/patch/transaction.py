"""The way of one host through a patch run, as states and events in one table.

What changes a host (snapshot, patch, reboot, revert) is in two states each: *due*, and *doing*, which is stored before
anything is touched. So a stored state always tells whether the act may have begun:

- In a due state, and in one that only looks, the step is done (again): nothing has been touched by it.
- In a doing state whose worker died, the act is never repeated. What became of it is looked up on the host and in the
  hypervisor (`RECONCILE`), and told as one of the act's own events; what cannot be established is `LOSE`.

A host that is not known to be well ends in `NEEDS_HUMAN`, never in `KEPT`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from ronde.model.patch.waves import HostState
from ronde.model.run import IllegalChange


class PatchState(StrEnum):
    """Where a host stands; this is what the ledger stores."""

    AUDITING = "auditing"
    PLANNED = "planned"  # the plan is frozen and waits for its approval
    GUARDING = "guarding"  # window, backup freshness, locks, the plan compared with a fresh simulation
    PRECHECKING = "prechecking"  # the host's health before
    SNAPSHOT_DUE = "snapshot_due"
    SNAPSHOTTING = "snapshotting"
    PATCH_DUE = "patch_due"
    PATCHING = "patching"
    REBOOT_DUE = "reboot_due"
    REBOOTING = "rebooting"
    CHECKING = "checking"  # the package database, and the health after
    PROBING = "probing"  # the services, from outside
    REVERT_DUE = "revert_due"  # something is worse; a person (or the policy) says whether the snapshot comes back
    REVERTING = "reverting"
    NOTHING_TO_DO = "nothing_to_do"
    REFUSED = "refused"  # not approved, or a guard or precheck said no; the host is as it was
    ABANDONED = "abandoned"  # an act was ordered and provably never began; the host is as it was
    KEPT = "kept"
    REVERTED = "reverted"
    NEEDS_HUMAN = "needs_human"


class PatchEvent(StrEnum):
    """What happened. Each act has its own outcome; `LOSE` is the one that nobody can establish."""

    NOTHING = "nothing"  # no update is wanted
    PLAN = "plan"
    APPROVE = "approve"
    REFUSE = "refuse"
    PASS = "pass"  # noqa: S105 - a check that passes
    WORSE = "worse"  # a check after the patch found something worse than before
    BEGIN = "begin"  # stored before the act
    SKIP = "skip"  # the act is not needed, or not wanted now: it is recorded as deferred
    SUCCEED = "succeed"
    FAIL = "fail"
    NOT_BEGUN = "not_begun"  # reconciled: the act provably never touched anything
    LOSE = "lose"
    DECLINE = "decline"  # no revert: there is no snapshot, or a person said no
    STOP = "stop"  # a person's word, or the window closed, before anything was touched


class Resume(StrEnum):
    """What a new worker does with a host whose worker died."""

    REPEAT = "repeat"  # nothing was touched by this step: do it (again)
    RECONCILE = "reconcile"  # find out what became of the act; never do it again
    WAIT = "wait"  # a person's word is awaited
    NOTHING = "nothing"  # it is over


_S, _E = PatchState, PatchEvent

PATCH_CHANGES: Mapping[tuple[PatchState, PatchEvent], PatchState] = {
    (_S.AUDITING, _E.NOTHING): _S.NOTHING_TO_DO,
    (_S.AUDITING, _E.PLAN): _S.PLANNED,
    (_S.AUDITING, _E.REFUSE): _S.REFUSED,
    (_S.AUDITING, _E.STOP): _S.REFUSED,
    (_S.PLANNED, _E.APPROVE): _S.GUARDING,
    (_S.PLANNED, _E.REFUSE): _S.REFUSED,
    (_S.PLANNED, _E.STOP): _S.REFUSED,
    (_S.GUARDING, _E.PASS): _S.PRECHECKING,
    (_S.GUARDING, _E.REFUSE): _S.REFUSED,
    (_S.GUARDING, _E.STOP): _S.REFUSED,
    (_S.PRECHECKING, _E.PASS): _S.SNAPSHOT_DUE,
    (_S.PRECHECKING, _E.REFUSE): _S.REFUSED,
    (_S.PRECHECKING, _E.STOP): _S.REFUSED,
    (_S.SNAPSHOT_DUE, _E.BEGIN): _S.SNAPSHOTTING,
    (_S.SNAPSHOT_DUE, _E.SKIP): _S.PATCH_DUE,  # the policy takes none: a physical host
    (_S.SNAPSHOT_DUE, _E.REFUSE): _S.REFUSED,
    (_S.SNAPSHOT_DUE, _E.STOP): _S.REFUSED,
    (_S.SNAPSHOTTING, _E.SUCCEED): _S.PATCH_DUE,
    (_S.SNAPSHOTTING, _E.FAIL): _S.ABANDONED,
    (_S.SNAPSHOTTING, _E.NOT_BEGUN): _S.ABANDONED,
    (_S.SNAPSHOTTING, _E.LOSE): _S.NEEDS_HUMAN,
    (_S.PATCH_DUE, _E.BEGIN): _S.PATCHING,
    (_S.PATCH_DUE, _E.STOP): _S.ABANDONED,
    (_S.PATCHING, _E.SUCCEED): _S.REBOOT_DUE,
    (_S.PATCHING, _E.FAIL): _S.REVERT_DUE,
    (_S.PATCHING, _E.NOT_BEGUN): _S.ABANDONED,
    (_S.PATCHING, _E.LOSE): _S.NEEDS_HUMAN,
    (_S.REBOOT_DUE, _E.BEGIN): _S.REBOOTING,
    (_S.REBOOT_DUE, _E.SKIP): _S.CHECKING,
    (_S.REBOOTING, _E.SUCCEED): _S.CHECKING,
    (_S.REBOOTING, _E.NOT_BEGUN): _S.CHECKING,  # still pending, as the next audit says; not ordered a second time
    (_S.REBOOTING, _E.FAIL): _S.REVERT_DUE,
    (_S.REBOOTING, _E.LOSE): _S.NEEDS_HUMAN,
    (_S.CHECKING, _E.PASS): _S.PROBING,
    (_S.CHECKING, _E.WORSE): _S.REVERT_DUE,
    (_S.CHECKING, _E.LOSE): _S.NEEDS_HUMAN,
    (_S.PROBING, _E.PASS): _S.KEPT,
    (_S.PROBING, _E.WORSE): _S.REVERT_DUE,
    (_S.PROBING, _E.LOSE): _S.NEEDS_HUMAN,
    (_S.REVERT_DUE, _E.BEGIN): _S.REVERTING,
    (_S.REVERT_DUE, _E.DECLINE): _S.NEEDS_HUMAN,
    (_S.REVERTING, _E.SUCCEED): _S.REVERTED,
    (_S.REVERTING, _E.FAIL): _S.NEEDS_HUMAN,
    (_S.REVERTING, _E.NOT_BEGUN): _S.NEEDS_HUMAN,  # the host is not well, and nothing has helped it
    (_S.REVERTING, _E.LOSE): _S.NEEDS_HUMAN,
}

DOING = frozenset({_S.SNAPSHOTTING, _S.PATCHING, _S.REBOOTING, _S.REVERTING})
AWAITING = frozenset({_S.PLANNED, _S.REVERT_DUE})
FINAL = frozenset({_S.NOTHING_TO_DO, _S.REFUSED, _S.ABANDONED, _S.KEPT, _S.REVERTED, _S.NEEDS_HUMAN})
_IN_WAVES = {
    _S.NOTHING_TO_DO: HostState.SUCCEEDED,
    _S.KEPT: HostState.SUCCEEDED,
    _S.REFUSED: HostState.SKIPPED,
    _S.ABANDONED: HostState.FAILED,
    _S.REVERTED: HostState.FAILED,
    _S.NEEDS_HUMAN: HostState.UNKNOWN,
}
# States in which nothing on the host has been changed yet; only from these may a run be called off.
UNTOUCHED = frozenset(state for state, event in PATCH_CHANGES if event is _E.STOP)


def change_patch(state: PatchState, event: PatchEvent) -> PatchState:
    """The state after an event.

    Raises:
        IllegalChange: the table has no such change.
    """
    try:
        return PATCH_CHANGES[state, event]
    except KeyError:
        raise IllegalChange(f"a host that is {state} cannot {event}") from None


def patch_sources(event: PatchEvent) -> frozenset[PatchState]:
    """The states in which a host may meet an event; what a conditional update compares with."""
    return frozenset(state for state, allowed in PATCH_CHANGES if allowed is event)


def host_state(state: PatchState) -> HostState:
    """What a host's own state means to the run it belongs to; one that a guard left as it was has not gone wrong."""
    if state in _IN_WAVES:
        return _IN_WAVES[state]
    return HostState.WAITING if state in {PatchState.AUDITING, PatchState.PLANNED} else HostState.RUNNING


def resume(state: PatchState) -> Resume:
    """What to do with a stored state after its worker died."""
    if state in FINAL:
        return Resume.NOTHING
    if state in DOING:
        return Resume.RECONCILE
    return Resume.WAIT if state in AWAITING else Resume.REPEAT


@dataclass(frozen=True, slots=True)
class PatchRecord:
    """A host's way so far: every event in order; the state follows from them alone."""

    events: tuple[PatchEvent, ...] = ()

    @property
    def state(self) -> PatchState:
        state = PatchState.AUDITING
        for event in self.events:
            state = change_patch(state, event)
        return state

    def after(self, event: PatchEvent) -> "PatchRecord":
        """The record with one more event.

        Raises:
            IllegalChange: the state does not allow it.
        """
        change_patch(self.state, event)
        return PatchRecord((*self.events, event))

    @property
    def snapshot(self) -> bool:
        """Whether a snapshot was made that a revert could go back to."""
        return self._met(PatchState.SNAPSHOTTING, PatchEvent.SUCCEED)

    @property
    def reboot_done(self) -> bool:
        """Whether the host was rebooted, and came back."""
        return self._met(PatchState.REBOOTING, PatchEvent.SUCCEED)

    @property
    def reboot_deferred(self) -> bool:
        """Whether the host went on without the reboot, on purpose or because the order never reached it."""
        return self._met(PatchState.REBOOT_DUE, PatchEvent.SKIP) or self._met(
            PatchState.REBOOTING, PatchEvent.NOT_BEGUN
        )

    def _met(self, state: PatchState, event: PatchEvent) -> bool:
        at = PatchState.AUDITING
        for met in self.events:
            if (at, met) == (state, event):
                return True
            at = change_patch(at, met)
        return False
