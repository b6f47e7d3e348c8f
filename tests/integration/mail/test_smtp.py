"""The mailer against real relays: never clear text to another machine, never unverified TLS, never a wrong outcome."""

import email
import email.policy
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ronde.adapters.mail import SmtpMailer, Tls
from ronde.model.errors import InputError, MailError, MailUncertain, RelayUnusable
from ronde.model.outbox import Posted
from tests.servers.relay import Certificates, MakeRelay, Relay, ca, other_name, relay

__all__ = ["ca", "other_name", "relay"]
PASSWORD = "correct horse battery"


@dataclass
class OneSecret:
    value: bytes = PASSWORD.encode()

    def read(self, reference: str) -> bytes:
        assert reference == "env://SMTP"
        return self.value


def mailer(server: Relay, tls: Tls, cafile: Path | None = None, **more: object) -> SmtpMailer:
    fields = {"host": server.host, "port": server.port, "tls": tls, "secrets": OneSecret(), "cafile": cafile} | more
    return SmtpMailer(**{"timeout": 5.0, **fields})  # type: ignore[arg-type]  # fields of SmtpMailer, each tried below


def message(raw: bytes = b"Subject: x\r\n\r\nbody\r\n") -> Posted:
    return Posted(
        "m1", "t", "ronde@msp.example", "mairie@commune.example", raw, 1, 0, datetime(2027, 1, 13, tzinfo=UTC)
    )


def test_starttls_under_a_trusted_authority_is_used(relay: MakeRelay, ca: Certificates) -> None:
    server = relay(starttls=ca)
    assert mailer(server, "starttls", ca.authority).send(message()) == "250 2.0.0 queued as Q42"
    assert [kept.encrypted for kept in server.kept] == [True]


def test_starttls_under_an_unknown_authority_sends_nothing(relay: MakeRelay, ca: Certificates) -> None:
    server = relay(starttls=ca)
    with pytest.raises(RelayUnusable, match="TLS could not be verified"):
        mailer(server, "starttls").send(message())
    assert server.kept == []


def test_starttls_with_anothers_certificate_sends_nothing(relay: MakeRelay, other_name: Certificates) -> None:
    server = relay(starttls=other_name)
    with pytest.raises(RelayUnusable, match="TLS could not be verified"):
        mailer(server, "starttls", other_name.authority).send(message())
    assert server.kept == []


def test_a_relay_without_starttls_gets_nothing(relay: MakeRelay, ca: Certificates) -> None:
    server = relay()
    with pytest.raises(RelayUnusable, match="offers no TLS"):
        mailer(server, "starttls", ca.authority).send(message())
    assert server.kept == []


def test_a_relay_that_takes_starttls_back_gets_nothing(relay: MakeRelay, ca: Certificates) -> None:
    server = relay(starttls=ca)
    server.behaviour.starttls = "454 TLS not available due to temporary reason"
    with pytest.raises(RelayUnusable):
        mailer(server, "starttls", ca.authority).send(message())
    assert server.kept == []


def test_implicit_tls_under_a_trusted_authority_is_used(relay: MakeRelay, ca: Certificates) -> None:
    server = relay(implicit=ca)
    assert mailer(server, "implicit", ca.authority).send(message()).startswith("250")
    assert [kept.encrypted for kept in server.kept] == [True]


@pytest.mark.parametrize("trusted", ["nobody", "other"])
def test_implicit_tls_that_cannot_be_verified_sends_nothing(
    relay: MakeRelay, ca: Certificates, other_name: Certificates, trusted: str
) -> None:
    server = relay(implicit=ca if trusted == "nobody" else other_name)
    authority = None if trusted == "nobody" else other_name.authority
    with pytest.raises(RelayUnusable, match="TLS could not be verified"):
        mailer(server, "implicit", authority).send(message())
    assert server.kept == []


def test_implicit_tls_to_a_plain_relay_sends_nothing(relay: MakeRelay, ca: Certificates) -> None:
    server = relay()
    with pytest.raises(RelayUnusable):
        mailer(server, "implicit", ca.authority, timeout=2.0).send(message())
    assert server.kept == []


def test_clear_text_is_possible_on_this_machine(relay: MakeRelay) -> None:
    server = relay()
    assert mailer(server, "none").send(message()).startswith("250")
    assert [kept.encrypted for kept in server.kept] == [False]


@pytest.mark.parametrize("host", ["192.0.2.1", "relay.example", "127.0.0.1.example", "::2", "128.0.0.1"])
def test_clear_text_to_anything_else_is_refused_when_it_is_set(host: str) -> None:
    with pytest.raises(InputError, match="not this machine"):
        SmtpMailer(host=host, port=25, tls="none", secrets=OneSecret())


