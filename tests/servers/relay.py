"""An SMTP relay on loopback in this process, with or without TLS, that can be told to misbehave at each step.

A conftest takes the fixtures over with `from tests.servers.relay import ca, relay`.
"""

import asyncio
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword

from lab.tls import make_certificate


@dataclass
class Kept:
    """What a relay took, and whether the link was encrypted then."""

    sender: str
    recipient: str
    raw: bytes
    encrypted: bool


@dataclass
class Behaviour:
    """Answers by step; `data` may also be `drop` (no answer), `mute` (no end) or `drip` (a byte a moment)."""

    mail: str = ""
    rcpt: str = ""
    data: str = ""
    starttls: str = ""


@dataclass
class Relay:
    """A running relay: where it is, what it took, how it behaves."""

    host: str
    port: int
    behaviour: Behaviour
    kept: list[Kept] = field(default_factory=list)


class _Handler:
    def __init__(self, behaviour: Behaviour, kept: list[Kept]) -> None:
        self.behaviour, self.kept = behaviour, kept

    async def handle_MAIL(  # noqa: N802 - aiosmtpd finds the methods by these names
        self, _server: SMTP, _session: Any, envelope: Envelope, sender: str, options: list[str]
    ) -> str:
        if self.behaviour.mail:
            return self.behaviour.mail
        envelope.mail_from = sender
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802 - the same
        self, _server: SMTP, _session: Any, envelope: Envelope, recipient: str, _options: list[str]
    ) -> str:
        if self.behaviour.rcpt:
            return self.behaviour.rcpt
        envelope.rcpt_tos.append(recipient)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Envelope) -> str:  # noqa: N802 - the same
        how = self.behaviour.data
        if how.startswith(("4", "5")):
            return how
        transport = server.transport
        assert isinstance(transport, asyncio.WriteTransport)
        encrypted = session.ssl is not None or transport.get_extra_info("ssl_object") is not None
        self.kept.append(
            Kept(str(envelope.mail_from), envelope.rcpt_tos[0], envelope.original_content or b"", encrypted)
        )
        if how == "drop":
            transport.abort()
        if how == "mute":
            await asyncio.sleep(30)
        while how == "drip":
            transport.write(b"2")
            await asyncio.sleep(0.05)
        return how or "250 2.0.0 queued as Q42"


class _Server(SMTP):
    behaviour: Behaviour

    async def smtp_STARTTLS(self, arg: str) -> None:  # noqa: N802 - the same
        if self.behaviour.starttls:
            await self.push(self.behaviour.starttls)
            return
        await super().smtp_STARTTLS(arg)


class _Controller(Controller):
    def __init__(self, handler: _Handler, *, implicit: ssl.SSLContext | None, server: dict[str, Any]) -> None:
        self._server = server
        super().__init__(handler, hostname="127.0.0.1", port=0, ssl_context=implicit, ready_timeout=20)

    def factory(self) -> SMTP:
        server = _Server(self.handler, hostname="relay.test", **self._server)
        server.behaviour = self.handler.behaviour
        return server

    def _trigger_server(self) -> None:
        """The port is only known now; the base class would greet port 0."""
        assert isinstance(self.server, asyncio.Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]  # aiosmtpd's own


def _authenticator(user: str, password: str) -> Callable[..., AuthResult]:
    def check(_server: Any, _session: Any, _envelope: Any, _mechanism: str, login: Any) -> AuthResult:
        right = isinstance(login, LoginPassword) and (login.login, login.password) == (
            user.encode(),
            password.encode(),
        )
        return AuthResult(success=right, handled=False)

    return check


@dataclass
class Certificates:
    """A throw-away authority, and server contexts under it."""

    authority: Path
    certificate: Path
    key: Path

    def server(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context


MakeRelay = Callable[..., Relay]


@pytest.fixture
def ca(tmp_path: Path) -> Certificates:
    return Certificates(*make_certificate(tmp_path / "tls", "127.0.0.1"))


@pytest.fixture
def other_name(tmp_path: Path) -> Certificates:
    """A good authority whose certificate is for another machine."""
    return Certificates(*make_certificate(tmp_path / "other", "192.0.2.7"))


@pytest.fixture
def relay() -> Iterator[MakeRelay]:
    """Starts relays: `relay(starttls=certificates)`, `relay(implicit=…)`, `relay(login=(user, password))`."""
    with ExitStack() as stack:

        def start(
            *,
            starttls: Certificates | None = None,
            implicit: Certificates | None = None,
            login: tuple[str, str] | None = None,
        ) -> Relay:
            behaviour, kept = Behaviour(), list[Kept]()
            server: dict[str, Any] = {"tls_context": starttls.server()} if starttls else {}
            if login:
                server |= {
                    "authenticator": _authenticator(*login),
                    "auth_required": True,
                    "auth_require_tls": starttls is not None,
                }
            controller = _Controller(
                _Handler(behaviour, kept), implicit=implicit.server() if implicit else None, server=server
            )
            controller.start()
            stack.callback(controller.stop)
            return Relay("127.0.0.1", controller.port, behaviour, kept)

        yield start
