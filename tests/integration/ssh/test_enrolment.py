"""From an inventory without a pin to a host that is checked, by the command line and a real sshd."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from lab.keys import fingerprint, write_key
from lab.sshd import SshServer, client_key
from ronde.adapters.ssh import SshShells, scan_host_keys
from ronde.cli.host import app
from ronde.model.errors import HostKeyMissing, Unreachable
from tests.doubles.shell import NeverStop
from tests.doubles.ssh_hosts import Grounds, mute_server
from tests.integration.ssh.conftest import shells_with

CLIENT = """\
# The town hall, since 2019.
client: acme
name: Acme
hosts:
  srv:   # in the cellar
    address: {address}
    port: {port}
    user: {user}
    key: file://{key}
"""


class House:
    """A server and an inventory directory that knows it, without a pin."""

    def __init__(self, directory: Path, server: SshServer) -> None:
        private, _ = client_key(directory)
        self.server = server
        self.file = directory / "inventory" / "clients" / "acme.yml"
        self.file.parent.mkdir(parents=True)
        (self.file.parent.parent / "provider.yml").write_text("name: Us\nsender: us@example.org\n")
        words = {"address": server.address, "port": server.port, "user": server.user, "key": private}
        self.file.write_text(CLIENT.format(**words))

    def ronde(self, *words: str, answer: str = "") -> Result:
        with capture_logs():  # `main` sends them to standard error
            return CliRunner().invoke(app, list(words), input=answer, catch_exceptions=False)


@pytest.fixture
def house(grounds: Grounds, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    with grounds.server("srv") as server:
        house = House(grounds.directory, server)
        monkeypatch.setenv("RONDE_INVENTORY", str(house.file.parent.parent))
        monkeypatch.setenv("RONDE_DATA_DIR", str(grounds.directory / "data"))
        yield house


def test_every_offered_key_is_shown_and_pinned_on_confirmation(house: House) -> None:
    done = house.ronde("enrol", "srv", answer="y\n")
    assert done.exit_code == 0, done.output
    assert all(fingerprint(line) in done.output for line in house.server.public_keys)
    text = house.file.read_text()
    assert all(line in text for line in house.server.public_keys)
    assert "# The town hall, since 2019." in text
    assert "# in the cellar" in text
    again = house.ronde("enrol", "srv")
    assert "pinned already" in again.output
    assert again.exit_code == 0


def test_nothing_is_pinned_without_confirmation(house: House) -> None:
    before = house.file.read_text()
    assert house.ronde("enrol", "srv", answer="n\n").exit_code != 0
    assert house.file.read_text() == before


def test_a_fingerprint_pins_its_key_without_asking(house: House) -> None:
    ed25519 = house.server.public_keys[0]
    done = house.ronde("enrol", "srv", "--client", "acme", "--fingerprint", fingerprint(ed25519))
    assert done.exit_code == 0, done.output
    assert f"host_key: {ed25519}\n" in house.file.read_text()
    assert house.server.public_keys[2] not in house.file.read_text()


def test_a_foreign_fingerprint_pins_nothing(house: House, tmp_path: Path) -> None:
    before = house.file.read_text()
    done = house.ronde("enrol", "srv", "--fingerprint", fingerprint(write_key(tmp_path / "other")))
    assert done.exit_code == 2
    assert "offers no key with the fingerprint" in done.stderr
    assert house.file.read_text() == before


def test_a_changed_key_needs_replace(house: House) -> None:
    house.ronde("enrol", "srv", answer="y\n")
    old = house.file.read_text()
    house.server.stop()
    house.server.replace_host_keys()
    house.server.start()
    refused = house.ronde("enrol", "srv", answer="y\n")
    assert refused.exit_code == 3
    assert "--replace" in refused.stderr
    assert house.file.read_text() == old
    assert house.ronde("enrol", "srv", "--replace", answer="y\n").exit_code == 0
    assert all(line in house.file.read_text() for line in house.server.public_keys)


@pytest.mark.parametrize("words", [("srw",), ("srv", "--client", "acne")])
def test_a_slip_of_the_pen_gets_the_nearest_word(house: House, words: tuple[str, ...]) -> None:
    done = house.ronde("enrol", *words)
    assert done.exit_code == 2
    assert "did you mean" in done.stderr


def test_hosts_are_listed_with_their_pins(house: House) -> None:
    assert "none: refused" in house.ronde("list").output
    house.ronde("enrol", "srv", answer="y\n")
    (entry,) = json.loads(house.ronde("list", "--json").output)
    assert entry["pinned"] == [fingerprint(line) for line in house.server.public_keys]
    assert (entry["client"], entry["host"], entry["port"], entry["via"]) == ("acme", "srv", house.server.port, None)


def test_a_check_tells_what_is_right_and_what_is_not(house: House) -> None:
    unpinned = house.ronde("check", "--json")
    assert json.loads(unpinned.output)[0]["error"] == "host-key-missing"
    assert unpinned.exit_code == 1
    house.ronde("enrol", "srv", answer="y\n")
    right = house.ronde("check", "srv", "--json")
    assert right.exit_code == 0, right.output
    (answer,) = json.loads(right.output)
    assert (answer["verdict"], answer["error"]) == ("ok", None)
    assert abs(answer["skew_s"]) <= 2
    house.server.stop()
    gone = house.ronde("check")
    assert gone.exit_code == 3
    assert "refused" in gone.output


def test_a_scan_goes_through_the_jump_host(grounds: Grounds, shells: SshShells) -> None:
    with grounds.server("bastion") as bastion, grounds.server("srv", host_key_types=("rsa", "ed25519")) as server:
        grounds.hosts["bastion"] = grounds.entry(bastion)
        grounds.hosts["srv"] = grounds.entry(server, via="bastion", host_key=())
        keys = scan_host_keys(shells.connector, shells.limits, grounds.client(), "srv", NeverStop())
        assert {key.line for key in keys} == set(server.public_keys)
        grounds.hosts["bastion"] = grounds.entry(bastion, host_key=())
        with pytest.raises(HostKeyMissing, match="bastion"):
            scan_host_keys(shells.connector, shells.limits, grounds.client(), "srv", NeverStop())


def test_a_scan_of_a_mute_host_ends(grounds: Grounds) -> None:
    shells = shells_with(banner=1)
    with mute_server() as (address, port), grounds.server("srv") as server:
        grounds.hosts["mute"] = grounds.entry(server, address=address, port=port)
        with pytest.raises(Unreachable):
            scan_host_keys(shells.connector, shells.limits, grounds.client(), "mute", NeverStop())
