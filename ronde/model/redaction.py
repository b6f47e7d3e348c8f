"""Secrets and hostile bytes taken out of what a host said, before it is stored, logged or shown."""

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

SHORTEST = 6  # bytes; a shorter "secret" would also be found where it is none
_LONGEST_LINE = 64 * 1024  # bytes held back in wait for a line's end
_TOKENS = (b"[redacted]", b"<removed>", b"{hidden}", "█████".encode())

_ASSIGNED = re.compile(
    rb"""(?ix)
    (?P<kept> [\w.-]*(?:pass(?:word|wd|phrase|code)|passwd|pwd|secret|api[_-]?key|access[_-]?key|auth[_-]?token)[\w.-]*
        ["']? [ \t]* [=:] [ \t]* )
    (?: "(?:[^"\\\r\n]|\\.)*" | '[^'\r\n]*' | [^\s"',;&]+ )
    """
)
_BEARER = re.compile(rb"(?i)(?P<kept>\bbearer[ \t]+)[\w.~+/=-]{6,}")
_AUTHORIZATION = re.compile(rb"(?i)(?P<kept>\b(?:proxy-)?authorization[\"']?[ \t]*[:=][ \t]*[\"']?\w+[ \t]+)[^\s\"']+")
_URL = re.compile(rb"(?i)(?P<kept>\b[a-z][a-z0-9+.-]*://[^\s/@:\"']*:)[^\s/\"']+(?=@)")
_RULES = (_AUTHORIZATION, _BEARER, _URL, _ASSIGNED)

_PEM_BEGIN = re.compile(rb"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----")
_PEM_END = re.compile(rb"-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----")
_PEM_BODY = re.compile(rb"[\s\"',]*(?:[A-Za-z0-9+/=]+|[A-Za-z-]+: .*|)[\s\"',]*")


class Redactor:
    """Takes secrets out of a stream of bytes, whatever the pieces it arrives in.

    Found are the secrets given, each of their lines, their usual encodings (base64, URL, JSON, HTML, hexadecimal), and
    by pattern: private key blocks, assignments to something called a password, bearer tokens, credentials in URLs.
    What is found is replaced by `[redacted]`. A secret shorter than six bytes is ignored.

    Whole lines are given out; the last, unfinished one is held back until its end, `finish`, or 64 KiB.
    """

    def __init__(self, secrets: Iterable[bytes]) -> None:
        self._needles = sorted({form for secret in secrets for form in _forms(secret)}, key=len, reverse=True)
        self._overlap = len(self._needles[0]) - 1 if self._needles else 0
        self._token = _token_for(self._needles)
        self._held = b""
        self._in_key = False

    def feed(self, chunk: bytes) -> bytes:
        """Take the next piece; returns what is now known to be clean, maybe nothing."""
        self._held += chunk
        spans = _merged(self._spans(self._held))
        certain = len(self._held) - self._overlap  # a secret that begins before this is wholly here
        cut = _before(spans, self._held.rfind(b"\n", 0, max(0, certain)) + 1)
        if cut == 0 and certain > _LONGEST_LINE:
            cut = _after(spans, certain)
        return self._give_out(cut, spans)

    def finish(self) -> bytes:
        """The end of the stream: everything that was still held back, clean."""
        out = self._give_out(len(self._held), _merged(self._spans(self._held)))
        self._in_key = False
        return out

    def redact(self, data: bytes) -> bytes:
        """A whole text at once; independent of what is being fed."""
        fresh = Redactor(())
        fresh._needles, fresh._overlap, fresh._token = self._needles, self._overlap, self._token
        return fresh.feed(data) + fresh.finish()

    def _spans(self, data: bytes) -> Iterator[tuple[int, int]]:
        for needle in self._needles:
            at = data.find(needle)
            while at >= 0:
                yield at, at + len(needle)
                at = data.find(needle, at + 1)

    def _give_out(self, cut: int, spans: list[tuple[int, int]]) -> bytes:
        pieces, at = [], 0
        for start, end in spans:
            if end > cut:
                break
            pieces += [self._held[at:start], self._token]
            at = end
        pieces.append(self._held[at:cut])
        self._held = self._held[cut:]
        return b"".join(self._by_rule(line) for line in b"".join(pieces).splitlines(keepends=True))

    def _by_rule(self, line: bytes) -> bytes:
        if self._in_key:
            return self._inside_key(line)
        begin = _PEM_BEGIN.search(line)
        if begin:
            self._in_key = True
            return line[: begin.start()] + self._token + b"\n" + self._inside_key(line[begin.end() :])
        for rule in _RULES:
            line = rule.sub(lambda match: match["kept"] + self._token, line)
        return line

    def _inside_key(self, line: bytes) -> bytes:
        end = _PEM_END.search(line)
        if end:
            self._in_key = False
            return self._by_rule(line[end.end() :].lstrip(b"\r\n"))
        if _PEM_BODY.fullmatch(line.replace(self._token, b"")) or b"\\n" in line:
            return b""
        self._in_key = False  # a block that breaks off, and ordinary text after it
        return self._by_rule(line)


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


def _forms(secret: bytes) -> Iterator[bytes]:
    """A secret as it may turn up: itself, its lines, and the encodings of each."""
    whole = secret.strip(b"\r\n")
    lines = [line.strip() for line in whole.splitlines() if not line.startswith(b"-----")]
    for part in {whole, *lines}:
        if len(part) >= SHORTEST:
            yield part
            yield from (form for form in _encoded(part) if len(form) >= SHORTEST)


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


def _token_for(needles: list[bytes]) -> bytes:
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
