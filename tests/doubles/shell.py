"""Shells without SSH: one that answers from a script, one that runs everything on this machine.

Both keep the contract of the real adapter (tests/contract/shell runs one suite over all three), and both remember in
`asked` every command they were given.
"""

import os
import pwd
import selectors
import signal as signals
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO

from ronde.model.check import Exchange
from ronde.model.command import Answer, Command
from ronde.model.errors import CommandTimeout, ConnectionLost, RondeError
from ronde.model.inventory import Client
from ronde.ports import Clock, Listener, Shell, Signal, Stream

_SLICE = 0.2  # seconds between two looks at the signal and the limits
_LINGER = 2.0  # seconds of quiet granted after the exit while something else still holds the output open
_CHUNK = 65536
_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"


class NeverStop:
    """A signal that always says go on."""

    def check(self) -> None:
        return


class WallClock:
    """The real time."""

    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Reply:
    """A finished command; text is encoded as UTF-8. `exit_status` None means killed by a signal."""

    stdout: bytes | str = b""
    stderr: bytes | str = b""
    exit_status: int | None = 0


@dataclass(frozen=True, slots=True)
class Hang:
    """The command never ends: `CommandTimeout` at the command's own limit, with what had come before."""

    stdout: bytes | str = b""


@dataclass(frozen=True, slots=True)
class Cut:
    """The link breaks in mid-command: `ConnectionLost`, with what had come before."""

    stdout: bytes | str = b""


Outcome = Reply | Hang | Cut | Callable[[Command], Reply]
Script = Mapping[str, Outcome | Sequence[Outcome]]
"""Shell-style pattern over the command as typed (`restic * snapshots*`) to what happens. The first pattern that
matches counts; of several outcomes each is used once, the last one for ever."""


class ScriptedShell:
    """Answers from a script; a command that no pattern matches fails the test that sent it."""

    def __init__(self, script: Script, *, clock: Clock | None = None, signal: Signal | None = None) -> None:
        self.script = script
        self.clock = clock or WallClock()
        self.signal = signal or NeverStop()
        self.asked: list[Command] = []
        self.closed = False
        self._uses: dict[str, int] = {}

    def run(self, command: Command, listen: Listener | None = None) -> Answer:
        self.signal.check()
        if self.closed:
            raise ConnectionLost("the connection is closed")
        self.asked.append(command)
        outcome = self._outcome(command)
        started = self.clock.now()
        _tell(listen, outcome)
        if isinstance(outcome, Reply):
            stdout, more = _capped(outcome.stdout, command.cap)
            stderr, errors_more = _capped(outcome.stderr, command.cap)
            truncated = more or errors_more
            return Answer(command, outcome.exit_status, stdout, stderr, started, self.clock.now(), truncated=truncated)
        self.close()
        raise self._failure(command, outcome, started)

    def close(self) -> None:
        self.closed = True

    def _outcome(self, command: Command) -> Reply | Hang | Cut:
        for pattern, outcomes in self.script.items():
            if fnmatchcase(command.display, pattern):
                choice = self._next(pattern, outcomes)
                return choice(command) if callable(choice) else choice
        raise AssertionError(f"no answer is scripted for: {command.display}")

    def _next(self, pattern: str, outcomes: Outcome | Sequence[Outcome]) -> Outcome:
        if not isinstance(outcomes, Sequence):
            return outcomes
        used = self._uses.get(pattern, 0)
        self._uses[pattern] = used + 1
        return outcomes[min(used, len(outcomes) - 1)]

    def _failure(self, command: Command, outcome: Hang | Cut, started: datetime) -> RondeError:
        output, truncated = _capped(outcome.stdout, command.cap)
        hung = isinstance(outcome, Hang)
        ended = started + timedelta(seconds=command.timeout) if hung else self.clock.now()
        exchange = Exchange(command.display, started, ended, output=output, truncated=truncated)
        if hung:
            return CommandTimeout(f"no end after {command.timeout:g} s: {command.display}", exchange=exchange)
        return ConnectionLost(f"the link broke during: {command.display}", exchange=exchange)


class ScriptedShells:
    """A host's name to its script, or to the error that opening it raises. `shells` holds the last one opened."""

    def __init__(self, hosts: Mapping[str, Script | RondeError], *, clock: Clock | None = None) -> None:
        self.hosts = hosts
        self.clock = clock
        self.shells: dict[str, ScriptedShell] = {}
        self.opened: list[str] = []

    @contextmanager
    def open(self, client: Client, host: str, signal: Signal) -> Iterator[Shell]:
        signal.check()
        self.opened.append(host)
        script = self.hosts[host]
        if isinstance(script, RondeError):
            raise script
        shell = self.shells[host] = ScriptedShell(script, clock=self.clock, signal=signal)
        try:
            yield shell
        finally:
            shell.close()


