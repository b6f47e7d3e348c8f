"""Hosts and links that fail: each wait ends in time, with the right name, and leaves nothing behind."""

import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from lab.process import wait_until
from lab.sockets import free_port
from ronde.adapters.ssh import SshShells
from ronde.model.command import Command
from ronde.model.errors import Cancelled, CommandTimeout, ConnectionLost, ProtocolFault, RemoteError, Unreachable
from tests.doubles.shell import NeverStop
from tests.doubles.ssh_hosts import Grounds, Proxy, mute_server
from tests.integration.ssh.conftest import shells_with

pytestmark = pytest.mark.serial  # the limits are measured in seconds

LONG = Command(("sh", "-c", "echo begun; sleep 30; echo ended"), timeout=25)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@contextmanager
def nothing_left_behind() -> Iterator[None]:
    threads, files = set(threading.enumerate()), open_files()
    yield
    assert wait_until(lambda: set(threading.enumerate()) <= threads, 3), threading.enumerate()
    assert open_files() <= files


def later(seconds: float, work: Callable[[], None]) -> threading.Timer:
    timer = threading.Timer(seconds, work)
    timer.start()
    return timer


class StopAfter:
    """A signal that says stop from a moment on."""

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds

    def check(self) -> None:
        if time.monotonic() >= self._ends:
            raise Cancelled("somebody said stop")


def test_a_closed_port_is_unreachable_at_once(shared: Grounds, shells: SshShells) -> None:
    shared.hosts["closed"] = shared.entry(shared.servers["srv"], port=free_port("127.0.0.1"))
    begun = time.monotonic()
    with nothing_left_behind(), pytest.raises(Unreachable, match=r"closed .*refused"):
        shells.open(shared.client(), "closed", NeverStop()).__enter__()
    assert time.monotonic() - begun < 1


def test_failures_are_told_by_errors_not_by_tracebacks_in_logs(
    shared: Grounds, shells: SshShells, caplog: pytest.LogCaptureFixture
) -> None:
    server = shared.servers["srv"]
    caplog.set_level("DEBUG")
    with Proxy(server.address, server.port) as proxy:
        shared.hosts["cut"] = shared.entry(server, port=proxy.port)
        with shells.open(shared.client(), "cut", NeverStop()) as shell:
            proxy.cut()
            with pytest.raises(ConnectionLost):
                shell.run(LONG)
    assert not caplog.records


def test_an_unknown_name_is_unreachable(shared: Grounds, shells: SshShells) -> None:
    shared.hosts["nameless"] = shared.entry(shared.servers["srv"], address="no-such-host.invalid")
    with pytest.raises(Unreachable, match="name is not known"):
        shells.open(shared.client(), "nameless", NeverStop()).__enter__()


def test_a_host_that_does_not_take_connections_is_given_up(shared: Grounds) -> None:
    """A listener with a full queue lets further connections hang in their very first packet."""
    shells = shells_with(connect=2)
    with socket.socket() as full, nothing_left_behind():
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address, port = full.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)  # noqa: FBT003 - the socket module's own signature
            filler.connect_ex((address, port))
        shared.hosts["full"] = shared.entry(shared.servers["srv"], port=port)
        begun = time.monotonic()
        with pytest.raises(Unreachable, match="within 2 s"):
            shells.open(shared.client(), "full", NeverStop()).__enter__()
        assert 1.9 < time.monotonic() - begun < 4
        for filler in fillers:
            filler.close()


def test_a_host_that_accepts_and_says_nothing_is_unreachable(shared: Grounds) -> None:
    shells = shells_with(banner=1)
    with nothing_left_behind(), mute_server() as (address, port):
        shared.hosts["mute"] = shared.entry(shared.servers["srv"], address=address, port=port)
        begun = time.monotonic()
        with pytest.raises(Unreachable, match="within 1 s"):
            shells.open(shared.client(), "mute", NeverStop()).__enter__()
        assert 0.9 < time.monotonic() - begun < 3


