"""What only root may ask, asked as root: directly, or by sudo where sudoers has the exact line for it."""

import re
from dataclasses import replace

from ronde.facts.question import Question
from ronde.model.check import Finding
from ronde.model.command import Answer
from ronde.model.patch.thresholds import unknown

# sudo keeps no variables, and may give back a locale that no parser of ours reads. Arguments: the program's full path,
# as sudoers names it, and the words of the question, whose first one is found by root's own PATH.
_AS_ROOT = """\
path=$1; shift
[ "$(id -u)" = 0 ] && exec "$@"
command -v sudo >/dev/null || { echo 'sudo: not installed' >&2; exit 1; }
shift
exec sudo -n -- /usr/bin/env LC_ALL=C TZ=UTC "$path" "$@"
"""
_LEADING = ("sh", "-c", _AS_ROOT, "ronde")
_REFUSED = re.compile(r"^sudo: |^Sorry, user |is not in the sudoers file", re.MULTILINE)


def as_root(path: str, question: Question) -> Question:
    """The same question as root; `path` is its program in full."""
    return Question(replace(question.command, argv=(*_LEADING, path, *question.command.argv)), question.shown)


def sudo_words(question: Question) -> tuple[str, ...]:
    """What a question made by `as_root` gives to sudo: the line in sudoers that allows it names exactly this."""
    path, _, *arguments = question.command.argv[len(_LEADING) :]
    return ("/usr/bin/env", "LC_ALL=C", "TZ=UTC", path, *arguments)


def refused(answer: Answer) -> Finding | None:
    """The finding when sudo did not let our user ask; None when it did, or was not needed."""
    argv = answer.command.argv
    if argv[: len(_LEADING)] != _LEADING or answer.exit_status != 1 or not _REFUSED.search(answer.error_text):
        return None
    program = argv[len(_LEADING)]
    return unknown("patch-denied", f"Our user may not run {program} as root.", program=program)
