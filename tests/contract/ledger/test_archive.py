"""What `ronde.ports.Archive` promises about what is found; the scope has a file of its own."""

import hashlib

import pytest

from ronde.model.errors import InputError
from ronde.model.plan import Occurrence
from ronde.model.records import JobOutcome, Scope, Trouble, evidence_digest
from ronde.model.run import JobState, RunState
from ronde.model.verdict import Verdict
from ronde.ports import Hint, Ledger
from tests.contract.ledger.making import (
    ACME,
    BOTH,
    LEASE,
    NOW,
    OTHER,
    at,
    bad,
    change,
    check,
    deferred,
    done,
    exchange,
    finished,
    fired,
    job,
    order,
    seen,
    started,
    subjects,
)


def test_a_run_is_found_by_the_beginning_of_its_id(ledger: Ledger) -> None:
    run = ledger.create_run(order(job()), NOW)
    ledger.create_run(order(job()), NOW)
    assert ledger.run(ACME, run).id == run
    assert ledger.run(ACME, f" {run[:12].upper()}").id == run


@pytest.mark.parametrize("reference", ["", "  ", "zz", "%", "_", "'", "0" * 24, "0" * 25, "été", "a b"])
def test_what_begins_no_run_is_told_so(ledger: Ledger, reference: str) -> None:
    ledger.create_run(order(job()), NOW)
    with pytest.raises(InputError):
        ledger.run(ACME, reference)


def test_a_beginning_of_several_runs_is_refused(ledger: Ledger) -> None:
    runs = [ledger.create_run(order(job()), NOW) for _ in range(17)]  # sixteen first digits: two must share one
    firsts = [run[0] for run in runs]
    shared = next(first for first in firsts if firsts.count(first) > 1)
    with pytest.raises(InputError):
        ledger.run(ACME, shared)


def test_an_ambiguity_outside_the_scope_does_not_show(ledger: Ledger) -> None:
    mine = ledger.create_run(order(job("acme")), NOW)
    for _ in range(40):
        ledger.create_run(order(job("other")), NOW)
    assert ledger.run(ACME, mine[0]).id == mine


def test_a_run_over_two_clients_shows_each_its_own_part(ledger: Ledger) -> None:
    mine, theirs = started(ledger, job("acme", "a"), job("other", "o"))
    ledger.record(mine, done(check(host="a")), at(1))
    assert seen(ledger, mine.run, ACME).verdict is Verdict.OK
    assert seen(ledger, mine.run, ACME).state is RunState.SUCCEEDED
    ledger.record(theirs, done(bad()), at(2))
    ledger.advance(mine.run, at(3))
    whole, part, rest = (seen(ledger, mine.run, scope) for scope in (BOTH, ACME, OTHER))
    assert (whole.verdict, part.verdict, rest.verdict) == (Verdict.FAILED, Verdict.OK, Verdict.FAILED)
    assert ([one.target.name for one in part.jobs], part.finished_at) == (["a"], at(1))
    assert "failed" not in repr(part.events)
    listed = {run.id: run for run in ledger.runs(ACME, since=NOW)}[mine.run]
    assert (listed.verdict, len(listed.jobs), listed.finished_at) == (Verdict.OK, 1, at(1))


def test_runs_are_listed_newest_first_without_their_checks(ledger: Ledger) -> None:
    old = finished(ledger, check(), now=at(0))
    new = ledger.create_run(order(job(), job()), at(1))
    listed = ledger.runs(BOTH, since=NOW)
    assert [run.id for run in listed] == [new, old]
    assert [len(run.jobs) for run in listed] == [2, 1]
    assert [one.checks for run in listed for one in run.jobs] == [(), (), ()]
    assert [run.id for run in ledger.runs(BOTH, since=NOW, limit=1)] == [new]
    assert [run.id for run in ledger.runs(BOTH, since=at(0.5))] == [new]
    assert [run.id for run in ledger.runs(BOTH, since=NOW, open_only=True)] == [new]


def test_the_newest_check_of_each_subject_counts(ledger: Ledger) -> None:
    finished(ledger, bad("documents"), check("db"), now=at(0))
    finished(ledger, check("documents"), check("documents", kind="borg"), now=at(10))
    finished(ledger, check("documents"), now=at(10), plan=job("other"))
    latest = ledger.latest_checks(ACME, since=at(0), until=at(11))
    found = {(one.kind, one.subject): (one.verdict, one.recorded_at) for one in latest}
    assert found == {
        ("restic", "documents"): (Verdict.OK, at(10)),
        ("borg", "documents"): (Verdict.OK, at(10)),
        ("restic", "db"): (Verdict.OK, at(0)),
    }
    before = ledger.latest_checks(ACME, since=at(0), until=at(10))
    assert {one.subject: one.verdict for one in before} == {"documents": Verdict.FAILED, "db": Verdict.OK}
    assert subjects(ledger.latest_checks(BOTH, since=at(10), until=at(11))) == ["documents"] * 3
    assert list(ledger.latest_checks(BOTH, since=at(11), until=at(99))) == []


def test_of_two_attempts_at_one_instant_the_later_counts(ledger: Ledger) -> None:
    (claim,) = started(ledger, job())
    ledger.record(claim, deferred(NOW, bad()), NOW)
    again = ledger.claim(Hint(claim.job, 2), "w2", NOW, LEASE)
    ledger.record(again, done(check()), NOW)  # type: ignore[arg-type] # refused, it would have no token and fail here
    assert [one.verdict for one in ledger.latest_checks(ACME, since=NOW, until=at(1))] == [Verdict.OK]
    history = ledger.history(ACME, "srv", ["restic"], before=at(1))
    assert [one.verdict for one in history] == [Verdict.OK, Verdict.FAILED]


