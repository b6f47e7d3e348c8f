"""Processes that a test starts, and waiting for what they do."""

import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


PATIENCE = 3  # times as long as an idle machine needs: a test is about what happens, never about how fast


def poll(question: Callable[[], T | None], *, within: float, what: str) -> T:
    """The first truthy answer; the test fails, telling what it waited for, when none comes in several times `within`.

    Args:
        question: asked again and again.
        within: seconds that an idle machine may take.
        what: what is waited for.
    """
    deadline = time.monotonic() + PATIENCE * within
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {PATIENCE * within:.0f} s: {what}")
        time.sleep(0.1)


@dataclass
class Process:
    """One process that a test started, with what it said in `log`."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path

    @property
    def alive(self) -> bool:
        return self.popen.poll() is None

    @property
    def pid(self) -> int:
        return self.popen.pid

    def kill(self) -> None:
        """kill -9, and wait until the kernel has buried it."""
        self.popen.kill()
        self.popen.wait(10)

    def freeze(self) -> None:
        self.popen.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.popen.send_signal(signal.SIGCONT)

    def stop(self, patience: float = 30) -> int:
        """Ask it to end, and wait; the exit status.

        Raises:
            AssertionError: it did not end in time.
        """
        self.popen.terminate()
        return self.wait(patience)

    def wait(self, patience: float) -> int:
        """Wait for its end; the exit status."""
        try:
            return self.popen.wait(patience)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not end within {patience:.0f} s:\n{self.said_last()}") from None

    def says(self, words: str, *, within: float = 30) -> None:
        """Wait until it has said these words.

        Raises:
            AssertionError: it ended, or the time was over, before it said them.
        """
        poll(lambda: self.said(words) or not self.alive, within=within, what=f"{self.name} says {words!r}")
        assert self.said(words), f"{self.name} ended:\n{self.said_last()}"

    def said(self, words: str) -> bool:
        return words in self.log.read_text(errors="replace")

    def said_last(self, lines: int = 30) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
