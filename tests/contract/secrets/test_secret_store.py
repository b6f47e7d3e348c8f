"""What every store of secrets keeps: the one in memory, plain files, and age files."""

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyrage
import pytest

from ronde.adapters.secrets import FileSecrets
from ronde.engine.redacting import KnownSecrets
from ronde.model.errors import SecretError
from ronde.ports import SecretStore
from tests.doubles.secrets import ScriptedSecrets

OLD, NEW = b"correct horse", b"-----BEGIN X-----\nbattery staple\n-----END X-----"


@dataclass
class Place:
    """One store with a reference in it, and the folder it writes to."""

    store: SecretStore
    reference: str
    folder: Path


def in_memory(folder: Path) -> Place:
    return Place(ScriptedSecrets(), "file:///somewhere/key", folder)


def plain(folder: Path) -> Place:
    return Place(FileSecrets(None, None, None), f"file://{folder}/key", folder)


def age(folder: Path) -> Place:
    identity = folder.parent / "identity"
    identity.write_text(f"# ours\n{pyrage.x25519.Identity.generate()}\n", encoding="utf-8")
    identity.chmod(0o600)
    return Place(FileSecrets(folder.parent, identity, None), f"age://{folder.name}/key", folder)


def made(make: Callable[[Path], Place], tmp_path: Path) -> Place:
    folder = tmp_path / "acme"
    folder.mkdir(mode=0o700)
    return make(folder)


@pytest.fixture(params=[in_memory, plain, age])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return made(request.param, tmp_path)


@pytest.fixture(params=[plain, age])
def on_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return made(request.param, tmp_path)


def files(place: Place) -> set[str]:
    return {path.name for path in place.folder.iterdir()} - {".ronde.lock"}


def test_what_was_put_there_is_read(place: Place) -> None:
    assert place.store.find(place.reference) is None
    for value in (OLD, NEW):
        place.store.replace(place.reference, value)
        assert place.store.read(place.reference) == place.store.find(place.reference) == value


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n", b"\n\n"])
def test_a_last_line_end_is_no_part_of_it(place: Place, ending: bytes) -> None:
    place.store.replace(place.reference, NEW + ending)
    assert place.store.read(place.reference) == NEW


def test_slots_beside_it_are_secrets_of_their_own(place: Place) -> None:
    place.store.replace(place.reference, OLD)
    place.store.replace(f"{place.reference}.next", NEW)
    assert (place.store.read(place.reference), place.store.read(f"{place.reference}.next")) == (OLD, NEW)
    place.store.remove(f"{place.reference}.next")
    assert place.store.find(f"{place.reference}.next") is None
    assert place.store.read(place.reference) == OLD


def test_removing_what_is_not_there_is_fine(place: Place) -> None:
    place.store.remove(place.reference)
    with pytest.raises(SecretError):
        place.store.read(place.reference)


@pytest.mark.parametrize("reference", ["cred://key", "env://KEY", "vault://a/key", "", "key"])
def test_what_cannot_be_changed_is_refused_with_advice(place: Place, reference: str) -> None:
    store = place.store
    for change in (
        store.require_writable,
        store.remove,
        store.find,
        lambda given: store.replace(given, NEW),
        lambda given: store.exclusively(given).__enter__(),
    ):
        with pytest.raises(SecretError) as caught:
            change(reference)
        assert "age://" in caught.value.advice
        assert caught.value.permanent


def test_what_is_too_short_is_refused_and_the_old_one_stays(place: Place) -> None:
    place.store.replace(place.reference, OLD)
    with pytest.raises(SecretError, match="at least 6"):
        place.store.replace(place.reference, b"short\n")
    assert place.store.read(place.reference) == OLD


def test_one_at_a_time_changes_it(place: Place) -> None:
    place.store.replace(place.reference, b"counted 0")

    def count() -> None:
        for _ in range(10):
            with place.store.exclusively(place.reference):
                seen = int(place.store.read(place.reference).split()[1])
                place.store.replace(place.reference, f"counted {seen + 1}".encode())

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert place.store.read(place.reference) == b"counted 40"


def test_a_reader_never_finds_half_of_it(on_disk: Place) -> None:
    values = [b"first " * 5000, b"second " * 5000]
    on_disk.store.replace(on_disk.reference, values[0])
    done = threading.Event()

    def write() -> None:
        for turn in range(60):
            on_disk.store.replace(on_disk.reference, values[turn % 2])
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not done.is_set():
        assert on_disk.store.read(on_disk.reference) in values
    writer.join(60)


def test_it_is_for_us_alone_and_nothing_is_left_beside_it(on_disk: Place) -> None:
    for value in (OLD, NEW):
        on_disk.store.replace(on_disk.reference, value)
    (name,) = files(on_disk)
    assert (on_disk.folder / name).stat().st_mode & 0o777 == 0o600
    (on_disk.folder / name).chmod(0o644)
    on_disk.store.replace(on_disk.reference, OLD)
    assert (on_disk.folder / name).stat().st_mode & 0o777 == 0o600


def test_a_write_that_fails_leaves_the_old_one(on_disk: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    on_disk.store.replace(on_disk.reference, OLD)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SecretError, match="No space left"):
        on_disk.store.replace(on_disk.reference, NEW)
    monkeypatch.undo()
    assert on_disk.store.read(on_disk.reference) == OLD
    assert len(files(on_disk)) == 1


def test_a_new_secret_is_known_before_it_is_written(place: Place) -> None:
    known = KnownSecrets(place.store)
    known.replace(place.reference, b"hunter number 2")
    assert known.redactor().redact(b"it is hunter number 2.") == b"it is [redacted]."
    known.remove(place.reference)
    assert known.redactor().redact(b"hunter number 2") == b"[redacted]"


def test_a_note_is_no_secret(place: Place) -> None:
    known = KnownSecrets(place.store)
    known.keep_note(f"{place.reference}.rotation", b"srv-files")
    assert known.note(f"{place.reference}.rotation") == b"srv-files"
    assert known.redactor().redact(b"srv-files") == b"srv-files"
    assert known.find(f"{place.reference}.rotation") == b"srv-files"
    assert known.redactor().redact(b"srv-files") == b"[redacted]"