class LocalShell:
    """Runs each command on this machine through the user's own shell, as sshd does, in a bare environment.

    Attributes:
        home: $HOME and working directory of the commands; this user's own by default.
        environment: variables to add, for tools that need some (a test's own PATH, say).
    """

    def __init__(
        self,
        *,
        home: Path | None = None,
        environment: Mapping[str, str] | None = None,
        signal: Signal | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.home = home or Path.home()
        self.environment = {"PATH": _PATH, "HOME": str(self.home), **(environment or {})}
        self.signal = signal or NeverStop()
        self.clock = clock or WallClock()
        self.asked: list[Command] = []
        self.closed = False

    def run(self, command: Command, listen: Listener | None = None) -> Answer:
        self.signal.check()
        if self.closed:
            raise ConnectionLost("the connection is closed")
        self.asked.append(command)
        started = self.clock.now()
        process = subprocess.Popen(
            [pwd.getpwuid(os.geteuid()).pw_shell, "-c", command.line],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.home,
            env=self.environment,
            start_new_session=True,
        )
        pump = _Pump(process, command, self.signal)
        pump.out.listen = pump.err.listen = listen
        try:
            pump.run()
        except CommandTimeout as error:
            self.close()
            error.exchange = pump.exchange(started, self.clock.now())
            raise
        finally:
            pump.end()
        status = process.returncode if process.returncode >= 0 else None
        out, err = pump.out, pump.err
        truncated = out.cut or err.cut or pump.left_open
        return Answer(command, status, bytes(out.kept), bytes(err.kept), started, self.clock.now(), truncated=truncated)

    def close(self) -> None:
        self.closed = True


class LocalShells:
    """Every host is this machine."""

    def __init__(self, *, home: Path | None = None, environment: Mapping[str, str] | None = None) -> None:
        self.home = home
        self.environment = environment
        self.shells: dict[str, LocalShell] = {}

    @contextmanager
    def open(self, client: Client, host: str, signal: Signal) -> Iterator[Shell]:
        signal.check()
        shell = self.shells[host] = LocalShell(home=self.home, environment=self.environment, signal=signal)
        try:
            yield shell
        finally:
            shell.close()


@dataclass
class _Stream:
    """The first `cap` bytes of an output; the rest is only counted as cut. `listen` hears all of it."""

    name: Stream
    cap: int
    listen: Listener | None = None
    kept: bytearray = field(default_factory=bytearray)
    cut: bool = False

    def add(self, data: bytes) -> None:
        if self.listen is not None and data:
            self.listen(self.name, data)
        room = self.cap - len(self.kept)
        self.kept += data[:room]
        self.cut = self.cut or len(data) > room


class _Pump:
    """Feeds and drains one process until it is over or a limit has passed."""

    def __init__(self, process: subprocess.Popen[bytes], command: Command, signal: Signal) -> None:
        self.process = process
        self.command = command
        self.signal = signal
        self.out = _Stream("out", command.cap)
        self.err = _Stream("err", command.cap)
        self.left_open = False
        self._pending = memoryview(command.stdin)
        self._selector = selectors.DefaultSelector()
        self._begun = self._heard = time.monotonic()
        self._register()

    def run(self) -> None:
        while self._reading and not self.left_open:
            for key, _ in self._selector.select(_SLICE):
                self._move(key)
            self._check_limits()
        while self.process.poll() is None:
            self._check_limits()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(_SLICE)

    def end(self) -> None:
        """Leave neither process nor pipe behind."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signals.SIGKILL)
        self._selector.close()
        for pipe in self._pipes:
            with suppress(BrokenPipeError):
                pipe.close()
        self.process.wait()

    def exchange(self, started: datetime, ended: datetime) -> Exchange:
        output, errors = bytes(self.out.kept), bytes(self.err.kept)
        cut = self.out.cut or self.err.cut
        return Exchange(self.command.display, started, ended, None, output, errors, truncated=cut)

    @property
    def _pipes(self) -> list[IO[bytes]]:
        return [pipe for pipe in (self.process.stdin, self.process.stdout, self.process.stderr) if pipe is not None]

    @property
    def _reading(self) -> bool:
        return any(isinstance(key.data, _Stream) for key in self._selector.get_map().values())

    def _register(self) -> None:
        stdin, stdout, stderr = self._pipes
        for pipe in self._pipes:
            os.set_blocking(pipe.fileno(), False)
        self._selector.register(stdin, selectors.EVENT_WRITE)
        self._selector.register(stdout, selectors.EVENT_READ, self.out)
        self._selector.register(stderr, selectors.EVENT_READ, self.err)

    def _move(self, key: selectors.SelectorKey) -> None:
        if key.data is None:
            self._feed(key)
            return
        data = os.read(key.fd, _CHUNK)
        self._heard = time.monotonic()
        key.data.add(data)
        if not data:
            self._selector.unregister(key.fileobj)

    def _feed(self, key: selectors.SelectorKey) -> None:
        try:
            self._pending = (
                self._pending[os.write(key.fd, self._pending[:_CHUNK]) :] if self._pending else self._pending
            )
        except BrokenPipeError:
            self._pending = self._pending[:0]  # the command ended its reading; not an error, as over SSH
        if not self._pending:
            self._selector.unregister(key.fileobj)
            self._close_stdin()

    def _close_stdin(self) -> None:
        if self.process.stdin is not None:
            with suppress(BrokenPipeError):
                self.process.stdin.close()

    def _check_limits(self) -> None:
        self.signal.check()
        now = time.monotonic()
        if now - self._begun > self.command.timeout:
            raise CommandTimeout(f"no end after {self.command.timeout:g} s: {self.command.display}")
        if self.command.idle is not None and now - self._heard > self.command.idle:
            raise CommandTimeout(f"silent for {self.command.idle:g} s: {self.command.display}")
        if self.process.poll() is not None and now - self._heard > _LINGER:
            self.left_open = self._reading


def _tell(listen: Listener | None, outcome: Reply | Hang | Cut) -> None:
    """Let a listener hear what is scripted, in one piece a stream."""
    errors = outcome.stderr if isinstance(outcome, Reply) else b""
    said: tuple[tuple[Stream, bytes | str], ...] = (("out", outcome.stdout), ("err", errors))
    for stream, text in said:
        if listen is not None and text:
            listen(stream, text.encode() if isinstance(text, str) else text)


def _capped(text: bytes | str, cap: int) -> tuple[bytes, bool]:
    data = text.encode() if isinstance(text, str) else text
    return data[:cap], len(data) > cap
