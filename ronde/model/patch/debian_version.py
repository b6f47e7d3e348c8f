"""The order of Debian's versions, as deb-version(7) defines it; kernel releases are made alike and compare the same."""

import re

Run = tuple[tuple[int, ...], int]  # some letters, closed by 0, and the number behind them
Key = tuple[int, tuple[Run, ...], tuple[Run, ...]]
_RUNS = re.compile(r"(\D*)(\d*)")


def version_key(text: str) -> Key:
    """What versions are sorted by: `1:2.0~rc1-1` before `1:2.0-1` before `1:2.0-1+deb12u1`.

    Any text has a place in the order; whether it is a valid version is not asked.
    """
    epoch, colon, rest = text.partition(":")
    if not (colon and epoch.isdecimal()):
        epoch, rest = "0", text
    upstream, dash, revision = rest.rpartition("-")
    return int(epoch), _runs(upstream if dash else rest), _runs(revision if dash else "")


def _runs(text: str) -> tuple[Run, ...]:
    """The runs in turn; the last one is empty, so that what ends sorts after `~`. Nothing is the same as `0`."""
    return tuple(((*map(_weight, letters), 0), int(number or 0)) for letters, number in _RUNS.findall(text or "0"))


def _weight(letter: str) -> int:
    """`~` before the end (0), the end before letters, letters before everything else."""
    if letter == "~":
        return -1
    return ord(letter) if letter.isalpha() else ord(letter) + 256
