"""rpm's order of versions: `[epoch:]version-release`, as rpm(8) and every tool above it compare them.

A version is read in runs of digits and runs of letters; all else only separates. Digits compare as numbers, letters as
text, digits are newer than letters, and a longer version is newer than its beginning. Two marks are older or newer than
the end itself: `1.0~rc1` comes before `1.0`, `1.0^git1` after it and before `1.0.1`.
"""

import re
from functools import cmp_to_key

_PIECE = re.compile(r"~|\^|[0-9]+|[a-zA-Z]+")


def evr(epoch: int, version: str, release: str) -> str:
    """How versions are written here and by rpm's tools: an epoch of 0 is left out."""
    said = f"{version}-{release}" if release else version
    return f"{epoch}:{said}" if epoch else said


def split_evr(text: str) -> tuple[int, str, str]:
    """Epoch, version and release of `[epoch:]version[-release]`; an epoch that is no number belongs to the version."""
    first, colon, rest = text.partition(":")
    epoch, rest = (int(first), rest) if colon and first.isdecimal() else (0, text)
    version, _, release = rest.rpartition("-") if "-" in rest else (rest, "", "")
    return epoch, version, release


def compare_evr(one: str, other: str) -> int:
    """-1, 0 or 1: whether `one` is older, as old, or newer. A release is only compared where both have one."""
    (epoch, version, release), (other_epoch, other_version, other_release) = split_evr(one), split_evr(other)
    if epoch != other_epoch:
        return 1 if epoch > other_epoch else -1
    by_version = compare_part(version, other_version)
    if by_version or not (release and other_release):
        return by_version
    return compare_part(release, other_release)


def compare_part(one: str, other: str) -> int:
    """The `rpmvercmp` of rpm over one version or one release."""
    left, right = _PIECE.findall(one), _PIECE.findall(other)
    for mine, theirs in zip(left, right, strict=False):
        decided = _compare_pieces(mine, theirs)
        if decided:
            return decided
    return _compare_ends(left[len(right) :], right[len(left) :])


def _compare_pieces(mine: str, theirs: str) -> int:
    """Two pieces at the same place: `~` before everything, then `^`, then letters, then digits."""
    if mine == theirs:
        return 0
    ours, others = _rank(mine), _rank(theirs)
    if ours[0] != others[0]:
        return 1 if ours[0] > others[0] else -1
    return (ours > others) - (ours < others)


def _rank(piece: str) -> tuple[int, int, str]:
    if piece == "~":
        return 0, 0, ""
    if piece == "^":
        return 1, 0, ""
    return (3, int(piece), "") if piece.isdecimal() else (2, 0, piece)


def _compare_ends(left: list[str], right: list[str]) -> int:
    """What is left of the longer one: newer than the end, unless it begins with `~`."""
    if not left and not right:
        return 0
    if left:
        return -1 if left[0] == "~" else 1
    return 1 if right[0] == "~" else -1


evr_key = cmp_to_key(compare_evr)
"""A sort key, for `max` and `sorted`."""
