"""The script that puts a file in its place, run by the shells that hosts have: whole, or as if never tried."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from ronde.engine.procedure.uploads import PUT

CONTENT = b"one\ntwo\n" * 1000
SHELLS = pytest.mark.parametrize("shell", ["dash", "bash"])


def put(shell: str, to: Path, content: bytes, *, deaf: bool = False) -> int:
    """The exit status; a link that is gone reads nothing of what the script says."""
    reader, writer = os.pipe()
    digest = hashlib.sha256(CONTENT).hexdigest()
    with subprocess.Popen(
        [shell, "-c", PUT, "ronde", str(to), "640", "", "", digest], stdin=subprocess.PIPE, stdout=writer, stderr=writer
    ) as running:
        os.close(writer)
        if deaf:
            os.close(reader)
        running.communicate(content)
    if not deaf:
        os.close(reader)
    return running.returncode


@SHELLS
def test_what_arrives_whole_takes_the_place_of_what_was_there(tmp_path: Path, shell: str) -> None:
    target = tmp_path / "motd"
    target.write_text("old")
    assert put(shell, target, CONTENT) == 0
    assert (target.read_bytes(), target.stat().st_mode & 0o777) == (CONTENT, 0o640)
    assert [path.name for path in tmp_path.iterdir()] == ["motd"]


@SHELLS
@pytest.mark.parametrize("deaf", [False, True], ids=["heard", "deaf"])
def test_half_of_it_leaves_everything_as_it_was(tmp_path: Path, shell: str, *, deaf: bool) -> None:
    """Also when nobody hears the complaint, and SIGPIPE ends the shell: dash runs no exit trap of its own then."""
    target = tmp_path / "motd"
    target.write_text("old")
    assert put(shell, target, CONTENT[:-3], deaf=deaf) != 0
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["motd"]
