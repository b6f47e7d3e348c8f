"""Processes that outlive the command that started them, and are found again without guessing.

A process is known by its pid and its start time together, so a number that the kernel has given away again is never
signalled. What is started carries a mark in its environment; a sweep for the mark finds what a crash left behind.
"""

import contextlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError

MARK = "RONDELAB_PROCESS"
"""The environment variable that names the directory a lab process belongs to; not `RONDE_…`, which are settings."""

_POLL_SECONDS = 0.01
_EXEC_SECONDS = 2.0
_CHECKOUT = str(Path(__file__).resolve().parents[1])


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Poll `condition` until it holds; False when `seconds` have gone by first."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


@dataclass(frozen=True, slots=True)
class Process:
    """One process of this machine: its pid, and its start in clock ticks since boot (/proc/PID/stat, field 22)."""

    pid: int
    started: int

    @staticmethod
    def of(pid: int) -> "Process | None":
        """The live process under `pid`, or None when there is none.

        A zombie counts as none once its last thread has gone: until then it holds its sockets and files.
        """
        stat = _stat(pid)
        gone = stat is None or (stat.state == "Z" and stat.threads <= 1)
        return None if stat is None or gone else Process(pid, stat.started)

    def alive(self) -> bool:
        return Process.of(self.pid) == self

    def signal(self, number: int) -> None:
        """Send a signal, if this very process still lives."""
        if self.alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def save(self, path: Path) -> None:
        path.write_text(json.dumps({"pid": self.pid, "started": self.started}), encoding="utf-8")

    @staticmethod
    def load(path: Path) -> "Process | None":
        """The process recorded in `path`, when it still lives."""
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            process = Process(int(kept["pid"]), int(kept["started"]))
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None
        return process if process.alive() else None


@dataclass(frozen=True, slots=True)
class _Stat:
    state: str
    parent: int
    threads: int
    started: int


def _stat(pid: int) -> _Stat | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The command name stands in brackets and may itself hold spaces and brackets: split after the last one.
    fields = text.rpartition(")")[2].split()
    return _Stat(fields[0], int(fields[1]), int(fields[17]), int(fields[19])) if len(fields) > 19 else None


def _pids() -> Iterator[int]:
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def environment(mark: Path) -> dict[str, str]:
    """The environment for a command of the lab at `mark`: ours, the mark, and one language and one zone."""
    return {**os.environ, MARK: str(mark), "TZ": "UTC", "LC_ALL": "C.UTF-8"}


def spawn(argv: Sequence[str], *, mark: Path, log: Path, extra: Mapping[str, str] | None = None) -> Process:
    """Start a process of its own session, with its output appended to `log`.

    Raises:
        LabError: the program is not installed, or it ended before it could be looked at.
    """
    program = shutil.which(argv[0])
    if program is None:
        raise LabError(f"{argv[0]} is not installed (script/bootstrap installs what the lab needs)")
    pid = os.posix_spawn(
        program,
        list(argv),
        {**environment(mark), **(extra or {})},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    # For an instant after it was started, a process shows no environment yet, and so no mark.
    wait_until(lambda: len(variables_of(pid)) > 1 or Process.of(pid) is None, _EXEC_SECONDS)
    process = Process.of(pid)
    if process is None:
        _reap(pid)
        raise LabError(f"{argv[0]} ended at once:\n{tail(log)}")
    return process


def spawn_module(module: str, *arguments: str, mark: Path, log: Path) -> Process:
    """Start a module of the lab as a process, under this Python; raises as `spawn` does."""
    path = os.pathsep.join([_CHECKOUT, *filter(None, [os.environ.get("PYTHONPATH")])])
    return spawn([sys.executable, "-m", module, *arguments], mark=mark, log=log, extra={"PYTHONPATH": path})


def descendants(roots: Iterable[Process]) -> list[Process]:
    """Everything that stems from `roots`, the roots themselves included, as one look at /proc shows it."""
    stats = {pid: stat for pid in _pids() if (stat := _stat(pid)) is not None}
    children: dict[int, list[int]] = {}
    for pid, stat in stats.items():
        children.setdefault(stat.parent, []).append(pid)
    found: list[Process] = []
    queue = [root.pid for root in roots if root.pid in stats and stats[root.pid].started == root.started]
    while queue:
        pid = queue.pop()
        found.append(Process(pid, stats[pid].started))
        queue.extend(children.get(pid, ()))
    return found


def variables_of(pid: int) -> list[str]:
    """The `NAME=value` strings a process was started with; empty when it is gone or not ours to look at."""
    try:
        return Path(f"/proc/{pid}/environ").read_text(encoding="utf-8", errors="replace").split("\0")
    except OSError:
        return []


def marked(mark: Path) -> list[Process]:
    """The processes whose environment carries the mark `mark`, this one excepted.

    An sshd writes its title over its environment; the title names its configuration, which lies below `mark`.
    """
    wanted, title = f"{MARK}={mark}", f" -f {mark}/"
    others = [pid for pid in _pids() if pid != os.getpid()]
    pids = [pid for pid in others if wanted in variables_of(pid) or title in _title(pid)]
    return [process for pid in pids if (process := Process.of(pid)) is not None]


def _title(pid: int) -> str:
    try:
        title = Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return title.replace("\0", " ") if title.startswith("sshd:") else ""


def end(processes: Iterable[Process], *, grace: float = 3.0, ask: bool = True) -> None:
    """Ask the processes to end, and after `grace` seconds make them; at once when `ask` is false.

    Raises:
        LabError: one of them is still there afterwards (a process in an uninterruptible wait).
    """
    pending = list(processes)
    for number in (signal.SIGTERM, signal.SIGKILL) if ask else (signal.SIGKILL,):
        for process in pending:
            process.signal(number)
        if wait_until(lambda: not any(process.alive() for process in pending), grace):
            break
    for process in pending:
        _reap(process.pid)
    if left := [process.pid for process in pending if process.alive()]:
        raise LabError(f"could not end the processes {left}")


def _reap(pid: int) -> None:
    # Not our child, or already collected: both are the usual case when another command started it.
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def tail(path: Path, lines: int = 8) -> str:
    """The last lines of a log, for an error message."""
    try:
        return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return "(no output)"
