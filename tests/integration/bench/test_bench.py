"""The benchmark runs and tells what it measured in the form that programs rely on. How fast anything was is no test."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.figures import Figure, Goal, ratios
from bench.measuring import rounds

ROOT = Path(__file__).resolve().parents[3]
KEYS = {"name", "figure", "unit", "against", "goal", "reached"}


@pytest.mark.parametrize(
    ("row", "names"),
    [
        ("schedules", {"beat: one tick, 200 schedules", "roll call: 200 schedules"}),
        ("control", {"control plane: jobs a second"}),
        ("live", {"follow of 2,000 lines: time", "follow of 2,000 lines: peak memory"}),
        ("technician", {"first line of a command, warm", "plan of 1,000 hosts"}),
        ("vsphere", {"snapshots of 60 VMs: CPU, with rules and evidence"}),
    ],
)
def test_a_quick_run_prints_a_list_of_figures(row: str, names: set[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--quick", "--json", "--only", row],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert names <= {figure["name"] for figure in figures}
    for figure in figures:
        assert figure.keys() == KEYS
        assert figure["figure"] > 0
        assert (figure["goal"] is None) == (figure["reached"] is None)


def test_the_figure_is_the_median_of_its_rounds_and_meets_its_goal_or_not() -> None:
    figure = Figure("name", [9.0, 1.0, 1.3], "times", "something", Goal(1.3))
    assert figure.figure == 1.3
    assert figure.reached
    assert not Figure("name", [1.31], "times", "something", Goal(1.3)).reached
    assert Figure("name", [2.0], "times", "something", Goal(2, at_least=True)).reached
    assert Figure("name", [2.0], "times", "something").reached is None


def test_a_ratio_is_taken_round_by_round() -> None:
    assert ratios([2.0, 9.0], [1.0, 3.0]) == [2.0, 3.0]


def test_contestants_take_turns_and_every_second_round_goes_backwards() -> None:
    turns: list[str] = []

    def contestant(name: str) -> Callable[[], float]:
        def run() -> float:
            turns.append(name)
            return 1.0

        return run

    assert rounds({name: contestant(name) for name in "abc"}, 3) == {name: [1.0] * 3 for name in "abc"}
    assert "".join(turns) == "abccbaabc"
