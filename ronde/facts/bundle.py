"""Several questions put in one command: one round trip for all of them, and an answer for each as if asked alone.

The host runs them one after the other, each within its own limit. Both output streams stay apart: after each command a
line with our mark is written to either of them, on standard output with the exit status. No temporary file, and no
command is pasted into shell text.
"""

import hashlib
import re
import shlex
from collections.abc import Sequence
from dataclasses import replace

from ronde.facts.question import Question
from ronde.model.command import Answer, Command

CAP = 32 * 1024 * 1024  # bytes of each stream, of all answers together
_MARGIN = 30.0  # seconds beyond the sum of all limits, which the host itself keeps
# Arguments: our mark; then of each command the number of its words, its limit in seconds, and the words. To run the
# first words of a list, a subshell puts them last and drops what stands before them.
_SCRIPT = r"""
mark=$1; shift
while [ $# -gt 2 ]; do
  n=$1 limit=$2; shift 2
  (
    others=$(($# - n)) i=0
    while [ "$i" -lt "$n" ]; do set -- "$@" "$1"; shift; i=$((i + 1)); done
    shift "$others"
    if command -v timeout >/dev/null; then exec timeout -k 10 "$limit" "$@"; else exec "$@"; fi
  ) </dev/null
  printf '\n%s %s\n' "$mark" "$?"
  printf '\n%s\n' "$mark" >&2
  shift "$n"
done
exit 0
"""


def bundle(questions: Sequence[Question]) -> Question:
    """One question for several; all of them run in the same harmless environment, and none has standard input."""
    words: list[str] = []
    for question in questions:
        argv = question.command.argv
        words += [str(len(argv)), str(int(question.command.timeout)), *argv]
    limit = sum(question.command.timeout for question in questions) + _MARGIN
    command = Command(("sh", "-c", _SCRIPT, "ronde", _mark(questions), *words), timeout=limit, cap=CAP)
    return Question(command, "; ".join(question.shown for question in questions))


def _mark(questions: Sequence[Question]) -> str:
    """Differs from whatever a program prints, since it is made of everything that is asked."""
    asked = "\n".join(shlex.join(question.command.argv) for question in questions)
    return f"--ronde-{hashlib.sha256(asked.encode()).hexdigest()[:32]}--"


def unbundle(questions: Sequence[Question], answer: Answer) -> list[Answer]:
    """The answer to each question, in order. One that was not reached, or is cut, has no exit status."""
    mark = re.escape(_mark(questions).encode())
    said = re.split(rb"\n%b (\d+)\n" % mark, answer.stdout)
    errors = re.split(rb"\n%b\n" % mark, answer.stderr)
    answers = []
    for number, question in enumerate(questions):
        ended = 2 * number + 1 < len(said) and number < len(errors) - 1
        status = int(said[2 * number + 1]) if ended else None
        out = said[2 * number] if 2 * number < len(said) else b""
        err = errors[number] if number < len(errors) else b""
        answers.append(
            replace(
                answer,
                command=question.command,
                exit_status=status,
                stdout=out,
                stderr=err,
                truncated=not ended or len(out) > question.command.cap or len(err) > question.command.cap,
            )
        )
    return answers
