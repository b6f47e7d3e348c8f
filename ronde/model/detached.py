"""A command that runs on a host by itself, without the link that started it: what is ordered, and what a look means."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from ronde.model.command import OUTPUT_CAP
from ronde.model.errors import InputError

CLOSED = 2**31 - 1  # the fence of a job that was tidied away; above every attempt, within every shell's arithmetic
_JOB = re.compile(r"[0-9a-f][0-9a-f-]{7,63}")
_STEP = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Key:
    """Where a detached command is found again, and who asks.

    Attributes:
        job: the job's id: hexadecimal digits and dashes, at least eight.
        step: the step within it: `a-z 0-9 . _ -`, not beginning with a mark. A job starts each of its steps once.
        fence: the attempt, from 1. The host remembers the highest and refuses every lower one.

    Raises:
        InputError: one of them does not look like that.
    """

    job: str
    step: str
    fence: int

    def __post_init__(self) -> None:
        if not _JOB.fullmatch(self.job):
            raise InputError(f"{self.job!r} is not a job's id.")
        if not _STEP.fullmatch(self.step):
            raise InputError(f"{self.step!r} is not a step's key: a-z, 0-9 and . _ - only.")
        if not 0 < self.fence < CLOSED:
            raise InputError(f"{self.fence} is not a fence: 1 to {CLOSED - 1}.")


@dataclass(frozen=True, slots=True)
class Launch:
    """A command to run detached, at most once under its key.

    Attributes:
        argv: the program and its arguments. They are seen in the host's process list: never secrets.
        stdin: bytes for its standard input; where secrets go. It waits in memory, or in a private file, until opened.
        limit: seconds after which the host ends the command, whoever is watching.
        cap: bytes kept of each output stream; the rest is read and dropped.
        env: harmless variables; they reach the program also through sudo.
        sudo: run it as root, by an exact line in sudoers (`ronde.facts.detached.sudoers_line`).

    Raises:
        InputError: no such command can be run.
    """

    key: Key
    argv: tuple[str, ...]
    stdin: bytes = field(default=b"", repr=False)
    limit: int = 3600
    cap: int = OUTPUT_CAP
    env: tuple[tuple[str, str], ...] = ()
    sudo: bool = False

    def __post_init__(self) -> None:
        program = self.argv[0] if self.argv else ""
        if not program or program.startswith("-") or "=" in program:
            raise InputError(f"{program!r} is not the name of a program.")
        if any("\0" in word for word in (*self.argv, *(value for _, value in self.env))):
            raise InputError("An argument cannot hold a zero byte.")
        if not all(_NAME.fullmatch(name) for name, _ in self.env):
            raise InputError("A variable's name is made of letters, digits and underscores.")
        if self.limit < 1 or self.cap < 1:
            raise InputError("The time limit and the cap are whole numbers above zero.")


class Standing(StrEnum):
    """How a detached command stands on its host."""

    ABSENT = "absent"  # the host has no trace of it
    STARTING = "starting"  # ordered a moment ago; nothing runs yet
    RUNNING = "running"
    ENDED = "ended"  # with its exit status
    BROKEN = "broken"  # it began, does not run under us any more, and left no exit status
    FENCED = "fenced"  # a later attempt holds the job, or the job is over
    UNKNOWN = "unknown"  # nobody could look


class Next(StrEnum):
    """What an attempt does about a command that stands so."""

    START = "start"
    FOLLOW = "follow"  # until it ends
    COLLECT = "collect"  # its exit status and what is left of its output
    REPORT = "report"  # nothing more may be done without a person: what it did is not known
    LEAVE = "leave"  # somebody else's
    LOOK = "look"  # again, as soon as the host can be reached


NEXT: Mapping[tuple[Standing, bool], Next] = {
    (Standing.ABSENT, False): Next.START,
    # It was there and is not: a restored disk, a folder cleared by hand. To start it may be to start it again.
    (Standing.ABSENT, True): Next.REPORT,
    (Standing.STARTING, False): Next.FOLLOW,
    (Standing.STARTING, True): Next.FOLLOW,
    (Standing.RUNNING, False): Next.FOLLOW,
    (Standing.RUNNING, True): Next.FOLLOW,
    (Standing.ENDED, False): Next.COLLECT,
    (Standing.ENDED, True): Next.COLLECT,
    (Standing.BROKEN, False): Next.REPORT,
    (Standing.BROKEN, True): Next.REPORT,
    (Standing.FENCED, False): Next.LEAVE,
    (Standing.FENCED, True): Next.LEAVE,
    (Standing.UNKNOWN, False): Next.LOOK,
    (Standing.UNKNOWN, True): Next.LOOK,
}
"""By standing, and whether this command was seen on the host before (by this attempt or, says the ledger, another)."""

CERTAIN = frozenset({Standing.ENDED})
"""The standings after which it is known what the command did; every other one needs another look, or a person."""


@dataclass(frozen=True, slots=True)
class Carried:
    """What became of a detached command, as far as this attempt followed it.

    Attributes:
        exit_status: only when `ENDED`. 128 + n when a signal n ended it, as shells say.
        stdout, stderr: from the very beginning, also when an earlier attempt had followed it.
        truncated: an output exceeded the cap, or something the command left behind still holds it open.
        timed_out: its limit has ended it, or it was still there at the deadline and was told to end.
        stopped: it was told to end, by us or by an earlier attempt.
        cancelled: a person asked the job to stop while it was followed.
        adopted: an earlier attempt started it.
        started, ended: by the host's clock, UTC; None when not known.
        boot_then, boot_now: the host's boot id when it began and when it was last looked at; empty when not known.
        alive: its process was alive at the last look; with `BROKEN`, it runs on though nobody keeps its exit status.
        left: processes that were to end and did not, each as `pid:uid`.
    """

    standing: Standing
    exit_status: int | None = None
    stdout: bytes = b""
    stderr: bytes = b""
    truncated: bool = False
    timed_out: bool = False
    stopped: bool = False
    cancelled: bool = False
    adopted: bool = False
    started: datetime | None = None
    ended: datetime | None = None
    boot_then: str = ""
    boot_now: str = ""
    alive: bool = False
    left: tuple[str, ...] = ()

    @property
    def succeeded(self) -> bool:
        """Whether it is certain that the command ran to its own end and said that all went well."""
        return self.standing in CERTAIN and self.exit_status == 0 and not self.timed_out

    @property
    def rebooted(self) -> bool:
        """Whether the host was restarted since the command began."""
        return bool(self.boot_then and self.boot_now) and self.boot_then != self.boot_now

    @property
    def why(self) -> str:
        """One sentence for the person who has to decide; empty when there is nothing to decide."""
        if self.standing is not Standing.BROKEN:
            return _WHY.get(self.standing, "")
        if self.rebooted:
            return "The host was restarted before the command ended."
        if self.alive:
            return "The command runs on, but what kept its exit status was killed."
        return "The command was killed, or what kept its exit status was, before it ended."


_WHY = {
    Standing.ABSENT: "The host has no trace of the command, though it was seen there before.",
    Standing.STARTING: "The command was ordered, but was not seen running.",
    Standing.RUNNING: "The command was still running when it was last looked at.",
    Standing.FENCED: "A later attempt holds the job.",
    Standing.UNKNOWN: "The host could not be reached to see what became of the command.",
}


def next_act(standing: Standing, *, seen: bool) -> Next:
    """What to do about a command that stands so; `seen`: it was on the host before."""
    return NEXT[standing, seen]
