"""Several workers and beats at once: each thing happens exactly once."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import TypeVar

from ronde.model.pace import Pace
from ronde.model.records import JobOutcome
from ronde.model.run import JobState, RunState
from ronde.model.verdict import Verdict
from ronde.ports import Claim, Hint, Ledger, Refusal
from tests.contract.ledger.making import (
    ACME,
    LEASE,
    NOW,
    at,
    check,
    done,
    exchange,
    fired,
    hints_of,
    job,
    mail,
    order,
    ringed,
    seen,
    started,
)

THREADS = 8
_Result = TypeVar("_Result")


def together(*works: Callable[[], _Result]) -> list[_Result]:
    """Run all works at the same moment, each in its own thread; their results in the same order."""
    gate = threading.Barrier(len(works))

    def start(work: Callable[[], _Result]) -> _Result:
        gate.wait(30)
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        return [future.result(60) for future in [pool.submit(start, work) for work in works]]


def claims_of(ledger: Ledger, hints: Sequence[Hint], worker: str) -> list[Claim | Refusal]:
    return [ledger.claim(hint, worker, NOW, LEASE) for hint in hints]


def test_of_many_claimers_one_wins(ledger: Ledger) -> None:
    run = ledger.create_run(order(*[job(target=f"h{n}") for n in range(12)]), NOW)
    hints = hints_of(ledger, run)
    answers = together(*[partial(claims_of, ledger, hints, f"w{n}") for n in range(THREADS)])
    for nth, _ in enumerate(hints):
        won = [answer[nth] for answer in answers if isinstance(answer[nth], Claim)]
        assert len(won) == 1
        assert [answer[nth] for answer in answers].count(Refusal.GONE) == THREADS - 1


def test_lanes_hold_no_more_than_their_places(ledger: Ledger) -> None:
    plans = [job(target=f"h{n}", lanes={"wide": 5, f"narrow{n % 3}": 2}) for n in range(24)]
    run = ledger.create_run(order(*plans), NOW)
    hints = hints_of(ledger, run)
    shares = [hints[n::THREADS] for n in range(THREADS)]
    answers = together(*[partial(claims_of, ledger, share, "w") for share in shares])
    granted = [one for answer in answers for one in answer if isinstance(one, Claim)]
    held = Counter(lane.name for claim in granted for lane in claim.plan.lanes)
    assert held["wide"] == 5
    assert all(held[f"narrow{n}"] <= 2 for n in range(3))


def test_many_beats_fire_an_instant_once(ledger: Ledger) -> None:
    runs = together(*[lambda: ledger.claim_occurrence(fired(job()), NOW)] * THREADS)
    assert sum(run is not None for run in runs) == 1
    assert len(ledger.runs(ACME, since=at(-1))) == 1


def test_many_senders_send_a_job_once(ledger: Ledger) -> None:
    ledger.create_run(order(*[job(target=f"h{n}", lanes={"l": 20}) for n in range(60)]), NOW)
    sent = together(*[lambda: ledger.to_send(NOW, resend_after=60)] * THREADS)
    hints = [hint for some in sent for hint in some]
    assert len(hints) == len(set(hints)) == 20


def test_a_result_is_recorded_once(ledger: Ledger) -> None:
    (claim,) = started(ledger, job())
    outcome = done(check(exchanges=(exchange(b"x" * 9999),)))
    assert sum(together(*[lambda: ledger.record(claim, outcome, at(1))] * THREADS)) == 1
    assert len(ledger.evidence(ACME, claim.job)) == 1


def test_a_result_and_the_end_of_its_lease_exclude_each_other(ledger: Ledger) -> None:
    for nth in range(15):
        (claim,) = started(ledger, job(target=f"h{nth}"))
        recorded, _ = together(
            partial(ledger.record, claim, done(check()), at(60)),
            lambda: bool(ledger.reap(at(60))),
        )
        (one,) = seen(ledger, claim.run).jobs
        assert one.state is (JobState.SUCCEEDED if recorded else JobState.QUEUED)
        assert len(one.checks) == int(recorded)
        ledger.cancel_run(ACME, claim.run, "bob", at(61))


def test_a_run_ends_for_one_of_those_who_move_it_on(ledger: Ledger) -> None:
    claims = started(ledger, *[job(target=f"h{n}") for n in range(THREADS)])

    def finish(claim: Claim) -> bool:
        ledger.record(claim, done(check()), at(1))
        return ledger.advance(claim.run, at(2))

    ended = together(*[partial(finish, claim) for claim in claims])
    assert sum(ended) == 1
    run = seen(ledger, claims[0].run)
    assert (run.state, run.verdict) == (RunState.SUCCEEDED, Verdict.OK)
    assert [event.action for event in run.events].count("run.end") == 1


def test_a_message_is_leased_to_one_sender(ledger: Ledger) -> None:
    ledger.post([mail(period=f"day-{n}") for n in range(10)], NOW)
    leases = together(*[lambda: ledger.lease_mail(NOW, lease=300, limit=4)] * THREADS)
    ids = [posted.id for some in leases for posted in some]
    assert len(ids) == len(set(ids)) == 10


def test_everything_at_once_ends_everything_once(ledger: Ledger) -> None:
    run = ledger.create_run(order(*[job(target=f"h{n}", lanes={"l": 4}) for n in range(40)]), NOW)
    recorded: Counter[str] = Counter()

    def worker(name: str) -> None:
        idle = 0
        while idle < 200:
            hints = ledger.to_send(NOW, resend_after=0.0)
            claims = [claim for claim in claims_of(ledger, hints, name) if isinstance(claim, Claim)]
            idle = 0 if claims else idle + 1
            for claim in claims:
                ledger.renew(name, [claim.token], at(1), LEASE)
                recorded[claim.job] += ledger.record(claim, done(check()), at(1))
                ledger.advance(claim.run, at(1))
            if seen(ledger, run).state is RunState.SUCCEEDED:
                return

    together(*[partial(worker, f"w{n}") for n in range(4)])
    assert (len(recorded), set(recorded.values())) == (40, {1})
    assert seen(ledger, run).verdict is Verdict.OK


def test_workers_and_those_who_move_a_run_on_keep_to_its_rings(ledger: Ledger) -> None:
    """However many do so at once: each host once, three at most, its partner never, ring after ring."""
    rings = [[f"{number}{nth}" for nth in range(size)] for number, size in enumerate((2, 6, 8))]
    apart = {"10": ["dns"], "11": ["dns"], "12": ["dns"]}
    run = ledger.create_run(ringed(*rings, apart=apart, pace=Pace(3, timedelta(0))), NOW)
    flying: set[str] = set()
    ended: Counter[str] = Counter()
    guard = threading.Lock()

    def look(name: str) -> None:
        assert len(flying) <= 3
        assert len(flying & apart.keys()) <= 1
        assert all(ended[other] for ring in rings[: int(name[0])] for other in ring)

    def worker(me: str) -> None:
        for _ in range(2000):
            for claim in claims_of(ledger, ledger.to_send(at(1), resend_after=0.0, run=run), me):
                if isinstance(claim, Claim):
                    name = claim.plan.target.name
                    with guard:
                        flying.add(name)
                        look(name)
                    with guard:  # gone before the ledger knows: the next may only begin once it does
                        flying.discard(name)
                        ended[name] += 1
                    assert ledger.record(claim, done(check(host=name)), at(1))
            ledger.advance(run, at(1))
            if seen(ledger, run).state is RunState.SUCCEEDED:
                return

    together(*[partial(worker, f"w{n}") for n in range(4)])
    assert set(ended.values()) == {1}
    assert sum(ended.values()) == 16
    assert seen(ledger, run).state is RunState.SUCCEEDED


def test_once_a_failure_is_on_record_nothing_more_begins(ledger: Ledger) -> None:
    for _ in range(5):
        names = [f"h{nth}" for nth in range(12)]
        run = ledger.create_run(ringed(names, pace=Pace(12, timedelta(0))), NOW)
        first, *others = hints_of(ledger, run)
        claim = ledger.claim(first, "w", NOW, LEASE)
        assert isinstance(claim, Claim)
        recorded = threading.Event()

        def fail(claim: Claim = claim, recorded: threading.Event = recorded) -> list[tuple[bool, bool]]:
            assert ledger.record(claim, JobOutcome(JobState.FAILED), at(1))
            recorded.set()
            ledger.advance(claim.run, at(1))
            return []

        def begin(hint: Hint, recorded: threading.Event = recorded) -> list[tuple[bool, bool]]:
            late = recorded.is_set()
            return [(late, isinstance(ledger.claim(hint, "w", at(1), LEASE), Claim))]

        answers = [one for some in together(fail, *[partial(begin, hint) for hint in others]) for one in some]
        assert (True, True) not in answers
        ledger.advance(run, at(2))
        begun = sum(granted for _, granted in answers)
        standing = Counter(one.state for one in seen(ledger, run).jobs)
        assert +standing == +Counter({JobState.FAILED: 1, JobState.RUNNING: begun, JobState.SKIPPED: 11 - begun})
