"""What a run that goes in rings does next, from how its jobs stand: let some begin, call some back, skip the others.

The rules themselves are those of `ronde.model.patch.waves`. Nothing is remembered between two decisions, so that asking
twice, late, or after anything died comes to what asking once would have; once it is applied, a decision is empty.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from ronde.model.pace import Pace, Place
from ronde.model.patch.rings import Member, Rings
from ronde.model.patch.waves import HostState, Limits, Progress, Stop, next_starts, stop_of
from ronde.model.plan import Target
from ronde.model.records import Trouble
from ronde.model.run import JobState
from ronde.model.verdict import Verdict

_STANDS: Final = {
    JobState.HELD: HostState.WAITING,
    JobState.WAITING: HostState.WAITING,
    JobState.QUEUED: HostState.RUNNING,  # it may begin at any moment, and so takes a place
    JobState.RUNNING: HostState.RUNNING,
    JobState.FAILED: HostState.FAILED,
    JobState.CRASHED: HostState.UNKNOWN,
    JobState.LOST: HostState.UNKNOWN,
    JobState.NEEDS_HUMAN: HostState.UNKNOWN,
    JobState.SKIPPED: HostState.SKIPPED,
    JobState.EXPIRED: HostState.SKIPPED,
    JobState.CANCELLED: HostState.SKIPPED,
}
_FOUND: Final = {Verdict.FAILED: HostState.FAILED, Verdict.UNKNOWN: HostState.UNKNOWN}
_AGAIN: Final = "Look at what went wrong, then order what is left."


@dataclass(frozen=True, slots=True)
class Standing:
    """One job of a run, as far as its rings look at it.

    Attributes:
        job: its id.
        begun: whether a worker ever took it.
        ended: when it did.
        not_after: until when a start is useful: while its window is open, and open long enough.
        trouble: the code of what it met last; empty for nothing.
    """

    job: str
    target: Target
    place: Place
    state: JobState
    verdict: Verdict | None = None
    begun: bool = False
    ended: datetime | None = None
    not_after: datetime | None = None
    trouble: str = ""

    @property
    def member(self) -> Member:
        return Member(self.target.client, self.target.name, apart=frozenset(self.place.apart))

    @property
    def waits(self) -> bool:
        return self.state is JobState.WAITING

    @property
    def may_begin(self) -> bool:
        """Whether it was let go and nobody has begun it."""
        return self.state is JobState.QUEUED and not self.begun

    @property
    def stands(self) -> HostState:
        """What came of it; that nobody knows what came of it is no success."""
        if self.state is JobState.FAILED and self.trouble == "unreachable":
            return HostState.UNREACHABLE
        if self.state is JobState.SUCCEEDED:
            return _FOUND.get(self.verdict or Verdict.UNKNOWN, HostState.SUCCEEDED)
        return _STANDS[self.state]


@dataclass(frozen=True, slots=True)
class Move:
    """What is done now, by the ids of jobs.

    Attributes:
        admit: those that wait and may begin; `recall`: those that may begin, did not yet, and wait again.
        skip: those that are not begun in this run any more, each with the reason.
        ready: before when no further job is let go, since the canaries have to prove themselves; None without such.
    """

    admit: tuple[str, ...] = ()
    recall: tuple[str, ...] = ()
    skip: tuple[tuple[str, Trouble], ...] = ()
    ready: datetime | None = None


def next_wave(jobs: Sequence[Standing], pace: Pace, now: datetime, *, paused: bool) -> Move:
    """What is due at `now`; `jobs` are all jobs of the run in the order of its plan.

    A window that closed comes first, also in a paused run; then what stops the run, then the pause. What runs goes on.
    """
    if any(job.state is JobState.HELD for job in jobs):
        return Move()  # a second technician comes first
    late = [job for job in jobs if job.waits and job.not_after is not None and now > job.not_after]
    known = [replace(job, state=JobState.SKIPPED, ended=now) if job in late else job for job in jobs]
    skip = [(job.job, _late(job)) for job in late]
    if (stop := _stop(known, pace)) is not None:
        skip += [(job.job, _stopped(stop, job)) for job in known if job.waits or job.may_begin]
        return Move(skip=tuple(skip))
    if paused:
        return Move(recall=tuple(job.job for job in known if job.may_begin), skip=tuple(skip))
    decision = next_starts(_rings(known), _progress(known), now, None, timedelta(0), _limits(pace))
    by_key = {job.member.key: job.job for job in known}
    skip += [(by_key[one.host], Trouble("partner-down", one.reason, _AGAIN)) for one in decision.skip]
    return Move(tuple(by_key[key] for key in decision.start), (), tuple(skip), decision.again)


def is_stopped(jobs: Iterable[Standing], pace: Pace) -> bool:
    """Whether so much went wrong that nothing more may begin; asked once more before each single start."""
    return _stop(list(jobs), pace) is not None


def _stop(jobs: Sequence[Standing], pace: Pace) -> Stop | None:
    return stop_of(_rings(jobs), _progress(jobs), _limits(pace))


def _rings(jobs: Sequence[Standing]) -> Rings:
    rings: dict[int, list[Member]] = {}
    for job in jobs:
        rings.setdefault(job.place.ring, []).append(job.member)
    return Rings(tuple(tuple(rings[number]) for number in sorted(rings)))


def _progress(jobs: Sequence[Standing]) -> Progress:
    return Progress(
        states={job.member.key: job.stands for job in jobs},
        ended={job.member.key: job.ended for job in jobs if job.ended is not None},
    )


def _limits(pace: Pace) -> Limits:
    """How many of one client go at once is what its lanes say; here only the run as a whole counts."""
    return Limits(pace.at_most, pace.at_most, failures_percent=pace.percent, failures=pace.count, bake=pace.bake)


def _late(job: Standing) -> Trouble:
    until = f"{job.not_after:%d %b %H:%M} UTC" if job.not_after else ""
    words = f"window closed: it could have begun until {until}, and its ring {job.place.ring} had not come"
    return Trouble("window-closed", words, "What is left is for the next window.")


def _stopped(stop: Stop, job: Standing) -> Trouble:
    return Trouble("wave-stopped", f"the run was stopped: {stop.told_to(job.target.client)}", _AGAIN)
