"""What is made once from a recipe, and what must never be taken for it."""

import os
import threading
import time
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.kept import digest_of, kept


def filled(folder: Path) -> None:
    folder.mkdir()
    (folder / "whole").touch()


def test_it_is_made_by_the_first_of_several_that_ask_at_once(tmp_path: Path) -> None:
    made: list[Path] = []
    all_there = threading.Barrier(4)

    def make(folder: Path) -> None:
        made.append(folder)
        filled(folder)

    def ask() -> None:
        all_there.wait(10)
        assert (kept(tmp_path, "thing", "1", make) / "whole").exists()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1


def test_what_was_left_half_made_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "thing-1.new").mkdir()
    (tmp_path / "thing-1.new" / "half").touch()
    assert [path.name for path in kept(tmp_path, "thing", "1", filled).iterdir()] == ["whole"]
    assert not (tmp_path / "thing-1.new").exists()


def test_what_could_not_be_made_is_not_there(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        filled(folder)
        raise LabError("the mirror is away")

    with pytest.raises(LabError, match="mirror"):
        kept(tmp_path, "thing", "1", fail)
    assert not (tmp_path / "thing-1").exists()
    assert kept(tmp_path, "thing", "1", filled).exists()


def test_only_what_nobody_asked_for_in_a_week_is_forgotten(tmp_path: Path) -> None:
    old, young = kept(tmp_path, "thing", "old", filled), kept(tmp_path, "thing", "young", filled)
    other = kept(tmp_path, "other", "old", filled)
    for stamp in (tmp_path / "thing-old.used", tmp_path / "other-old.used"):
        os.utime(stamp, (time.time() - 8 * 86_400,) * 2)
    kept(tmp_path, "thing", "new", filled)
    assert (old.exists(), young.exists(), other.exists()) == (False, True, True)


def test_another_recipe_is_another_thing() -> None:
    assert digest_of("a", "b") == digest_of("a", "b")
    assert len({digest_of("a", "b"), digest_of("a", "c"), digest_of("b", "a")}) == 3
