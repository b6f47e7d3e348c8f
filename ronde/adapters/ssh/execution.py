"""One command on an open connection: fed, drained, bounded, and judged only when its end is certain."""

import threading
import time
from contextlib import suppress

from ronde.adapters.ssh.errors import FOREIGN
from ronde.adapters.ssh.limits import SshLimits
from ronde.adapters.ssh.link import CommandChannel, Link
from ronde.adapters.ssh.watch import Watch
from ronde.model.command import Command
from ronde.model.errors import Cancelled, CommandTimeout, Fenced, ProtocolFault
from ronde.ports import Listener, Signal, Stream

_READ = 2 * 1024 * 1024  # the whole window at once: paramiko moves what is left of its buffer on each read
_WRITE = 32 * 1024
_FEED_PAUSE = 0.02  # seconds between two tries to feed a command that does not read; nothing tells when it does again


class _Bell:
    """Rung by paramiko when output arrives or ends. `clear` does nothing: one stream would silence the other."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        self._event.set()

    def clear(self) -> None:
        """Called by a stream that has been emptied."""

    def hush(self) -> None:
        self._event.clear()

    def await_ring(self, seconds: float) -> None:
        self._event.wait(seconds)


class Capture:
    """The first `cap` bytes of a stream; what exceeds it is dropped, and `cut` says so. `listen` hears all of it."""

    def __init__(self, stream: Stream, cap: int) -> None:
        self.kept = bytearray()
        self.cut = False
        self.listen: Listener | None = None
        self._stream = stream
        self._cap = cap

    def add(self, data: bytes) -> None:
        if self.listen is not None and data:
            self.listen(self._stream, data)
        room = self._cap - len(self.kept)
        self.kept += data[:room]
        self.cut = self.cut or len(data) > room


class Execution:
    """Runs one command over a link.

    Attributes:
        out, err: what has come so far; also after a failure.
        command: what it runs.
        status: the exit status; None as long as there is none, and for a command killed by a signal.
        left_open: the command exited, but something it left behind held its output open for longer than we wait.
    """

    def __init__(self, link: Link, command: Command, limits: SshLimits, signal: Signal, where: str) -> None:
        self.out = Capture("out", command.cap)
        self.err = Capture("err", command.cap)
        self.status: int | None = None
        self.left_open = False
        self._link = link
        self.command = command
        self._limits = limits
        self._signal = signal
        self._where = where
        self._bell = _Bell()
        self._unsent: memoryview | None = memoryview(command.stdin)
        self._heard = time.monotonic()
        self._exited = 0.0

    @property
    def truncated(self) -> bool:
        return self.out.cut or self.err.cut or self.left_open

    def attend(self, listen: Listener | None) -> None:
        """Tell a listener all output as it arrives."""
        self.out.listen = self.err.listen = listen

    def run(self) -> None:
        """Run the command to its end.

        Raises:
            CommandTimeout: a limit of the command has passed; it has been asked to end, which it may not have heard.
            ProtocolFault: the host refused to run it.
            paramiko.SSHException, OSError, EOFError: the link broke.
            Fenced, Cancelled: the signal said stop.
        """
        seconds = self.command.timeout
        watch = Watch(self._signal, seconds, CommandTimeout(f"{self._where}: no end after {seconds:g} s."))
        try:
            self._converse(self._begin(watch), watch)
        except FOREIGN:
            watch.check()  # the limit or the signal may be what ended a write inside paramiko
            raise

    def _begin(self, watch: Watch) -> CommandChannel:
        opening = watch
        if self._limits.channel < self.command.timeout:
            late = TimeoutError(f"no answer to a new command within {self._limits.channel:g} s")
            opening = Watch(self._signal, self._limits.channel, late)
        channel = self._link.session(opening)
        self._link.wire.watch = watch
        channel.settimeout(0.0)
        channel.in_buffer.set_event(self._bell)  # type: ignore[arg-type]  # all it needs of an event: set and clear
        channel.in_stderr_buffer.set_event(self._bell)  # type: ignore[arg-type]  # the same
        self._link.execute(channel, self.command.line)
        return channel

    def _converse(self, channel: CommandChannel, watch: Watch) -> None:
        try:
            while not self.left_open:
                self._bell.hush()
                ended = channel.eof_received or channel.closed  # before draining: all output precedes the end
                moved = self._drain(channel)
                if ended and not moved and self._is_over(channel):
                    break
                if not self._feed(channel) and not moved:
                    self._bell.await_ring(self._pause(watch))
                self._check(channel, watch)
        except (CommandTimeout, Fenced, Cancelled):
            if self._link.wire.writable():
                with suppress(*FOREIGN):
                    self._link.terminate(channel)
            raise
        channel.close()

    def _drain(self, channel: CommandChannel) -> bool:
        heard = False
        if channel.recv_ready():
            self.out.add(channel.recv(_READ))
            heard = True
        if channel.recv_stderr_ready():
            self.err.add(channel.recv_stderr(_READ))
            heard = True
        if heard:
            self._heard = time.monotonic()
        return heard

    def _feed(self, channel: CommandChannel) -> bool:
        """Send one piece of the input if it can go without waiting; whether one went."""
        if self._unsent is None or channel.closed:
            return False
        if not self._unsent:
            self._unsent = None
            channel.shutdown_write()
            return False
        if not self._link.wire.writable():
            return False
        try:
            sent = channel.send(bytes(self._unsent[:_WRITE]))
        except TimeoutError:
            return False  # the command does not read at present
        except OSError:
            self._unsent = None  # it ended a moment ago, without reading to the end
            return True
        self._unsent = self._unsent[sent:]
        return sent > 0

    def _is_over(self, channel: CommandChannel) -> bool:
        """Whether the end of the output is also the end of the command.

        Raises:
            ProtocolFault: it was never run. paramiko.SSHException, OSError, EOFError: the link broke before the end.
        """
        if channel.refused:
            raise ProtocolFault(f"{self._where}: the host refuses to run commands.")
        if not channel.eof_received and not channel.closed_by_peer:
            raise self._link.loss()  # even with a status: some of the output may be missing
        if _has_exited(channel):
            self.status = channel.exit_status
            return True
        if channel.closed and not channel.closed_by_peer:
            raise self._link.loss()
        return channel.closed_by_peer  # without a status: killed by a signal

    def _check(self, channel: CommandChannel, watch: Watch) -> None:
        watch.check()
        now = time.monotonic()
        if self.command.idle is not None and now - self._heard > self.command.idle:
            raise CommandTimeout(f"{self._where}: no output for {self.command.idle:g} s.")
        if not _has_exited(channel):
            return
        self._exited = self._exited or now
        if now - max(self._exited, self._heard) > self._limits.linger and not channel.closed:
            self.status = channel.exit_status
            self.left_open = True

    def _pause(self, watch: Watch) -> float:
        return watch.pause() if self._unsent is None else _FEED_PAUSE


def _has_exited(channel: CommandChannel) -> bool:
    return channel.status_event.is_set() and channel.exit_status >= 0  # -1: closed without one
