"""Names as the world gives them, made safe for a line of text, a mail header and an XML template."""

import unicodedata

MOST_NAME = 80  # as long as vSphere lets a machine's name be
_ISOLATE, _RELEASE = "\u2068", "\u2069"


def clean(text: str, most: int = MOST_NAME) -> str:
    """One line without control, format, private or unassigned characters, at most `most` characters long.

    Control characters and line ends become spaces (a CR or LF would split a mail header, a NUL breaks XML), invisible
    format characters such as the bidi overrides go, lone surrogates and unassigned code points become U+FFFD.
    """
    return shorten(" ".join("".join(map(_safe, text)).split()), most)


def shorten(text: str, most: int) -> str:
    """The text itself, or its beginning with an ellipsis, in at most `most` characters."""
    return text if len(text) <= most else text[: max(most - 1, 0)].rstrip() + "…"


def isolate(text: str) -> str:
    """The text inside bidi isolates when it holds right-to-left letters, so that it cannot reorder its neighbours."""
    if any(unicodedata.bidirectional(char) in {"R", "AL", "AN"} for char in text):
        return f"{_ISOLATE}{text}{_RELEASE}"
    return text


def _safe(char: str) -> str:
    category = unicodedata.category(char)
    if category in {"Cc", "Zl", "Zp"}:
        return " "
    if category == "Cf":
        return ""
    return "\ufffd" if category in {"Cs", "Co", "Cn"} else char
