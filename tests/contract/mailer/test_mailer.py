"""What every mailer owes its caller; run over the real adapter against a real relay, and over the double."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import pytest

from ronde.adapters.mail import SmtpMailer
from ronde.model.errors import MailError, MailUncertain, RelayUnusable
from ronde.model.outbox import Posted
from ronde.ports import Mailer
from tests.doubles.mailer import ScriptedMailer
from tests.servers.relay import MakeRelay, relay

__all__ = ["relay"]

How = Literal["accept", "later", "never", "silence", "gone"]


@dataclass
class Setup:
    """A mailer, how to make its relay behave, and what the relay holds."""

    mailer: Mailer
    behave: Callable[[How], None]
    raws: Callable[[], list[bytes]]


class NoSecrets:
    def read(self, reference: str) -> bytes:
        raise AssertionError(reference)


@pytest.fixture(params=["smtp", "double"])
def setup(request: pytest.FixtureRequest, relay: MakeRelay) -> Setup:
    if request.param == "double":
        return _double()
    server = relay()
    mailer = SmtpMailer(host=server.host, port=server.port, tls="none", secrets=NoSecrets(), timeout=5)
    gone = SmtpMailer(host=server.host, port=1, tls="none", secrets=NoSecrets(), timeout=5)

    @dataclass
    class Either:
        here: bool = True

        def send(self, message: Posted) -> str:
            return (mailer if self.here else gone).send(message)

    either = Either()

    def behave(how: How) -> None:
        either.here = how != "gone"
        answers = {"later": "451 4.3.0 later", "never": "554 5.7.1 no", "silence": "drop"}
        server.behaviour.data = answers.get(how, "")

    return Setup(either, behave, lambda: [kept.raw for kept in server.kept])


def _double() -> Setup:
    double = ScriptedMailer()
    errors: dict[str, Callable[[], MailError]] = {
        "later": lambda: MailError("451 later", smtp_code=451),
        "never": lambda: MailError("554 no", permanent=True, smtp_code=554),
        "silence": lambda: MailUncertain("the link broke"),
        "gone": lambda: RelayUnusable("no relay"),
    }

    def behave(how: How) -> None:
        double.script.clear()
        if how in errors:
            double.script.append(errors[how]())

    return Setup(double, behave, lambda: [posted.raw for posted in double.sent])


RAW = b"Subject: Ronde\r\nMessage-ID: <a@b>\r\n\r\nLine\r\n.starts with a dot\r\n..two\r\n\r\n.\r\nend\r\n"


def posted(raw: bytes = RAW) -> Posted:
    return Posted(
        "m1", "t", "ronde@msp.example", "mairie@commune.example", raw, 1, 0, datetime(2027, 1, 13, tzinfo=UTC)
    )


def test_an_accepted_message_arrives_unchanged_with_the_relays_answer(setup: Setup) -> None:
    answer = setup.mailer.send(posted())
    assert answer.startswith("250")
    assert setup.raws() == [RAW]


def test_a_passing_refusal_may_be_tried_again(setup: Setup) -> None:
    setup.behave("later")
    with pytest.raises(MailError) as caught:
        setup.mailer.send(posted())
    assert (type(caught.value), caught.value.permanent, caught.value.smtp_code) == (MailError, False, 451)
    setup.behave("accept")
    assert setup.mailer.send(posted()).startswith("250")


def test_a_refusal_for_good_says_so(setup: Setup) -> None:
    setup.behave("never")
    with pytest.raises(MailError) as caught:
        setup.mailer.send(posted())
    assert (type(caught.value), caught.value.permanent, caught.value.smtp_code) == (MailError, True, 554)
    assert setup.raws() == []


def test_a_lost_answer_is_neither_accepted_nor_refused(setup: Setup) -> None:
    setup.behave("silence")
    with pytest.raises(MailUncertain):
        setup.mailer.send(posted())
    assert setup.raws() == [RAW]


def test_a_relay_that_is_gone_is_not_the_messages_fault(setup: Setup) -> None:
    setup.behave("gone")
    with pytest.raises(RelayUnusable) as caught:
        setup.mailer.send(posted())
    assert not caught.value.permanent
    setup.behave("accept")
    assert setup.mailer.send(posted()).startswith("250")
