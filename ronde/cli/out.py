"""What every command shares: where words go, how JSON is printed, and which exit status means what."""

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape

from ronde.model.errors import InputError, RondeError
from ronde.model.redaction import sanitise_terminal
from ronde.model.verdict import Verdict

SHAPES = {Verdict.OK: "●", Verdict.WARNING: "▲", Verdict.UNKNOWN: "◇", Verdict.FAILED: "■"}
COLOURS = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.UNKNOWN: "magenta", Verdict.FAILED: "red"}


class Exit(IntEnum):
    """Exit status of commands that examine something."""

    OK = 0
    FINDINGS = 1  # warnings or failures
    USAGE = 2  # what was asked is wrong, or could not be asked at all
    UNKNOWN = 3  # something could not be verified, and nothing worse


INTERRUPTED = 130  # what shells give a command that Ctrl-C ended: 128 + SIGINT


def exit_for(verdicts: list[Verdict]) -> Exit:
    """Warnings and failures are findings; with none of these, anything unknown, or nothing at all, is `UNKNOWN`."""
    if any(verdict in (Verdict.WARNING, Verdict.FAILED) for verdict in verdicts):
        return Exit.FINDINGS
    if not verdicts or Verdict.UNKNOWN in verdicts:
        return Exit.UNKNOWN
    return Exit.OK


def console() -> Console:
    """Standard output; plain when it is not a terminal."""
    return Console(soft_wrap=False, highlight=False)


def print_json(value: Any) -> None:
    """One JSON document on standard output; what a terminal would obey, or not show, stands in it as an escape."""
    text = json.dumps(value, ensure_ascii=False, indent=2, default=str)
    typer.echo(_UNSEEN.sub(lambda match: f"\\u{ord(match[0]):04x}", text))


_UNSEEN = re.compile("[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


def complain(text: str) -> None:
    """Words for standard error, with everything a hostile host could have put into them made harmless."""
    sys.stderr.write(sanitise_terminal(text) + "\n")


@contextmanager
def told_errors() -> Iterator[None]:
    """Turn an error of ours into words on standard error and the exit status `USAGE`; programming errors stay loud."""
    try:
        yield
    except RondeError as error:
        complain(str(error))
        raise typer.Exit(Exit.USAGE if isinstance(error, InputError) else Exit.UNKNOWN) from error
    except BrokenPipeError:
        raise typer.Exit(Exit.OK) from None


def one_line(text: str) -> str:
    """Words from outside on one line, harmless for the terminal: a name with a line break cannot forge a line."""
    return " ".join(sanitise_terminal(text).split())


def safe(text: str) -> str:
    """The same, harmless for Rich's markup as well; to stand before a tag, which no backslash at its end undoes."""
    line = one_line(text)
    body = line.rstrip("\\")
    return escape(body) + "\\" * 2 * (len(line) - len(body))


def labelled(verdict: Verdict, label: str, words: str, width: int) -> str:
    """A verdict's shape, a label as wide as its column, and the words; markup."""
    plain = one_line(label)
    return f"{shaped(verdict, escape(plain.ljust(width)))}  {safe(words)}"


def shaped(verdict: Verdict, words: str) -> str:
    """A verdict as shape and word, coloured for a terminal; never by colour alone."""
    return f"[{COLOURS[verdict]}]{SHAPES[verdict]}[/] {words}"
