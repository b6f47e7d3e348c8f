"""Each folder of tests/cases/inventory is an invalid inventory; `expected.txt` is all that is said about it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ronde.adapters.files.inventory import load_inventory
from ronde.adapters.files.playbooks import load_playbooks

CASES = Path(__file__).parents[3] / "cases" / "inventory"
NOW = datetime(2026, 1, 12, 18, 40, tzinfo=UTC)
PLAYBOOKS = load_playbooks(Path(__file__).parents[4] / "playbooks")


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.iterdir()))
def test_everything_wrong_is_said_at_once(case: str) -> None:
    loaded = load_inventory(CASES / case, PLAYBOOKS, NOW)
    said = [f"{'warning ' if problem.warning else ''}{problem}" for problem in loaded.problems]
    told = [line.replace(f"{CASES / case}/", "", 1).replace(str(CASES / case), "DIR") for line in said]
    assert sorted(told) == sorted((CASES / case / "expected.txt").read_text().splitlines())
    assert (loaded.inventory, loaded.digest) == (None, "")


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.iterdir()))
def test_what_may_be_a_secret_is_never_repeated(case: str) -> None:
    said = "\n".join(str(problem) for problem in load_inventory(CASES / case, PLAYBOOKS, NOW).problems)
    assert "hunter2" not in said
    assert "31415926" not in said


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    loaded = load_inventory(tmp_path / "none", PLAYBOOKS, NOW)
    assert [str(problem) for problem in loaded.problems] == [
        f"{tmp_path}/none:1: no such directory; a first inventory is made by: ronde init DIR"
    ]


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "provider.yml").mkdir()
    [problem] = [problem for problem in load_inventory(tmp_path, PLAYBOOKS, NOW).problems if not problem.warning]
    assert str(problem) == f"{tmp_path}/provider.yml:1: cannot be read: Is a directory"


def test_a_file_that_is_far_too_large(tmp_path: Path) -> None:
    (tmp_path / "provider.yml").write_bytes(b"#" * (5 * 1024 * 1024))
    [problem] = [problem for problem in load_inventory(tmp_path, PLAYBOOKS, NOW).problems if not problem.warning]
    assert str(problem) == f"{tmp_path}/provider.yml:1: is larger than 4 MiB"
