"""From `rings:` and the hosts' tags to the places of a plan; by people, by schedules, with windows and approvals."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ronde.engine.approving import decide_on
from ronde.engine.firing import advance, roll_call
from ronde.engine.ordering import Request, again, order, planned
from ronde.engine.parts import Engine
from ronde.engine.procedure.planning import narrowed, procedure_of
from ronde.model.inventory import Client
from ronde.model.people import Act, Standing, Technician
from ronde.model.plan import job_digest, job_from_json, job_json
from ronde.model.playbook import Named, Playbook
from ronde.model.records import JobOutcome, RunRecord
from ronde.model.run import JobState, RunState
from ronde.ports import Claim, Hint
from tests.contract.ledger.making import check
from tests.doubles.engine import SCOPE, START, Surroundings, client, inventory

RINGS = {"then": [1, "all"], "at_most": 3, "abort_over": "10%", "bake": "30m", "apart": ["dns"]}
TAGS = {
    "app1": ["role:app"],
    "app2": ["role:app"],
    "ns1": ["dns", "role:dns"],
    "ns2": ["dns", "role:dns"],
    "web1": ["role:web", "old"],
    "web2": ["role:web"],
}


def playbook(rings: dict[str, Any] | None = None, guards: tuple[str, ...] = (), risk: str = "change") -> Named:
    raw: dict[str, Any] = {
        "title": {"fr": "Corriger", "en": "Patch"},
        "description": {"fr": "Corrige.", "en": "Patches."},
        "target": "linux",
        "risk": risk,
        "guards": guards if risk != "read" else None,
        "steps": [{"id": "go", "run": {"argv": ["/bin/true"]}}],
        "rings": rings,
    }
    return Named(name="patch/linux", digest="d" * 64, playbook=Playbook.model_validate(raw))


def commune(schedules: dict[str, Any] | None = None, **more: Any) -> Client:
    host = {"address": "192.0.2.1", "user": "ronde", "key": "file:///k", "host_key": "ssh-ed25519 AAAA"}
    return client(schedules, hosts={name: {**host, "tags": tags} for name, tags in TAGS.items()}, **more)


@pytest.fixture
def around() -> Surroundings:
    found = Surroundings()
    found.inventories.inventory = inventory(commune())
    return found


def engine(around: Surroundings, named: Named) -> Engine:
    return replace(around.engine(), playbooks={named.name: named})


def rings_of(run: RunRecord) -> list[list[str]]:
    found: dict[int, list[str]] = {}
    for job in run.jobs:
        assert job.ring is not None
        found.setdefault(job.ring, []).append(job.target.name)
    return [found[number] for number in sorted(found)]


def ordered(around: Surroundings, named: Named, **more: Any) -> RunRecord:
    return around.ledger.run(SCOPE, order(engine(around, named), Request(named.name, [], [], "alice", **more)))


def test_one_of_each_role_goes_first_and_the_others_follow(around: Surroundings) -> None:
    run = ordered(around, playbook(RINGS))
    assert rings_of(run) == [["app1", "ns1", "web1"], ["app2"], ["ns2", "web2"]]
    assert [job.state for job in run.jobs] == [JobState.QUEUED] * 3 + [JobState.WAITING] * 3
    assert run.jobs[1].plan is not None
    assert run.jobs[1].plan.place is not None
    assert run.jobs[1].plan.place.apart == ("dns",)


def test_one_of_each_tag_goes_first_if_that_is_asked(around: Surroundings) -> None:
    first = rings_of(ordered(around, playbook({**RINGS, "canary": "tag"})))[0]
    assert first == ["ns1", "web1", "app1"]  # dns, old, role:app


def test_the_rings_are_part_of_the_plan_and_a_dry_run_has_the_same(around: Surroundings) -> None:
    one, other, none = playbook(RINGS), playbook({**RINGS, "at_most": 4}), playbook()
    plans = [ordered(around, named).plan for named in (one, other, none)]
    assert len(set(plans)) == 3
    dry = ordered(around, one, dry=True)
    assert dry.plan == plans[0]
    assert rings_of(dry)[1] == ["app2"]
    assert {job.state for job in dry.jobs} == {JobState.QUEUED}
    assert ordered(around, one, plan=dry.plan[:8]).plan == dry.plan


def test_without_rings_everything_goes_at_once(around: Surroundings) -> None:
    run = ordered(around, playbook())
    assert {(job.ring, job.state) for job in run.jobs} == {(None, JobState.QUEUED)}


def test_a_job_made_anew_for_its_target_alone_is_still_the_approved_one(around: Surroundings) -> None:
    """Digests of jobs are compared just before an approved target is begun, by who does not know the others."""
    last = ordered(around, playbook(RINGS)).jobs[-1]
    (alone,) = planned(engine(around, playbook(RINGS)), Request("patch/linux", [], [last.target.name], "alice")).jobs
    assert last.plan is not None
    assert (last.ring, alone.place and alone.place.ring) == (2, 0)
    assert job_digest(last.plan) == job_digest(alone)


NIGHTS = {"nights": {"days": "mon-sun", "at": "01:00-03:00"}}


def test_a_place_is_kept_until_the_window_is_too_short(around: Surroundings) -> None:
    around.inventories.inventory = inventory(commune(windows=NIGHTS))
    run = ordered(around, playbook(RINGS, ("window", "finish")))
    assert {job.not_after for job in run.jobs} == {datetime(2026, 11, 24, 2, 0, tzinfo=UTC)}  # the limit is an hour
    only_open = ordered(around, playbook(RINGS, ("window",)))
    assert {job.not_after for job in only_open.jobs} == {datetime(2026, 11, 24, 3, 0, tzinfo=UTC)}


def test_a_window_that_opens_later_is_waited_for_and_bounds_its_rings(around: Surroundings) -> None:
    around.inventories.inventory = inventory(commune(windows=NIGHTS))
    around.hands.move(-3600 * 5)
    run = ordered(around, playbook(RINGS, ("window",)))
    assert {job.not_before for job in run.jobs} == {START}
    assert {job.not_after for job in run.jobs} == {START + timedelta(hours=2)}


def test_a_window_that_is_set_aside_bounds_nothing(around: Surroundings) -> None:
    around.inventories.inventory = inventory(commune(windows=NIGHTS))
    run = ordered(around, playbook(RINGS, ("window",)), overrides=("window",), reason="it burns")
    assert {job.not_after for job in run.jobs} == {None}


def test_without_a_window_guard_nothing_bounds_the_rings(around: Surroundings) -> None:
    assert {job.not_after for job in ordered(around, playbook(RINGS)).jobs} == {None}


def fired(around: Surroundings, named: Named, **entry: Any) -> RunRecord:
    around.inventories.inventory = inventory(commune({"patch": {"playbook": named.name, "at": "0 2 * * *", **entry}}))
    beats = engine(around, named)
    roll_call(beats, "beat")
    around.hands.move(3600)
    roll_call(beats, "beat")
    (run,) = around.runs()
    return run


def test_a_schedule_fires_in_the_playbooks_rings(around: Surroundings) -> None:
    run = fired(around, playbook(RINGS))
    assert len(rings_of(run)) == 3
    due = START + timedelta(hours=1)
    ends = {job.ring: job.not_after for job in run.jobs}
    assert ends == {0: due + timedelta(minutes=15), 1: None, 2: None}  # what follows is not late, it follows


def test_a_schedule_has_its_own_rings(around: Surroundings) -> None:
    run = fired(around, playbook(RINGS), rings={"then": ["all"], "at_most": 2})
    assert [sorted(ring) for ring in rings_of(run)] == [["app1", "ns1", "web1"], ["app2", "ns2", "web2"]]
    assert [job.state for job in run.jobs][:3] == [JobState.QUEUED, JobState.QUEUED, JobState.WAITING]


def test_a_schedule_binds_its_run_to_the_windows_it_names(around: Surroundings) -> None:
    """Also where the playbook asks for no window; and the run keeps the names, whatever the schedule says later."""
    named = playbook(RINGS)
    entry = {"playbook": named.name, "at": "0 2 * * *", "window": "nights", "catch_up": {"within": "9h"}}
    always = {"always": {"at": "00:00-24:00"}}
    around.inventories.inventory = inventory(commune({"patch": entry}, windows=NIGHTS | always))
    beats = engine(around, named)
    roll_call(beats, "beat")
    around.hands.move(3600)
    roll_call(beats, "beat")
    (run,) = around.runs()
    kept = [job.plan.procedure for job in run.jobs if job.plan and job.plan.procedure]
    assert {(plan.windows, plan.guards) for plan in kept} == {(("nights",), ("window",))}
    assert {job.not_after for job in run.jobs} == {START + timedelta(hours=2)}  # when the nights end


def test_a_run_of_a_schedule_is_asked_for_again_as_it_was(around: Surroundings) -> None:
    """With the rings and the windows that the schedule said, and no target that it did not mean."""
    named, always = playbook(RINGS), {"always": {"at": "00:00-24:00"}}
    entry = {
        "playbook": named.name,
        "at": "0 2 * * *",
        "on": "tag:role:web",
        "window": "always",
        "rings": {"then": [1]},
    }
    around.inventories.inventory = inventory(commune({"patch": entry}, windows=always))
    beats = engine(around, named)
    roll_call(beats, "beat")
    around.hands.move(3600)
    roll_call(beats, "beat")
    (run,) = around.runs()
    around.ledger.cancel_run(SCOPE, run.id, "alice", around.hands.now())
    advance(beats, run.id)
    stopped = around.ledger.run(SCOPE, run.id)
    repeated = planned(beats, again(stopped, "alice", "ticket 7", failed_only=False))
    assert repeated.plan == run.plan
    assert [job.target.name for job in repeated.jobs] == [job.target.name for job in run.jobs] == ["web1", "web2"]
    some = planned(beats, again(stopped, "alice", "ticket 7", failed_only=True))
    assert [job.procedure.windows for job in some.jobs if job.procedure] == [("always",)] * 2


def test_what_needs_a_second_technician_needs_one_by_night_as_well(around: Surroundings) -> None:
    run = fired(around, playbook(risk="destructive", guards=()))
    assert run.state is RunState.PENDING_APPROVAL
    assert {job.state for job in run.jobs} == {JobState.HELD}
    assert roll_call(engine(around, playbook(risk="destructive", guards=())), "beat").sent == 0
    bob = Technician("bob", "Bob", Standing.DECLARED, ("approve",), frozenset({Act.APPROVE}), None)
    decide_on(engine(around, playbook(risk="destructive", guards=())), SCOPE, run, bob, agrees=True)
    assert {job.state for job in around.ledger.run(SCOPE, run.id).jobs} == {JobState.QUEUED}


def test_an_approved_plan_that_is_bound_to_windows_is_still_the_approved_one(around: Surroundings) -> None:
    named = playbook(RINGS)
    (free,) = planned(engine(around, named), Request("patch/linux", [], ["web1"], "alice")).jobs
    assert free.procedure is not None
    bound = replace(free, procedure=narrowed(free.procedure, ("nights",)))
    again = procedure_of(named, bound.procedure.values[""], {}, {})[1] if bound.procedure else None
    assert again is not None
    assert job_digest(bound) != job_digest(free)
    assert job_digest(replace(bound, procedure=narrowed(again, ("nights",)))) == job_digest(bound)
    assert job_from_json(job_json(bound)) == bound


def test_a_schedule_of_what_only_reads_has_no_rings(around: Surroundings) -> None:
    around.inventories.inventory = inventory(
        commune({"look": {"playbook": "patch/linux", "at": "0 2 * * *", "rings": {}}})
    )
    beats = engine(around, playbook(risk="read"))
    roll_call(beats, "beat")
    around.hands.move(3600)
    assert roll_call(beats, "beat").missed == 1
    (missed,) = around.ledger.occurrences(SCOPE, since=START, until=START + timedelta(days=1))
    assert "rings are not for it" in missed.reason


def test_a_roll_call_goes_on_with_the_next_ring(around: Surroundings) -> None:
    run = fired(around, playbook({**RINGS, "bake": "10m"}))
    beats = engine(around, playbook(RINGS))
    for job in run.jobs[:3]:
        settle(around, job.id)
    roll_call(beats, "beat")
    assert around.ledger.run(SCOPE, run.id).jobs[3].state is JobState.WAITING
    around.queue.hints.clear()
    around.hands.move(600)
    roll_call(beats, "beat")
    assert [hint.job for hint in around.queue.hints] == [run.jobs[3].id]


def settle(around: Surroundings, job: str) -> None:
    """The job is done and well, as a worker would say it."""
    claim = around.ledger.claim(Hint(job, 1), "w", around.hands.now(), 60)
    assert isinstance(claim, Claim)
    assert around.ledger.record(claim, JobOutcome(JobState.SUCCEEDED, (check(),)), around.hands.now())
