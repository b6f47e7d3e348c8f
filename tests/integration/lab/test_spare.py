from pathlib import Path

import pytest

from lab.spare import Spare


@pytest.fixture
def spare(tmp_path: Path) -> Spare:
    return Spare(tmp_path / "spare")


def test_a_file_a_folder_and_a_gap_come_back_as_they_were(tmp_path: Path, spare: Spare) -> None:
    file, folder, gap = tmp_path / "file", tmp_path / "folder", tmp_path / "gap"
    file.write_text("before")
    folder.mkdir()
    (folder / "inside").write_text("before")
    for path in (file, folder, gap):
        spare.keep(path)
    file.write_text("after")
    (folder / "inside").unlink()
    (folder / "new").write_text("after")
    gap.write_text("after")
    Spare(spare.directory).restore()  # another command, after a crash perhaps
    assert file.read_text() == "before"
    assert [path.name for path in folder.iterdir()] == ["inside"]
    assert not gap.exists()


def test_what_was_kept_twice_comes_back_as_it_was_at_first(tmp_path: Path, spare: Spare) -> None:
    file = tmp_path / "file"
    for content in ("first", "second", "third"):
        file.write_text(content)
        if content != "third":
            spare.keep(file)
    spare.restore()
    assert file.read_text() == "first"


def test_restoring_nothing_does_nothing(tmp_path: Path, spare: Spare) -> None:
    (tmp_path / "file").write_text("mine")
    spare.restore()
    assert (tmp_path / "file").read_text() == "mine"
