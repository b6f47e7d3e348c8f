"""Several questions in one command: each answer is what it would have been alone, and half a bundle is half known."""

import shlex
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ronde.facts.bundle import bundle, unbundle
from ronde.facts.question import Question
from ronde.model.command import Answer, Command
from tests.doubles.shell import LocalShell

WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


def question(*argv: str, limit: float = 20.0) -> Question:
    return Question(Command(argv, timeout=limit), shlex.join(argv))


def asked(*questions: Question) -> list[Answer]:
    return unbundle(questions, LocalShell().run(bundle(questions).command))


def test_each_has_its_own_status_and_streams() -> None:
    speaks = question("sh", "-c", "echo out; echo err >&2; exit 3")
    first, second, third = asked(speaks, question("printf", "no line end"), question("cat"))
    assert (first.exit_status, first.stdout, first.stderr) == (3, b"out\n", b"err\n")
    assert (second.exit_status, second.stdout, second.stderr) == (0, b"no line end", b"")
    assert (third.exit_status, third.stdout) == (0, b""), "nobody waits for input"


def test_one_that_hangs_is_ended_at_its_own_limit_and_the_others_are_asked() -> None:
    hung, after = asked(question("sleep", "60", limit=1.0), question("echo", "still here"))
    assert hung.exit_status == 124
    assert after.text == "still here\n"


def test_a_program_that_is_not_there_is_told_from_one_that_fails() -> None:
    assert [answer.exit_status for answer in asked(question("no-such-program"), question("false"))] == [127, 1]


@settings(max_examples=15)
@given(st.lists(WORDS, min_size=1, max_size=4))
def test_no_word_is_ever_read_by_a_shell(words: list[str]) -> None:
    alone, other = asked(question("printf", "%s\\n", *words), question("printf", "%s", "$(id) *"))
    assert alone.stdout == "".join(f"{word}\n" for word in words).encode()
    assert other.text == "$(id) *"


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_what_a_cut_left_out_has_no_status_and_counts_as_cut(stream: str) -> None:
    questions = (question("echo", "one"), question("echo", "two"))
    whole = LocalShell().run(bundle(questions).command)
    for kept in range(len(getattr(whole, stream))):
        shorter = {stream: getattr(whole, stream)[:kept]}
        last = unbundle(questions, replace(whole, truncated=True, **shorter))[-1]
        assert last.exit_status is None
        assert last.truncated


def test_an_answer_over_its_own_cap_counts_as_cut() -> None:
    small = Question(Command(("echo", "more than four"), cap=4), "echo")
    assert asked(small, question("true"))[0].truncated
