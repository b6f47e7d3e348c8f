"""Carrying one change through to its end: look, decide, commit, act, and look again."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain, repeat
from typing import Final

from ronde.engine.vmchanges.access import Access, Look, look
from ronde.model.check import Exchange, Json
from ronde.model.errors import SessionExpired, VCenterFault, VCenterUnreachable
from ronde.model.vsphere.changes.caps import POLLS, RETRY_AFTER
from ronde.model.vsphere.changes.orders import Change, shown
from ronde.model.vsphere.changes.progress import (
    Action,
    Adopt,
    Call,
    Done,
    Failed,
    Forget,
    Goal,
    Memory,
    Refused,
    Unclear,
    Wait,
    next_action,
    refusal,
)
from ronde.model.vsphere.changes.result import Outcome, Result, failed, running, unclear
from ronde.model.vsphere.changes.sight import Sight
from ronde.model.vsphere.changes.tasks import Fault
from ronde.model.vsphere.changes.turns import turns
from ronde.ports import Journal

CROWDED: Final = "as many changes as may be at once are under way on its vCenter or datastore"


@dataclass(frozen=True, slots=True)
class Page:
    """One change's part of a step's journal; each entry is durable before the next thing happens."""

    journal: Journal
    name: str

    def memory(self) -> Memory:
        kept = self.journal.stored().get(self.name)
        if not isinstance(kept, Mapping):
            return Memory()
        called, task, calls, past = (kept.get(name) for name in ("called", "task", "calls", "past"))
        return Memory(
            called=datetime.fromisoformat(called) if isinstance(called, str) else None,
            task=task if isinstance(task, str) else None,
            adopted=kept.get("adopted") is True,
            calls=calls if isinstance(calls, int) else 0,
            past=frozenset(map(str, past)) if isinstance(past, (list, tuple)) else frozenset(),
        )

    def _keep(self, memory: Memory) -> None:
        written: dict[str, Json] = {
            "called": memory.called.isoformat() if memory.called is not None else None,
            "task": memory.task,
            "adopted": memory.adopted,
            "calls": memory.calls,
            "past": sorted(memory.past),
        }
        self.journal.keep({self.name: written})

    def calling(self, at: datetime) -> None:
        """A call is about to be made."""
        known = self.memory()
        self._keep(Memory(called=at, calls=known.calls + 1, past=known.past))

    def answered(self, task: str, *, adopted: bool = False) -> None:
        """A task is at it: it was named by the answer, or found."""
        known = self.memory()
        self._keep(Memory(known.called, task, adopted, known.calls, known.past))

    def refused(self) -> None:
        """The call was refused: it has done nothing."""
        known = self.memory()
        self._keep(Memory(calls=known.calls, past=known.past))

    def forget(self, task: str) -> None:
        """A task has ended in vain. When the answer had named it, that settles the call, too."""
        known = self.memory()
        called = known.called if known.adopted else None
        self._keep(Memory(called=called, calls=known.calls, past=known.past | {task}))


def was_asked_for(journal: Mapping[str, Json]) -> bool:
    """Whether a call on any page of a step's journal was made and not refused, so that it may have been done."""
    pages = [kept for kept in journal.values() if isinstance(kept, Mapping)]
    return any(page.get("called") is not None or was_asked_for(page) for page in pages)


@dataclass(frozen=True, slots=True)
class End:
    """How far a change came.

    Attributes:
        action: the last decision; `Wait` when patience ran out.
        sight: the last look; None when the machine is gone.
        memory: what the journal holds about it.
    """

    action: Done | Refused | Failed | Unclear | Wait
    sight: Sight | None
    memory: Memory
    exchanges: tuple[Exchange, ...] = field(default=(), repr=False)


def carry(access: Access, moid: str, goal: Goal, page: Page, patience: timedelta) -> End:
    """Bring a machine to a goal, from wherever the last attempt left it.

    Args:
        access: the vCenter.
        moid: the machine's.
        goal: what is wanted.
        page: where the attempt is written down.
        patience: how long to wait for what is in the way, and for the task; a call that is due is made all the same.

    Raises:
        VCenterError, LedgerError, Fenced, Cancelled: nothing more is known than the journal holds; call again later.
    """
    deadline = access.clock.now() + patience
    pauses, spoken = chain(POLLS, repeat(POLLS[-1])), Spoken()
    while True:
        seen = look(access, moid, page.memory().task)
        if seen is None:
            return spoken.end(Unclear("The machine is no longer there."), None, page)
        action: Action | None = next_action(goal, page.memory(), seen.sight)
        if isinstance(action, Call):
            room = access.turns.take(turns(access.name, action.change, seen.sight))
            action = ask(access, action.change, page, seen, spoken) if room else Wait(CROWDED)
        if isinstance(action, Done | Refused | Failed | Unclear):
            access.turns.leave()
            return spoken.end(action, seen, page)
        if isinstance(action, Wait) and access.clock.now() >= deadline:
            return spoken.end(action, seen, page)
        _go_on(access, action, page, pauses)


