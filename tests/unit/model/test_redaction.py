import base64
import html
import json
import re
import time
from collections.abc import Callable, Iterable
from itertools import pairwise
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ronde.model.redaction import Redactor, sanitise_terminal

SECRET = 's3cr3t/K+y=%"é<'.encode()
KEY = b"""-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW
QyNTUxOQAAACDk3x4v0mWq1mYb1k0Yf8V3m3mC5C3n6dKb9Q0Yq9pL7wAAAJBkqk1bZKpN
-----END OPENSSH PRIVATE KEY-----
"""

Stream = tuple[list[bytes], bytes, list[bytes]]
secrets = st.lists(st.binary(min_size=6, max_size=40), min_size=1, max_size=4)


def fed(redactor: Redactor, pieces: Iterable[bytes]) -> bytes:
    return b"".join([*(redactor.feed(piece) for piece in pieces), redactor.finish()])


@st.composite
def streams(draw: st.DrawFn) -> Stream:
    """Secrets, and a text that holds them among other bytes, cut into pieces anywhere."""
    hidden = draw(secrets)
    parts = draw(st.lists(st.one_of(st.binary(max_size=30), st.sampled_from(hidden)), min_size=1, max_size=12))
    text = b"".join(parts)
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=10)))
    edges = [0, *cuts, len(text)]
    return hidden, text, [text[start:end] for start, end in pairwise(edges)]


@given(streams())
@example(([b"aaaaaa"], b"aaaaaaaaa\n" * 3, [b"aaa", b"aaaaaa\naaaaaa", b"aaa\naaaaaaaaa\n"]))
@example(([b"ab\ncdefg"], b"xxab\ncdefgyy", [b"xxab\n", b"cdefgyy"]))
@example(([b"redacted", b"hidden", b"removed"], b"redactedhiddenremoved\n", [b"redactedhiddenremoved\n"]))
def test_no_secret_survives_whatever_the_pieces(stream: Stream) -> None:
    hidden, text, pieces = stream
    out = fed(Redactor(hidden), pieces)
    assert not [secret for secret in hidden if secret.strip(b"\r\n") in out and len(secret.strip(b"\r\n")) >= 6]
    assert out == Redactor(hidden).redact(text)


@given(st.text(st.characters(codec="utf-8", exclude_characters="=:@-"), max_size=300), st.integers(1, 50))
def test_text_without_secrets_is_unchanged(text: str, size: int) -> None:
    data = text.encode()
    if b"earer" in data.lower():
        return
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    assert fed(Redactor([b"\xff\xfe not in UTF-8 text"]), pieces) == data


@pytest.mark.parametrize(
    "form",
    [
        lambda s: s,
        base64.b64encode,
        base64.urlsafe_b64encode,
        lambda s: base64.b64encode(b"user:" + s + b" and more"),
        lambda s: base64.b64encode(b"userx:" + s),
        lambda s: base64.b64encode(b"u:" + s),
        lambda s: quote(s).encode(),
        lambda s: quote(s, safe="").encode(),
        lambda s: re.sub("%..", lambda escape: escape[0].lower(), quote(s, safe="")).encode(),
        lambda s: quote_plus(s.decode()).encode(),
        lambda s: json.dumps({"k": s.decode()}).encode(),
        lambda s: json.dumps({"k": s.decode()}, ensure_ascii=False).encode(),
        lambda s: html.escape(s.decode()).encode(),
        lambda s: s.hex().encode(),
    ],
)
def test_encoded_forms_are_found(form: Callable[[bytes], bytes]) -> None:
    shown = b"before " + form(SECRET) + b" after\n"
    out = Redactor([SECRET]).redact(shown)
    assert b"[redacted]" in out
    assert out.startswith(b"before ")
    assert out.endswith(b" after\n")
    assert base64.b64encode(SECRET)[2:-4] not in out
    assert form(SECRET) not in out


def test_each_line_of_a_key_is_found() -> None:
    lines = KEY.splitlines()
    out = Redactor([KEY]).redact(b"x " + lines[1] + b" y\n" + lines[2][:40] + b"\n")
    assert out == b"x [redacted] y\n" + lines[2][:40] + b"\n"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        (KEY + b"after\n", b"[redacted]\nafter\n"),
        (b"key: " + KEY.strip() + b"; next\n", b"key: [redacted]; next\n"),
        (json.dumps({"key": KEY.decode(), "n": 1}).encode() + b"\n", b'{"key": "[redacted]\\n", "n": 1}\n'),
        (b"x " + KEY[:150].replace(b"\n", b" ") + b"\nwords again\n", b"x [redacted]\nwords again\n"),
        (b"-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nA line of words.\n", b"[redacted]\nA line of words.\n"),
        (b"password=hunter2 user=bob\n", b"password=[redacted] user=bob\n"),
        (b"Passwd: hunter2\n", b"Passwd: [redacted]\n"),
        (b'{"db_password": "a \\" b", "host": "x"}\n', b'{"db_password": [redacted], "host": "x"}\n'),
        (b"RESTIC_PASSWORD='a b c' restic\n", b"RESTIC_PASSWORD=[redacted] restic\n"),
        (b"Authorization: Basic dXNlcjpwYXNz\n", b"Authorization: Basic [redacted]\n"),
        (b"curl -H 'Bearer abc.def-123' x\n", b"curl -H 'Bearer [redacted]' x\n"),
        (b"sftp://bob:p@ss:word@host/x\n", b"sftp://bob:[redacted]@host/x\n"),
        (b"https://host:8080/a@b\n", b"https://host:8080/a@b\n"),
        (b"rest:https://u:pw@h/ done\n", b"rest:https://u:[redacted]@h/ done\n"),
        (b"the password was wrong\n", b"the password was wrong\n"),
        (b"-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----\n",) * 2,
    ],
)
def test_patterns_are_found(text: bytes, clean: bytes) -> None:
    assert Redactor([]).redact(text) == clean
    assert fed(Redactor([]), [text[at : at + 1] for at in range(len(text))]) == clean


