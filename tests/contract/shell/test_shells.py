"""What every shell keeps, whichever it is: the script, this machine, and OpenSSH through the adapter."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from glob import escape
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import pytest

from ronde.adapters.ssh import SshShells
from ronde.model.command import Command
from ronde.model.errors import Cancelled, CommandTimeout, ConnectionLost
from ronde.model.inventory import Client
from ronde.ports import Shell, Shells, Stream
from tests.doubles.shell import Hang, LocalShells, NeverStop, Outcome, Reply, Script, ScriptedShells, WallClock
from tests.doubles.ssh_hosts import Grounds, PathSecrets

World = tuple[Shells, Client]


def sh(script: str, *, stdin: bytes = b"", timeout: float = 20, idle: float | None = None, cap: int = 4096) -> Command:
    return Command(("sh", "-c", script), stdin=stdin, timeout=timeout, idle=idle, cap=cap)


BOTH = sh("echo out; echo err >&2; exit 3")
KILLED = sh("echo last; kill -9 $$")
COPY = sh("cat", stdin=b"\x00\xff line\n" * 10, cap=10_000)
SUM = sh("sha256sum", stdin=b"x" * 5_000_000)
DEAF = sh("echo heard nothing", stdin=b"x" * 5_000_000)
FLOOD = sh("head -c 5000000 /dev/zero | tr '\\0' y; head -c 5000000 /dev/zero | tr '\\0' z >&2", cap=1000)
SLEEPY = sh("echo begun; sleep 60", timeout=1.0)
SILENT = sh("echo begun; sleep 60", timeout=30, idle=0.5)
QUOTED = Command(("printf", "%s|", "a b", "$HOME", "it's", '"', "\\n", "*", "é", ""))
ZONE = sh('echo "$LC_ALL $TZ"')
LEFT = sh("sleep 60 & echo left")
BYTES = Command(("printf", "%s", "\udcff\udcfe!"))

SCRIPT: dict[str, Outcome] = {
    BOTH.display: Reply("out\n", "err\n", 3),
    KILLED.display: Reply("last\n", exit_status=None),
    COPY.display: lambda command: Reply(command.stdin),
    SUM.display: lambda command: Reply(sha256(command.stdin).hexdigest() + "  -\n"),
    DEAF.display: Reply("heard nothing\n"),
    FLOOD.display: Reply(b"y" * 5_000_000, b"z" * 5_000_000),
    SLEEPY.display: Hang("begun\n"),
    QUOTED.display: Reply("a b|$HOME|it's|\"|\\n|*|é||"),
    ZONE.display: Reply("C UTC\n"),
    BYTES.display: Reply(b"\xff\xfe!"),
}


@contextmanager
def scripted(_: Path) -> Iterator[tuple[Shells, Client]]:
    script: Script = {escape(typed): reply for typed, reply in SCRIPT.items()}
    yield ScriptedShells({"srv": script}), Client(client="acme", name="Acme")


@contextmanager
def local(directory: Path) -> Iterator[tuple[Shells, Client]]:
    yield LocalShells(home=directory), Client(client="acme", name="Acme")


@contextmanager
def over_ssh(directory: Path) -> Iterator[tuple[Shells, Client]]:
    grounds = Grounds(directory)
    with grounds.server("srv") as server:
        grounds.hosts["srv"] = grounds.entry(server)
        yield SshShells(PathSecrets(), WallClock()), grounds.client()


@pytest.fixture(scope="module", params=[scripted, local, over_ssh])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with request.param(tmp_path_factory.mktemp("shells")) as made:
        yield made


@pytest.fixture(scope="module", params=[local, over_ssh])
def real_world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with request.param(tmp_path_factory.mktemp("shells")) as made:
        yield made


@pytest.fixture
def shell(world: World) -> Iterator[Shell]:
    with world[0].open(world[1], "srv", NeverStop()) as opened:
        yield opened


@pytest.fixture
def real_shell(real_world: World) -> Iterator[Shell]:
    with real_world[0].open(real_world[1], "srv", NeverStop()) as opened:
        yield opened


class Stops:
    """A signal that says stop from a moment on, and counts how often it is asked."""

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds
        self.asked: list[float] = []

    def check(self) -> None:
        self.asked.append(time.monotonic())
        if time.monotonic() >= self._ends:
            raise Cancelled("somebody said stop")


def test_streams_and_status_come_back_apart(shell: Shell) -> None:
    answer = shell.run(BOTH)
    assert (answer.exit_status, answer.stdout, answer.stderr, answer.truncated) == (3, b"out\n", b"err\n", False)
    assert answer.command is BOTH
    assert answer.started <= answer.ended
    assert answer.started.tzinfo is not None


def test_one_shell_serves_many_commands(shell: Shell) -> None:
    assert [shell.run(BOTH).exit_status for _ in range(5)] == [3] * 5


def test_a_killed_command_has_no_exit_status(shell: Shell) -> None:
    answer = shell.run(KILLED)
    assert (answer.exit_status, answer.stdout) == (None, b"last\n")


def test_input_passes_byte_for_byte(shell: Shell) -> None:
    assert shell.run(COPY).stdout == COPY.stdin


def test_large_input_arrives_whole(shell: Shell) -> None:
    assert shell.run(SUM).text.split()[0] == sha256(SUM.stdin).hexdigest()


def test_a_command_may_ignore_its_input(real_shell: Shell) -> None:
    answer = real_shell.run(DEAF)
    assert (answer.exit_status, answer.text) == (0, "heard nothing\n")


def test_a_command_may_end_while_it_is_being_fed(real_shell: Shell) -> None:
    brief = Command(("true",), stdin=b"x" * 300_000)
    assert [real_shell.run(brief).exit_status for _ in range(40)] == [0] * 40


def test_input_and_output_larger_than_any_buffer_do_not_wait_for_each_other(real_shell: Shell) -> None:
    echoed = sh("tee /dev/stderr", stdin=b"0123456789" * 800_000, cap=20_000_000)
    answer = real_shell.run(echoed)
    assert answer.stdout == echoed.stdin == answer.stderr


def test_output_beyond_the_cap_is_dropped_and_said(shell: Shell) -> None:
    answer = shell.run(FLOOD)
    assert (answer.stdout, answer.stderr, answer.truncated) == (b"y" * 1000, b"z" * 1000, True)
    assert answer.exit_status == 0


def test_arguments_arrive_as_written(shell: Shell) -> None:
    assert shell.run(QUOTED).text == "a b|$HOME|it's|\"|\\n|*|é||"


def test_arguments_that_are_no_text_arrive_byte_for_byte(shell: Shell) -> None:
    assert shell.run(BYTES).stdout == b"\xff\xfe!"


class Heard:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.pieces: list[tuple[Stream, bytes]] = []

    def __call__(self, stream: Stream, data: bytes) -> None:
        self.pieces.append((stream, data))

    def all_of(self, stream: Stream) -> bytes:
        return b"".join(data for name, data in self.pieces if name == stream)


def test_a_listener_hears_both_streams(shell: Shell) -> None:
    heard = Heard()
    answer = shell.run(BOTH, heard)
    assert (heard.all_of("out"), heard.all_of("err")) == (answer.stdout, answer.stderr) == (b"out\n", b"err\n")


def test_a_listener_hears_what_the_cap_drops_too(shell: Shell) -> None:
    heard = Heard()
    assert shell.run(FLOOD, heard).truncated
    assert (len(heard.all_of("out")), len(heard.all_of("err"))) == (5_000_000, 5_000_000)


def test_a_listener_hears_what_a_command_said_before_its_limit(shell: Shell) -> None:
    heard = Heard()
    with pytest.raises(CommandTimeout):
        shell.run(SLEEPY, heard)
    assert heard.pieces == [("out", b"begun\n")]


def test_a_listener_hears_before_the_end(real_shell: Shell) -> None:
    """The command only ends because it was heard: it waits for what its listener does."""
    home = real_shell.run(sh("mktemp -d")).text.strip()
    go = Path(home, "go")
    command = sh(f"echo ready; until [ -e {go} ]; do sleep 0.02; done; rm -r {home}; echo done")
    heard = real_shell.run(command, lambda _, data: go.touch() if data == b"ready\n" else None)
    assert heard.text == "ready\ndone\n"


def test_language_and_zone_are_set(shell: Shell) -> None:
    assert shell.run(ZONE).text == "C UTC\n"


def test_a_missing_program_is_an_answer(real_shell: Shell) -> None:
    assert real_shell.run(Command(("no-such-program-here",))).exit_status == 127


def test_the_total_limit_ends_a_command_and_the_shell(shell: Shell) -> None:
    with pytest.raises(CommandTimeout) as caught:
        shell.run(SLEEPY)
    exchange = caught.value.exchange
    assert exchange is not None
    assert (exchange.question, exchange.output, exchange.exit_status) == (SLEEPY.display, b"begun\n", None)
    with pytest.raises(ConnectionLost):
        shell.run(BOTH)


def test_limits_are_kept_to_the_second(real_shell: Shell) -> None:
    begun = time.monotonic()
    with pytest.raises(CommandTimeout, match="no end after 1 s"):
        real_shell.run(SLEEPY)
    assert 0.9 < time.monotonic() - begun < 3


def test_silence_ends_a_command(real_shell: Shell) -> None:
    begun = time.monotonic()
    with pytest.raises(CommandTimeout, match=r"0\.5 s") as caught:
        real_shell.run(SILENT)
    assert time.monotonic() - begun < 5
    assert caught.value.exchange is not None
    assert caught.value.exchange.output == b"begun\n"


def test_output_now_and_then_is_not_silence(real_shell: Shell) -> None:
    chatty = sh("for n in 1 2 3 4 5 6; do echo $n; sleep 0.3; done", timeout=30, idle=1.2)
    assert real_shell.run(chatty).text == "1\n2\n3\n4\n5\n6\n"


def test_a_stop_ends_a_running_command(real_world: World) -> None:
    signal = Stops(1.0)
    begun = time.monotonic()
    with real_world[0].open(real_world[1], "srv", signal) as shell, pytest.raises(Cancelled):
        shell.run(sh("sleep 60", timeout=50))
    assert time.monotonic() - begun < 5
    gaps = [later - sooner for sooner, later in pairwise(signal.asked)]
    assert max(gaps) < 1.0


def test_a_stop_before_the_first_command_opens_nothing(world: World) -> None:
    with pytest.raises(Cancelled), world[0].open(world[1], "srv", Stops(0)):
        pytest.fail("opened in spite of the signal")


def test_closing_twice_does_no_harm(shell: Shell) -> None:
    shell.close()
    shell.close()
    with pytest.raises(ConnectionLost):
        shell.run(BOTH)


def test_what_a_command_leaves_behind_does_not_hold_the_answer(real_shell: Shell) -> None:
    begun = time.monotonic()
    answer = real_shell.run(LEFT)
    assert (answer.exit_status, answer.text) == (0, "left\n")
    assert answer.truncated, "the output had no end, so nobody can say that it is whole"
    assert time.monotonic() - begun < 15
