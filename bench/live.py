"""Following a run that talks: a hundred thousand lines through publisher, broker and `ronde follow`, against a pipe."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from bench.figures import Figure, ratios, seconds
from bench.follower import CLIENT, HOST, JOB, RUN, STEP
from bench.measuring import rounds
from bench.scale import Scale
from lab.redis import RedisServer
from ronde.adapters.queue.feed import RedisFeed
from ronde.adapters.queue.publisher import BatchingPublisher
from ronde.model.redaction import Redactor

_CHUNK = 32 * 1024  # bytes that one reading of an SSH channel may bring
_SECRETS = [b"bench secret number %d" % number for number in range(50)]
_PATIENCE = 300.0  # seconds after which a reader is not slow but broken


@dataclass
class Taken:
    """What a reader said of itself."""

    seconds: float
    cpu: float
    memory: float


def measure(directory: Path, scale: Scale) -> Sequence[Figure]:
    """Time from the first line that is read to the last, and what the follower costs."""
    text = b"".join(
        b"%06d a line as long as one of a package manager, or of a journal, usually is\n" % number
        for number in range(scale.lines)
    )
    server = RedisServer(directory / "broker", mark=directory)
    server.start()
    said: dict[str, list[Taken]] = {"follow": [], "pipe": []}

    def once(how: str) -> float:
        taken = _followed(server.url, directory, text) if how == "follow" else _piped(directory, text)
        said[how].append(taken)
        return taken.seconds

    try:
        taken = rounds({"follow": lambda: once("follow"), "pipe": lambda: once("pipe")}, scale.rounds)
    finally:
        server.stop()
    return _figures(f"follow of {scale.lines:,} lines", scale.lines, taken, said)


def _figures(
    what: str, lines: int, taken: Mapping[str, Sequence[float]], said: Mapping[str, Sequence[Taken]]
) -> list[Figure]:
    pipe = "the same bytes from a pipe"
    note = f"{seconds(taken['follow'])}, pipe {seconds(taken['pipe'])}; redacted and published meanwhile"
    cpu = {how: [one.cpu for one in each] for how, each in said.items()}
    memory = {how: [one.memory for one in each] for how, each in said.items()}
    return [
        Figure(f"{what}: time", ratios(taken["follow"], taken["pipe"]), "times", pipe, note=note),
        Figure(f"{what}: lines a second", [lines / one for one in taken["follow"]], "", "nothing"),
        Figure(f"{what}: CPU of the follower", cpu["follow"], "s CPU", pipe, note=f"pipe {seconds(cpu['pipe'])}"),
        Figure(f"{what}: peak memory", memory["follow"], "MB", pipe, note=f"pipe {median(memory['pipe']):.0f} MB"),
    ]


def _followed(url: str, directory: Path, text: bytes) -> Taken:
    ended = directory / "ended"
    ended.unlink(missing_ok=True)
    known = Redactor(_SECRETS)
    with closing(RedisFeed(url)) as feed, _reader(directory, "follow", url, str(ended)) as reader:
        feed.forget(RUN)
        publisher = BatchingPublisher(feed, lambda: known, lambda: datetime.now(UTC))
        say = publisher.listener(RUN, JOB, f"{CLIENT}/{HOST}", STEP)
        for at in range(0, len(text), _CHUNK):
            say("out", text[at : at + _CHUNK])
        say("end", b"")
        publisher.stop()
        ended.touch()
        return _said(reader, directory, text, publisher.losses.total + feed.losses.total)


def _piped(directory: Path, text: bytes) -> Taken:
    with _reader(directory, "pipe") as reader:
        if reader.stdin is None:
            raise RuntimeError("the reader has no standard input")
        reader.stdin.write(text)
        reader.stdin.close()
        return _said(reader, directory, text, 0)


@contextmanager
def _reader(directory: Path, *words: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A reader that is ready; its lines go to a file."""
    argv = [sys.executable, "-m", "bench.follower", *words]
    with (
        (directory / "read").open("wb") as out,
        subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=out, stderr=subprocess.PIPE) as reader,
    ):
        try:
            if reader.stderr is None or reader.stderr.readline() != b"ready\n":
                raise RuntimeError("the reader did not begin")
            yield reader
        finally:
            reader.kill()


def _said(reader: "subprocess.Popen[bytes]", directory: Path, text: bytes, lost: int) -> Taken:
    """What it measured, once it has read everything.

    Raises:
        RuntimeError: it did not: what was measured would not be the work.
    """
    if reader.stdin is not None and reader.stdin.closed:
        reader.stdin = None  # its end was said already
    _, told = reader.communicate(timeout=_PATIENCE)
    lines = sum(line.rstrip().endswith(b"usually is") for line in (directory / "read").open("rb"))
    if reader.returncode or lost or lines != text.count(b"\n"):
        raise RuntimeError(f"{lines} lines were read, {lost} bytes lost:\n{told.decode()}")
    return Taken(**{name: float(value) for name, value in json.loads(told.splitlines()[-1]).items()})