def test_short_secrets_are_ignored() -> None:
    assert Redactor([b"abc", b"", b"12345"]).redact(b"abc 12345\n") == b"abc 12345\n"


def test_lines_come_out_as_soon_as_they_are_certain() -> None:
    redactor = Redactor([b"verysecret"])
    assert redactor.feed(b"one\n" + b"two " * 20 + b"verys") == b"one\n"
    assert redactor.feed(b"ecret three\n" + b"x" * 40) == b"two " * 20 + b"[redacted] three\n"
    assert redactor.finish() == b"x" * 40


@pytest.mark.parametrize(
    "bait",
    [
        b"y",
        b'password="',
        b"password",
        b"://a",
        b"://:",
        b"://" + b"a" * 200,
        b"authorization: ",
        b"bearer ",
        b"-----BEGIN PRIVATE KEY-----",
        b"a:",
        b"\\",
        b"password" + b" " * 16,
        b"secret-",
    ],
)
def test_hostile_text_takes_no_longer_than_other_text(bait: bytes) -> None:
    text = bait * (300_000 // len(bait)) + b"\n"
    begun = time.process_time()
    Redactor([]).redact(text)
    Redactor([]).redact(text.replace(b"\n", b" ") + b"@")
    assert time.process_time() - begun < 5


def test_an_endless_line_is_not_held_for_ever() -> None:
    redactor = Redactor([b"verysecret"])
    out = b"".join(redactor.feed(b"y" * 4096) for _ in range(64))
    assert len(out) > 150_000
    assert out + redactor.finish() == b"y" * 4096 * 64


def test_a_key_across_the_forced_cut_of_an_endless_line_is_found() -> None:
    text = (KEY.replace(b"\n", b" ") + b"words ") * 700
    assert fed(Redactor([]), [text[at : at + 777] for at in range(0, len(text), 777)]) == b"[redacted] words " * 700


def test_a_secret_across_the_forced_cut_of_an_endless_line_is_found() -> None:
    text = (b"y" * 1000 + b"verysecret") * 300
    out = fed(Redactor([b"verysecret"]), [text[at : at + 777] for at in range(0, len(text), 777)])
    assert out.count(b"[redacted]") == 300
    assert b"verysecret" not in out


def test_many_keys_on_one_line_and_many_secrets_stay_quick() -> None:
    line = KEY.replace(b"\n", b" ") * 3000 + b"\n"
    redactor = Redactor([b"secret number %d of many" % number for number in range(2000)])
    begun = time.process_time()
    assert redactor.redact(line) == b"[redacted] " * 3000 + b"\n"
    assert b"[redacted]" in redactor.redact(b"x" * 100_000 + b"secret number 1999 of many\n")
    assert time.process_time() - begun < 5


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("plain\ttext\n", "plain\ttext\n"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07shown", "shown"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bPdevice\x1b\\after", "after"),
        ("\x9b2Jgone", "gone"),
        ("\x1b(0lqqk\x1b(B", "lqqk"),
        ("ok\rFAILED", "ok\nFAILED"),
        ("dos\r\n", "dos\n"),
        ("a\x00b\x08c\x7f", "abc"),
        ("\u202egpj.exe", "gpj.exe"),
        ("un\x1b]fin\nnext", "un\nnext"),
        ("\x1b\x1b[31m[31mx", "[31mx"),
        ("été ● ▲ 日本", "été ● ▲ 日本"),
    ],
)
def test_terminal_text_is_made_harmless(text: str, clean: str) -> None:
    assert sanitise_terminal(text) == clean


@given(st.text(max_size=200))
def test_terminal_text_never_holds_control_characters(text: str) -> None:
    out = sanitise_terminal(text)
    assert not [
        character
        for character in out
        if (ord(character) < 32 or 127 <= ord(character) < 160) and character not in "\n\t"
    ]
    assert sanitise_terminal(out) == out


def test_a_line_is_given_out_at_once_though_long_secrets_are_known() -> None:
    redactor = Redactor([KEY, SECRET])
    assert redactor.feed(b"Stopping cron\n") == b"Stopping cron\n"
    assert redactor.feed(b"waiting for it\nto") == b"waiting for it\n"
    assert redactor.finish() == b"to"


def test_a_line_that_a_secret_may_have_begun_in_is_held_until_that_is_known() -> None:
    redactor = Redactor([b"first line\nsecond line"])
    assert redactor.feed(b"it is first line\n") == b""
    assert redactor.feed(b"second") == b""
    assert redactor.feed(b" thoughts\n") == b"it is [redacted]\nsecond thoughts\n"


@given(streams(), st.data())
def test_another_one_and_one_that_learns_find_what_the_first_finds(stream: Stream, data: st.DataObject) -> None:
    hidden, text, pieces = stream
    knowing = Redactor(hidden)
    assert fed(knowing.another(), pieces) == knowing.redact(text)
    late = Redactor(())
    late.learn(knowing)
    assert fed(late, pieces) == knowing.redact(text)
    assert late.redact(text) == knowing.redact(text)


def test_what_is_held_back_is_searched_for_a_secret_learned_meanwhile() -> None:
    redactor = Redactor(())
    assert redactor.feed(b"token hunter22-hunter22") == b""
    redactor.learn(Redactor([b"hunter22-hunter22"]))
    assert redactor.feed(b" said\n") == b"token [redacted] said\n"
