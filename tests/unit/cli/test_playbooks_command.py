"""`ronde playbooks`: what was never tried on the real thing says so, in the list and on its page."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ronde.adapters.files.playbooks import load_playbooks
from ronde.cli import app
from ronde.engine.procedure.sudoers import sudoers_lines

PLAYBOOKS = Path(__file__).resolve().parents[3] / "playbooks"
OURS = ["patch/audit-windows", "patch/windows"]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., str]:
    monkeypatch.setenv("RONDE_PLAYBOOKS", str(PLAYBOOKS))
    monkeypatch.setenv("RONDE_DATA_DIR", str(tmp_path))

    def listing(*words: str) -> str:
        return CliRunner(env={"COLUMNS": "200"}).invoke(app, ["playbooks", *words]).output

    return listing


@pytest.mark.parametrize("name", OURS)
def test_playbooks_for_windows_are_labelled_in_the_list_and_on_their_page(run: Callable[..., str], name: str) -> None:
    (line,) = [line for line in run().splitlines() if line.startswith(f"{name} ")]
    assert "not verified on Windows" in line
    assert "not verified on Windows" in run("show", name)
    assert "not verified on Windows" in run("show", name, "--json")


def test_whatever_is_for_windows_bears_the_label_and_nothing_else_does() -> None:
    for name, named in load_playbooks(PLAYBOOKS).items():
        caution = named.playbook.caution
        labelled = caution is not None and "not verified on Windows" in caution.en
        assert labelled == (named.playbook.target == "windows"), name


@pytest.mark.parametrize("name", OURS)
def test_a_windows_needs_no_sudo(name: str) -> None:
    known = load_playbooks(PLAYBOOKS)
    assert sudoers_lines(known[name], known, {}, "ronde") == []
