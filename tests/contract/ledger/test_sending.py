"""What `ronde.ports.Jobs.to_send` promises."""

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ronde.model.run import JobState
from ronde.ports import Claim, Hint, Ledger, Refusal
from tests.contract.ledger.making import LEASE, NOW, at, deferred, done, fired, job, order, seen, started
from tests.doubles.ledger import MemoryLedger


def sent(ledger: Ledger, seconds: float, **more: object) -> list[Hint]:
    return list(ledger.to_send(at(seconds), resend_after=60, **more))  # type: ignore[arg-type] # limit and run


def clients_of(ledger: Ledger, hints: list[Hint], run: str) -> list[str]:
    by_id = {one.id: one.target.client for one in seen(ledger, run).jobs}
    return [by_id[hint.job] for hint in hints]


def test_a_queued_job_is_sent_once_and_again_when_nobody_came(ledger: Ledger) -> None:
    run = ledger.create_run(order(job()), NOW)
    (hint,) = sent(ledger, 0)
    assert hint == Hint(seen(ledger, run).jobs[0].id, 1)
    assert sent(ledger, 59.9) == []
    assert sent(ledger, 60) == [hint]
    assert seen(ledger, run).jobs[0].sends == 2


def test_what_was_claimed_is_not_sent(ledger: Ledger) -> None:
    started(ledger, job())
    assert sent(ledger, 1000) == []


def test_a_job_is_sent_only_while_its_start_is_useful(ledger: Ledger) -> None:
    ledger.create_run(order(job(not_before=at(100), not_after=at(200))), NOW)
    assert sent(ledger, 99) == []
    assert len(sent(ledger, 100)) == 1
    assert len(sent(ledger, 200)) == 1
    assert sent(ledger, 261) == []


def test_a_deferred_job_waits_for_its_time(ledger: Ledger) -> None:
    (claim,) = started(ledger, job())
    ledger.record(claim, deferred(at(120)), at(1))
    assert sent(ledger, 119) == []
    assert sent(ledger, 120) == [Hint(claim.job, 2)]
    assert seen(ledger, claim.run).jobs[0].sends == 1


def test_a_lane_counts_what_runs_and_what_was_sent(ledger: Ledger) -> None:
    run = ledger.create_run(order(*[job(target=f"h{n}", lanes={"client:acme": 3}) for n in range(9)]), NOW)
    first = sent(ledger, 0)
    assert len(first) == 3
    assert sent(ledger, 1) == []
    claim = ledger.claim(first[0], "w1", at(2), LEASE)
    assert isinstance(claim, Claim)
    assert sent(ledger, 3) == []
    ledger.record(claim, done(), at(4))
    (fourth,) = sent(ledger, 5)
    assert fourth not in first
    assert seen(ledger, run).state.value == "running"


def test_what_was_sent_and_never_claimed_gives_its_place_back(ledger: Ledger) -> None:
    ledger.create_run(order(job(target="a", lanes={"l": 1}), job(target="b", lanes={"l": 1})), NOW)
    (first,) = sent(ledger, 0)
    (again,) = sent(ledger, 60)
    assert again in {first, again}
    assert sent(ledger, 61) == []


def test_lanes_are_shared_over_all_runs(ledger: Ledger) -> None:
    for _ in range(3):
        ledger.create_run(order(job(lanes={"vcenter:acme/vc1": 1, "client:acme": 9})), NOW)
    assert len(sent(ledger, 0)) == 1


def test_a_full_lane_stops_nobody_else(ledger: Ledger) -> None:
    narrow = [job(target=f"n{n}", lanes={"jump:acme/b": 1, "client:acme": 50}) for n in range(40)]
    ledger.create_run(order(*narrow), NOW)
    ledger.create_run(order(*[job(target=f"w{n}", lanes={"client:acme": 50}) for n in range(5)]), at(1))
    assert len(sent(ledger, 2, limit=10)) == 6


def test_a_job_that_found_no_room_is_sent_once_there_is_some(ledger: Ledger) -> None:
    (running,) = started(ledger, job(target="a", lanes={"l": 1}))
    run = ledger.create_run(order(job(target="b", lanes={"l": 1})), NOW)
    hint = Hint(seen(ledger, run).jobs[0].id, 1)
    assert ledger.claim(hint, "w2", at(1), LEASE) is Refusal.NO_ROOM
    assert sent(ledger, 2) == []
    ledger.record(running, done(), at(3))
    assert sent(ledger, 3) == [hint]


