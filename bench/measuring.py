"""Rounds, processor time and the machine they were taken on."""

import os
import platform
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from lab.process import wait_until

_TICK = os.sysconf("SC_CLK_TCK")


def rounds(contestants: Mapping[str, Callable[[], float]], count: int) -> dict[str, list[float]]:
    """Let all contestants run once a round, in turns: what disturbs the machine disturbs them alike.

    Every second round goes backwards, so that nobody always runs in the same neighbour's wake.
    """
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    order = list(contestants)
    for number in range(count):
        for name in order if number % 2 == 0 else reversed(order):
            value = contestants[name]()
            taken[name].append(value)
            print(f"  round {number + 1}, {name}: {value:.3f} s", file=sys.stderr)
    return taken


def timed(work: Callable[[], object]) -> float:
    """How long it took, in seconds."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def cpu(work: Callable[[], object]) -> float:
    """Processor seconds of this process that it took."""
    start = time.process_time()
    work()
    return time.process_time() - start


def cpu_of(pid: int) -> float:
    """Processor seconds that a process has used so far, its children's not counted."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def memory_of(pid: int, name: str = "VmRSS") -> float:
    """MB of a process: `VmRSS` now, `VmHWM` at its peak."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise LookupError(f"the kernel does not tell {name}")


def await_that(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait for something.

    Raises:
        TimeoutError: it did not come.
    """
    if not wait_until(condition, seconds):
        raise TimeoutError(f"not within {seconds:.0f} s: {what}")


def machine() -> str:
    """One line on where and when: every absolute number belongs to it."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC · {_model()} · {os.cpu_count()} cores · load {load} before"
        f" · Python {platform.python_version()} · {platform.system()} {platform.release()}"
    )


def _model() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
