import smtplib
import ssl
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from lab.mail import Behaviour, MailSink


@pytest.fixture
def sink(tmp_path: Path, network: str) -> Iterator[MailSink]:
    fresh = MailSink(tmp_path / "mail", f"{network}.60")
    fresh.start()
    yield fresh
    fresh.stop()


def message() -> EmailMessage:
    letter = EmailMessage()
    letter["From"], letter["To"], letter["Subject"] = "ronde@msp.example", "maire@commune.example", "Nuit du 12 — été"
    letter.set_content("Une sauvegarde manque.\n")
    return letter


def deliver(sink: MailSink) -> None:
    with smtplib.SMTP(sink.address, sink.port, timeout=5) as link:
        link.send_message(message(), to_addrs=["maire@commune.example", "copie@commune.example"])


def test_it_keeps_a_message_with_the_envelope_it_came_in(sink: MailSink) -> None:
    deliver(sink)
    (kept,) = sink.received()
    assert kept.message["Subject"] == "Nuit du 12 — été"
    assert kept.sender == "ronde@msp.example"
    assert kept.recipients == ("maire@commune.example", "copie@commune.example")
    sink.clear()
    assert sink.received() == []


@pytest.mark.parametrize(
    ("behaviour", "code", "kept"),
    [("defer", 451, 0), ("refuse", 554, 0), ("drop-after-data", -1, 1), ("drop-before-data", -1, 0)],
)
def test_it_fails_as_it_was_told(sink: MailSink, behaviour: Behaviour, code: int, kept: int) -> None:
    sink.behave(behaviour)
    with pytest.raises((smtplib.SMTPDataError, smtplib.SMTPServerDisconnected)) as failure:
        deliver(sink)
    assert getattr(failure.value, "smtp_code", -1) == code
    assert len(sink.received()) == kept
    sink.behave("accept")
    deliver(sink)
    assert len(sink.received()) == kept + 1


def test_it_refuses_recipients(sink: MailSink) -> None:
    sink.behave("refuse-recipient")
    with pytest.raises(smtplib.SMTPRecipientsRefused) as failure:
        deliver(sink)
    assert failure.value.recipients["maire@commune.example"][0] == 550


def test_it_can_fall_silent_after_the_data(sink: MailSink) -> None:
    sink.behave("mute")
    with smtplib.SMTP(sink.address, sink.port, timeout=0.5) as link, pytest.raises(smtplib.SMTPServerDisconnected):
        link.send_message(message())
    assert sink.received() == []


def test_when_it_is_down_nobody_listens_and_afterwards_the_same_port_answers(sink: MailSink) -> None:
    sink.stop()
    with pytest.raises(ConnectionRefusedError):
        deliver(sink)
    sink.start()
    deliver(sink)
    assert len(sink.received()) == 1


def test_with_starttls_its_certificate_holds_for_those_who_trust_its_authority_alone(
    tmp_path: Path, network: str
) -> None:
    sink = MailSink(tmp_path / "mail", f"{network}.60", starttls=True)
    sink.start()
    try:
        with smtplib.SMTP(sink.address, sink.port, timeout=5) as link:
            link.starttls(context=ssl.create_default_context(cafile=sink.authority))
            link.send_message(message())
        with smtplib.SMTP(sink.address, sink.port, timeout=5) as link, pytest.raises(ssl.SSLCertVerificationError):
            link.starttls(context=ssl.create_default_context())
        with smtplib.SMTP(sink.address, sink.port, timeout=5) as link, pytest.raises(smtplib.SMTPResponseException):
            link.send_message(message())
    finally:
        sink.stop()
    assert len(sink.received()) == 1
