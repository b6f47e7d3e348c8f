"""What a standing means, and which commands can be ordered at all."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ronde.model.detached import CLOSED, NEXT, Carried, Key, Launch, Next, Standing, next_act
from ronde.model.errors import InputError

JOB = "0123456789abcdef01234567"
KEY = Key(JOB, "upgrade", 1)
standings = st.sampled_from(Standing)


def test_every_standing_has_a_meaning() -> None:
    assert set(NEXT) == {(standing, seen) for standing in Standing for seen in (False, True)}


@given(standing=standings, seen=st.booleans())
def test_a_command_is_only_started_where_there_never_was_one(standing: Standing, *, seen: bool) -> None:
    starts = next_act(standing, seen=seen) is Next.START
    assert starts == (standing is Standing.ABSENT and not seen)


@given(standings)
def test_having_been_seen_only_ever_makes_an_attempt_more_careful(standing: Standing) -> None:
    unseen, seen = next_act(standing, seen=False), next_act(standing, seen=True)
    assert seen is unseen or (unseen, seen) == (Next.START, Next.REPORT)


@given(standing=standings, seen=st.booleans())
def test_what_is_another_attempts_or_unknown_is_never_concluded(standing: Standing, *, seen: bool) -> None:
    act = next_act(standing, seen=seen)
    assert (act is Next.LEAVE) == (standing is Standing.FENCED)
    assert (act is Next.COLLECT) == (standing is Standing.ENDED)
    assert (act is Next.LOOK) == (standing is Standing.UNKNOWN)


@given(standing=standings, status=st.none() | st.integers(0, 255), timed_out=st.booleans())
def test_only_a_certain_end_is_a_success(standing: Standing, status: int | None, *, timed_out: bool) -> None:
    carried = Carried(standing, exit_status=status, timed_out=timed_out)
    assert carried.succeeded == (standing is Standing.ENDED and status == 0 and not timed_out)
    assert bool(carried.why) == (standing is not Standing.ENDED), "whoever has to decide is told why"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"boot_then": "a", "boot_now": "b"}, "restarted"),
        ({"boot_then": "a", "boot_now": "a", "alive": True}, "runs on"),
        ({"boot_then": "a", "boot_now": "a"}, "killed"),
        ({"boot_then": "", "boot_now": "b"}, "killed"),
    ],
)
def test_a_broken_command_says_how(changes: dict[str, object], said: str) -> None:
    carried = Carried(Standing.BROKEN, started=datetime(2026, 1, 1, tzinfo=UTC), **changes)  # type: ignore[arg-type]  # a table of fields
    assert said in carried.why


@pytest.mark.parametrize(
    "job", ["", "abc", "../../../etc", "0123456z", "-0123456", "0" * 65, "0123 4567", "01234567\n"]
)
def test_a_job_is_named_by_its_id(job: str) -> None:
    with pytest.raises(InputError, match="job"):
        Key(job, "step", 1)


@pytest.mark.parametrize("step", ["", ".", "..", ".fence", "-x", "a/b", "A", "a b", "a\n", "é", "x" * 101])
def test_a_step_is_named_by_a_plain_word(step: str) -> None:
    with pytest.raises(InputError, match="step"):
        Key(JOB, step, 1)


@pytest.mark.parametrize("fence", [0, -1, CLOSED])
def test_an_attempt_counts_from_one(fence: int) -> None:
    with pytest.raises(InputError, match="fence"):
        Key(JOB, "step", fence)


@pytest.mark.parametrize(
    "changes",
    [
        {"argv": ()},
        {"argv": ("",)},
        {"argv": ("-x",)},
        {"argv": ("A=b",)},
        {"argv": ("echo", "a\0b")},
        {"env": (("A", "a\0b"),)},
        {"env": (("A B", ""),)},
        {"env": (("", ""),)},
        {"limit": 0},
        {"cap": 0},
    ],
    ids=str,
)
def test_what_cannot_be_run_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(InputError):
        Launch(KEY, **{"argv": ("true",), **changes})  # type: ignore[arg-type]  # a table of fields


def test_the_input_is_not_shown() -> None:
    assert "secret" not in repr(Launch(KEY, ("cat",), stdin=b"secret"))
