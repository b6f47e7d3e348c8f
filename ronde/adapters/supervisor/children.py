"""Child processes that are started, watched, started again when they die, and ended with their parent."""

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog

log = structlog.get_logger(__name__)
PR_SET_PDEATHSIG = 1  # prctl(2)
PAUSES = (1.0, 2.0, 5.0, 10.0, 30.0)  # seconds before a child that keeps dying is started again
STEADY = 60.0  # a child that lived this long starts over with the shortest pause


@dataclass(slots=True)
class Child:
    """One process of the installation.

    Attributes:
        name: what people see: `broker`, `beat`, `control`, `work-1`.
        argv: its command.
        rank: order of ending, lowest first: those that use a service end before the service.
        patience: seconds it has to finish what it does before it is killed.
    """

    name: str
    argv: Sequence[str]
    rank: int = 0
    patience: float = 30.0
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    deaths: int = 0
    start_again_at: float = field(default=0.0)

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None


class Supervisor:
    """Keeps children running until it is told to stop."""

    def __init__(self, children: Sequence[Child], *, tell: Callable[[str], None]) -> None:
        self._children = list(children)
        self._tell = tell
        self._stopping = False

    def run(self, *, tick: float = 0.2) -> None:
        """Start everything and watch it; returns after `stop` was asked for and every child has ended."""
        try:
            for child in self._children:
                self._start(child)
            while not self._stopping:
                self._watch()
                time.sleep(tick)
        finally:
            self._end()

    def stop(self) -> None:
        """Ask `run` to end; safe to call from a signal handler."""
        self._stopping = True

    def _start(self, child: Child) -> None:
        # A session of its own, so that Ctrl-C in the terminal reaches us alone and children end in order.
        child.process = subprocess.Popen(
            child.argv,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_die_with(os.getpid()),  # noqa: PLW1509 - one thread runs here, and prctl is async-signal-safe
        )
        child.started_at = time.monotonic()
        self._tell(f"{child.name} started (pid {child.process.pid})")

    def _watch(self) -> None:
        now = time.monotonic()
        for child in self._children:
            if child.alive:
                continue
            if child.process is not None:
                self._mourn(child, now)
            if now >= child.start_again_at:
                self._start(child)

    def _mourn(self, child: Child, now: float) -> None:
        code = child.process.returncode if child.process else None
        child.deaths = 0 if now - child.started_at > STEADY else child.deaths
        pause = PAUSES[min(child.deaths, len(PAUSES) - 1)]
        child.deaths += 1
        child.start_again_at = now + pause
        child.process = None
        self._tell(f"{child.name} ended ({_reason(code)}); starting again in {pause:.0f} s")

    def _end(self) -> None:
        for rank in sorted({child.rank for child in self._children}):
            group = [child for child in self._children if child.rank == rank and child.alive]
            for child in group:
                _signal(child, signal.SIGTERM)
            for child in group:
                self._await_end(child)

    def _await_end(self, child: Child) -> None:
        if child.process is None:
            return
        try:
            child.process.wait(child.patience)
        except subprocess.TimeoutExpired:
            self._tell(f"{child.name} did not end within {child.patience:.0f} s; killed")
            _signal(child, signal.SIGKILL)
            child.process.wait()


def _signal(child: Child, number: signal.Signals) -> None:
    if child.process is not None and child.process.poll() is None:
        child.process.send_signal(number)


def _reason(code: int | None) -> str:
    if code is None:
        return "unknown"
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"


def _die_with(parent: int) -> Callable[[], None]:
    """What a child does first: ask the kernel to be ended when its parent dies, even by kill -9."""
    libc = ctypes.CDLL(None, use_errno=True)

    def ask() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)

    return ask