@pytest.mark.parametrize(("user", "password"), [("ronde", None), (None, "env://SMTP")])
def test_half_a_login_is_refused_when_it_is_set(user: str | None, password: str | None) -> None:
    with pytest.raises(InputError, match="belong together"):
        SmtpMailer(host="relay.example", port=25, tls="starttls", secrets=OneSecret(), user=user, password=password)


def test_an_unreadable_authority_is_refused_when_it_is_set(tmp_path: Path) -> None:
    (tmp_path / "not.pem").write_text("hello")
    for path in (tmp_path / "absent.pem", tmp_path / "not.pem"):
        with pytest.raises(InputError, match="authority file"):
            SmtpMailer(host="relay.example", port=25, tls="starttls", secrets=OneSecret(), cafile=path)


def test_a_login_goes_through_tls(relay: MakeRelay, ca: Certificates) -> None:
    server = relay(starttls=ca, login=("ronde", PASSWORD))
    ours = mailer(server, "starttls", ca.authority, user="ronde", password="env://SMTP")
    assert ours.send(message()).startswith("250")
    assert PASSWORD not in repr(ours)


def test_a_refused_login_stops_the_round_and_tells_no_password(relay: MakeRelay, ca: Certificates) -> None:
    server = relay(starttls=ca, login=("ronde", "another"))
    with pytest.raises(RelayUnusable, match="refused the login of ronde") as caught:
        mailer(server, "starttls", ca.authority, user="ronde", password="env://SMTP").send(message())
    assert caught.value.smtp_code == 535
    assert PASSWORD not in str(caught.value)
    assert server.kept == []


@pytest.mark.parametrize(
    ("step", "answer", "permanent"),
    [
        ("mail", "451 4.7.1 greylisted", False),
        ("mail", "550 5.7.1 sender refused", True),
        ("rcpt", "450 4.2.0 mailbox busy", False),
        ("rcpt", "550 5.1.1 no such mailbox", True),
        ("data", "452 4.3.1 no room", False),
        ("data", "554 5.6.0 refused", True),
    ],
)
def test_a_refusal_is_told_with_its_code(relay: MakeRelay, step: str, answer: str, permanent: bool) -> None:  # noqa: FBT001 - a column of the table
    server = relay()
    setattr(server.behaviour, step, answer)
    with pytest.raises(MailError) as caught:
        mailer(server, "none").send(message())
    assert not isinstance(caught.value, MailUncertain | RelayUnusable)
    assert (caught.value.smtp_code, caught.value.permanent) == (int(answer[:3]), permanent)
    assert answer[4:] in str(caught.value)


@pytest.mark.parametrize("how", ["drop", "mute", "299 what is this"])
def test_no_clear_answer_after_the_message_is_uncertain(relay: MakeRelay, how: str) -> None:
    server = relay()
    server.behaviour.data = how
    with pytest.raises(MailUncertain):
        mailer(server, "none", timeout=1.0).send(message())
    assert len(server.kept) == 1


def test_a_relay_that_drips_its_answer_meets_the_limit(relay: MakeRelay) -> None:
    server = relay()
    server.behaviour.data = "drip"
    began = time.monotonic()
    with pytest.raises(MailUncertain):
        mailer(server, "none", timeout=5.0, limit=1.0).send(message())
    assert time.monotonic() - began < 4


def test_a_relay_that_is_not_there_is_told_with_its_place() -> None:
    with pytest.raises(RelayUnusable, match=r"127\.0\.0\.1:1 could not be used"):
        SmtpMailer(host="127.0.0.1", port=1, tls="none", secrets=OneSecret()).send(message())


def test_the_probe_says_how_the_relay_was_reached(relay: MakeRelay, ca: Certificates) -> None:
    assert "TLS verified, TLSv1" in mailer(relay(starttls=ca), "starttls", ca.authority).probe()
    assert "without TLS, on this machine" in mailer(relay(), "none").probe()
    with pytest.raises(RelayUnusable):
        mailer(relay(starttls=ca), "starttls").probe()


def test_the_message_arrives_byte_for_byte(relay: MakeRelay) -> None:
    raw = b"Subject: dots\r\n\r\n.\r\n..\r\n.hidden\r\nno line end"
    server = relay()
    mailer(server, "none").send(message(raw))
    assert server.kept[0].raw == raw + b"\r\n"
    parsed = email.message_from_bytes(server.kept[0].raw, policy=email.policy.default)
    assert parsed["Subject"] == "dots"
    assert (server.kept[0].sender, server.kept[0].recipient) == ("ronde@msp.example", "mairie@commune.example")
