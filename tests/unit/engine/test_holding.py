"""Leases: renewed together, and given up by themselves when the ledger is out of reach."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from ronde.engine.holding import Holding
from ronde.model.errors import Cancelled, CommandTimeout, Fenced, LedgerError
from ronde.model.plan import JobPlan, Target, TargetKind
from ronde.ports import Claim, Jobs, Renewal

NOW = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)


class Beats:
    """The one method of the ledger that holding uses."""

    def __init__(self) -> None:
        self.fenced: set[str] = set()
        self.cancelled: set[str] = set()
        self.away = False
        self.asked: list[list[str]] = []

    def renew(self, worker: str, tokens: Collection[str], now: datetime, lease: float) -> Renewal:
        self.asked.append(sorted(tokens))
        if self.away:
            raise LedgerError("locked")
        return Renewal(frozenset(self.fenced & set(tokens)), frozenset(self.cancelled & set(tokens)))


class Hands:
    """A monotonic clock and a wall clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.seconds)


def claim(token: str, limit: timedelta = timedelta(hours=1)) -> Claim:
    plan = JobPlan(Target("c", TargetKind.HOST, "h"), "backup/check", (), limit=limit)
    return Claim("job", "run", 1, token, plan, NOW, NOW, "me", None)


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def beats() -> Beats:
    return Beats()


@pytest.fixture
def holding(hands: Hands, beats: Beats) -> Holding:
    return Holding(cast("Jobs", beats), hands, worker="w", lease=60, monotonic=hands)


def test_all_held_jobs_are_renewed_in_one_call(holding: Holding, beats: Beats) -> None:
    with holding.hold(claim("a"), 100.0), holding.hold(claim("b"), 100.0):
        holding.beat()
    holding.beat()
    assert beats.asked == [["a", "b"], []]


def test_work_goes_on_while_it_is_renewed(holding: Holding, hands: Hands) -> None:
    with holding.hold(claim("a"), 100.0) as signal:
        for _ in range(10):
            hands.seconds += 50
            holding.beat()
            signal.check()


def test_a_fenced_job_stops(holding: Holding, beats: Beats) -> None:
    with holding.hold(claim("a"), 100.0) as signal:
        beats.fenced.add("a")
        holding.beat()
        with pytest.raises(Fenced):
            signal.check()


def test_a_fenced_job_is_never_renewed_again(holding: Holding, beats: Beats) -> None:
    with holding.hold(claim("a"), 100.0) as signal:
        beats.fenced.add("a")
        holding.beat()
        beats.fenced.clear()
        holding.beat()
        with pytest.raises(Fenced):
            signal.check()


def test_a_cancelled_job_stops(holding: Holding, beats: Beats) -> None:
    with holding.hold(claim("a"), 100.0) as signal:
        beats.cancelled.add("a")
        holding.beat()
        with pytest.raises(Cancelled):
            signal.check()


def test_a_lease_that_cannot_be_renewed_ends_by_itself(holding: Holding, beats: Beats, hands: Hands) -> None:
    with holding.hold(claim("a"), 100.0) as signal:
        beats.away = True
        hands.seconds += 59
        with pytest.raises(LedgerError):
            holding.beat()
        signal.check()
        hands.seconds += 1
        with pytest.raises(Fenced):
            signal.check()
        assert signal.fenced


def test_the_lease_counts_from_when_it_was_asked_for(holding: Holding, hands: Hands) -> None:
    hands.seconds = 155.0  # the claim took 55 seconds to be answered
    with holding.hold(claim("a"), 100.0) as signal:
        hands.seconds = 160.0
        with pytest.raises(Fenced):
            signal.check()


def test_a_job_over_its_limit_stops(holding: Holding, hands: Hands) -> None:
    with holding.hold(claim("a", timedelta(seconds=90)), 100.0) as signal:
        hands.seconds += 50
        holding.beat()
        hands.seconds += 40
        with pytest.raises(CommandTimeout, match="90 s"):
            signal.check()
