"""What the ledger promises about places that running jobs take for one change."""

from datetime import timedelta
from functools import partial

from ronde.model.plan import Lane
from ronde.model.records import JobOutcome, Trouble
from ronde.model.run import JobState
from ronde.ports import Claim, Ledger
from tests.contract.ledger.making import LEASE, NOW, at, change, done, started
from tests.contract.ledger.test_races import together

TWO = Lane("acme/creates:vc1/datastore-1", 2)
WIDE = Lane("acme/changes:vc1", 8)


def claims(ledger: Ledger, count: int) -> list[Claim]:
    return started(ledger, *[change(target=f"h{number}") for number in range(count)])


def test_a_lane_has_so_many_places_and_no_more(ledger: Ledger) -> None:
    one, two, three = claims(ledger, 3)
    assert [ledger.take_places(each, [TWO, WIDE], at(1)) for each in (one, two, three)] == [True, True, False]
    ledger.leave_places(one)
    assert ledger.take_places(three, [TWO], at(2))


def test_what_a_job_has_already_it_keeps_and_is_not_counted_against_it(ledger: Ledger) -> None:
    one, two, three = claims(ledger, 3)
    assert ledger.take_places(one, [TWO], at(1))
    assert ledger.take_places(one, [TWO, WIDE], at(2))
    assert ledger.take_places(two, [TWO], at(3))
    assert not ledger.take_places(three, [TWO], at(4))


def test_a_place_in_every_lane_or_in_none(ledger: Ledger) -> None:
    one, two, three = claims(ledger, 3)
    narrow = Lane("acme/removes:vc1/datastore-1", 1)
    assert ledger.take_places(one, [narrow], at(1))
    assert not ledger.take_places(two, [TWO, narrow], at(1))
    assert ledger.take_places(three, [Lane(TWO.name, 1)], at(1))  # two has taken nothing there


def test_a_job_that_ended_leaves_its_places_and_one_that_is_not_understood_does_too(ledger: Ledger) -> None:
    one, two, three = claims(ledger, 3)
    single = Lane(TWO.name, 1)
    assert ledger.take_places(one, [single], at(1))
    assert ledger.record(one, done(), at(2))
    assert ledger.take_places(two, [single], at(3))
    assert ledger.record(two, JobOutcome(JobState.NEEDS_HUMAN, (), Trouble("x", "y", permanent=True)), at(4))
    assert ledger.take_places(three, [single], at(5))


def test_who_was_fenced_out_takes_none_and_a_dead_jobs_places_wait_for_its_heir(ledger: Ledger) -> None:
    one, two = claims(ledger, 2)
    single = Lane(TWO.name, 1)
    assert ledger.take_places(one, [single], at(1))
    ledger.renew("w1", [two.token], at(LEASE - 1), 10 * LEASE)
    ledger.reap(at(LEASE + 1))
    assert not ledger.take_places(one, [WIDE], at(LEASE + 2))
    assert not ledger.take_places(two, [single], at(LEASE + 2))


def test_a_place_is_free_again_when_its_holder_must_be_over(ledger: Ledger) -> None:
    one, two = claims(ledger, 2)
    single = Lane(TWO.name, 1)
    assert ledger.take_places(one, [single], NOW)
    over = NOW + one.plan.limit + timedelta(minutes=5)
    assert not ledger.take_places(two, [single], over - timedelta(seconds=1))
    assert ledger.take_places(two, [single], over)


def test_at_the_same_moment_no_more_than_the_places_are_taken(ledger: Ledger) -> None:
    waiting = claims(ledger, 8)
    answers = together(*[partial(ledger.take_places, each, [WIDE, TWO], at(1)) for each in waiting])
    assert sorted(answers) == [False] * 6 + [True] * 2
