"""What a run in rings does next: which hosts start, whether it stops, whom it skips. Decided anew from what is known.

Nothing is remembered between two decisions: from the same plan and the same states follows the same decision, so that
a run may be interrupted anywhere and go on elsewhere. Only the caller changes states: a host that was started is
`RUNNING` from then on, one that was skipped is `SKIPPED`.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from ronde.model.patch.rings import Member, Rings


class HostState(StrEnum):
    """Where one host stands in a run. `UNKNOWN`: it was begun, and nobody can tell what came of it."""

    WAITING = "waiting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNREACHABLE = "unreachable"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"


OPEN = frozenset({HostState.WAITING, HostState.RUNNING})
BAD = frozenset({HostState.FAILED, HostState.UNREACHABLE, HostState.UNKNOWN})


@dataclass(frozen=True, slots=True)
class Progress:
    """What is known of a run.

    Attributes:
        states: by host key; a host that is not named waits.
        ended: when each host ended, by the ledger's clock.
        paused: a person asked to start no more for now; every host keeps its place.
        cancelled: a person asked to start no more at all, in whose words; empty when nobody did.
        forgiven: hosts whose failure a person has looked at; they no longer count against their ring.
    """

    states: Mapping[str, HostState] = field(default_factory=dict)
    ended: Mapping[str, datetime] = field(default_factory=dict)
    paused: bool = False
    cancelled: str = ""
    forgiven: frozenset[str] = frozenset()

    def of(self, member: Member) -> HostState:
        return self.states.get(member.key, HostState.WAITING)


@dataclass(frozen=True, slots=True)
class Limits:
    """How fast, and how much may go wrong.

    Attributes:
        in_flight: hosts in all at once; `per_client` of one client, `clients` where one has a number of its own.
        failures_percent: share of a ring that may go wrong, rounded down to whole hosts; one more stops the run.
        failures: a number in its place, over the whole run; then no canary may go wrong.
        bake: how long the canaries must have been well before the next ring starts.
    """

    in_flight: int = 10
    per_client: int = 3
    clients: Mapping[str, int] = field(default_factory=dict)
    failures_percent: int = 20
    failures: int | None = None
    bake: timedelta = timedelta(minutes=30)

    def allowed(self, ring: Sequence[Member]) -> int:
        """How many hosts of a ring may go wrong, by their share. Of a small ring, such as the canary, none."""
        return self.failures_percent * len(ring) // 100

    def of(self, client: str) -> int:
        return self.clients.get(client, self.per_client)


@dataclass(frozen=True, slots=True)
class Stop:
    """Why no further host starts: more hosts went wrong than may, or, when none did, no canary came through.

    Attributes:
        where: `ring 1`, or `the run`, whose hosts are `among`.
        wrong: those that went wrong, each with how.
    """

    where: str = ""
    among: tuple[Member, ...] = ()
    wrong: tuple[tuple[Member, HostState], ...] = ()
    allowed: int = 0

    def __str__(self) -> str:
        if not self.wrong:
            return "no canary came through, so that nothing is known of this change"
        told = ", ".join(f"{member.key} {state}" for member, state in self.wrong)
        return f"{self._figures()}: {told}"

    def _figures(self) -> str:
        return f"{len(self.wrong)} of {len(self.among)} hosts in {self.where} went wrong, {self.allowed} may"

    def told_to(self, client: str) -> str:
        """The same for one client, who learns of no other's hosts, and not how many they are."""
        if not self.wrong:
            return str(self)
        own = ", ".join(f"{member.host} {state}" for member, state in self.wrong if member.client == client)
        alone = all(member.client == client for member in self.among)
        words = self._figures() if alone else f"more hosts in {self.where} went wrong than may"
        return f"{words}: {own}" if own else words


