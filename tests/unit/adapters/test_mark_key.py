"""The key that signs our snapshots: made once, private, and told as an error when it cannot be."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ronde.adapters.mark_key import own_mark_key
from ronde.adapters.secrets import FileSecrets
from ronde.model.errors import SecretError


def read(reference: str) -> bytes:
    return FileSecrets(None, None, None).read(reference)


def test_it_is_made_at_first_use_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "data" / "mark.key"
    first = read(own_mark_key(path))
    assert len(first) >= 16
    assert read(own_mark_key(path)) == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["mark.key"]


def test_two_installations_have_two(tmp_path: Path) -> None:
    assert read(own_mark_key(tmp_path / "a")) != read(own_mark_key(tmp_path / "b"))


def test_of_many_that_make_it_at_once_all_get_the_same(tmp_path: Path) -> None:
    path = tmp_path / "mark.key"
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: read(own_mark_key(path)), range(40)))
    assert len(keys) == 1


def test_a_folder_that_takes_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SecretError, match="cannot be made"):
        own_mark_key(tmp_path / "file" / "mark.key")
