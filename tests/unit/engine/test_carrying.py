"""A command is carried to its end whatever the link does; the host here is a model of the one the scripts make."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import chain, repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ronde.engine.carrying import Carrier, Pace
from ronde.facts.detached import scripts
from ronde.model.command import Answer, Command
from ronde.model.detached import Carried, Key, Launch, Standing
from ronde.model.errors import (
    AuthRefused,
    Cancelled,
    CannotDetach,
    CommandTimeout,
    ConnectionLost,
    Fenced,
    InputError,
    ProtocolFault,
    RondeError,
    Unreachable,
)
from ronde.ports import Listener, Shell, Signal
from tests.doubles.shell import NeverStop

AT = datetime(2026, 11, 27, 3, 0, tzinfo=UTC)
KEY = Key("0123456789abcdef01234567", "upgrade", 1)
LAUNCH = Launch(KEY, ("apt-get", "upgrade"), limit=600)
OUT = b"".join(b"line %d\n" % number for number in range(50))
PACE = Pace(wait=20, most=64, grace=120, ending=10, delays=(1.0, 5.0))

Fault = (
    str  # "" none; "shut" at opening; "before" or "after" the host acted, "slow", "noise", or an answer in its place
)


@dataclass
class Host:
    """What the scripts make of a host, for one step; every look finds more output, until the end."""

    faults: Iterator[Fault] = field(default_factory=lambda: repeat(""))
    clock: float = 1000.0
    fence: int = 0
    by: int = 0
    starts: int = 0
    told: int = 0
    looks_until_end: float = 5
    standing: Standing = Standing.ABSENT
    said: int = 0
    age: float = 0.0
    left: str = ""
    busy: bool = False
    asked: list[str] = field(default_factory=list)

    def answer(self, command: Command) -> bytes:
        script, words = command.argv[2], command.argv[4:]
        names = {scripts.START: "start", scripts.LOOK: "look", scripts.STOP: "stop", scripts.RAISE: "raise"}
        self.asked.append(names[script])
        fence = int(words[2])
        if self.fence > fence:
            return self._line("standing" if names[script] in {"look", "stop"} else "answer", "fenced")
        if names[script] == "look":
            return self._look(int(words[3]), int(words[4]), int(words[5]), int(words[6]))
        if names[script] == "stop":
            self._stop()
            return self._look(10**9, 10**9, 0, 0)
        self.fence = fence
        return self._line("answer", self._start(fence) if names[script] == "start" else "raised")

    def _line(self, name: str, value: str) -> bytes:
        return f"ronde-job {name}={value} fence={self.fence}\n".encode()

    def _start(self, fence: int) -> str:
        if self.busy:
            return "busy"
        if self.by or self.told:
            return "already"
        self.starts, self.by, self.standing = self.starts + 1, fence, Standing.RUNNING
        return "started"

    def _stop(self) -> None:
        self.told += 1
        if self.standing is Standing.RUNNING and not self.left:
            self.standing = Standing.ENDED

    def _look(self, out_at: int, err_at: int, wait: int, most: int) -> bytes:
        if self.standing is Standing.RUNNING:
            self._go_on(wait)
        end = self.standing is Standing.ENDED
        out = OUT[out_at : min(self.said, out_at + most)]
        err = OUT[err_at : min(self.said, err_at + most)]
        said = {
            "standing": str(self.standing),
            "fence": self.fence,
            "by": self.by or "",
            "then": "boot-1" if self.by else "",
            "now": "boot-1",
            "at": 1795748400 if self.by else "",
            "age": int(self.age * 100),
            "status": 3 if end else "",
            "spent": 100 if end else "",
            "finished": 1795748500 if end else "",
            "out": self.said,
            "err": self.said,
            "open": 0,
            "live": int(self.standing is Standing.RUNNING),
            "sent_out": len(out),
            "sent_err": len(err),
            "left": self.left if self.told else "",
            **({"stop": 1} if self.told and self.by else {}),
        }
        return b"ronde-job " + " ".join(f"{k}={v}" for k, v in said.items()).encode() + b"\n" + out + err

    def _go_on(self, wait: int) -> None:
        self.looks_until_end -= 1
        self.said = min(len(OUT), self.said + 100)
        self.age += wait
        self.clock += wait
        if self.looks_until_end <= 0:
            self.said, self.standing = len(OUT), Standing.ENDED

    def pause(self, seconds: float) -> None:
        self.clock += seconds
        self.age += seconds if self.standing is Standing.RUNNING else 0

    def open(self, signal: Signal) -> Shell:
        signal.check()
        if next(self.faults) == "shut":
            self.clock += 10
            raise Unreachable("refused")
        return HostShell(self, signal)

    def carrier(self, signal: Signal | None = None, pace: Pace = PACE) -> Carrier:
        return Carrier(self.open, signal or NeverStop(), self.pause, pace=pace, monotonic=lambda: self.clock)

    def carry(self, **how: object) -> Carried:
        return self.carrier().carry(LAUNCH, **how)  # type: ignore[arg-type]  # handed on


@dataclass
class HostShell:
    host: Host
    signal: Signal
    closed: bool = False

    def run(self, command: Command, listen: Listener | None = None) -> Answer:
        self.signal.check()
        assert not self.closed
        fault = next(self.host.faults)
        if fault == "before":
            raise ConnectionLost("cut")
        said = self.host.answer(command)
        self.host.clock += 0.01
        if fault == "after":
            raise ConnectionLost("cut")
        if fault == "slow":
            self.host.clock += command.timeout
            raise CommandTimeout("no end")
        said = {"": said, "shut": said, "noise": b"Segmentation fault\n"}.get(fault, fault.encode())
        return Answer(command, 0, said, b"", AT, AT)

    def close(self) -> None:
        self.closed = True


faults = st.lists(st.sampled_from(["", "", "shut", "before", "after", "slow"]), max_size=12)


@given(faults)
def test_whatever_the_link_does_it_begins_once_and_all_of_it_arrives(faults: list[Fault]) -> None:
    host = Host(chain(faults, repeat("")))
    heard: dict[str, bytes] = {"out": b"", "err": b""}

    def listen(stream: str, data: bytes) -> None:
        heard[stream] += data

    pace = replace(PACE, grace=3000)
    carried = host.carrier(pace=pace).carry(LAUNCH, listen=listen)
    assert host.starts == 1
    assert (carried.standing, carried.exit_status, carried.stdout, carried.stderr) == (Standing.ENDED, 3, OUT, OUT)
    assert heard == {"out": OUT, "err": OUT}
    assert not carried.stopped


@given(faults, st.integers(1, 3), st.booleans())
def test_a_later_attempt_adopts_whatever_the_link_does(faults: list[Fault], looks: int, seen: bool) -> None:  # noqa: FBT001 - hypothesis fills it
    host = Host()
    host.standing, host.by, host.fence, host.starts, host.looks_until_end = Standing.RUNNING, 1, 1, 1, looks
    host.faults = chain(faults, repeat(""))
    later = replace(LAUNCH, key=replace(KEY, fence=2))
    carried = host.carrier(pace=replace(PACE, grace=3000)).carry(later, seen=seen)
    assert (host.starts, carried.adopted, carried.standing, carried.stdout) == (1, True, Standing.ENDED, OUT)
    assert host.fence == 2, "the host knows who holds the job before anything is concluded"


@pytest.mark.parametrize("fault", ["shut", "before", "after", "slow"])
def test_a_host_that_never_answers_is_given_up_in_time(fault: Fault) -> None:
    host = Host(repeat(fault), looks_until_end=float("inf"))
    carried = host.carry()
    assert carried.standing is Standing.UNKNOWN
    assert not carried.timed_out, "nobody knows"
    assert host.starts <= 1
    assert host.clock - 1000 < LAUNCH.limit + 3 * PACE.grace + 300


def test_a_finished_host_is_not_asked_more_than_needed() -> None:
    host = Host(looks_until_end=1)
    carried = host.carry()
    assert carried.standing is Standing.ENDED
    assert host.asked[:2] == ["look", "start"]
    assert host.asked.count("start") == 1


def test_a_higher_fence_is_left_alone() -> None:
    host = Host(fence=2, by=2, standing=Standing.RUNNING)
    assert host.carry().standing is Standing.FENCED
    assert host.asked == ["look"]


def test_what_was_seen_and_is_gone_is_reported() -> None:
    host = Host()
    assert host.carry(seen=True).standing is Standing.ABSENT
    assert (host.starts, host.told) == (0, 0)


def test_what_is_broken_is_reported_with_what_it_said() -> None:
    host = Host(by=1, fence=1, standing=Standing.BROKEN, said=300)
    carried = host.carry(seen=True)
    assert (carried.standing, carried.stdout, carried.exit_status) == (Standing.BROKEN, OUT[:300], None)
    assert (host.starts, host.told) == (0, 0)


def test_at_the_deadline_it_is_ended() -> None:
    host = Host(looks_until_end=float("inf"))
    carried = host.carry()
    assert (carried.standing, carried.timed_out, carried.stopped) == (Standing.ENDED, True, True)
    assert LAUNCH.limit + PACE.grace <= host.clock - 1000 < LAUNCH.limit + PACE.grace + 60
    assert carried.stdout == OUT[: host.said]


@pytest.mark.parametrize("last_words", [60.0, 600.0])
def test_a_host_that_is_gone_is_given_up_once_the_last_words_are_said(last_words: float) -> None:
    host = Host(chain(["", "", ""], repeat("shut")), looks_until_end=float("inf"))
    carried = host.carrier(pace=replace(PACE, last_words=last_words)).carry(LAUNCH)
    assert (host.starts, host.told, carried.standing) == (1, 0, Standing.UNKNOWN)
    given_up = LAUNCH.limit + PACE.grace
    assert given_up + last_words <= host.clock - 1000 < given_up + last_words + 60


def test_an_adopted_command_keeps_the_limit_it_was_started_with() -> None:
    host = Host(by=1, fence=1, standing=Standing.RUNNING, age=500, looks_until_end=float("inf"))
    assert host.carry(seen=True).timed_out
    assert host.clock - 1000 < LAUNCH.limit + PACE.grace - 500 + 60


def test_what_cannot_be_ended_is_named() -> None:
    host = Host(looks_until_end=float("inf"), left="12:0")
    carried = host.carry()
    assert (carried.standing, carried.left, carried.timed_out) == (Standing.RUNNING, ("12:0",), True)


class Turns:
    """A signal that gives its error from the nth look on."""

    def __init__(self, error: RondeError, looks: int) -> None:
        self.error, self.looks = error, looks

    def check(self) -> None:
        self.looks -= 1
        if self.looks <= 0:
            raise self.error


@given(st.integers(1, 25))
def test_a_lost_job_asks_nothing_more(looks: int) -> None:
    host = Host(looks_until_end=50)
    carried = host.carrier(Turns(Fenced("not ours"), looks)).carry(LAUNCH)
    assert carried.standing is Standing.FENCED
    assert host.told == 0
    assert len(host.asked) <= looks


@given(st.integers(1, 25))
def test_a_cancelled_job_leaves_it_running(looks: int) -> None:
    host = Host(looks_until_end=50)
    carried = host.carrier(Turns(Cancelled("stop"), looks)).carry(LAUNCH)
    assert carried.cancelled
    assert carried.standing in {Standing.RUNNING, Standing.STARTING, Standing.UNKNOWN, Standing.ABSENT}
    assert host.standing in {Standing.RUNNING, Standing.ABSENT}
    assert not (carried.standing is Standing.ABSENT and host.starts)


@given(st.integers(1, 25))
def test_a_cancelled_job_ends_it_when_told_to(looks: int) -> None:
    host = Host(looks_until_end=50)
    carried = host.carrier(Turns(Cancelled("stop"), looks)).carry(LAUNCH, end_now=True)
    assert carried.cancelled
    assert not carried.timed_out
    assert carried.standing is host.standing
    assert host.standing in {Standing.ENDED, Standing.ABSENT}
    assert host.told == 1
    assert carried.stdout == OUT[: host.said]


@dataclass
class OnceStarted:
    """A signal that says stop as soon as the host has started the command."""

    host: Host

    def check(self) -> None:
        if self.host.starts:
            raise Cancelled("stop")


def test_a_start_whose_answer_is_missing_is_not_called_absent() -> None:
    host = Host(chain(["", "", "after"], repeat("")))
    carried = host.carrier(OnceStarted(host)).carry(LAUNCH)
    assert (carried.standing, carried.cancelled) == (Standing.UNKNOWN, True)


def test_the_end_of_the_jobs_own_time_ends_it() -> None:
    host = Host(looks_until_end=50)
    carried = host.carrier(Turns(CommandTimeout("the job's time is over"), 12)).carry(LAUNCH)
    assert (carried.standing, carried.timed_out, carried.cancelled) == (Standing.ENDED, True, False)


def test_what_could_not_be_started_in_time_is_never_started() -> None:
    """The host answers looks, and is too busy for a start; when we give up, it is told not to begin any more."""
    host = Host()
    host.busy = True
    carried = host.carry()
    assert (carried.standing, host.starts, host.told) == (Standing.ABSENT, 0, 1)
    assert not carried.timed_out
    assert host.clock - 1000 < 2 * PACE.grace


@pytest.mark.parametrize("error", [AuthRefused("no"), InputError("no")])
def test_what_only_a_person_can_mend_is_raised(error: RondeError) -> None:
    def refuse(_: Signal) -> Shell:
        raise error

    with pytest.raises(type(error)):
        Carrier(refuse, NeverStop(), lambda _: None).carry(LAUNCH)


def test_a_host_that_cannot_is_not_asked_again() -> None:
    host = Host(chain(["", "", "ronde-job answer=unable for=flock\n"], repeat("")))
    with pytest.raises(CannotDetach, match="flock"):
        host.carry()


def test_noise_now_and_then_is_passed_over() -> None:
    host = Host(chain(["", "noise", "noise", "", "noise"], repeat("")))
    assert host.carry().stdout == OUT
    assert host.starts == 1


def test_noise_for_good_is_a_fault() -> None:
    host = Host(chain([""], repeat("noise")))
    with pytest.raises(ProtocolFault, match="Segmentation"):
        host.carry()


def test_a_command_too_long_is_refused_before_anything_is_asked() -> None:
    host = Host()
    with pytest.raises(InputError):
        host.carrier().carry(replace(LAUNCH, argv=("echo", "x" * 200_000)))
    assert host.asked == []
