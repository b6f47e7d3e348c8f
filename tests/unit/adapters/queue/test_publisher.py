"""From raw chunks to redacted pieces: nothing secret, nothing late, nothing endless."""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from ronde.adapters.queue.memory_feed import MemoryFeed
from ronde.adapters.queue.publisher import BatchingPublisher
from ronde.model.feed import PIECE_BYTES, Assembler, Piece, Stream
from ronde.model.redaction import Redactor
from tests.e2e.installation import poll

SECRET = b"correct horse battery staple"
AT = datetime(2027, 1, 13, 2, 0, tzinfo=UTC)
TARGET = "commune/srv"


class Recorder(MemoryFeed):
    """A feed that counts what it is told at once, and may hold the one who tells it."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, int]] = []
        self.entered = threading.Event()
        self.gate = threading.Event()
        self.gate.set()

    def publish(self, run: str, pieces: Sequence[Piece]) -> None:
        self.entered.set()
        assert self.gate.wait(20)
        self.calls.append((run, len(pieces)))
        super().publish(run, pieces)

    def pieces(self, run: str = "run") -> list[Piece]:
        found: list[Piece] = []
        after = ""
        while page := self.read(run, after, 0):
            found += [one for _, one in page]
            after = page[-1][0]
        return found

    def text(self, stream: Stream = Stream.OUT, run: str = "run") -> bytes:
        return b"".join(one.data for one in self.pieces(run) if one.stream is stream)


def publisher(feed: Recorder, *secrets: bytes, pause: float = 0.01) -> BatchingPublisher:
    known = Redactor(secrets)
    return BatchingPublisher(feed, lambda: known, lambda: AT, pause=pause)


@given(st.lists(st.integers(0, 70), max_size=8))
def test_a_secret_cut_over_chunks_is_never_published(cuts: list[int]) -> None:
    raw = b"login with " + SECRET + b"\nand again " + SECRET + b"!\n"
    feed = Recorder()
    mouth = publisher(feed, SECRET)
    say = mouth.listener("run", "job", TARGET, "login")
    for begin, end in pairwise([0, *sorted(min(cut, len(raw)) for cut in cuts), len(raw)]):
        say("out", raw[begin:end])
    say("end", b"")
    mouth.stop()
    assert feed.text() == b"login with [redacted]\nand again [redacted]!\n"


def test_a_secret_read_in_mid_step_is_taken_out_from_then_on() -> None:
    feed = Recorder()
    known = [Redactor(())]
    mouth = BatchingPublisher(feed, lambda: known[0], lambda: AT)
    say = mouth.listener("run", "job", TARGET, "login")
    say("out", b"prompt: " + SECRET[:10])
    known[0] = Redactor([SECRET])
    say("out", SECRET[10:] + b"\n")
    say("end", b"")
    mouth.stop()
    assert feed.text() == b"prompt: [redacted]\n"


def test_streams_of_a_step_are_redacted_and_counted_each_by_itself() -> None:
    feed = Recorder()
    mouth = publisher(feed, SECRET)
    say = mouth.listener("run", "job", TARGET, "login")
    say("note", b"login: echo " + SECRET)
    say("out", SECRET[:9])
    say("err", b"warning\n")
    say("out", SECRET[9:] + b"\n")
    say("end", b"")
    mouth.stop()
    pieces = feed.pieces()
    assert [(one.stream, one.offset, one.data) for one in pieces] == [
        ("note", 0, b"login: echo [redacted]\n"),
        ("err", 0, b"warning\n"),
        ("out", 0, b"[redacted]\n"),
        ("end", 0, b"out=11 err=8 note=23"),
    ]
    assert {(one.job, one.target, one.step, one.at) for one in pieces} == {("job", TARGET, "login", AT)}


def test_an_end_gives_out_what_was_held_back() -> None:
    feed = Recorder()
    mouth = publisher(feed, SECRET)
    say = mouth.listener("run", "job", TARGET, "login")
    say("out", b"no newline at the end")
    say("end", b"")
    mouth.stop()
    assert feed.text() == b"no newline at the end"


def test_what_is_said_in_a_moment_travels_together_each_run_in_one_call() -> None:
    feed = Recorder()
    mouth = publisher(feed, pause=60)
    for number in range(40):
        for run in ("run", "other"):
            mouth.listener(run, f"{run}-job", TARGET, "s")("out", b"%d\n" % number)
    say = mouth.listener("run", "chatty", TARGET, "s")
    for _ in range(100):
        say("out", b"x\n")
    mouth.stop()
    assert sorted(feed.calls) == [("other", 40), ("run", 41)]  # new streams, so their offsets do not follow
    chatty = [one for one in feed.pieces() if one.job == "chatty"]
    assert [(one.offset, one.data) for one in chatty] == [(0, b"x\n" * 100)]


def test_enough_is_sent_without_waiting_for_the_moment_to_pass() -> None:
    feed = Recorder()
    mouth = publisher(feed, pause=60)
    say = mouth.listener("run", "job", TARGET, "s")
    line = b"x" * 99 + b"\n"
    for _ in range(1000):
        say("out", line)
    poll(lambda: feed.calls or None, within=20, what="the first batch is sent")
    mouth.stop()
    assert feed.text() == line * 1000
    assert max(len(one.data) for one in feed.pieces()) <= PIECE_BYTES


def test_a_line_is_heard_within_moments_without_any_end() -> None:
    feed = Recorder()
    mouth = publisher(feed, SECRET * 50)  # a long secret holds nobody's words back
    mouth.listener("run", "job", TARGET, "restart")("out", b"Stopping cron\n")
    poll(lambda: feed.text() == b"Stopping cron\n", within=5, what="the line arrives")
    mouth.stop()


def test_a_broker_that_holds_us_costs_bounded_memory_and_the_loss_is_told() -> None:
    feed = Recorder()
    feed.gate.clear()
    mouth = publisher(feed)
    say = mouth.listener("run", "job", TARGET, "s")
    say("out", b"first\n")
    assert feed.entered.wait(10)
    line = b"y" * 1023 + b"\n"
    with capture_logs() as logs:
        for _ in range(10 * 1024):  # ten megabytes
            say("out", line)
        say("end", b"")
        assert mouth._waiting.size < 5 * 1024 * 1024
        feed.gate.set()
        mouth.stop()
    assert 5 * 1024 * 1024 < mouth.losses.total < 10 * 1024 * 1024
    assert logs[0]["event"] == "live output is lost; the ledger keeps the record"
    assert len(logs) <= 2
    assembler = Assembler()
    arrivals = [assembler.take(one) for one in feed.pieces()]
    assert arrivals[-1] is not None
    assert arrivals[-1].gap, "the end tells that bytes are missing"


def test_stopping_sends_what_waits_and_what_is_said_later_still_goes_out() -> None:
    feed = Recorder()
    mouth = publisher(feed, pause=60)
    say = mouth.listener("run", "job", TARGET, "s")
    say("out", b"one\n")
    mouth.stop()
    assert feed.text() == b"one\n"
    say("out", b"two\n")
    mouth.stop()
    assert feed.text() == b"one\ntwo\n"


def test_stopping_without_a_word_ever_said() -> None:
    publisher(Recorder()).stop()


def test_many_threads_speak_at_once() -> None:
    feed = Recorder()
    mouth = publisher(feed)

    def job(number: int) -> None:
        say = mouth.listener("run", f"job-{number}", TARGET, "s")
        for line in range(200):
            say("out", b"%d\n" % line)
        say("end", b"")

    threads = [threading.Thread(target=job, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    mouth.stop()
    assembler = Assembler()
    arrivals = [arrival for one in feed.pieces() if (arrival := assembler.take(one)) is not None]
    assert not any(arrival.gap for arrival in arrivals)
    for number in range(16):
        mine = b"".join(a.piece.data for a in arrivals if a.piece.job == f"job-{number}" and a.piece.stream == "out")
        assert mine == b"".join(b"%d\n" % line for line in range(200))


def test_a_stream_that_is_none_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="tty"):
        publisher(Recorder()).listener("run", "job", TARGET, "s")("tty", b"x")
