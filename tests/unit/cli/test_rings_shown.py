"""What people see of a run in rings: who goes when, where each stands, who paused it, and why it stopped."""

from datetime import timedelta

from rich.console import Console, RenderableType

from ronde.cli.dry_run import dry_run_page
from ronde.cli.runs_view import progress, run_page, runs_table
from ronde.model.pace import Pace
from ronde.model.records import JobOutcome, RunRecord, Trouble
from ronde.model.run import JobState
from ronde.ports import Claim, Hint
from tests.contract.ledger.making import ACME, BOTH, LEASE, NOW, at, check, order, ringed
from tests.contract.ledger.making import job as plain_job
from tests.doubles.ledger import MemoryLedger


def printed(page: RenderableType) -> str:
    console = Console(width=160, force_terminal=False)
    with console.capture() as caught:
        console.print(page)
    return caught.get()


def run_of(ledger: MemoryLedger, *rings: list[str]) -> str:
    return ledger.create_run(ringed(*rings, pace=Pace(9, timedelta(minutes=30))), NOW)


def end(ledger: MemoryLedger, run: str, place: int, outcome: JobOutcome) -> RunRecord:
    claim = ledger.claim(Hint(ledger.run(BOTH, run).jobs[place].id, 1), "w", at(1), LEASE)
    assert isinstance(claim, Claim)
    ledger.record(claim, outcome, at(1))
    ledger.advance(run, at(1))
    return ledger.run(BOTH, run)


def test_a_dry_run_shows_the_rings() -> None:
    ledger = MemoryLedger()
    page = printed(dry_run_page(ledger.run(BOTH, run_of(ledger, ["srv-a"], ["srv-b", "srv-c"]))))
    assert "ring 0 srv-a · ring 1 srv-b, srv-c\n" in page
    page = printed(dry_run_page(ledger.run(BOTH, run_of(ledger, ["srv-a"], ["other/srv-a"]))))
    assert "ring 0 acme/srv-a · ring 1 other/srv-a\n" in page
    plain = ledger.create_run(order(plain_job()), NOW)
    assert "ring" not in printed(dry_run_page(ledger.run(ACME, plain))).replace("string", "")


def test_progress_tells_the_ring_of_each_job_and_when_the_next_may_begin() -> None:
    ledger = MemoryLedger()
    run = run_of(ledger, ["a"], ["b"])
    record = end(ledger, run, 0, JobOutcome(JobState.SUCCEEDED, (check(),)))
    assert "waiting · ring 1, not before 01:30 UTC" in printed(progress(record))
    assert "waiting · ring 1, not before 01:30 UTC" in printed(run_page(record, {}, at(2)))
    assert "succeeded · ring 0" in printed(run_page(record, {}, at(2)))


def test_a_run_that_stopped_says_why() -> None:
    ledger = MemoryLedger()
    record = end(ledger, run_of(ledger, ["a"], ["b"]), 0, JobOutcome(JobState.FAILED, (), Trouble("unreachable", "no")))
    page = printed(run_page(record, {}, at(2)))
    assert "the run was stopped: 1 of 1 hosts in ring 0 went wrong, 0 may: a unreachable" in page
    assert "skipped · ring 1" in page


def test_a_paused_run_says_so_and_who_did_it() -> None:
    ledger = MemoryLedger()
    run = run_of(ledger, ["a"], ["b"])
    ledger.pause_run(BOTH, run, "bob", at(1))
    record = ledger.run(BOTH, run)
    assert ", paused by bob" in printed(run_page(record, {}, at(2)))
    assert "paused" in printed(runs_table([record], at(2), wide=False))
