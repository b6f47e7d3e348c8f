"""A running worker: what it works with while people edit files beneath it."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ronde.adapters.files import store as module
from ronde.adapters.files.documents import Document, read_document
from ronde.adapters.files.playbooks import load_playbooks
from ronde.adapters.files.store import InventoryStore, fingerprint
from ronde.model.errors import InventoryError
from ronde.model.inventory import Inventory

PLAYBOOKS = load_playbooks(Path(__file__).parents[4] / "playbooks")
CLIENT = "client: commune\nname: Commune d'Exemple\nhosts:\n  srv: {{address: {address}, user: ronde, key: age://commune/ssh}}\n"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "clients").mkdir()
    (tmp_path / "provider.yml").write_text("name: Coop\nsender: ronde@coop.example\n")
    write(tmp_path, "10.0.0.1")
    return tmp_path


def write(directory: Path, address: str) -> None:
    (directory / "clients" / "commune.yml").write_text(CLIENT.format(address=address))


def ticking() -> Iterator[datetime]:
    now = datetime(2026, 1, 12, 17, 40, tzinfo=UTC)
    while True:
        yield now
        now += timedelta(hours=1)


def opened(directory: Path) -> InventoryStore:
    ticks = ticking()
    return InventoryStore(directory, PLAYBOOKS, now=lambda: next(ticks))


def address(inventory: Inventory) -> str:
    return inventory.clients["commune"].hosts["srv"].address


def test_a_change_is_taken_up_and_nothing_is_read_twice(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened(directory)
    first = store.current()
    digest = store.digest
    assert address(first) == "10.0.0.1"
    with monkeypatch.context() as patch:
        patch.setattr(module, "load_inventory", None)  # reading again would fail
        assert store.current() is first
    write(directory, "10.0.0.2")
    assert address(store.current()) == "10.0.0.2"
    assert store.digest != digest


def test_only_changed_files_are_parsed_again(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened(directory)
    store.current()
    read: list[Path] = []

    def reading(path: Path) -> Document:
        read.append(path)
        return read_document(path)

    monkeypatch.setattr(module, "read_document", reading)
    (directory / "clients" / "ecole.yml").write_text("client: ecole\nname: École\n")
    store.current()
    assert read == [directory / "clients" / "ecole.yml"]


def test_the_same_length_within_the_same_instant_is_still_a_change(directory: Path) -> None:
    store = opened(directory)
    store.current()
    path = directory / "clients" / "commune.yml"
    facts = path.stat()
    replacement = directory / "clients" / ".new"
    replacement.write_text(CLIENT.format(address="10.0.0.9"))
    os.utime(replacement, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    replacement.replace(path)
    assert address(store.current()) == "10.0.0.9"


def test_an_invalid_file_leaves_the_last_good_inventory_in_force(directory: Path) -> None:
    store = opened(directory)
    good = store.current()
    loaded_at, digest = store.loaded_at, store.digest
    write(directory, "10.0.0.2\n    prot: 22")
    (directory / "clients" / "ecole.yml").write_text("client: ecole\nname: École\n")
    assert store.current() is good
    assert (store.loaded_at, store.digest) == (loaded_at, digest)
    assert any("clients/commune.yml:5" in str(problem) for problem in store.problems)
    assert loaded_at is not None
    assert store.standing() == f"The inventory of {loaded_at.astimezone():%-d %b %H:%M} stays in force."
    write(directory, "10.0.0.2")
    assert sorted(store.current().clients) == ["commune", "ecole"]
    assert store.standing() == ""


def test_a_client_that_disappears_is_a_change(directory: Path) -> None:
    store = opened(directory)
    store.current()
    (directory / "clients" / "commune.yml").unlink()
    assert store.current().clients == {}


def test_without_a_valid_inventory_every_call_says_why(directory: Path) -> None:
    (directory / "provider.yml").write_text("name: Coop\n")
    store = opened(directory)
    for _ in range(2):
        with pytest.raises(InventoryError) as caught:
            store.current()
        assert caught.value.problems == (f"{directory}/provider.yml:1: sender: is missing",)
    assert store.standing() == "No inventory is in force."


def test_warnings_do_not_keep_an_inventory_out(directory: Path) -> None:
    store = opened(directory)
    store.current()
    assert [problem.warning for problem in store.problems] == [True]
    assert "ronde host enrol srv" in str(store.problems[0])


def test_formatting_and_comments_do_not_change_the_digest(directory: Path) -> None:
    store = opened(directory)
    store.current()
    digest = store.digest
    path = directory / "clients" / "commune.yml"
    path.write_text(f"# reviewed\n{path.read_text()}\nlanguage: fr\n")
    store.current()
    assert store.digest == digest


def test_a_circle_of_links_ends(directory: Path) -> None:
    (directory / "clients" / "circle").symlink_to(directory)
    (directory / "dangling").symlink_to(directory / "nothing")
    assert fingerprint(directory)
    assert address(opened(directory).current()) == "10.0.0.1"


def test_many_threads_see_one_inventory(directory: Path) -> None:
    store = opened(directory)
    with ThreadPoolExecutor(8) as pool:
        seen = {id(inventory) for inventory in pool.map(lambda _: store.current(), range(64))}
    assert len(seen) == 1


def test_certificates_are_part_of_it(directory: Path) -> None:
    path = directory / "clients" / "commune.yml"
    vcenter = "vcenters:\n  vc: {address: vc, user: ronde, password: age://commune/vc, certificate: commune/vc.pem}\n"
    path.write_text(CLIENT.format(address="10.0.0.1") + vcenter)
    pem = directory / "certificates" / "commune" / "vc.pem"
    pem.parent.mkdir(parents=True)
    pem.write_text("-----BEGIN CERTIFICATE-----\n")
    store = opened(directory)
    good = store.current()
    pem.write_text("nothing")
    assert store.current() is good
    assert any("holds no PEM certificate" in str(problem) for problem in store.problems)


def test_a_change_is_seen_at_the_next_look(directory: Path) -> None:
    seconds = 100.0
    store = InventoryStore(directory, PLAYBOOKS, every=1.0, monotonic=lambda: seconds)
    assert store.current().clients["commune"].hosts["srv"].address == "10.0.0.1"
    write(directory, "10.0.0.200")
    seconds = 100.9
    assert store.current().clients["commune"].hosts["srv"].address == "10.0.0.1"
    seconds = 101.0
    assert store.current().clients["commune"].hosts["srv"].address == "10.0.0.200"


def test_while_there_is_no_inventory_every_call_looks(directory: Path) -> None:
    write(directory, "not an address")
    store = InventoryStore(directory, PLAYBOOKS, every=60.0, monotonic=lambda: 100.0)
    with pytest.raises(InventoryError):
        store.current()
    write(directory, "10.0.0.1")
    assert store.current().clients


TECHNICIAN = "technicians:\n  alice: {name: Alice, email: alice@coop.example, roles: look, clients: all}\n"


def test_rights_are_those_of_the_file_as_it_is_even_while_an_older_inventory_stays_in_force(directory: Path) -> None:
    """A technician who was taken out of the file is out, whatever mistake stands elsewhere."""
    store = opened(directory)
    provider = directory / "provider.yml"
    plain = provider.read_text()
    assert store.technicians() == {}
    provider.write_text(plain + TECHNICIAN)
    assert set(store.technicians()) == {"alice"}
    (directory / "clients" / "commune.yml").write_text("client: [")
    assert set(store.technicians()) == {"alice"}
    provider.write_text(plain + TECHNICIAN.replace("alice:", "bob:"))
    assert set(store.technicians()) == {"bob"}
    assert set(store.current().provider.technicians) == {"alice"}


@pytest.mark.parametrize("text", ["name: [", "- a list\n", "technicians: {alice: {}}\n", TECHNICIAN + TECHNICIAN, ""])
def test_rights_that_are_not_known_are_not_assumed(directory: Path, text: str) -> None:
    (directory / "clients" / "commune.yml").write_text("client: [")
    (directory / "provider.yml").write_text(text)
    with pytest.raises(InventoryError) as refused:
        opened(directory).technicians()
    assert refused.value.problems
    assert not [problem for problem in refused.value.problems if "commune" in problem], "told to whoever asks"


def test_a_provider_that_speaks_of_no_technician_declares_none_whatever_else_is_wrong(directory: Path) -> None:
    (directory / "provider.yml").write_text("nam: Coop\n")
    assert opened(directory).technicians() == {}