def test_history_is_newest_first_and_limited_for_each_subject(ledger: Ledger) -> None:
    for night in range(6):
        finished(ledger, check("documents", facts={"n": night}), check("db"), now=at(night))
    finished(ledger, check("documents", host="elsewhere"), check("documents", kind="borg"), now=at(3))
    history = ledger.history(ACME, "srv", ["restic"], before=at(5), limit=3)
    assert [(one.subject, one.recorded_at) for one in history if one.subject == "documents"] == [
        ("documents", at(4)),
        ("documents", at(3)),
        ("documents", at(2)),
    ]
    assert [one.facts["n"] for one in history if one.subject == "documents"] == [4, 3, 2]
    assert sorted(subjects(history)) == ["db"] * 3 + ["documents"] * 3
    assert {one.kind for one in ledger.history(ACME, "srv", ["restic", "borg"], before=at(9))} == {"restic", "borg"}
    assert list(ledger.history(ACME, "srv", [], before=at(9))) == []


def test_jobs_of_a_span_come_oldest_first_with_their_plans(ledger: Ledger) -> None:
    second = ledger.create_run(order(job(target="b"), job(target="c")), at(10))
    first = ledger.create_run(order(job(target="a")), at(0))
    found = ledger.jobs(ACME, since=at(0), until=at(11))
    assert [(one.run, one.target.name) for one in found] == [(first, "a"), (second, "b"), (second, "c")]
    assert [one.plan for one in found] == [job(target="a"), job(target="b"), job(target="c")]
    assert [one.run for one in ledger.jobs(ACME, since=at(0), until=at(10))] == [first]


def test_occurrences_of_a_span_come_in_the_order_they_were_due(ledger: Ledger) -> None:
    ledger.miss_occurrence(Occurrence("acme", "night", at(20)), "late", at(99))
    run = ledger.claim_occurrence(fired(job(), due=at(10)), at(11))
    ledger.claim_occurrence(fired(job("other"), due=at(15)), at(16))
    found = ledger.occurrences(ACME, since=at(10), until=at(21))
    assert [(one.due, one.run, one.reason) for one in found] == [(at(10), run, ""), (at(20), None, "late")]
    assert [one.due for one in ledger.occurrences(BOTH, since=at(10), until=at(20))] == [at(10), at(15)]


def test_evidence_is_kept_as_it_came_in_order(ledger: Ledger) -> None:
    (claim,) = started(ledger, job())
    big = b"snapshot \xff\x00" * 5000
    ledger.record(
        claim,
        done(check("a", exchanges=(exchange(big), exchange(b"", b"Fatal"))), check("b", exchanges=(exchange(big),))),
        at(1),
    )
    kept = ledger.evidence(ACME, claim.job)
    assert [(one.subject, one.output, one.errors) for one in kept] == [
        ("a", big, b""),
        ("a", b"", b"Fatal"),
        ("b", big, b""),
    ]
    assert [one.truncated for one in kept] == [False] * 3
    halves = hashlib.sha256(big).digest() + hashlib.sha256(b"").digest()
    assert kept[0].digest == kept[2].digest == evidence_digest(big, b"") == hashlib.sha256(halves).hexdigest()
    assert kept[1].digest == evidence_digest(b"", b"Fatal") != evidence_digest(b"Fatal", b"")


def test_the_same_answer_in_two_attempts_is_kept_with_both(ledger: Ledger) -> None:
    (claim,) = started(ledger, job())
    same = check(exchanges=(exchange(b"same" * 100),))
    ledger.record(claim, deferred(NOW, same), NOW)
    again = ledger.claim(Hint(claim.job, 2), "w2", at(1), LEASE)
    ledger.record(again, done(same), at(2))  # type: ignore[arg-type] # refused, it would have no token and fail here
    assert [one.output for one in ledger.evidence(ACME, claim.job)] == [b"same" * 100] * 2


def test_an_output_beyond_the_cap_is_cut_and_says_so(ledger: Ledger) -> None:
    cap = 5 * 1024 * 1024
    (claim,) = started(ledger, job())
    exact, more = exchange(b"x" * cap), exchange(b"y" * (cap + 1))
    ledger.record(claim, done(check(exchanges=(exact, more))), at(1))
    whole, cut = ledger.evidence(ACME, claim.job)
    assert (len(whole.output), whole.truncated) == (cap, False)
    assert (len(cut.output), cut.truncated, cut.digest) == (cap, True, evidence_digest(b"y" * cap, b""))


def test_many_clients_may_be_asked_for_at_once(ledger: Ledger) -> None:
    finished(ledger, check())
    wide = Scope(frozenset({"acme", *(f"client-{n}" for n in range(2000))}))
    assert len(ledger.latest_checks(wide, since=NOW, until=at(1))) == 1
    assert len(ledger.runs(wide, since=NOW)) == 1


def test_what_went_wrong_of_a_run_is_its_changes_that_came_to_no_good_end(ledger: Ledger) -> None:
    plans = [change(target="a"), change(target="b"), change("other", "c"), job(target="d")]
    good, bad_end, others, read = started(ledger, *plans)
    failed = JobOutcome(JobState.FAILED, (), Trouble("unreachable", "it did not come back"))
    ledger.record(good, done(), at(1))
    assert ledger.gone_wrong(BOTH, good.run) == []
    for claim in (bad_end, others, read):
        ledger.record(claim, failed, at(2))
    assert [record.target.name for record in ledger.gone_wrong(BOTH, good.run)] == ["b", "c"]
    (found,) = ledger.gone_wrong(ACME, good.run)
    assert (found.id, found.state, found.trouble) == (bad_end.job, JobState.FAILED, failed.trouble)
    assert ledger.gone_wrong(ACME, "0" * 32) == []
