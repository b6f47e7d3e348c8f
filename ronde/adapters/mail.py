"""The relay: stdlib smtplib, with TLS that is verified or not used at all.

`starttls()` without a context verifies nothing, and a relay that stopped offering STARTTLS would get the message in
clear text; neither can happen here. One connection, one message, one recipient, and a deadline over all of it.
"""

import ipaddress
import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ronde.model.errors import InputError, MailError, MailUncertain, RelayUnusable, SecretError
from ronde.model.outbox import Posted
from ronde.ports import Secrets

Tls = Literal["starttls", "implicit", "none"]
_LINK = (OSError, smtplib.SMTPServerDisconnected, smtplib.SMTPConnectError, smtplib.SMTPHeloError)


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpMailer:
    """Sends frozen messages through one relay.

    Attributes:
        tls: `starttls` or `implicit`, both verified against the system's authorities or `cafile`; `none` only for a
            relay on this machine.
        password: reference of the password of `user`; read anew for each message, never kept.
        timeout: seconds that one answer may take; `limit`: seconds for the whole conversation.

    Raises:
        InputError: clear text to another machine, a user without a password or the reverse, an unreadable `cafile`.
    """

    host: str
    port: int
    tls: Tls
    secrets: Secrets = field(repr=False)
    user: str | None = None
    password: str | None = None
    cafile: Path | None = None
    timeout: float = 30.0
    limit: float = 120.0

    def __post_init__(self) -> None:
        if self.tls == "none" and not _names_this_machine(self.host):
            raise InputError(
                f"The mail relay {self.host} is not this machine: without TLS everybody on the way could read reports.",
                advice='Set RONDE_SMTP_TLS to "starttls" or "implicit".',
            )
        if (self.user is None) != (self.password is None):
            raise InputError("RONDE_SMTP_USER and RONDE_SMTP_PASSWORD belong together; one of them is missing.")
        self._context()

    def send(self, posted: Posted) -> str:
        """Hand one message to the relay; its answer.

        Raises:
            RelayUnusable: no link, no verified TLS, login refused: every message would meet the same.
            MailUncertain: the link broke after the message was handed over.
            MailError: the relay refused this message, for good (5xx) or for now.
        """
        with self._session() as relay:
            self._hello(relay, posted)
            return self._hand_over(relay, posted)

    def probe(self) -> str:
        """Connect, verify, log in and leave; words about the relay when all is well.

        Raises:
            RelayUnusable: as for `send`.
        """
        with self._session() as relay:
            secured = "without TLS, on this machine" if self.tls == "none" else f"TLS verified, {_protocol(relay)}"
            return f"{self.host}:{self.port} answers, {secured}"

    @contextmanager
    def _session(self) -> Iterator[smtplib.SMTP]:
        """A greeted, secured and authenticated connection that ends by itself at the limit."""
        relay = self._client()
        with _deadline(relay, self.limit):
            try:
                self._open(relay)
                yield relay
            finally:
                with suppress(*_LINK, smtplib.SMTPException):
                    relay.quit()  # whatever it says now changes nothing
                relay.close()

    def _client(self) -> smtplib.SMTP:
        """Not connected yet, so that the deadline covers the greeting as well."""
        name = socket.gethostname() or "localhost"
        relay = (
            smtplib.SMTP_SSL(timeout=self.timeout, context=self._context(), local_hostname=name)
            if self.tls == "implicit"
            else smtplib.SMTP(timeout=self.timeout, local_hostname=name)
        )
        relay._host = self.host  # type: ignore[attr-defined]  # noqa: SLF001 - the name TLS compares with the certificate
        return relay

    def _open(self, relay: smtplib.SMTP) -> None:
        where = f"{self.host}:{self.port}"
        try:
            self._greet(relay)
            if self.user is not None and self.password is not None:
                relay.login(self.user, self.secrets.read(self.password).decode())
        except ssl.SSLError as error:
            raise RelayUnusable(f"{where}: TLS could not be verified: {_words(error)}") from error
        except smtplib.SMTPNotSupportedError as error:
            raise RelayUnusable(f"{where} offers no TLS or no login; nothing was sent: {error}") from error
        except smtplib.SMTPAuthenticationError as error:
            raise RelayUnusable(
                f"{where} refused the login of {self.user}: {_answer(error.smtp_error)}", smtp_code=error.smtp_code
            ) from None  # the original carries the dialogue
        except UnicodeError:
            raise RelayUnusable("The login of the mail relay holds characters that SMTP cannot carry.") from None
        except SecretError as error:
            raise RelayUnusable(f"The password of the mail relay could not be read: {error}") from error
        except (*_LINK, smtplib.SMTPException) as error:
            raise RelayUnusable(f"{where} could not be used: {_words(error)}") from error

    def _greet(self, relay: smtplib.SMTP) -> None:
        code, words = relay.connect(self.host, self.port)
        if code != 220:
            raise smtplib.SMTPConnectError(code, words)
        if self.tls == "none" and not _is_this_machine(relay):
            raise smtplib.SMTPNotSupportedError(f"{self.host} leads to another machine")
        relay.ehlo_or_helo_if_needed()
        if self.tls == "starttls":
            code, words = relay.starttls(context=self._context())
            if code != 220:
                raise smtplib.SMTPNotSupportedError(f"STARTTLS was refused: {code} {_answer(words)}")
            relay.ehlo_or_helo_if_needed()

    def _hello(self, relay: smtplib.SMTP, posted: Posted) -> None:
        """Sender and recipient, both before any byte of the message."""
        try:
            code, words = relay.mail(posted.sender)
            if code != 250:
                raise _refusal(code, words, "sender")
            code, words = relay.rcpt(posted.recipient)
            if code not in {250, 251}:
                raise _refusal(code, words, "recipient")
        except UnicodeEncodeError as error:
            raise MailError(f"The address cannot be told to the relay: {error.reason}", permanent=True) from error
        except _LINK as error:
            raise RelayUnusable(f"The link to the relay broke: {_words(error)}") from error

    def _hand_over(self, relay: smtplib.SMTP, posted: Posted) -> str:
        """The message itself. Between its first byte and the answer, a broken link leaves the outcome unknown."""
        try:
            code, words = relay.docmd("DATA")
        except _LINK as error:
            raise RelayUnusable(f"The link to the relay broke: {_words(error)}") from error
        if code != 354:
            raise _refusal(code, words, "message")
        try:
            relay.send(_stuffed(posted.raw))
            code, words = relay.getreply()
        except _LINK as error:
            raise MailUncertain(
                f"The link broke after the message was handed over: {_words(error)}",
                advice="It is sent once more under the same Message-ID.",
            ) from error
        if 400 <= code < 600:
            raise _refusal(code, words, "message")
        if code != 250:
            raise MailUncertain(f"The relay answered the message with something we do not understand: {code}")
        return f"{code} {_answer(words)}"

    def _context(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self.cafile)
        except (OSError, ssl.SSLError) as error:
            raise InputError(f"The authority file {self.cafile} cannot be used: {_words(error)}") from error


