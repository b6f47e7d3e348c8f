"""What a run in rings does next, from how its jobs stand: the words, the order of reasons, and what counts as wrong."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ronde.model.advancing import Move, Standing, is_stopped, next_wave
from ronde.model.pace import Pace, Place
from ronde.model.patch.waves import HostState
from ronde.model.plan import Target, TargetKind
from ronde.model.run import JOB_OPEN, JobState
from ronde.model.verdict import Verdict

NOW = datetime(2026, 11, 27, 22, tzinfo=UTC)
PACE = Pace(2, timedelta(minutes=30), percent=10)
WELL = (JobState.SUCCEEDED, Verdict.OK)


def standing(name: str, ring: int, state: JobState = JobState.WAITING, verdict: Verdict | None = None) -> Standing:
    client, _, host = name.rpartition("/")
    ended = None if state in JOB_OPEN else NOW - timedelta(hours=1)
    begun = state not in {JobState.HELD, JobState.WAITING, JobState.QUEUED}
    target = Target(client or "acme", TargetKind.HOST, host)
    return Standing(name, target, Place(ring), state, verdict, begun=begun, ended=ended)


def move(*jobs: Standing, paused: bool = False, pace: Pace = PACE) -> Move:
    return next_wave(jobs, pace, NOW, paused=paused)


def test_what_waits_for_a_second_technician_is_left_alone() -> None:
    held = [replace(standing(name, 0, JobState.HELD), not_after=NOW - timedelta(days=1)) for name in "ab"]
    assert move(*held) == move(*held, paused=True) == Move()


@pytest.mark.parametrize(
    ("state", "verdict", "trouble", "stands"),
    [
        (JobState.SUCCEEDED, Verdict.OK, "", HostState.SUCCEEDED),
        (JobState.SUCCEEDED, Verdict.WARNING, "", HostState.SUCCEEDED),
        (JobState.SUCCEEDED, Verdict.FAILED, "", HostState.FAILED),
        (JobState.SUCCEEDED, Verdict.UNKNOWN, "", HostState.UNKNOWN),
        (JobState.SUCCEEDED, None, "", HostState.UNKNOWN),
        (JobState.FAILED, Verdict.UNKNOWN, "step-failed", HostState.FAILED),
        (JobState.FAILED, Verdict.UNKNOWN, "unreachable", HostState.UNREACHABLE),
        (JobState.LOST, Verdict.UNKNOWN, "lost", HostState.UNKNOWN),
        (JobState.NEEDS_HUMAN, Verdict.UNKNOWN, "needs-human", HostState.UNKNOWN),
        (JobState.CRASHED, Verdict.UNKNOWN, "crashed", HostState.UNKNOWN),
        (JobState.EXPIRED, Verdict.UNKNOWN, "expired", HostState.SKIPPED),
        (JobState.CANCELLED, Verdict.UNKNOWN, "cancelled", HostState.SKIPPED),
    ],
)
def test_only_what_was_proved_is_well(
    state: JobState, verdict: Verdict | None, trouble: str, stands: HostState
) -> None:
    assert replace(standing("a", 0, state, verdict), trouble=trouble).stands is stands


@pytest.mark.parametrize("state", JobState)
def test_every_state_of_a_job_stands_somewhere(state: JobState) -> None:
    assert standing("a", 0, state).stands in HostState


def test_who_may_begin_takes_a_place_before_a_worker_came() -> None:
    canary = standing("a", 0, *WELL)
    first = move(canary, *[standing(name, 1) for name in "bcd"])
    assert first.admit == ("b", "c")
    again = move(canary, standing("b", 1, JobState.QUEUED), standing("c", 1, JobState.RUNNING), standing("d", 1))
    assert again == Move()


def test_a_stop_skips_what_waits_and_what_nobody_began_and_nothing_else() -> None:
    jobs = [
        standing("a", 0, *WELL),
        standing("b", 1, JobState.FAILED),
        standing("c", 1, JobState.QUEUED),
        replace(standing("d", 1, JobState.QUEUED), begun=True),
        standing("e", 1, JobState.RUNNING),
        standing("f", 2),
    ]
    found = move(*jobs)
    assert is_stopped(jobs, PACE)
    assert ([job for job, _ in found.skip], found.admit, found.recall) == (["c", "f"], (), ())
    assert {why.code for _, why in found.skip} == {"wave-stopped"}
    assert "1 of 4 hosts in ring 1 went wrong, 0 may: b failed" in found.skip[0][1].message
    assert move(*jobs, paused=True) == found


def test_a_closed_window_is_told_before_a_stop_and_a_pause() -> None:
    late = replace(standing("b", 1), not_after=NOW - timedelta(seconds=1))
    found = move(standing("a", 0, JobState.FAILED), late, standing("c", 1))
    assert [(job, why.code) for job, why in found.skip] == [("b", "window-closed"), ("c", "wave-stopped")]
    assert "until 27 Nov 21:59 UTC" in found.skip[0][1].message
    paused = move(standing("a", 0, *WELL), late, standing("c", 1, JobState.QUEUED), paused=True)
    assert ([job for job, _ in paused.skip], paused.recall, paused.admit) == (["b"], ("c",), ())


def test_a_start_at_the_last_useful_instant_is_useful() -> None:
    assert move(standing("a", 0, *WELL), replace(standing("b", 1), not_after=NOW)).admit == ("b",)


def test_the_partner_of_a_host_that_went_wrong_is_left_alone_and_told_why() -> None:
    apart = [
        replace(standing(name, ring, state), place=Place(ring, ("dns",)))
        for name, ring, state in (("ns1", 1, JobState.FAILED), ("ns2", 2, JobState.WAITING))
    ]
    found = move(standing("a", 0, *WELL), *apart, standing("z", 2), pace=replace(PACE, percent=100))
    assert [(job, why.code) for job, why in found.skip] == [("ns2", "partner-down")]
    assert "must stay apart from acme/ns1" in found.skip[0][1].message
    assert found.admit == ("z",)


def test_one_client_is_told_nothing_of_another() -> None:
    jobs = [standing("acme/a", 0, JobState.FAILED), standing("other/b", 0, *WELL), standing("other/c", 1)]
    ((_, why),) = move(*jobs).skip
    assert why.message == "the run was stopped: more hosts in ring 0 went wrong than may"
