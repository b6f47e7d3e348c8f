import socket
import subprocess
from pathlib import Path

import paramiko
import pytest

from lab.errors import LabError
from lab.hosts import many_hosts
from lab.process import marked, wait_until
from lab.sockets import greeting
from lab.sshd import SshServer, client_key
from tests.integration.lab.clients import connect, say


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return client_key(tmp_path / "client")[0]


@pytest.fixture
def server(tmp_path: Path, network: str, key: Path) -> SshServer:
    line = client_key(key.parent)[1]
    return SshServer("srv", tmp_path / "srv", f"{network}.11", authorized_keys=[line])


def test_its_client_logs_in_and_finds_a_home_of_the_hosts_own(server: SshServer, key: Path) -> None:
    with server, connect(server, key) as client:
        assert say(client, "id -un; echo $HOME; echo $TZ").split() == [server.user, str(server.home), "Europe/Paris"]


def test_a_strangers_key_is_refused(server: SshServer, tmp_path: Path) -> None:
    stranger, _ = client_key(tmp_path / "stranger")
    with server, pytest.raises(paramiko.AuthenticationException):
        connect(server, stranger)


def test_it_shows_a_key_of_every_type_and_its_fingerprints_are_those_ssh_keygen_prints(server: SshServer) -> None:
    with server:
        scanned = subprocess.run(
            ["ssh-keyscan", "-p", str(server.port), server.address], capture_output=True, text=True, check=True
        ).stdout
    shown = {" ".join(line.split()[1:3]) for line in scanned.splitlines()}
    assert shown == set(server.public_keys)
    printed = subprocess.run(["ssh-keygen", "-l", "-f", "-"], input=scanned, capture_output=True, text=True, check=True)
    assert {line.split()[1] for line in printed.stdout.splitlines()} == set(server.fingerprints.values())


def test_stopping_it_ends_its_sessions_and_what_they_left_running(server: SshServer, key: Path) -> None:
    with server:
        client = connect(server, key)
        say(client, "setsid sleep 300 >/dev/null 2>&1 </dev/null & echo started")
        transport = client.get_transport()
        assert transport is not None
        assert len(marked(server.directory)) >= 1
    assert not marked(server.directory)
    assert wait_until(lambda: not transport.is_active(), 5)
    client.close()
    assert greeting(server.address, server.port) == b""


def test_it_comes_back_on_the_same_port_with_the_same_keys(server: SshServer, key: Path) -> None:
    with server:
        port, keys = server.port, server.public_keys
        server.restart()
        assert (server.port, server.public_keys) == (port, keys)
        connect(server, key).close()


def test_another_object_on_its_directory_finds_it_and_can_stop_it(server: SshServer) -> None:
    with server:
        other = SshServer("srv", server.directory, server.address, server.port)
        assert other.process == server.process
        other.stop()
        assert server.process is None


def test_a_port_that_is_taken_is_an_error_that_shows_sshds_words(server: SshServer) -> None:
    with socket.create_server((server.address, 0)) as squatter:
        server.port = squatter.getsockname()[1]
        with pytest.raises(LabError, match="Address already in use"):
            server.start()
    assert server.process is None


def test_a_reinstalled_host_shows_other_keys_until_the_first_are_put_back(server: SshServer, key: Path) -> None:
    with server:
        pinned = server.public_keys[0]
        server.stop()
        server.replace_host_keys()
        server.start()
        with pytest.raises(paramiko.BadHostKeyException):
            connect(server, key, pinned)
        server.stop()
        server.restore_host_keys()
        server.start()
        connect(server, key, pinned).close()


def test_cutting_its_sessions_leaves_it_listening(server: SshServer, key: Path) -> None:
    with server:
        client = connect(server, key)
        transport = client.get_transport()
        assert transport is not None
        server.close_sessions()
        assert wait_until(lambda: not transport.is_active(), 5)
        client.close()
        connect(server, key).close()


def test_many_hosts_are_many_addresses_that_open_to_one_key(tmp_path: Path) -> None:
    with many_hosts(12, tmp_path / "many") as hosts:
        assert len({server.address for server in hosts.servers}) == 12
        assert {server.public_keys[0] for server in hosts.servers} == {hosts.host_key}
        with connect(hosts.servers[-1], hosts.key, hosts.host_key) as client:
            assert say(client, "echo $HOME") == str(hosts.servers[-1].home)
    assert not marked(tmp_path / "many")
    assert all(server.process is None for server in hosts.servers)
