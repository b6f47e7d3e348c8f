"""The scripts that read and replace our user's authorized_keys, run as sshd runs them."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from ronde.facts.authorized_keys import FILES, KeyFile, look_question, parse_look, replace_question
from ronde.facts.reading import Unreadable
from ronde.model.command import Answer
from tests.doubles.shell import LocalShell

TEXT = "# who may\nssh-rsa AAAA é\udcff\n"
NAME = FILES[0]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / ".ssh").mkdir(mode=0o700)
    path = tmp_path / ".ssh" / NAME
    path.write_bytes(TEXT.encode("utf-8", "surrogateescape"))
    return path


@pytest.fixture
def shell(tmp_path: Path) -> LocalShell:
    return LocalShell(home=tmp_path)


def looked(shell: LocalShell) -> KeyFile | None:
    return parse_look(shell.run(look_question(NAME).command), NAME)


def replaced(shell: LocalShell, text: str) -> Answer:
    before = looked(shell)
    assert before is not None
    return shell.run(replace_question(before, KeyFile(NAME, text), "x").command)


def test_a_file_is_read_byte_for_byte(path: Path, shell: LocalShell) -> None:
    assert looked(shell) == KeyFile(NAME, TEXT)
    path.write_bytes(b"")
    assert looked(shell) == KeyFile(NAME, "")
    path.unlink()
    assert looked(shell) is None


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o400, 0o644])
def test_a_file_is_replaced_with_its_mode_and_leaves_nothing_behind(path: Path, shell: LocalShell, mode: int) -> None:
    path.chmod(mode)
    assert replaced(shell, "another\n").exit_status == 0
    assert path.read_text() == "another\n"
    assert path.stat().st_mode & 0o777 == mode
    assert [each.name for each in path.parent.iterdir()] == [NAME]


def test_an_owner_stays_an_owner(path: Path, shell: LocalShell) -> None:
    owner = (4242, 4343) if os.geteuid() == 0 else (os.geteuid(), os.getegid())  # only root can give a file away
    os.chown(path, *owner)
    assert replaced(shell, "another\n").exit_status == 0
    assert (path.stat().st_uid, path.stat().st_gid) == owner


def test_a_link_stays_a_link(path: Path, shell: LocalShell, tmp_path: Path) -> None:
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert replaced(shell, "another\n").exit_status == 0
    assert path.is_symlink()
    assert (tmp_path / "elsewhere").read_text() == "another\n"


@pytest.mark.parametrize("arrived", [b"", b"anoth", b"another\n\n"])
def test_what_does_not_arrive_whole_replaces_nothing(path: Path, shell: LocalShell, arrived: bytes) -> None:
    """A link that breaks ends the input early: to the script that looks like the end of the file."""
    before = KeyFile(NAME, TEXT)
    command = replace(replace_question(before, KeyFile(NAME, "another\n"), "x").command, stdin=arrived)
    answer = shell.run(command)
    assert answer.exit_status == 75
    assert "did not arrive whole" in answer.error_text
    assert looked(shell) == before
    assert [each.name for each in path.parent.iterdir()] == [NAME]


def test_what_somebody_else_wrote_meanwhile_is_not_overwritten(path: Path, shell: LocalShell) -> None:
    before = looked(shell)
    assert before is not None
    path.write_text("somebody else's\n")
    answer = shell.run(replace_question(before, KeyFile(NAME, "another\n"), "x").command)
    assert answer.exit_status == 76
    assert path.read_text() == "somebody else's\n"


def test_a_file_that_vanished_is_not_made_anew(path: Path, shell: LocalShell) -> None:
    before = looked(shell)
    assert before is not None
    path.unlink()
    assert shell.run(replace_question(before, KeyFile(NAME, "another\n"), "x").command).exit_status != 0
    assert list(path.parent.iterdir()) == []


def test_half_an_answer_is_no_answer(path: Path, shell: LocalShell) -> None:
    answer = shell.run(look_question(NAME).command)
    for broken in (
        replace(answer, stdout=answer.stdout[:-1]),
        replace(answer, stdout=b""),
        replace(answer, truncated=True),
        replace(answer, exit_status=1),
        replace(answer, exit_status=None),
    ):
        with pytest.raises(Unreadable):
            parse_look(broken, NAME)
