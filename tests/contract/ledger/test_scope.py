"""One client never sees another's: every reading method, asked with every wrong scope."""

import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ronde.model.errors import InputError
from ronde.model.plan import AwaitedApproval
from ronde.model.records import JobOutcome, Scope
from ronde.model.run import JobState
from ronde.ports import Archive, Ledger, Orders
from tests.contract.ledger.making import (
    NOW,
    at,
    begun,
    change,
    check,
    done,
    exchange,
    fired,
    job,
    mail,
    order,
    ringed,
    seen,
    started,
)

FOREIGN = [Scope.of(), *(Scope.of(name) for name in ("other", "acm", "acme ", "ACME", "%", ""))]


@pytest.fixture
def night(ledger: Ledger) -> dict[str, str]:
    """One client's night, with something for every method to find."""
    run = ledger.claim_occurrence(fired(job()), NOW)
    assert run is not None
    (claim,) = started(ledger, job())
    ledger.record(claim, done(check(exchanges=(exchange(),))), at(1))
    ledger.advance(claim.run, at(2))
    ledger.post([mail()], at(1))
    (acting,) = started(ledger, change())
    ledger.keep_step(acting, begun("restart"), at(1))
    ledger.record(acting, done(check()), at(2))
    (failing,) = started(ledger, change(target="failing"))
    ledger.record(failing, JobOutcome(JobState.FAILED), at(2))
    (holding,) = started(ledger, change())
    held = ledger.create_run(replace(order(change()), approval=AwaitedApproval("destructive", at(600))), NOW)
    ringed_run, paused = (ledger.create_run(ringed(["a"], ["b"]), at(3)) for _ in range(2))
    ledger.pause_run(Scope.of("acme"), paused, "alice", at(3))
    return {
        "run": claim.run,
        "job": claim.job,
        "open": run,
        "held": held,
        "holding": holding.run,
        "failing": failing.run,
        "ringed": ringed_run,
        "paused": paused,
    }


QUESTIONS: dict[str, Callable[[Ledger, Scope, dict[str, str]], Any]] = {
    "run": lambda ledger, scope, night: ledger.run(scope, night["run"]).jobs,
    "runs": lambda ledger, scope, _: ledger.runs(scope, since=at(-9)),
    "latest_checks": lambda ledger, scope, _: ledger.latest_checks(scope, since=at(-9), until=at(9)),
    "history": lambda ledger, scope, _: ledger.history(scope, "srv", ["restic"], before=at(9)),
    "jobs": lambda ledger, scope, _: ledger.jobs(scope, since=at(-9), until=at(9)),
    "gone_wrong": lambda ledger, scope, night: ledger.gone_wrong(scope, night["failing"]),
    "occurrences": lambda ledger, scope, _: ledger.occurrences(scope, since=at(-9), until=at(9)),
    "evidence": lambda ledger, scope, night: ledger.evidence(scope, night["job"]),
    "mails": lambda ledger, scope, _: ledger.mails(scope, since=at(-9)),
    "decided_until": lambda ledger, scope, _: ledger.decided_until(scope, [("acme", "night")]),
    "last_facts": lambda ledger, scope, _: ledger.last_facts(scope, "adhoc/restart", "srv"),
    "durations": lambda ledger, scope, _: ledger.durations(scope, "adhoc/restart", None),
    "lock_on": lambda ledger, scope, _: ledger.lock_on(scope, "srv", at(9)),
    "approval": lambda ledger, scope, night: ledger.approval(scope, night["held"]),
    "pause_run": lambda ledger, scope, night: ledger.pause_run(scope, night["ringed"], "mallory", at(9)),
    "resume_run": lambda ledger, scope, night: ledger.resume_run(scope, night["paused"], "mallory", at(9)),
    "cancel_run": lambda ledger, scope, night: ledger.cancel_run(scope, night["open"], "mallory", at(9)),
}


def scoped_methods(protocol: type) -> set[str]:
    methods = inspect.getmembers(protocol, inspect.isfunction)
    return {name for name, method in methods if "scope" in inspect.signature(method).parameters}


def test_every_method_of_the_archive_takes_a_scope_and_is_asked_here() -> None:
    public = {name for name, _ in inspect.getmembers(Archive, inspect.isfunction) if not name.startswith("_")}
    assert scoped_methods(Archive) == public
    assert scoped_methods(Archive) | scoped_methods(Orders) == QUESTIONS.keys()


@pytest.mark.parametrize("name", sorted(QUESTIONS))
def test_the_own_scope_finds_something(ledger: Ledger, night: dict[str, str], name: str) -> None:
    assert QUESTIONS[name](ledger, Scope.of("acme"), night)


@pytest.mark.parametrize("name", sorted(QUESTIONS))
def test_a_foreign_scope_finds_nothing(ledger: Ledger, night: dict[str, str], name: str) -> None:
    for scope in FOREIGN:
        if name == "run":
            with pytest.raises(InputError) as refused:
                QUESTIONS[name](ledger, scope, night)
            assert "acme" not in str(refused.value)
        else:
            assert not QUESTIONS[name](ledger, scope, night), scope


def test_a_foreign_cancel_changes_nothing(ledger: Ledger, night: dict[str, str]) -> None:
    before = seen(ledger, night["open"])
    ledger.cancel_run(Scope.of("other"), night["open"], "mallory", at(9))
    assert seen(ledger, night["open"]) == before
