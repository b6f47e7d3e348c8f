"""The guards: what they say, what a person may override, and that silence never opens one."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ronde.model.guards import (
    BackupProof,
    Guard,
    HostLock,
    PastRuns,
    Ruling,
    Situation,
    allowed,
    judge,
)
from ronde.model.inventory import Client
from ronde.model.verdict import Verdict
from ronde.model.windows.calendar import Calendar
from ronde.model.windows.declared import Mark, calendar_of

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
NOW = datetime(2026, 1, 15, 22, 0, tzinfo=UTC)  # Thursday 23:00 in Paris
NIGHTS = {"nights": {"days": "mon-fri", "at": "22:00-02:00"}}
PROVEN = BackupProof("documents", 26 * HOUR, Verdict.OK, NOW - 7 * HOUR, NOW - 5 * HOUR)
LOCK = HostLock("8f2c", "ana@coop", NOW - 10 * MINUTE, NOW + 50 * MINUTE)


def calendar(**fields: Any) -> Calendar:
    return calendar_of(Client.model_validate({"client": "c", "name": "C", **fields}))


CLEAR = Situation(
    now=NOW,
    run="1a2b",
    calendar=calendar(windows=NIGHTS),
    past=PastRuns(HOUR, tuple(MINUTE * minutes for minutes in (10, 11, 14))),
    backups=(PROVEN,),
    marks=(),
    locks=(),
)


def ruling(guard: Guard, **changes: Any) -> Ruling:
    [found] = judge([guard], replace(CLEAR, **changes))
    return found


def test_a_clear_situation_passes_every_guard_with_its_figures() -> None:
    rulings = judge(list(Guard), CLEAR)
    assert [(found.guard.value, found.passed, found.reason) for found in rulings] == [
        ("window", True, "open until Fri 02:00 CET (nights)"),
        ("finish", True, "p90 of 3 past runs on this host: 14 min; 3 h left, open until Fri 02:00 CET (nights)"),
        ("backup", True, "documents: verified 5 h ago, point of 7 h ago (limit 26 h)"),
        ("maintenance", True, "nobody has declared to work there"),
        ("lock", True, "no other change holds the host"),
    ]
    assert allowed(rulings)


def test_who_asks_no_guard_is_not_held_up() -> None:
    assert judge([], Situation(NOW)) == ()
    assert allowed(())


def test_nothing_gathered_blocks_every_guard() -> None:
    assert [found.reason for found in judge(list(Guard), Situation(NOW)) if found.blocks] == [
        "nobody looked at the maintenance windows",
        "nobody looked at the maintenance windows and at past runs",
        "nobody looked for verified backups",
        "nobody looked whether somebody works there",
        "nobody looked whether another change holds the host",
    ]


@pytest.mark.parametrize(
    ("one", "reason", "until"),
    [
        (calendar(), "no maintenance window is declared", None),
        (Calendar(ZoneInfo("UTC"), flaw="line 3"), "the maintenance windows cannot be read: line 3", None),
        (
            calendar(windows={"w": {"at": "04:00-05:00"}}),
            "outside the maintenance windows (w); opens Fri 04:00 CET",
            datetime(2026, 1, 16, 3, tzinfo=UTC),
        ),
        (
            calendar(windows=NIGHTS, closed=[{"on": "2026-01-15", "until": "2026-01-16", "why": "council"}]),
            "closed from Thu 15 Jan 2026 to Fri 16 Jan 2026: council; opens Sat 00:00 CET",
            datetime(2026, 1, 16, 23, tzinfo=UTC),
        ),
        (
            calendar(windows={"w": {"rrule": "FREQ=DAILY;UNTIL=20260101", "at": "04:00", "for": "1h"}}),
            "outside the maintenance windows (w); none opens within 400 days",
            None,
        ),
    ],
)
def test_outside_a_window(one: Calendar, reason: str, until: datetime | None) -> None:
    found = ruling(Guard.WINDOW, calendar=one)
    assert (found.blocks, found.reason, found.until) == (True, reason, until)


def test_a_run_that_would_not_be_over_in_time_waits_for_a_window_that_is_long_enough() -> None:
    windows = {"short": {"at": "04:00-04:30"}, "long": {"days": "sun", "at": "08:00-12:00"}}
    late = datetime(2026, 1, 16, 3, 21, tzinfo=UTC)
    found = ruling(Guard.FINISH, calendar=calendar(windows=windows), now=late)
    assert found.reason == (
        "p90 of 3 past runs on this host: 14 min; 9 min left, open until Fri 04:30 CET (short); opens Sat 04:00 CET"
    )
    longer = ruling(Guard.FINISH, calendar=calendar(windows=windows), now=late, past=PastRuns(HOUR))
    assert longer.reason == (
        "fewer than 3 past runs, so the playbook's limit counts: 1 h; 9 min left, open until Fri 04:30 CET (short); "
        "opens Sun 08:00 CET"
    )
    assert longer.until == datetime(2026, 1, 18, 7, tzinfo=UTC)


def test_a_run_longer_than_any_window_is_told_so() -> None:
    found = ruling(Guard.FINISH, past=PastRuns(5 * HOUR))
    assert found.reason.endswith("none opens for 5 h within 400 days")
    assert (found.blocks, found.until) == (True, None)


def test_a_run_that_ends_with_the_window_fits() -> None:
    exactly = replace(CLEAR, past=PastRuns(3 * HOUR))
    assert judge([Guard.FINISH], exactly)[0].passed
    assert not judge([Guard.FINISH], replace(exactly, now=NOW + timedelta(microseconds=1)))[0].passed


def test_nothing_finishes_in_a_window_that_is_not_open() -> None:
    found = ruling(Guard.FINISH, now=NOW - 2 * HOUR)
    assert found.reason == (
        "p90 of 3 past runs on this host: 14 min; outside the maintenance windows (nights); opens Thu 22:00 CET"
    )
    assert found.until == NOW - HOUR


def test_somebody_works_there() -> None:
    marks = (
        Mark("srv-x", NOW + 24 * HOUR, "disks"),
        Mark("c", NOW + 48 * HOUR, "new storage"),
        Mark("c", NOW, "is over"),
    )
    found = ruling(Guard.MAINTENANCE, marks=marks)
    assert found.reason == (
        "srv-x is in maintenance until Fri 23:00 CET: disks; c is in maintenance until Sat 23:00 CET: new storage"
    )
    assert (found.blocks, found.until) == (True, NOW + 48 * HOUR)
    assert ruling(Guard.MAINTENANCE, marks=marks[2:]).passed


def test_another_change_holds_the_host() -> None:
    found = ruling(Guard.LOCK, locks=(LOCK,))
    assert found.reason == (
        "run 8f2c of ana@coop holds the host since Thu 22:50 CET, until Thu 23:50 CET at the latest"
    )
    assert (found.blocks, found.until) == (True, LOCK.expires)


def test_an_expired_lock_holds_nothing_nor_does_one_s_own() -> None:
    assert ruling(Guard.LOCK, locks=(replace(LOCK, expires=NOW),)).passed
    assert ruling(Guard.LOCK, locks=(LOCK,), run="8f2c").passed
    assert ruling(Guard.LOCK, locks=(LOCK, replace(LOCK, run="77")), run="8f2c").blocks
    assert ruling(Guard.LOCK, locks=(replace(LOCK, run=""),), run="").blocks, "no run's own"


def test_reasons_are_told_on_the_client_s_clock() -> None:
    reunion = calendar(timezone="Indian/Reunion")
    assert "until Fri 02:50 +04" in ruling(Guard.LOCK, locks=(LOCK,), calendar=reunion).reason
    assert "until Thu 22:50 UTC" in ruling(Guard.LOCK, locks=(LOCK,), calendar=None).reason


def test_an_override_is_for_one_guard_and_needs_a_reason() -> None:
    blocked = replace(CLEAR, locks=(LOCK,), backups=())
    rulings = judge(list(Guard), blocked, {Guard.LOCK: " run 8f2c is dead ", Guard.BACKUP: "  ", Guard.WINDOW: "x"})
    by_guard = {found.guard: found for found in rulings}
    assert (by_guard[Guard.LOCK].override, by_guard[Guard.LOCK].blocks) == ("run 8f2c is dead", False)
    assert not by_guard[Guard.LOCK].passed, "the facts stay what they are"
    assert by_guard[Guard.BACKUP].blocks
    assert not by_guard[Guard.WINDOW].overridden, "it passed by itself"
    assert not allowed(rulings)


PROOFS = st.builds(
    BackupProof,
    name=st.sampled_from(["documents", "town-hall-db", "mail"]),
    max_age=st.sampled_from([6 * HOUR, 26 * HOUR, 168 * HOUR]),
    verdict=st.sampled_from([None, *Verdict]),
    newest=st.sampled_from([None, NOW - 5 * HOUR, NOW - 30 * HOUR, NOW + HOUR]),
    checked_at=st.sampled_from([None, NOW - 5 * HOUR, NOW - 30 * HOUR, NOW + HOUR]),
)
CALENDARS = st.sampled_from(
    [
        None,
        CLEAR.calendar,
        calendar(),
        calendar(windows={"w": {"at": "23:00-23:10"}}),
        calendar(windows={"w": {"at": "04:00-05:00"}}),
        calendar(windows=NIGHTS, closed=[{"on": "2026-01-15", "why": "council"}]),
        Calendar(ZoneInfo("UTC"), flaw="x"),
    ]
)
TIMES = st.lists(st.integers(1, 300).map(lambda minutes: minutes * MINUTE), max_size=5).map(tuple)
SITUATIONS = st.builds(
    Situation,
    now=st.just(NOW),
    run=st.sampled_from(["", "8f2c", "1a2b"]),
    calendar=CALENDARS,
    past=st.none() | st.builds(PastRuns, st.sampled_from([5 * MINUTE, HOUR, 6 * HOUR]), TIMES, TIMES),
    backups=st.none() | st.lists(PROOFS, max_size=3).map(tuple),
    marks=st.sampled_from([None, (), (Mark("c", NOW, "over"),), (Mark("c", NOW + HOUR, "disks"),)]),
    locks=st.sampled_from([None, (), (LOCK,), (replace(LOCK, expires=NOW - HOUR),)]),
)
ASKED = st.lists(st.sampled_from(Guard), max_size=8)
OVERRIDES = st.dictionaries(st.sampled_from(Guard), st.sampled_from(["", " ", "agreed by phone"]))


@given(ASKED, SITUATIONS)
def test_without_an_override_one_guard_that_fails_blocks(asked: list[Guard], situation: Situation) -> None:
    rulings = judge(asked, situation)
    assert [found.guard for found in rulings] == [guard for guard in Guard if guard in asked]
    assert allowed(rulings) == all(found.passed for found in rulings)
    assert all(found.reason for found in rulings)
    assert all(found.until is None or (found.until > NOW and not found.passed) for found in rulings)


@given(ASKED, SITUATIONS, OVERRIDES)
def test_an_override_changes_its_own_guard_alone(
    asked: list[Guard], situation: Situation, overrides: dict[Guard, str]
) -> None:
    for plain, ruled in zip(judge(asked, situation), judge(asked, situation, overrides), strict=True):
        assert (ruled.passed, ruled.reason, ruled.until) == (plain.passed, plain.reason, plain.until)
        assert ruled.overridden == (not plain.passed and bool(overrides.get(plain.guard, "").strip()))
        assert ruled.blocks == (plain.blocks and not ruled.overridden)


def _forget(**changes: Any) -> Callable[[Situation], Situation]:
    return lambda situation: replace(situation, **changes)


def _forget_of_backups(**changes: Any) -> Callable[[Situation], Situation]:
    def forget(situation: Situation) -> Situation:
        backups = situation.backups and tuple(replace(proof, **changes) for proof in situation.backups)
        return replace(situation, backups=backups)

    return forget


def _forget_past(situation: Situation) -> Situation:
    return replace(situation, past=situation.past and PastRuns(situation.past.limit))


def _forget_windows(situation: Situation) -> Situation:
    one = situation.calendar
    return replace(situation, calendar=one and replace(one, windows=one.windows[1:]))


LOSSES = [
    _forget(calendar=None),
    _forget(past=None),
    _forget(backups=None),
    _forget(backups=()),
    _forget(marks=None),
    _forget(locks=None),
    _forget(run=""),
    _forget_of_backups(verdict=None),
    _forget_of_backups(newest=None),
    _forget_of_backups(checked_at=None),
    _forget_past,
    _forget_windows,
]


@settings(max_examples=300)
@given(SITUATIONS, st.lists(st.sampled_from(LOSSES), min_size=1, max_size=4))
def test_losing_evidence_never_opens_what_was_blocked(
    situation: Situation, losses: list[Callable[[Situation], Situation]]
) -> None:
    less = situation
    for lose in losses:
        less = lose(less)
    for before, after in zip(judge(list(Guard), situation), judge(list(Guard), less), strict=True):
        assert before.passed or not after.passed, (before, after)
