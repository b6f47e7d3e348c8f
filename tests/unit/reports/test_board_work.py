"""The board of what acts: who waits for whom, what stands half done, and what to type next."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ronde.model.procedure import StepState
from ronde.model.records import JobRecord, RunRecord, Trouble
from ronde.model.run import JobState, RunState
from ronde.model.verdict import Verdict
from ronde.reports.board import Board, board
from ronde.reports.board_problems import ClientNight
from ronde.reports.night import night_view
from ronde.reports.problem import Problem
from tests.doubles.night import NOW, PROVIDER, check, client, host, job, material, restic
from tests.doubles.work import BROKEN, DONE, acted, plan, ruling, run_of, step, waits_for
from tests.unit.reports.test_board import QUIET, shown

ONE = client(hosts={"srv-web": host(restic("www"))})
ENDED = RunState.FAILED
UNREACHABLE = Trouble("unreachable", "srv-web: no route to host")
UNCLEAR = (step("at_first"), step("restart", StepState.UNCLEAR, changed=True))


def of(*runs: RunRecord, listed: Sequence[JobRecord] | None = None) -> Board:
    jobs = [one for run in runs for one in run.jobs] if listed is None else listed
    steps = [seen for one in jobs for seen in one.checks]
    found = material([check("srv-web", "www"), *steps], [job("srv-web"), *jobs], runs=runs)
    return board([ClientNight(night_view(ONE, PROVIDER, found, NOW), found)], QUIET, NOW)


def only(value: Board) -> Problem:
    [one] = value.problems
    return one


def test_a_run_that_waits_tells_who_asked_since_when_why_and_how_to_agree() -> None:
    jobs = [acted(name, JobState.HELD) for name in ("srv-a", "srv-b", "srv-c", "srv-d")]
    value = of(run_of(*jobs, state=RunState.PENDING_APPROVAL, events=waits_for("destructive")))
    assert (value.rows[0].runs.words, value.rows[0].verdict) == ("1 to approve", Verdict.WARNING)
    told = only(value)
    assert told.where == "srv-a, srv-b, srv-c and 1 more · adhoc/restart-service"
    assert told.words == (
        "waits for a second technician since 5 h 1 min; ordered by ana: fuite de mémoire",
        "destructive",
    )
    assert told.actions == (
        "ronde show 5e1d0c2a",
        "ronde approve 5e1d0c2a    # or: ronde refuse 5e1d0c2a --reason …",
    )


NEEDS = [
    (
        acted(state=JobState.NEEDS_HUMAN, steps=UNCLEAR, trouble=Trouble("needs-human", "restart: nobody knows")),
        "1 unfinished",
        Verdict.FAILED,
        "not finished, somebody has to look: restart: nobody knows",
        ("ronde show 5e1d0c2a --output",),
    ),
    (
        acted(state=JobState.FAILED, steps=BROKEN, trouble=Trouble("step-failed", "restart: no"), attempt=2),
        "1 failed",
        Verdict.FAILED,
        "failed: restart: no, 2 tries",
        ("ronde show 5e1d0c2a --output", "ronde rerun 5e1d0c2a --failed-only"),
    ),
    (
        acted(state=JobState.SKIPPED, trouble=Trouble("guard-window", "window: none is open")),
        "1 not done",
        Verdict.WARNING,
        "not done: window: none is open",
        ("ronde show 5e1d0c2a", "ronde rerun 5e1d0c2a --failed-only"),
    ),
    (
        acted(steps=DONE, rulings=[ruling("window", override="panne")]),
        "1 to see",
        Verdict.WARNING,
        "window was set aside (panne): no maintenance window is open; opens Thu 22:00",
        ("ronde show 5e1d0c2a",),
    ),
    (
        acted(steps=DONE[:1]),
        "1 unknown",
        Verdict.UNKNOWN,
        "it ended well, and its record does not show what was done",
        ("ronde show 5e1d0c2a", "ronde rerun 5e1d0c2a --failed-only"),
    ),
]


@pytest.mark.parametrize(("one", "cell", "verdict", "words", "actions"), NEEDS, ids=[need[1] for need in NEEDS])
def test_each_need_is_told_with_what_to_do(
    one: JobRecord, cell: str, verdict: Verdict, words: str, actions: tuple[str, ...]
) -> None:
    value = of(run_of(one, state=ENDED))
    row, told = value.rows[0], only(value)
    assert (row.runs.words, row.verdict, told.verdict) == (cell, verdict, verdict)
    assert (told.words, told.actions) == ((words,), actions)


OPEN = [
    (acted(state=JobState.QUEUED, trouble=UNREACHABLE), "waits for its next try: srv-web: no route to host", "cancel"),
    (acted(state=JobState.QUEUED, not_before=NOW + timedelta(hours=3)), "begins in 3 h", "cancel"),
    (acted(state=JobState.QUEUED), "not begun, ordered 5 h 1 min ago", "cancel"),
    (acted(state=JobState.RUNNING), "under way since 5 h", "follow"),
]


@pytest.mark.parametrize(("one", "words", "command"), OPEN, ids=[words for _, words, _ in OPEN])
def test_what_is_not_over_is_told_with_the_command_for_it(one: JobRecord, words: str, command: str) -> None:
    told = only(of(run_of(one)))
    assert told.words == (words,)
    assert told.actions == ("ronde show 5e1d0c2a", f"ronde {command} 5e1d0c2a")


def test_work_in_order_is_ok_and_no_work_is_none() -> None:
    assert of(run_of(acted(steps=DONE))).rows[0].runs.words == "ok"
    assert of().rows[0].runs.words == "none"


def test_a_scheduled_run_cannot_be_repeated_by_its_number() -> None:
    failed = acted(state=JobState.FAILED, trouble=UNREACHABLE)
    told = only(of(run_of(failed, schedule="hebdo", request={}, state=ENDED)))
    assert told.actions == ("ronde show 5e1d0c2a --output",)


def test_the_most_pressing_need_is_counted_and_every_one_is_told() -> None:
    unclear = run_of(acted(state=JobState.NEEDS_HUMAN, steps=UNCLEAR, run="a" * 16))
    value = of(run_of(acted(state=JobState.HELD)), unclear)
    assert value.rows[0].runs.words == "1 unfinished"
    assert [told.verdict for told in value.problems] == [Verdict.FAILED, Verdict.WARNING]


def test_a_reading_that_a_person_ordered_is_his_and_a_scheduled_one_is_everybodys() -> None:
    read = acted(state=JobState.FAILED, steps=BROKEN, trouble=Trouble("step-failed", "x"), of=plan(risk="read"))
    assert of(run_of(read)).problems == ()
    told = only(of(run_of(read, schedule="hebdo", request={})))
    assert (told.verdict, told.words) == (Verdict.UNKNOWN, ("failed: x",))


def test_the_page_holds_at_eighty_columns_with_every_column_at_its_worst() -> None:
    long = Trouble("needs-human", "restart: " + "nobody knows what came of it " * 9)
    unclear = run_of(acted("srv-" + "x" * 50, JobState.NEEDS_HUMAN, UNCLEAR, trouble=long))
    page = shown(of(unclear, run_of(acted(state=JobState.HELD, run="b" * 16))))
    lines = [line for line in page.splitlines() if not line.startswith("    ronde ")]
    assert max(map(len, lines)) <= 80
    assert "1 unfinished" in page
    assert "    ronde approve bbbbbbbb # or: ronde refuse bbbbbbbb --reason …\n" in page


@settings(max_examples=80)
@given(
    state=st.sampled_from(list(JobState)),
    steps=st.sampled_from([(), DONE[:1], DONE, BROKEN, UNCLEAR]),
    whole=st.booleans(),
)
def test_no_change_that_is_not_in_order_goes_without_a_command(
    state: JobState, steps: tuple[object, ...], whole: object
) -> None:
    one = acted(state=state, steps=steps)  # type: ignore[arg-type]  # steps of the double
    value = of(run_of(one, schedule="hebdo")) if whole else of(listed=[one])
    if value.rows[0].verdict is not Verdict.OK:
        assert value.problems
        assert all(told.actions and told.words for told in value.problems)
    else:
        assert state is JobState.SUCCEEDED
        assert steps == DONE