@pytest.mark.parametrize(
    ("greeting", "error"),
    [
        (b"", Unreachable),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", ProtocolFault),
        (b"SSH-2.0-x\r\n" + b"\xff" * 4096, ProtocolFault),
        (b"SSH-2.0-x\r\n" + bytes([0, 0, 0, 12, 10, 21]) + bytes(10), ProtocolFault),
        (b"SSH-1.5-old\r\n", ProtocolFault),
        (b"\xff\xfe\x00" * 50 + b"\n", ProtocolFault),
    ],
)
def test_a_stranger_on_the_port_is_told_apart(
    shared: Grounds, shells: SshShells, greeting: bytes, error: type[RemoteError]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, nothing_left_behind():

        def greet() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(greeting)
                connection.shutdown(socket.SHUT_WR)
                with suppress(OSError):
                    while connection.recv(4096):
                        continue

        server = threading.Thread(target=greet)
        server.start()
        shared.hosts["stranger"] = shared.entry(shared.servers["srv"], port=listener.getsockname()[1])
        with pytest.raises(error, match="stranger"):
            shells.open(shared.client(), "stranger", NeverStop()).__enter__()
        server.join()


def test_a_stop_ends_the_wait_for_a_mute_host(shared: Grounds) -> None:
    patient = shells_with()
    with nothing_left_behind(), mute_server() as (address, port):
        shared.hosts["mute"] = shared.entry(shared.servers["srv"], address=address, port=port)
        begun = time.monotonic()
        with pytest.raises(Cancelled):
            patient.open(shared.client(), "mute", StopAfter(0.5)).__enter__()
        assert time.monotonic() - begun < 2


def test_a_link_cut_in_mid_command_keeps_what_had_come(shared: Grounds, shells: SshShells) -> None:
    server = shared.servers["srv"]
    with nothing_left_behind(), Proxy(server.address, server.port) as proxy:
        shared.hosts["cut"] = shared.entry(server, port=proxy.port)
        with shells.open(shared.client(), "cut", NeverStop()) as shell:
            timer = later(0.5, proxy.cut)
            begun = time.monotonic()
            with pytest.raises(ConnectionLost, match="cut") as caught:
                shell.run(LONG)
            assert time.monotonic() - begun < 2
            timer.join()
    exchange = caught.value.exchange
    assert exchange is not None
    assert (exchange.question, exchange.output, exchange.exit_status) == (LONG.display, b"begun\n", None)


def test_a_server_that_dies_in_mid_command_is_a_lost_connection(grounds: Grounds, shells: SshShells) -> None:
    with grounds.server("srv") as server, nothing_left_behind():
        grounds.hosts["srv"] = grounds.entry(server)
        with shells.open(grounds.client(), "srv", NeverStop()) as shell:
            timer = later(0.5, server.close_sessions)
            with pytest.raises(ConnectionLost):
                shell.run(LONG)
            timer.join()


def test_a_host_that_vanishes_ends_at_the_deadline(shared: Grounds) -> None:
    """Packets vanish without a reset: the commonest way for a host to go."""
    shells = shells_with()
    server = shared.servers["srv"]
    with nothing_left_behind(), Proxy(server.address, server.port) as proxy:
        shared.hosts["vanished"] = shared.entry(server, port=proxy.port)
        begun = time.monotonic()
        with shells.open(shared.client(), "vanished", NeverStop()) as shell:
            timer = later(0.5, proxy.freeze)
            with pytest.raises(CommandTimeout) as caught:
                shell.run(replace(LONG, timeout=2.0))
            timer.join()
        assert time.monotonic() - begun < 4
    assert caught.value.exchange is not None
    assert caught.value.exchange.output == b"begun\n"


def test_a_host_that_vanishes_is_noticed_long_before_a_long_deadline(shared: Grounds) -> None:
    shells = shells_with(keepalive=0.5, silence=2)
    server = shared.servers["srv"]
    with nothing_left_behind(), Proxy(server.address, server.port) as proxy:
        shared.hosts["vanished"] = shared.entry(server, port=proxy.port)
        begun = time.monotonic()
        with shells.open(shared.client(), "vanished", NeverStop()) as shell:
            timer = later(0.3, proxy.freeze)
            with pytest.raises(ConnectionLost, match="no sign of life"):
                shell.run(replace(LONG, timeout=3600.0))
            timer.join()
        assert time.monotonic() - begun < 8


def test_a_quiet_command_on_a_living_host_is_left_alone(shared: Grounds) -> None:
    shells = shells_with(keepalive=0.5, silence=2)
    with shells.open(shared.client(), "srv", NeverStop()) as shell:
        quiet = shell.run(Command(("sleep", "4"), timeout=20))
    assert quiet.exit_status == 0, "twice the limit of silence, bridged by signs of life"


def test_a_host_that_vanishes_while_we_send_ends_at_the_deadline(shared: Grounds) -> None:
    shells = shells_with()
    server = shared.servers["srv"]
    with nothing_left_behind(), Proxy(server.address, server.port) as proxy:
        shared.hosts["vanished"] = shared.entry(server, port=proxy.port)
        begun = time.monotonic()
        with shells.open(shared.client(), "vanished", NeverStop()) as shell:
            proxy.freeze()
            with pytest.raises(CommandTimeout):
                shell.run(Command(("cat",), stdin=bytes(50_000_000), timeout=2))
        assert time.monotonic() - begun < 5


def test_a_stop_while_a_blocked_link_takes_no_data(shared: Grounds) -> None:
    shells = shells_with()
    server = shared.servers["srv"]
    with nothing_left_behind(), Proxy(server.address, server.port) as proxy:
        shared.hosts["blocked"] = shared.entry(server, port=proxy.port)
        begun = time.monotonic()
        with shells.open(shared.client(), "blocked", StopAfter(1.5)) as shell:
            timer = later(0.5, proxy.freeze)
            with pytest.raises(Cancelled):
                shell.run(Command(("sh", "-c", "sleep 1; cat"), stdin=bytes(50_000_000), timeout=50))
            timer.join()
        assert time.monotonic() - begun < 5


def test_leaving_is_quick_on_a_vanished_host(shared: Grounds, shells: SshShells) -> None:
    server = shared.servers["srv"]
    with nothing_left_behind(), Proxy(server.address, server.port) as proxy:
        shared.hosts["vanished"] = shared.entry(server, port=proxy.port)
        with shells.open(shared.client(), "vanished", NeverStop()) as shell:
            shell.run(Command(("true",)))
            proxy.freeze()
            begun = time.monotonic()
        assert time.monotonic() - begun < 1


def test_a_host_without_sessions_to_give_is_said(grounds: Grounds, shells: SshShells) -> None:
    with grounds.server("srv", extra_config=("MaxSessions 0",)) as server, nothing_left_behind():
        grounds.hosts["srv"] = grounds.entry(server)
        with shells.open(grounds.client(), "srv", NeverStop()) as shell, pytest.raises((ProtocolFault, ConnectionLost)):
            shell.run(Command(("true",)))


def test_what_has_timed_out_is_asked_to_end_on_the_host(shared: Grounds, shells: SshShells, tmp_path: Path) -> None:
    """A check that we gave up must not go on reading the client's disks all night.

    OpenSSH passes signals on for ordinary users only; to root it says no, which shows that it was asked.
    """
    pid = tmp_path / "pid"
    with shells.open(shared.client(), "srv", NeverStop()) as shell, pytest.raises(CommandTimeout):
        shell.run(Command(("sh", "-c", f"echo $$ > {pid}; exec sleep 300"), timeout=1))
    process, log = Path(f"/proc/{pid.read_text().strip()}"), shared.servers["srv"].log

    def asked() -> bool:
        return not process.exists() or "signalling requires privilege separation" in log.read_text()

    assert wait_until(asked, 5)


def test_fifty_hung_hosts_give_all_their_threads_and_files_back(shared: Grounds, shells: SshShells) -> None:
    server, hasty = shared.servers["srv"], shells_with(banner=1)
    with nothing_left_behind(), mute_server() as (address, port), Proxy(server.address, server.port) as proxy:
        shared.hosts["mute"] = shared.entry(server, address=address, port=port)
        shared.hosts["hung"] = shared.entry(server, port=proxy.port)
        client = shared.client()
        ready = threading.Barrier(26, timeout=30)

        def mute(_: int) -> str:
            with suppress(Unreachable), hasty.open(client, "mute", NeverStop()):
                return "reached"
            return "unreachable"

        def hung(_: int) -> str:
            with suppress(CommandTimeout, ConnectionLost), shells.open(client, "hung", NeverStop()) as shell:
                ready.wait()
                shell.run(replace(LONG, timeout=2.0))
                return "ended"
            return "given up"

        begun = time.monotonic()
        with ThreadPoolExecutor(50) as pool:
            outcomes = [pool.submit(hung, number) for number in range(25)]
            outcomes += [pool.submit(mute, number) for number in range(25)]
            ready.wait()
            proxy.freeze()
            assert {outcome.result() for outcome in outcomes} == {"given up", "unreachable"}
        assert time.monotonic() - begun < 15


def test_waiting_costs_next_to_nothing(shared: Grounds, shells: SshShells) -> None:
    """Sixty-four waiting commands, five seconds: less than a twentieth of one processor for all of them."""
    client = shared.client()
    ready, go = threading.Barrier(65, timeout=60), threading.Barrier(65, timeout=60)

    def wait(_: int) -> int | None:
        with shells.open(client, "srv", NeverStop()) as shell:
            ready.wait()
            status = shell.run(Command(("sleep", "5"))).exit_status
            go.wait()
            return status

    with ThreadPoolExecutor(64) as pool:
        waiting = [pool.submit(wait, number) for number in range(64)]
        ready.wait()
        time_before = processor_seconds()
        go.wait()
        spent = processor_seconds() - time_before
        assert [each.result() for each in waiting] == [0] * 64
    assert spent < 0.25 + 0.3, "the starts and ends of the commands themselves take about 0.3 s"


def processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
