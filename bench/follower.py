"""One reader in a process of its own: follows a run as `ronde follow` does, or reads the same lines from a pipe.

`python -m bench.follower follow URL ENDED` follows until the file ENDED exists; `python -m bench.follower pipe` reads
standard input to its end. Both write every line to standard output, say `ready` on standard error when they begin, and
then print there, as JSON, the seconds from the first line on, the CPU seconds since `ready`, and the peak memory in MB.
"""

import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from bench.measuring import memory_of
from ronde.adapters.queue.feed import RedisFeed
from ronde.cli.follow import follow_run
from ronde.model.feed import Piece
from ronde.model.plan import Target, TargetKind
from ronde.model.records import JobRecord, RunRecord, Scope
from ronde.model.run import JobState, RunState
from ronde.model.verdict import Verdict

RUN, JOB = "bench-run", "bench-job"
CLIENT, HOST, STEP = "bench", "srv-fichiers", "talk"
_AT = datetime(2027, 1, 13, tzinfo=UTC)
_SCOPE = Scope.of(CLIENT)


class OneRun:
    """The ledger's part: a run of one job that goes on until a file says that it has ended."""

    def __init__(self, ended: Path) -> None:
        self._ended = ended
        target = Target(CLIENT, TargetKind.HOST, HOST)
        job = JobRecord(JOB, RUN, target, "bench", JobState.RUNNING, None, 1, _AT)
        self._record = RunRecord(
            RUN, "bench", "", RunState.RUNNING, Verdict.OK, "person", "bench", "", _AT, jobs=(job,)
        )

    def run(self, _scope: Scope, _reference: str) -> RunRecord:
        return replace(self._record, state=RunState.SUCCEEDED) if self._ended.exists() else self._record


class Timed(RedisFeed):
    """A feed that notes when the first and the last answer came."""

    first = last = 0.0

    def read(self, run: str, after: str, wait: float) -> Sequence[tuple[str, Piece]]:
        found = super().read(run, after, wait)
        if found:
            self.last = time.perf_counter()
            self.first = self.first or self.last
        return found


@dataclass(frozen=True)
class Sources:
    ledger: OneRun
    feed: Timed


def _follow(url: str, ended: str) -> float:
    sources = Sources(OneRun(Path(ended)), Timed(url))
    follow_run(sources, RUN, _SCOPE, Console())  # type: ignore[arg-type]  # all it asks of an archive is a run
    return sources.feed.last - sources.feed.first


def _pipe() -> float:
    first = 0.0
    for line in sys.stdin.buffer:
        first = first or time.perf_counter()
        sys.stdout.buffer.write(line)
    return time.perf_counter() - first


def main(how: str, *words: str) -> None:
    print("ready", file=sys.stderr, flush=True)
    spent = time.process_time()
    taken = _follow(*words) if how == "follow" else _pipe()
    said = {"seconds": taken, "cpu": time.process_time() - spent, "memory": memory_of(os.getpid(), "VmHWM")}
    print(json.dumps(said), file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:])
