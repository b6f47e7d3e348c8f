"""What all commands share: exit statuses, JSON, words made harmless; and that each shows an example."""

import json
from datetime import timedelta
from typing import Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text
from typer.testing import CliRunner

from ronde.cli import app
from ronde.cli.out import Exit, exit_for, labelled, one_line, print_json, safe
from ronde.cli.runs_view import age
from ronde.model.verdict import Verdict

ROOT: Any = typer.main.get_command(app)
TEXT = st.text(st.characters(), max_size=30)


def commands(command: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every command and group below, as the words that call it."""
    found = [path]
    for name, below in getattr(command, "commands", {}).items():
        found += commands(below, (*path, name))
    return found


@pytest.mark.parametrize("words", commands(ROOT), ids=" ".join)
def test_every_help_shows_an_example_that_could_be_typed(words: tuple[str, ...]) -> None:
    page = CliRunner(env={"COLUMNS": "200"}).invoke(app, [*words, "--help"])
    assert page.exit_code == 0
    [example] = [line.strip() for line in page.stdout.splitlines() if line.strip().startswith("Example: ")]
    typed = example.removeprefix("Example: ronde ").split(" > ")[0].split()
    assert tuple(typed[: len(words)]) == words
    command: Any = ROOT
    while typed and typed[0] in getattr(command, "commands", {}):
        command = command.commands[typed.pop(0)]
    command.make_parser(typer.Context(command)).parse_args(typed)  # an option that is not there would be an error


@pytest.mark.parametrize(
    ("verdicts", "status"),
    [
        ([], Exit.UNKNOWN),
        ([Verdict.OK], Exit.OK),
        ([Verdict.OK, Verdict.UNKNOWN], Exit.UNKNOWN),
        ([Verdict.UNKNOWN, Verdict.WARNING], Exit.FINDINGS),
        ([Verdict.UNKNOWN, Verdict.FAILED], Exit.FINDINGS),
    ],
)
def test_exit_statuses(verdicts: list[Verdict], status: Exit) -> None:
    assert exit_for(verdicts) is status


@given(
    value=st.recursive(TEXT | st.none() | st.integers(), lambda inner: st.dictionaries(TEXT, inner) | st.lists(inner))
)
def test_json_says_what_it_was_given_with_nothing_a_terminal_obeys(value: object) -> None:
    command = typer.Typer()
    command.command()(lambda: print_json(value))
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return  # no text that a ledger could hold
    text = CliRunner().invoke(command, []).stdout
    assert json.loads(text) == value
    assert not [char for char in text if (ord(char) < 32 and char != "\n") or 0x7F <= ord(char) < 0xA0]
    assert not set("\u200b\u202e\u2066\ufeff") & set(text)


@given(TEXT | st.text("\\[]/ab", max_size=8))
def test_words_from_outside_stay_on_their_line_and_are_no_markup(text: str) -> None:
    line = one_line(text)
    assert not [char for char in line if ord(char) < 32 or 0x7F <= ord(char) < 0xA0]
    assert len(line.splitlines()) <= 1
    shown = Text.from_markup(f"[bold]{safe(text)}[/] after")
    # Rich drops a backslash before a bracket, which costs nobody anything; all else stands there
    assert shown.plain.replace("\\", "") == f"{line} after".replace("\\", "")
    assert [(span.start, str(span.style)) for span in shown.spans] == [(0, "bold")]
    assert not any(span.end > len(shown.plain) - len(" after") for span in shown.spans)


@pytest.mark.parametrize("verdict", list(Verdict))
def test_labels_line_up_whatever_the_verdict_and_the_label(verdict: Verdict) -> None:
    out = Console(width=80, color_system=None, highlight=False)
    with out.capture() as captured:
        out.print(labelled(verdict, "a[b]", "words", 10))
    assert captured.get()[1:] == " a[b]        words\n"


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (timedelta(seconds=30), "just now"),
        (timedelta(minutes=4), "4 min"),
        (timedelta(hours=26), "26 h"),
        (timedelta(days=9), "9 days"),
    ],
)
def test_ages_are_said_as_people_do(span: timedelta, words: str) -> None:
    assert age(span) == words
