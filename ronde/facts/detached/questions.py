"""The questions about detached commands; every value is an argument of a fixed script."""

import shlex
from dataclasses import replace

from ronde.facts.detached import scripts
from ronde.facts.detached.sudo import STOP_GRACE, sudo_stop, with_sudo
from ronde.facts.question import Question
from ronde.model.command import Command
from ronde.model.detached import Key, Launch
from ronde.model.errors import InputError

LINE_LIMIT = (
    131_072 - 64
)  # Linux takes one argument of 128 KiB (MAX_ARG_STRLEN), and sshd makes the line one; spare room
SUDO_MARGIN = 30  # seconds our own limit is longer than the one that root's own `timeout` keeps
_OUR_GRACE = 60.0  # seconds our wait is longer than what the script takes by its own count
_HEADER = 4096
_NOBODY = ("", "-", "0")  # where the script does without job, step and fence


def start_question(launch: Launch) -> Question:
    """Starts the command, unless that step was started before; answered at once.

    Raises:
        InputError: quoted, the command is longer than a host takes.
    """
    argv, limit = _what_runs(launch)
    words = (*_key(launch.key), str(len(launch.stdin)), str(limit), str(launch.cap), *scripts.PARTS, *argv)
    question = _question(scripts.START, words, _OUR_GRACE * 2, shlex.join(argv))
    length = len(question.command.line.encode("utf-8", "surrogateescape"))
    if length > LINE_LIMIT:
        advice = "Put long values on its standard input, or into a file."
        raise InputError(f"The command takes {length} bytes, quoted; a host takes {LINE_LIMIT}.", advice=advice)
    return Question(replace(question.command, stdin=launch.stdin), question.shown)


def look_question(key: Key, out_at: int, err_at: int, *, wait: int, most: int) -> Question:
    """How the command stands, and its output from these offsets on, at most `most` bytes of each stream.

    Answered when there is something new, or it does not run (any more); at the latest after `wait` seconds.
    """
    words = (*_key(key), str(out_at), str(err_at), str(wait), str(most))
    asked = _question(scripts.LOOK, words, wait + _OUR_GRACE, f"tail -f {key.job}/{key.step}")
    return Question(replace(asked.command, cap=2 * most + _HEADER), asked.shown)


def stop_question(launch: Launch, grace: int) -> Question:
    """Ends the command and all of its session: asked first, killed after `grace` seconds."""
    ending: tuple[str, ...] = ()
    if launch.sudo:
        ending, grace = sudo_stop(launch.argv, launch.limit, launch.env), max(grace, STOP_GRACE)
    words = (*_key(launch.key), str(grace), *ending)
    return _question(scripts.STOP, words, grace + _OUR_GRACE, f"kill {launch.key.job}/{launch.key.step}")


def raise_question(job: str, fence: int) -> Question:
    """Writes the attempt down as the highest so far, and asks which steps there are: an adopting attempt does it first.

    Raises:
        InputError: the id or the fence is none.
    """
    return _question(scripts.RAISE, _key(Key(job, "0", fence)), _OUR_GRACE, f"fence {fence} >{job}")


def tidy_question(job: str, fence: int) -> Question:
    """Removes all that a job left, unless something of it still runs. No attempt can start anything in it afterwards.

    Raises:
        InputError: the id or the fence is none.
    """
    return _question(scripts.TIDY, _key(Key(job, "0", fence)), _OUR_GRACE, f"rm -r {job}/*")


def tidy_old_question(days: int) -> Question:
    """Removes whatever jobs left more than so many whole days ago; what runs is spared.

    Afterwards nothing refuses an attempt at those jobs any more: many more days than a job is ever tried.

    Raises:
        InputError: fewer than one.
    """
    if days < 1:
        raise InputError("What jobs left is kept for a day at least.")
    return _question(scripts.TIDY_OLD, (*_NOBODY, str(days)), _OUR_GRACE * 2, f"rm -r jobs older than {days} days")


def _what_runs(launch: Launch) -> tuple[tuple[str, ...], int]:
    """The arguments and the limit that the host sees."""
    if launch.sudo:
        return with_sudo(launch.argv, launch.limit, launch.env), launch.limit + SUDO_MARGIN
    settings = tuple(f"{name}={value}" for name, value in launch.env)
    return (("env", *settings, *launch.argv) if settings else launch.argv), launch.limit


def _key(key: Key) -> tuple[str, str, str]:
    return key.job, key.step, str(key.fence)


def _question(script: str, words: tuple[str, ...], seconds: float, shown: str) -> Question:
    return Question(Command(("sh", "-c", script, "ronde", *words), timeout=seconds), shown)
