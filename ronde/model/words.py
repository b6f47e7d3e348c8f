"""The nearest valid word to a mistaken one."""

from collections.abc import Iterable
from difflib import SequenceMatcher

_NEAR = 0.6  # difflib's own default for a close match
_STEM = 3  # letters from which on a beginning tells the word
_SHORT_LIST = 8  # more choices than this are not enumerated in a message


def nearest(word: str, valid: Iterable[str]) -> str | None:
    """The valid word most like this one, or None when none is near; case counts for nothing."""
    scored = [(_likeness(word.casefold(), choice.casefold()), choice) for choice in sorted(set(valid))]
    best = max(scored, key=lambda pair: pair[0], default=(0.0, ""))
    return best[1] if best[0] >= _NEAR else None


def _likeness(word: str, choice: str) -> float:
    """0 to 1; a word cut short (`repo` for `repository`) is as good as a near miss."""
    short, long = sorted((word, choice), key=len)
    ratio = SequenceMatcher(None, word, choice).ratio()
    return max(ratio, _NEAR) if len(short) >= _STEM and long.startswith(short) else ratio


def hint(word: str, valid: Iterable[str]) -> str:
    """`; did you mean "restic"?`, or the choices when none is near and they are few, or nothing."""
    choices = sorted(set(valid))
    near = nearest(word, choices)
    if near is not None:
        return f'; did you mean "{near}"?'
    if 0 < len(choices) <= _SHORT_LIST:
        return f"; it can be {listed(choices)}"
    return ""


def listed(choices: Iterable[str]) -> str:
    """`a`, `a or b`, `a, b or c`."""
    *head, last = list(choices)
    return f"{', '.join(head)} or {last}" if head else last