def _go_on(access: Access, action: Action | None, page: Page, pauses: Iterator[float]) -> None:
    match action:
        case Adopt():
            page.answered(action.task, adopted=True)
        case Forget():
            page.forget(action.task)
            access.pause(action.pause)
        case Wait():
            access.pause(next(pauses))


class Spoken:
    """What was asked of the vCenter so far, and answered."""

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []

    def end(self, action: Done | Refused | Failed | Unclear | Wait, seen: Look | None, page: Page) -> End:
        last = [seen.exchange] if seen is not None else []
        return End(action, seen.sight if seen is not None else None, page.memory(), (*self.exchanges, *last))


def ask(access: Access, change: Change, page: Page, seen: Look, spoken: Spoken) -> Failed | None:
    """Ask for the change; None when a look must tell what came of it."""
    page.calling(seen.sight.at)
    started, answer, refused = access.clock.now(), "", ""
    verdict: Failed | None = None
    try:
        answer = access.vcenter.start(change)
    except (VCenterFault, SessionExpired) as error:
        refused = error.message
        verdict = _refused(access, error, page)
    except VCenterUnreachable as error:
        refused = error.message  # perhaps done: the next look tells, or is refused an answer, too
    else:
        if answer:
            page.answered(answer)
    spoken.exchanges.append(
        Exchange(
            shown(change), started, access.clock.now(), output=answer.encode(), errors=refused.encode(),
            tool=access.vcenter.version,
        )
    )  # fmt: skip
    return verdict


def _refused(access: Access, error: VCenterFault | SessionExpired, page: Page) -> Failed | None:
    if isinstance(error, VCenterFault) and not error.fault:
        return None  # an answer that we do not understand may mean anything
    name = error.fault if isinstance(error, VCenterFault) else "NotAuthenticated"
    verdict = refusal(page.memory(), Fault(name, error.message))
    page.refused()
    if isinstance(verdict, Failed):
        return verdict
    access.pause(RETRY_AFTER if isinstance(error, VCenterFault) else 0.0)
    return None


def told(end: End, what: str) -> Result:
    """The result of a change that did not come to be done.

    Args:
        end: anything but `Done`.
        what: the change as a noun, `The snapshot`.
    """
    action, evidence = end.action, {"task": end.memory.task, "calls": end.memory.calls}
    match action:
        case Refused():
            reason = " ".join(finding.message for finding in action.findings)
            return Result(Outcome.REFUSED, reason, findings=action.findings, exchanges=end.exchanges)
        case Failed():
            reason = f"{what} failed: {action.fault}"
            finding = failed(reason, {**evidence, "fault": action.fault.name})
            return Result(Outcome.FAILED, reason, findings=(finding,), exchanges=end.exchanges)
        case Unclear():
            finding = unclear(action.reason, {**evidence, **action.evidence})
            return Result(Outcome.NEEDS_HUMAN, action.reason, findings=(finding,), exchanges=end.exchanges)
        case Wait():
            return _out_of_patience(end, what, action.why)
        case Done():
            raise ValueError(what)


def _out_of_patience(end: End, what: str, why: str) -> Result:
    """Whoever waited too long knows this much: something may still be going on, or nothing was begun."""
    begun = end.memory.called is not None
    reason = f"{what} is not done yet: {why}." if begun else f"{what} was not begun: {why}."
    finding = running(reason, {"task": end.memory.task, "progress": _progress(end)})
    outcome = Outcome.RUNNING if begun else Outcome.REFUSED
    return Result(outcome, reason, {"task": end.memory.task}, (finding,), end.exchanges)


def _progress(end: End) -> int | None:
    task = end.sight.tasks.get(end.memory.task or "") if end.sight is not None else None
    return task.progress if task is not None else None
