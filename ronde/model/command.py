"""A remote command and what came back: the words shared by facts and by the shell that carries them."""

import shlex
from dataclasses import dataclass, field
from datetime import datetime

OUTPUT_CAP = 5 * 1024 * 1024  # bytes kept of each stream of a command; ASVS 13.1.3 asks for a bound, 5 MiB is ours


@dataclass(frozen=True, slots=True)
class Command:
    """A program and its arguments, to run on a host.

    Attributes:
        argv: the program and its arguments; never shell text. Quoted in one place, by the shell adapter.
        stdin: bytes fed to standard input, which is then closed. The only way a secret travels to a host.
        timeout: seconds the command may take in all.
        idle: seconds without any output after which it is given up; None for no such limit.
        cap: bytes kept of each output stream; what exceeds it is read and dropped, so the remote side never blocks.
        env: harmless variables (locale, zone) set through `env`; never secrets, `ps` shows them.
    """

    argv: tuple[str, ...]
    stdin: bytes = field(default=b"", repr=False)
    timeout: float = 60.0
    idle: float | None = None
    cap: int = OUTPUT_CAP
    env: tuple[tuple[str, str], ...] = (("LC_ALL", "C"), ("TZ", "UTC"))

    @property
    def display(self) -> str:
        """The command as a person would type it; free of secrets because those only travel on stdin."""
        return shlex.join(self.argv)

    @property
    def line(self) -> str:
        """The one quoted line sent to the remote shell, with the environment in front."""
        settings = [f"{name}={value}" for name, value in self.env]
        return shlex.join(["env", *settings, *self.argv] if settings else self.argv)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a finished command returned.

    Attributes:
        exit_status: the remote exit status; None when the remote side closed without one (killed by a signal).
        started: when the command was sent (UTC); `ended` when its last byte and status were in.
        truncated: whether one of the streams exceeded the command's cap.
    """

    command: Command
    exit_status: int | None
    stdout: bytes
    stderr: bytes
    started: datetime
    ended: datetime
    truncated: bool = False

    @property
    def text(self) -> str:
        return self.stdout.decode("utf-8", "replace")

    @property
    def error_text(self) -> str:
        return self.stderr.decode("utf-8", "replace")
