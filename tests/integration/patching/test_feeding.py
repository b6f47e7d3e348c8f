"""The script that feeds words to a command, in a real shell: each arrives as it is, and nothing is done with it."""

import subprocess

import pytest

from ronde.facts.patch.feeding import Fed, fed
from ronde.model.command import Command

WORDS = ("lab=1:2.0~rc1+b1-1", "*", "$HOME", "$(id)", "`id`", ";true", "-o", "'quoted'", "a\\b")


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_words_arrive_one_by_one_and_are_nothing_but_words(shell: str) -> None:
    order = Fed(("printf", "%s\\n"), "/usr/bin/printf", WORDS, 10)
    argv = [shell, *order.line(sudo=False)[1:]]
    said = subprocess.run(argv, input=order.stdin, capture_output=True, check=True, timeout=10).stdout.decode()
    assert said.splitlines() == list(WORDS)


def test_the_program_finds_nothing_more_on_its_standard_input_and_the_programs_of_root() -> None:
    script = 'cat; echo "$#"; echo "$PATH"'
    order = Fed(("sh", "-c", script, "sh"), "/bin/sh", ("one", "two"), 10)
    argv = order.line(sudo=True)
    assert argv[4] == "/bin/sh"
    said = subprocess.run(argv, input=order.stdin, capture_output=True, check=True, timeout=10, env={}).stdout.decode()
    count, path = said.splitlines()
    assert count == "2"
    assert {"/usr/sbin", "/sbin"} <= set(path.split(":"))


def test_its_exit_status_is_the_programs_own() -> None:
    order = Fed(("sh", "-c", "exit 103", "sh"), "/bin/sh", ("one",), 10)
    assert subprocess.run(order.line(sudo=False), input=order.stdin, check=False, timeout=10).returncode == 103


def test_a_command_is_taken_apart_where_its_packages_begin() -> None:
    order = fed(Command(("apt-get", "-y", "install", "a=1", "b=2"), timeout=60), "/usr/bin/apt-get", 3)
    assert (order.argv, order.words) == (("apt-get", "-y", "install"), ("a=1", "b=2"))
    assert order.command.argv == ("apt-get", "-y", "install", "a=1", "b=2")
    with pytest.raises(ValueError, match="blank"):
        fed(Command(("apt-get", "install", "a b")), "/usr/bin/apt-get", 2)