def test_a_great_order_does_not_starve_a_small_one(ledger: Ledger) -> None:
    great = [job("acme", f"h{n}") for n in range(1000)]
    run = ledger.create_run(order(*great, *[job("other", f"o{n}") for n in range(3)]), NOW)
    hints = sent(ledger, 1, limit=8)
    assert Counter(clients_of(ledger, hints, run)) == {"acme": 5, "other": 3}
    assert set(clients_of(ledger, hints, run)[:2]) == {"acme", "other"}


def test_the_limit_holds_and_the_rest_follows(ledger: Ledger) -> None:
    ledger.create_run(order(*[job(target=f"h{n}") for n in range(700)]), NOW)
    first, second = sent(ledger, 0), sent(ledger, 0)
    assert (len(first), len(second)) == (500, 200)
    assert len({hint.job for hint in first + second}) == 700


def test_one_run_can_be_sent_by_itself(ledger: Ledger) -> None:
    mine = ledger.create_run(order(job(lanes={"l": 2})), NOW)
    ledger.create_run(order(job(), job()), at(-100))
    (hint,) = sent(ledger, 0, run=mine)
    assert hint.job == seen(ledger, mine).jobs[0].id
    assert len(sent(ledger, 0)) == 2


def test_the_oldest_goes_first(ledger: Ledger) -> None:
    young = ledger.create_run(order(job(lanes={"l": 1})), at(10))
    old = ledger.create_run(order(job(lanes={"l": 1})), NOW)
    (hint,) = sent(ledger, 20)
    assert hint.job == seen(ledger, old).jobs[0].id != seen(ledger, young).jobs[0].id


def test_an_ended_run_sends_nothing(ledger: Ledger) -> None:
    run = ledger.claim_occurrence(fired(job(), job()), NOW)
    assert run is not None
    for hint in sent(ledger, 0):
        claim = ledger.claim(hint, "w1", NOW, LEASE)
        assert isinstance(claim, Claim)
        ledger.record(claim, done(), NOW)
    assert ledger.advance(run, NOW)
    assert sent(ledger, 9999) == []


PLANS = st.lists(
    st.tuples(
        st.sampled_from(["acme", "other"]),
        st.dictionaries(st.sampled_from(["x", "y", "z"]), st.integers(1, 3), max_size=3),
    ),
    min_size=1,
    max_size=12,
)


@pytest.mark.parametrize("engine", ["memory", "sqlite"])
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plans=PLANS, moves=st.lists(st.sampled_from(["send", "claim", "finish", "lapse"]), max_size=25))
def test_a_claim_is_granted_only_where_every_lane_has_room(
    fresh_ledger: Callable[[str], Ledger], engine: str, plans: list[tuple[str, dict[str, int]]], moves: list[str]
) -> None:
    ledger = MemoryLedger() if engine == "memory" else fresh_ledger(engine)
    jobs = [job(client, f"h{n}", lanes=lanes) for n, (client, lanes) in enumerate(plans)]
    run = ledger.create_run(order(*jobs), NOW)
    hints: list[Hint] = []
    claims: list[Claim] = []
    for second, move in enumerate(moves):
        if move == "send":
            hints += ledger.to_send(at(second), resend_after=5)
        elif move == "finish" and claims:
            ledger.record(claims.pop(0), done(), at(second))
        elif move == "lapse":
            ledger.reap(at(second))
        elif move == "claim" and hints:
            claim = ledger.claim(hints.pop(0), "w", at(second), 4)
            if isinstance(claim, Claim):
                claims.append(claim)
                held = Counter(running_lanes(ledger, run))
                assert all(held[lane.name] <= lane.places for lane in claim.plan.lanes)


def running_lanes(ledger: Ledger, run: str) -> list[str]:
    running = [one for one in seen(ledger, run).jobs if one.state is JobState.RUNNING]
    return [lane.name for one in running if one.plan for lane in one.plan.lanes]
