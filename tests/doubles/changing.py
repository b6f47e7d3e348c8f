"""A machine to be changed, an engine that works on it, and a fate that ends it anywhere."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from ronde.engine.vmchanges import Access
from ronde.engine.vmchanges.access import Turns
from ronde.model.check import Json
from ronde.model.plan import Lane
from ronde.model.vsphere.changes.orders import Change
from ronde.model.vsphere.objects import ManagedObject, Question
from ronde.ports import Clock, Journal, Signal, VCenterChanges
from tests.doubles.shell import NeverStop
from tests.doubles.vcenter import FakeVCenter

KEY = b"a key that signs snapshots"
NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)


class Died(Exception):
    """The process is gone."""


@dataclass
class Fate:
    """Ends the work at the `left`th thing that is done to the world: before it is done, or right after.

    Attributes:
        left: how many things may still be done; None = nothing ends it.
        after: whether the last of them is still done.
    """

    left: int | None = None
    after: bool = False

    def meet(self) -> Callable[[], None]:
        """Called before something is done; what it returns, after it."""
        if self.left is None:
            return lambda: None
        self.left -= 1
        if self.left < 0 or (self.left == 0 and not self.after):
            raise Died
        return self._end if self.left == 0 else lambda: None

    @staticmethod
    def _end() -> None:
        raise Died


@dataclass
class MortalJournal:
    journal: Journal
    fate: Fate

    def stored(self) -> Mapping[str, Json]:
        return self.journal.stored()

    def keep(self, values: Mapping[str, Json]) -> None:
        then = self.fate.meet()
        self.journal.keep(values)
        then()


@dataclass
class MortalVCenter:
    """Fulfils `ronde.ports.VCenterChanges` as long as the work lives."""

    vcenter: VCenterChanges
    fate: Fate

    @property
    def instance_uuid(self) -> str:
        return self.vcenter.instance_uuid

    @property
    def version(self) -> str:
        return self.vcenter.version

    def now(self) -> datetime:
        return self.vcenter.now()

    def fetch(self, questions: Sequence[Question]) -> Sequence[ManagedObject]:
        then = self.fate.meet()
        answers = self.vcenter.fetch(questions)
        then()
        return answers

    def lacking(self, machine: str, privileges: Sequence[str]) -> Sequence[str]:
        return self.vcenter.lacking(machine, privileges)

    def start(self, change: Change) -> str:
        then = self.fate.meet()
        task = self.vcenter.start(change)
        then()
        return task


@dataclass
class Timekeeper:
    """The worker's clock, which only goes on when somebody waits; what follows it is told."""

    time: datetime = NOW
    waited: list[float] = field(default_factory=list)
    follow: Callable[[float], None] = lambda _seconds: None

    def now(self) -> datetime:
        return self.time

    def pause(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.time += timedelta(seconds=seconds)
        self.follow(seconds)


class FreeTurns:
    """There is always room; what was taken last is told."""

    def __init__(self) -> None:
        self.taken: tuple[Lane, ...] = ()
        self.log: list[str] = []

    def take(self, lanes: Sequence[Lane]) -> bool:
        self.taken = tuple(lanes)
        self.log.append("take")
        return True

    def leave(self) -> None:
        self.log.append("leave")


class Queue(FreeTurns):
    """There is room after so many refusals."""

    def __init__(self, refusals: int) -> None:
        super().__init__()
        self.refusals = refusals

    def take(self, lanes: Sequence[Lane]) -> bool:
        self.refusals -= 1
        return super().take(lanes) and self.refusals < 0


def vcenter_with(*names: str) -> tuple[FakeVCenter, Timekeeper]:
    """A vCenter in memory whose clock goes with the worker's."""
    fake, keeper = FakeVCenter(time=NOW), Timekeeper()
    fake.add_datastore()
    for name in names:
        fake.add_vm(name)

    def follow(seconds: float) -> None:
        assert fake.time is not None
        fake.time += timedelta(seconds=seconds)

    keeper.follow = follow
    return fake, keeper


def access(
    vcenter: VCenterChanges,
    keeper: Timekeeper,
    fate: Fate | None = None,
    *,
    signal: Signal | None = None,
    turns: Turns | None = None,
    key: bytes = KEY,
) -> Access:
    mortal = MortalVCenter(vcenter, fate or Fate())
    clock: Clock = keeper
    return Access(mortal, "vc1", clock, signal or NeverStop(), keeper.pause, turns or FreeTurns(), key)
