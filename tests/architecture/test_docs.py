"""The documents speak of what is there: every setting, every command, every reason; and of no machine of ours."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer

from ronde.cli import app
from ronde.settings import PREFIX, Settings

ROOT = Path(__file__).resolve().parents[2]
OPERATE = (ROOT / "docs/operate.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
WHY = ROOT / "docs/why"
LINK = re.compile(r"\[[^\]]*\]\(([^)#]+)(?:#[^)]*)?\)")

# Where somebody's own machine or package mirror would show; written so that this file does not find itself.
OURS = re.compile(
    r"/wor[k]/(?!\*)|/hom[e]/(?!ops/|user/|ronde/)[a-z]|/opt/py[p]i|pypi\.or[g]|pythonhoste[d]|\.intern[a]l\b"
)


def tracked() -> list[Path]:
    """Every file in the repository, as git knows them."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


def commands(command: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every command that can be run, as its words; groups only lead to them."""
    below = getattr(command, "commands", {})
    if not below:
        return [path]
    return [found for name, one in below.items() for found in commands(one, (*path, name))]


def in_code(text: str) -> str:
    """What stands in backticks or code blocks, one line each."""
    blocks = re.findall(r"```.*?```", text, re.DOTALL)
    return "\n".join([*blocks, *re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))])


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_stands_in_the_table_of_settings(name: str) -> None:
    rows = [line.split("|")[1] for line in OPERATE.splitlines() if line.startswith("| `RONDE_")]
    assert any(f"`{PREFIX}{name.upper()}`" in row for row in rows)


def test_the_table_of_settings_names_none_that_is_not_there() -> None:
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields} | {f"{PREFIX}ENV_FILE"}
    known.add("RONDE_READ")  # an alias in the sudoers file
    assert set(re.findall(rf"\b{PREFIX}[A-Z_]+\b", OPERATE + README)) <= known


@pytest.mark.parametrize("words", commands(typer.main.get_command(app)), ids=" ".join)
def test_every_command_is_told(words: tuple[str, ...]) -> None:
    """In full, or in a list after its group: `ronde host enrol`, `list`, `check`."""
    told = f"ronde {' '.join(words)}"
    lists = [line for line in (README + OPERATE).splitlines() if f"`ronde {' '.join(words[:-1])} " in line]
    assert told in in_code(README + OPERATE) or any(f"`{words[-1]}`" in line for line in lists)


def test_every_reason_is_listed() -> None:
    listed = set(LINK.findall((WHY / "README.md").read_text(encoding="utf-8")))
    assert {path.name for path in WHY.glob("*.md")} - {"README.md"} == {name for name in listed if "/" not in name}


@pytest.mark.parametrize("path", [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")], ids=lambda path: str(path.name))
def test_links_lead_somewhere(path: Path) -> None:
    links = [link for link in LINK.findall(path.read_text(encoding="utf-8")) if "://" not in link]
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_the_changelog_begins_with_what_is_not_released_yet() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"^## Unreleased$", text, re.MULTILINE)


def test_no_file_knows_the_machine_it_was_written_on() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
        for path in tracked()
        for number, line in enumerate(path.read_bytes().decode("utf-8", "replace").splitlines(), 1)
        if OURS.search(line)
    ]
    assert found == []
