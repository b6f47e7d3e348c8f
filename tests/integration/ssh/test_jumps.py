import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from lab.sockets import free_port
from ronde.adapters.ssh import SshShells
from ronde.model.command import Command
from ronde.model.errors import AuthRefused, ConnectionLost, InputError, RemoteError, Unreachable
from tests.doubles.shell import NeverStop
from tests.doubles.ssh_hosts import Grounds, Proxy, mute_server
from tests.integration.ssh.conftest import shells_with

COPY = Command(("cat",), stdin=b"0123456789abcdef" * 200_000)


def test_a_chain_of_jump_hosts_is_followed(grounds: Grounds, shells: SshShells) -> None:
    with grounds.server("outer") as outer, grounds.server("inner") as inner, grounds.server("srv") as server:
        grounds.hosts["outer"] = grounds.entry(outer)
        grounds.hosts["inner"] = grounds.entry(inner, via="outer")
        grounds.hosts["srv"] = grounds.entry(server, via="inner")
        with shells.open(grounds.client(), "srv", NeverStop()) as shell:
            assert shell.run(COPY).stdout == COPY.stdin
            assert threading.active_count() == 4
        assert threading.active_count() == 1
        assert "Accepted publickey" in server.log.read_text()
        assert "Accepted publickey" in inner.log.read_text()


def test_a_way_that_turns_in_a_circle_is_refused(shared: Grounds, shells: SshShells) -> None:
    server = shared.servers["srv"]
    shared.hosts["a"] = shared.entry(server, via="b")
    shared.hosts["b"] = shared.entry(server, via="a")
    with pytest.raises(InputError, match="a → b → a"), shells.open(shared.client(), "a", NeverStop()):
        pytest.fail("walked in a circle")


def test_a_jump_host_that_is_not_on_file_is_named(shared: Grounds, shells: SshShells) -> None:
    shared.hosts["c"] = shared.entry(shared.servers["srv"], via="nowhere")
    with pytest.raises(InputError, match="no host named nowhere"), shells.open(shared.client(), "c", NeverStop()):
        pytest.fail("went through nothing")


def test_a_dead_jump_host_is_named(shared: Grounds, shells: SshShells) -> None:
    server = shared.servers["srv"]
    shared.hosts["dead"] = shared.entry(server, port=free_port("127.0.0.1"))
    shared.hosts["far"] = shared.entry(server, via="dead")
    with (
        pytest.raises(Unreachable, match=r"^dead .*on the way to far.*refused"),
        shells.open(shared.client(), "far", NeverStop()),
    ):
        pytest.fail("went through a dead host")


def test_a_dead_target_is_named_behind_its_jump_host(shared: Grounds, shells: SshShells) -> None:
    server = shared.servers["srv"]
    shared.hosts["gone"] = shared.entry(server, port=free_port("127.0.0.1"), via="srv")
    with pytest.raises(Unreachable, match=r"^gone \("), shells.open(shared.client(), "gone", NeverStop()):
        pytest.fail("reached a dead host")


def test_a_mute_target_behind_a_jump_host_ends_in_time(shared: Grounds) -> None:
    shells = shells_with(banner=1)
    with mute_server() as (address, port):
        shared.hosts["mute"] = shared.entry(shared.servers["srv"], address=address, port=port, via="srv")
        with pytest.raises(Unreachable, match=r"^mute .*within 1 s"), shells.open(shared.client(), "mute", NeverStop()):
            pytest.fail("reached a mute host")
    assert threading.active_count() == 1


def test_a_jump_host_that_forbids_forwarding_is_said(grounds: Grounds, shells: SshShells) -> None:
    forbidding = grounds.server("bastion", extra_config=("AllowTcpForwarding no",))
    with forbidding as bastion, grounds.server("srv") as server:
        grounds.hosts["bastion"] = grounds.entry(bastion)
        grounds.hosts["srv"] = grounds.entry(server, via="bastion")
        with pytest.raises(Unreachable, match="prohibited"), shells.open(grounds.client(), "srv", NeverStop()):
            pytest.fail("forwarded in spite of it")


def test_a_login_refused_at_the_jump_host_names_it(grounds: Grounds, shells: SshShells) -> None:
    with grounds.server("bastion", authorized_keys=[]) as bastion, grounds.server("srv") as server:
        grounds.hosts["bastion"] = grounds.entry(bastion)
        grounds.hosts["srv"] = grounds.entry(server, via="bastion")
        with pytest.raises(AuthRefused, match="bastion"), shells.open(grounds.client(), "srv", NeverStop()):
            pytest.fail("let in without a key")


def test_a_jump_host_lost_in_mid_command_is_a_lost_connection(grounds: Grounds, shells: SshShells) -> None:
    with grounds.server("bastion") as bastion, grounds.server("srv") as server:
        with Proxy(bastion.address, bastion.port) as proxy:
            grounds.hosts["bastion"] = grounds.entry(bastion, port=proxy.port)
            grounds.hosts["srv"] = grounds.entry(server, via="bastion")
            with shells.open(grounds.client(), "srv", NeverStop()) as shell:
                timer = threading.Timer(0.5, proxy.cut)
                timer.start()
                with pytest.raises(ConnectionLost) as caught:
                    shell.run(Command(("sh", "-c", "echo begun; sleep 30")))
                timer.join()
        assert caught.value.exchange is not None
        assert caught.value.exchange.output == b"begun\n"


def test_handshakes_at_a_jump_host_are_taken_in_turns(grounds: Grounds) -> None:
    """Beyond four handshakes this sshd drops connections; two at a time leave it room to notice the end of one."""
    shells = shells_with(handshakes=2)
    with grounds.server("bastion", extra_config=("MaxStartups 4:100:4",)) as bastion, grounds.server("srv") as server:
        grounds.hosts["bastion"] = grounds.entry(bastion)
        grounds.hosts["srv"] = grounds.entry(server, via="bastion")
        client = grounds.client()

        def visit(_: int) -> int | None:
            with shells.open(client, "srv", NeverStop()) as shell:
                return shell.run(Command(("true",))).exit_status

        with ThreadPoolExecutor(12) as pool:
            assert list(pool.map(visit, range(12))) == [0] * 12


def test_waiting_for_a_turn_has_an_end(grounds: Grounds) -> None:
    shells = shells_with(handshakes=1, queue=0.5, banner=3)
    with mute_server() as (address, port), grounds.server("srv") as server:
        grounds.hosts["bastion"] = grounds.entry(server, address=address, port=port)
        grounds.hosts["srv"] = grounds.entry(server, via="bastion")
        client = grounds.client()

        def visit(_: int) -> str:
            try:
                with shells.open(client, "srv", NeverStop()):
                    return "reached"
            except RemoteError as error:
                return error.message

        with ThreadPoolExecutor(2) as pool:
            said = sorted(pool.map(visit, range(2)))
    assert "no turn to connect within 0.5 s" in " ".join(said)
    assert "no handshake" in " ".join(said)
