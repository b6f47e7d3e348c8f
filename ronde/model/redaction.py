"""Secrets and hostile bytes taken out of what a host said, before it is stored, logged or shown."""

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from urllib.parse import quote, quote_plus

SHORTEST = 6  # bytes; a shorter "secret" would also be found where it is none
_LONGEST_LINE = 64 * 1024  # bytes held back in wait for a line's end
_TOKENS = (b"[redacted]", b"<removed>", b"{hidden}", "█████".encode())

# Hostile text must not make these slow: every repetition is bounded, or begins at a fixed word.
_ASSIGNED = re.compile(
    rb"""(?ix)
    (?P<kept> (?:pass(?:word|wd|phrase|code)|pwd|secret|api[_-]?key|access[_-]?key|auth[_-]?token) [\w.-]{0,64}
        ["']? [ \t]{0,16} [=:] [ \t]{0,16} )
    (?: "(?:[^"\\\r\n]|\\.){0,4096}"? | '[^'\r\n]{0,4096}'? | [^\s"',;&]+ )
    """
)
_BEARER = re.compile(rb"(?i)(?P<kept>\bbearer[ \t]{1,16})[\w.~+/=-]{6,}")
_AUTHORIZATION = re.compile(
    rb"""(?i)(?P<kept>\bauthorization["']?[ \t]{0,16}[:=][ \t]{0,16}["']?\w{1,32}[ \t]{1,16})[^\s"']+"""
)
_URL = re.compile(rb"""(?P<kept>://[^\s/@:"']{0,256}:)[^\s/"']{1,4096}(?=@)""")
_RULES = (_AUTHORIZATION, _BEARER, _URL, _ASSIGNED)

_PEM_MARK = re.compile(rb"-----(?:BEGIN|(?P<end>END)) [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_PEM_LONGEST = 80  # bytes of such a mark
_PEM_BODY = re.compile(rb"[\s\"',]*(?:[A-Za-z0-9+/=]{20,}\s+)*(?:(?:[A-Za-z0-9+/=]|\\[nr])+|[A-Za-z-]+: .*|)[\s\"',]*")


class Redactor:
    """Takes secrets out of a stream of bytes, whatever the pieces it arrives in.

    Found are the secrets given, each of their lines, their usual encodings (base64, URL, JSON, HTML, hexadecimal), and
    by pattern: private key blocks, assignments to something called a password, bearer tokens, credentials in URLs.
    What is found is replaced by `[redacted]`. A secret shorter than six bytes is ignored.

    Whole lines are given out, each as soon as no secret can have begun in it that is not yet here to its end; the last,
    unfinished one is held back until its end, `finish`, or 64 KiB.
    """

    def __init__(self, secrets: Iterable[bytes]) -> None:
        self._needles = _Needles(secrets)
        self._held = b""
        self._spans: list[tuple[int, int]] = []  # where secrets stand in what is held
        self._in_key = False

    def feed(self, chunk: bytes) -> bytes:
        """Take the next piece; returns what is now known to be clean, maybe nothing."""
        unseen = max(0, len(self._held) - self._needles.overlap)
        self._held += chunk
        self._spans = _merged([*self._spans, *self._needles.spans(self._held, unseen)])
        certain = self._needles.begun(self._held)  # a secret that begins before this is wholly here
        cut = _before(self._spans, self._held.rfind(b"\n", 0, max(0, certain)) + 1)
        if cut == 0 and certain > _LONGEST_LINE:
            return self._give_out(_after(self._spans, self._not_in_mark(certain)), mid_line=True)
        return self._give_out(cut)

    def finish(self) -> bytes:
        """The end of the stream: everything that was still held back, clean."""
        out = self._give_out(len(self._held))
        self._in_key = False
        return out

    def another(self) -> "Redactor":
        """One for another stream, which looks for the same secrets."""
        fresh = Redactor(())
        fresh.learn(self)
        return fresh

    def learn(self, other: "Redactor") -> None:
        """Look for the secrets of `other` from now on, also in what is still held back."""
        needles = other._needles  # noqa: SLF001 - another of this very class
        if self._needles is not needles:
            self._needles = needles
            self._spans = _merged(self._needles.spans(self._held, 0))

    def redact(self, data: bytes) -> bytes:
        """A whole text at once; independent of what is being fed."""
        fresh = Redactor(())
        fresh._needles = self._needles
        fresh._held = data
        fresh._spans = _merged(self._needles.spans(data, 0))
        return fresh.finish()

    def _not_in_mark(self, cut: int) -> int:
        """The cut, moved to the start of a mark of a private key that it might divide."""
        earliest, latest = max(1, cut - _PEM_LONGEST), cut + len(b"-----BEGIN")
        mark = max(self._held.rfind(word, earliest, latest) for word in (b"-----BEGIN", b"-----END"))
        return mark if 0 < mark < cut else cut

    def _give_out(self, cut: int, *, mid_line: bool = False) -> bytes:
        pieces, at = [], 0
        for start, end in self._spans:
            if end > cut:
                break
            pieces += [self._held[at:start], self._needles.token]
            at = end
        pieces.append(self._held[at:cut])
        self._held = self._held[cut:]
        self._spans = [(start - cut, end - cut) for start, end in self._spans if start >= cut]
        lines = b"".join(pieces).splitlines(keepends=True)
        return b"".join(self._by_rule(line, mid_line=mid_line) for line in lines)

    def _by_rule(self, line: bytes, *, mid_line: bool) -> bytes:
        clean, at = [], 0
        for mark in _PEM_MARK.finditer(line):
            ends_key = mark["end"] is not None
            clean.append(self._between_marks(line[at : mark.start()], open_ended=ends_key))
            at = mark.end()
            if ends_key and not self._in_key:
                clean.append(mark[0])  # the end of nothing
            elif not ends_key:
                clean.append(self._needles.token)
            self._in_key = not ends_key
        clean.append(self._between_marks(line[at:], open_ended=mid_line))
        return b"".join(clean)

    def _between_marks(self, text: bytes, *, open_ended: bool) -> bytes:
        """What lies between two marks, or a mark and the line's end; `open_ended` when a key goes on after it."""
        if not self._in_key:
            return self._by_pattern(text)
        if open_ended or _PEM_BODY.fullmatch(text.replace(self._needles.token, b"")):
            return b""
        self._in_key = False  # broken off, and ordinary text again
        return b"\n" + self._by_pattern(text)

    def _by_pattern(self, text: bytes) -> bytes:
        for rule in _RULES:
            text = rule.sub(lambda match: match["kept"] + self._needles.token, text)
        return text


def sanitise_terminal(text: str) -> str:
    r"""Text that a terminal only prints: no escape sequence, no control character but tab and newline.

    Direction overrides and invisible separators go as well, since they make a line read as another; a carriage return,
    which would overwrite a line, starts a new one.
    """
    plain = _SEQUENCE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    return _CONTROL.sub("", plain)


_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # control sequences: colours, cursor, screen
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?"  # titles, clipboard
    r"|\x1b[ -/]*[0-~]?"  # two-character escapes, character sets
)
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