@dataclass(frozen=True, slots=True)
class Skip:
    """A host that is not touched in this run, and why."""

    host: str
    reason: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do now.

    Attributes:
        start: host keys, in their order. Whoever starts several decides anew before each: a host may have failed
            meanwhile. The remaining ones are the same then, as long as nothing did.
        stop: why no further host starts although some wait; None when nothing stops the run. Running hosts go on.
        skip: hosts that will not be touched any more.
        done: nothing runs, nothing waits.
        again: when time alone changes this decision (the canaries' bake time ends); None when it does not.
    """

    start: tuple[str, ...] = ()
    stop: str | None = None
    skip: tuple[Skip, ...] = ()
    done: bool = False
    again: datetime | None = None


def next_starts(
    plan: Rings,
    progress: Progress,
    now: datetime,
    window_end: datetime | None,
    p95: timedelta,
    limits: Limits,
) -> Decision:
    """The decision at `now`. `p95` is what a host takes at most, its reboot included; `window_end` None has no end.

    A run that was stopped by failures is paused, not ended: its hosts keep their places until a person forgives the
    failures or cancels, or the window closes.
    """
    waiting = [member for member in plan.members if progress.of(member) is HostState.WAITING]
    if not waiting:
        return Decision(done=not any(progress.of(member) is HostState.RUNNING for member in plan.members))
    found = stop_of(plan, progress, limits)
    stop = None if found is None else str(found)
    closed = _closed(progress, now, window_end, p95, stop)
    if closed:
        return _skipped(waiting, closed, plan, progress)
    if stop or progress.paused:
        return Decision(stop=stop or "paused")
    skip = tuple(_bereft(waiting, plan, progress))
    left = replace(progress, states={**progress.states, **dict.fromkeys((s.host for s in skip), HostState.SKIPPED)})
    ring, ready = _ring(plan, left, now, limits)
    if ready is not None and now < ready:
        return Decision(skip=skip, again=ready)
    start = tuple(member.key for member in _startable(ring, plan, left, limits))
    return Decision(start=start, skip=skip, done=not ring)


def _closed(
    progress: Progress, now: datetime, window_end: datetime | None, p95: timedelta, stop: str | None
) -> str | None:
    """Why no host that waits will ever start in this run; None while one may."""
    if progress.cancelled:
        return f"cancelled: {progress.cancelled}"
    if window_end is not None and now + p95 > window_end:
        return f"window closed ({stop})" if stop else "window closed"
    return None


def _skipped(waiting: Sequence[Member], reason: str, plan: Rings, progress: Progress) -> Decision:
    running = any(progress.of(member) is HostState.RUNNING for member in plan.members)
    return Decision(stop=reason, skip=tuple(Skip(member.key, reason) for member in waiting), done=not running)


def stop_of(plan: Rings, progress: Progress, limits: Limits) -> Stop | None:
    """Why nothing more may start: the first ring, or the run, of which more hosts went wrong than may; None else."""
    wrong = {
        m.key: (m, progress.of(m)) for m in plan.members if progress.of(m) in BAD and m.key not in progress.forgiven
    }
    for number, ring in enumerate(plan.rings):
        allowed = limits.allowed(ring) if limits.failures is None else len(ring) if number else 0
        bad = tuple(wrong[member.key] for member in ring if member.key in wrong)
        if len(bad) > allowed:
            return Stop(f"ring {number}", ring, bad, allowed)
    if limits.failures is not None and len(wrong) > limits.failures:
        return Stop("the run", plan.members, tuple(wrong.values()), limits.failures)
    canary = plan.rings[0] if plan.rings else ()
    came_through = any(progress.of(m) is HostState.SUCCEEDED or m.key in progress.forgiven for m in canary)
    if canary and not came_through and not any(progress.of(member) in OPEN for member in canary):
        return Stop()
    return None


def _bereft(waiting: Sequence[Member], plan: Rings, progress: Progress) -> Iterator[Skip]:
    """Hosts whose partner went wrong: with one domain controller down, the other one is left alone."""
    down = [m for m in plan.members if progress.of(m) in BAD and m.key not in progress.forgiven]
    for member in waiting:
        partner = next((other for other in down if member.clashes(other)), None)
        if partner is not None:
            yield Skip(member.key, f"must stay apart from {partner.key}, which is {progress.of(partner)}")


def _ring(plan: Rings, progress: Progress, now: datetime, limits: Limits) -> tuple[tuple[Member, ...], datetime | None]:
    """The first ring that is not over, and the instant before which it may not start.

    A canary of which nobody knows when it ended counts as ended just now: the ring then waits, and never starts blind.
    """
    for number, ring in enumerate(plan.rings):
        if any(progress.of(member) in OPEN for member in ring):
            ends = [progress.ended.get(member.key, now) for member in plan.rings[0]]
            return ring, (max(ends) + limits.bake if number > 0 else None)
    return (), None


def _startable(ring: Sequence[Member], plan: Rings, progress: Progress, limits: Limits) -> Iterator[Member]:
    """Members of the ring that may start together with everything in flight, in their order."""
    flying = [member for member in plan.members if progress.of(member) is HostState.RUNNING]
    by_client = Counter(member.client for member in flying)
    for member in ring:
        if progress.of(member) is not HostState.WAITING or len(flying) >= limits.in_flight:
            continue
        if by_client[member.client] < limits.of(member.client) and not any(member.clashes(o) for o in flying):
            flying.append(member)
            by_client[member.client] += 1
            yield member
