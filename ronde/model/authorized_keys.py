"""The text of an authorized_keys file, changed for one key and untouched for all others.

A file is text as Python decodes it with `surrogateescape`; a key is `TYPE BLOB`, as a public line begins. Lines are
read as sshd reads them: blanks, then maybe options with quoted strings, then the key, then a comment.
"""

import re
from collections.abc import Callable, Sequence


def holds(text: str, key: str) -> bool:
    """Whether one of the lines lets this key in."""
    return any(_place(line, key) is not None for line in text.split("\n"))


def with_key(text: str, old: str, new: str, comment: str) -> str:
    """The text with `new` allowed behind each line of `old`, under the same options; unchanged when it is there.

    Raises:
        ValueError: neither key is there, so that nothing says under which options the new one is to be allowed.
    """
    if holds(text, new):
        return text
    if not holds(text, old):
        raise ValueError("the key to be replaced is not in the file")

    def doubled(line: str) -> Sequence[str]:
        place = _place(line, old)
        return (line,) if place is None else (line, f"{line[:place]}{new} {comment}".rstrip())

    return _rewritten(text, doubled)


def without_key(text: str, key: str) -> str:
    """The text without the lines that let this key in."""
    return _rewritten(text, lambda line: () if _place(line, key) is not None else (line,))


def _rewritten(text: str, change: Callable[[str], Sequence[str]]) -> str:
    ending = "" if text.endswith("\n") or not text else "\n"  # a last line without an end would swallow the next one
    lines = [fresh for line in (text + ending).split("\n")[:-1] for fresh in change(line)]
    return "".join(f"{line}\n" for line in lines)


def _place(line: str, key: str) -> int | None:
    """Where the key begins in the line, behind its options; None when the line is not about it."""
    kind, _, blob = key.partition(" ")
    start = len(line) - len(line.lstrip(" \t"))
    if line.startswith("#", start):
        return None
    pattern = re.compile(rf"{re.escape(kind)}[ \t]+{re.escape(blob)}(?=[ \t\r]|$)")
    places = (start, _after_options(line, start))
    return next((place for place in places if pattern.match(line, place)), None)


def _after_options(line: str, start: int) -> int:
    """Where the word behind the options begins: quotes hold blanks, and a backslash takes a quote its meaning."""
    quoted, at = False, start
    while at < len(line) and (quoted or line[at] not in " \t"):
        if line.startswith('\\"', at):
            at += 1
        elif line[at] == '"':
            quoted = not quoted
        at += 1
    return at + len(line[at:]) - len(line[at:].lstrip(" \t"))