class _Needles:
    """Everything to look for, by its first six bytes: the search costs the same for ten secrets and ten thousand.

    Attributes:
        overlap: how many bytes of a needle may be missing at the end of a piece.
        token: what a needle is replaced by.
    """

    def __init__(self, secrets: Iterable[bytes]) -> None:
        needles = {form for secret in secrets for form in _forms(secret)}
        self.overlap = max((len(needle) for needle in needles), default=1) - 1
        self.token = _token_for(needles)
        self._by_start: dict[bytes, list[bytes]] = {}
        for needle in needles:
            self._by_start.setdefault(needle[:SHORTEST], []).append(needle)
        self._first_bytes = {start[:length] for start in self._by_start for length in range(1, SHORTEST)}

    def spans(self, data: bytes, begin: int) -> Iterator[tuple[int, int]]:
        """Where needles stand in `data` from `begin` on, as (start, end); they may overlap."""
        starts = self._by_start
        if not starts:
            return
        for at in [at for at in range(begin, len(data)) if data[at : at + SHORTEST] in starts]:
            for needle in starts[data[at : at + SHORTEST]]:
                if data.startswith(needle, at):
                    yield at, at + len(needle)

    def begun(self, data: bytes) -> int:
        """Where the first needle begins that may go on after the end of `data`; its length when there is none."""
        end = len(data)
        for at in range(max(0, end - self.overlap), end):
            start = data[at : at + SHORTEST]
            if len(start) < SHORTEST:
                if start in self._first_bytes:
                    return at
            elif any(
                len(needle) > end - at and needle.startswith(data[at:]) for needle in self._by_start.get(start, ())
            ):
                return at
        return end


@lru_cache(maxsize=4096)
def _forms(secret: bytes) -> tuple[bytes, ...]:
    """A secret as it may turn up: itself, its lines, and the encodings of each."""
    whole = secret.strip(b"\r\n")
    lines = [line.strip() for line in whole.splitlines() if not line.startswith(b"-----")]
    parts = [part for part in {whole, *lines} if len(part) >= SHORTEST]
    encoded = [form for part in parts for form in _encoded(part) if len(form) >= SHORTEST]
    return (*parts, *encoded)


def _encoded(part: bytes) -> Iterator[bytes]:
    text = part.decode("utf-8", "replace")
    yield part.hex().encode()
    yield part.hex().upper().encode()
    for shift in range(3):  # base64 of a text that holds the secret shows it in one of three ways
        plain = base64.b64encode(bytes(shift) + part)
        inner = plain[-(-shift * 8 // 6) : (shift + len(part)) * 8 // 6]
        yield inner
        yield inner.translate(bytes.maketrans(b"+/", b"-_"))
    if "\ufffd" in text:
        yield quote(part, safe="").encode()
        return
    for safe in ("", "/"):
        escaped = quote(text, safe=safe)
        yield escaped.encode()
        yield re.sub("%..", lambda match: match[0].lower(), escaped).encode()
    yield quote_plus(text).encode()
    yield json.dumps(text)[1:-1].encode()
    yield json.dumps(text, ensure_ascii=False)[1:-1].encode()
    yield html.escape(text).encode()


def _token_for(needles: set[bytes]) -> bytes:
    """A replacement that can be no part of any secret, so that replacing cannot put one together."""
    for token in _TOKENS:
        ends = {token[:1], token[-1:]}
        if not any(needle in token or any(end in needle for end in ends) for needle in needles):
            return token
    return b""


def _merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _before(spans: list[tuple[int, int]], cut: int) -> int:
    """The cut, moved to the start of the span it would divide."""
    return next((start for start, end in spans if start < cut < end), cut)


def _after(spans: list[tuple[int, int]], cut: int) -> int:
    """The cut, moved to the end of the span it would divide."""
    return next((end for start, end in spans if start < cut < end), cut)
