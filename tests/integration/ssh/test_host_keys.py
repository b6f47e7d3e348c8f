import pytest

from lab.keys import fingerprint, type_of_line
from ronde.adapters.ssh import SshShells
from ronde.model.command import Command
from ronde.model.errors import HostKeyChanged, HostKeyMissing, InputError
from ronde.model.hostkeys import HostKey
from tests.doubles.shell import NeverStop
from tests.doubles.ssh_hosts import Grounds

TRUE = Command(("true",))


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_each_type_of_key_can_be_the_only_one_pinned(shared: Grounds, shells: SshShells, kind: str) -> None:
    server = shared.servers["srv"]
    line = next(line for line in server.public_keys if line.startswith(type_of_line[kind]))
    shared.hosts["one-pin"] = shared.entry(server, host_key=f"{line} a comment")
    with shells.open(shared.client(), "one-pin", NeverStop()) as shell:
        assert shell.run(TRUE).exit_status == 0


def test_another_key_of_a_pinned_type_is_an_incident(grounds: Grounds, shells: SshShells) -> None:
    server = grounds.server("srv")
    with server:
        grounds.hosts["srv"] = grounds.entry(server)
    before = [fingerprint(line) for line in server.public_keys]
    server.replace_host_keys()
    with server, pytest.raises(HostKeyChanged) as caught, shells.open(grounds.client(), "srv", NeverStop()):
        pytest.fail("let in behind another key")
    assert all(pinned in caught.value.message for pinned in before)
    assert fingerprint(server.public_keys[0]) in caught.value.message
    assert caught.value.permanent
    assert "srv (127.0.0.1" in caught.value.message


def test_one_changed_key_among_several_pinned_is_enough(shared: Grounds, shells: SshShells) -> None:
    server = shared.servers["srv"]
    ed25519, ecdsa, _ = server.public_keys
    kind, blob = ed25519.split()[0], HostKey.parse(ed25519).blob
    stranger = HostKey(kind, blob[:-1] + bytes([blob[-1] ^ 1])).line
    shared.hosts["one-changed"] = shared.entry(server, host_key=(stranger, ecdsa))
    with pytest.raises(HostKeyChanged), shells.open(shared.client(), "one-changed", NeverStop()):
        pytest.fail("fell back on another pinned key")


def test_a_host_without_any_pinned_type_is_an_incident(grounds: Grounds, shells: SshShells) -> None:
    with grounds.server("old") as old, grounds.server("srv", host_key_types=("rsa",)) as server:
        pinned = old.public_keys[0]
        grounds.hosts["srv"] = grounds.entry(server, host_key=pinned)
        with pytest.raises(HostKeyChanged) as caught, shells.open(grounds.client(), "srv", NeverStop()):
            pytest.fail("let in without a pinned key")
        assert fingerprint(pinned) in caught.value.message
        assert fingerprint(server.public_keys[0]) in caught.value.message


def test_a_host_without_a_pin_is_not_even_connected_to(grounds: Grounds, shells: SshShells) -> None:
    with grounds.server("srv") as server:
        grounds.hosts["srv"] = grounds.entry(server, host_key=())
        before = server.log.read_text()
        with (
            pytest.raises(HostKeyMissing, match="ronde host enrol srv"),
            shells.open(grounds.client(), "srv", NeverStop()),
        ):
            pytest.fail("trusted on first use")
        assert server.log.read_text() == before


def test_a_jump_host_without_a_pin_is_refused_by_name(grounds: Grounds, shells: SshShells) -> None:
    with grounds.server("bastion") as bastion, grounds.server("srv") as server:
        grounds.hosts["bastion"] = grounds.entry(bastion, host_key=())
        grounds.hosts["srv"] = grounds.entry(server, via="bastion")
        with (
            pytest.raises(HostKeyMissing, match=r"bastion.*jump host on the way to srv"),
            shells.open(grounds.client(), "srv", NeverStop()),
        ):
            pytest.fail("trusted on first use")


def test_a_changed_jump_host_is_refused_by_name(grounds: Grounds, shells: SshShells) -> None:
    with grounds.server("bastion") as bastion, grounds.server("srv") as server:
        grounds.hosts["bastion"] = grounds.entry(bastion, host_key=server.public_keys)
        grounds.hosts["srv"] = grounds.entry(server, via="bastion")
        with pytest.raises(HostKeyChanged, match="bastion"), shells.open(grounds.client(), "srv", NeverStop()):
            pytest.fail("went through a stranger")
        assert "Accepted publickey" not in bastion.log.read_text()


def test_a_pin_that_is_no_key_is_said(shared: Grounds, shells: SshShells) -> None:
    shared.hosts["cut-off"] = shared.entry(shared.servers["srv"], host_key="ssh-ed25519 AAAAC3NzaC1yc2E=")
    with pytest.raises(InputError, match="cut-off: host_key"), shells.open(shared.client(), "cut-off", NeverStop()):
        pytest.fail("pinned nonsense")


def test_the_key_is_verified_before_we_say_who_we_are(grounds: Grounds, shells: SshShells) -> None:
    with grounds.server("srv") as server, grounds.server("other") as other:
        grounds.hosts["srv"] = grounds.entry(server, host_key=other.public_keys)
        with pytest.raises(HostKeyChanged), shells.open(grounds.client(), "srv", NeverStop()):
            pytest.fail("let in behind another key")
        log = server.log.read_text()
        assert "Connection closed by" in log
        assert "authenticating user" not in log