@contextmanager
def _deadline(relay: smtplib.SMTP, seconds: float) -> Iterator[None]:
    """Break the connection when the time is up: smtplib's own limit starts anew with each byte of a slow relay."""

    def cut() -> None:
        if relay.sock is not None:
            with suppress(OSError):
                socket.socket.shutdown(relay.sock, socket.SHUT_RDWR)  # not TLS's own: it would pull the rug away

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _stuffed(raw: bytes) -> bytes:
    """The message as DATA carries it: leading dots doubled, ended by a lone dot (RFC 5321 §4.5.2)."""
    body = raw if raw.endswith(b"\r\n") else raw + b"\r\n"
    return (b"." if body.startswith(b".") else b"") + body.replace(b"\r\n.", b"\r\n..") + b".\r\n"


def _refusal(code: int, words: bytes, what: str) -> MailError:
    """A refusal is for good when it says so; anything that is not understood is tried again."""
    return MailError(
        f"The relay refused the {what}: {code} {_answer(words)}", permanent=500 <= code < 600, smtp_code=code
    )


def _answer(words: bytes | str) -> str:
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())[:300]


def _words(error: BaseException) -> str:
    return _answer(str(error)) or type(error).__name__


def _names_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _is_this_machine(relay: smtplib.SMTP) -> bool:
    return relay.sock is not None and ipaddress.ip_address(relay.sock.getpeername()[0].split("%")[0]).is_loopback


def _protocol(relay: smtplib.SMTP) -> str:
    return relay.sock.version() or "unknown version" if isinstance(relay.sock, ssl.SSLSocket) else "no TLS"
