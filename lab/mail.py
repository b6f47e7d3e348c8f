"""A mail relay that keeps what it is given, and can be told to refuse, to fail and to vanish in mid-dialogue.

Run as `python -m lab.mail`, it is the relay; `MailSink` starts, steers and ends one. Its behaviour stands in a file
that the relay reads at each step, so that a running relay changes its mind.
"""

import argparse
import asyncio
import email
import email.policy
import json
import signal
import ssl
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from functools import partial
from pathlib import Path
from typing import Literal

from aiosmtpd.smtp import SMTP, Envelope, Session

from lab.errors import LabError
from lab.process import Process, end, spawn_module, tail
from lab.sockets import await_greeting, free_port
from lab.tls import make_certificate

Behaviour = Literal[
    "accept", "defer", "refuse", "refuse-recipient", "drop-after-data", "drop-before-data", "mute-after-data", "mute"
]
"""accept: 250. defer: 451 after DATA. refuse: 554 after DATA. refuse-recipient: 550 to RCPT. drop-after-data: keep the
message, then break the link without an answer. drop-before-data: break it and keep nothing. mute-after-data: keep the
message and never answer. mute: no answer to DATA, and nothing kept."""


@dataclass(frozen=True, slots=True)
class Received:
    """One message the relay kept, with the envelope it came in."""

    path: Path
    sender: str
    recipients: tuple[str, ...]

    @property
    def message(self) -> EmailMessage:
        return email.message_from_bytes(self.path.read_bytes(), policy=email.policy.default)


@dataclass
class MailSink:
    """An SMTP relay on a loopback address; it outlives this object, and is found again by its directory.

    Attributes:
        directory: its mailbox (`messages/*.eml`), certificates, log and process record.
        port: its TCP port; 0 takes a free one, kept from then on.
        starttls: whether it offers, and then demands, STARTTLS under the certificate authority `authority`.
        mark: the lab it belongs to; its own directory when it stands alone.
    """

    directory: Path
    address: str = "127.0.0.1"
    port: int = 0
    starttls: bool = False
    mark: Path | None = field(default=None, kw_only=True)

    @property
    def process(self) -> Process | None:
        return Process.load(self.directory / "process")

    @property
    def authority(self) -> Path:
        """The PEM file a client has to trust for STARTTLS."""
        return make_certificate(self.directory / "tls", self.address)[0]

    def behave(self, how: Behaviour) -> None:
        """Change the relay's mind, running or not."""
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "behaviour").write_text(how, encoding="utf-8")

    def start(self) -> None:
        """Start it and wait until it greets; does nothing when it runs.

        Raises:
            LabError: it did not greet within ten seconds.
        """
        if self.process is not None:
            return
        (self.directory / "messages").mkdir(parents=True, exist_ok=True)
        self.port = self.port or free_port(self.address)
        log = self.directory / "log"
        log.unlink(missing_ok=True)
        arguments = [str(self.directory), self.address, str(self.port)]
        if self.starttls:
            make_certificate(self.directory / "tls", self.address)
            arguments.append("--starttls")
        process = spawn_module("lab.mail", *arguments, mark=self.mark or self.directory, log=log)
        process.save(self.directory / "process")
        if not await_greeting(process, self.address, self.port, b"220"):
            self.stop()
            raise LabError(f"the mail sink on {self.address}:{self.port} did not come up:\n{tail(log)}")

    def stop(self) -> None:
        """End it; connections to it are refused from then on."""
        end([process] if (process := self.process) is not None else [])
        (self.directory / "process").unlink(missing_ok=True)

    def received(self) -> list[Received]:
        """What it kept, in the order of arrival."""
        kept = sorted((self.directory / "messages").glob("*.eml"), key=lambda path: path.stat().st_mtime_ns)
        return [_read(path) for path in kept]

    def clear(self) -> None:
        for path in (self.directory / "messages").iterdir():
            path.unlink()


def _read(path: Path) -> Received:
    envelope = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    return Received(path, envelope["from"], tuple(envelope["to"]))


class _Handler:
    """What the relay does at each step; aiosmtpd finds the methods by these names."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def _behaviour(self) -> str:
        try:
            return (self._directory / "behaviour").read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return "accept"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: Sequence[str]
    ) -> str:
        if self._behaviour() == "refuse-recipient":
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 recipient accepted"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - the same
        behaviour = self._behaviour()
        if behaviour in {"accept", "drop-after-data", "mute-after-data"}:
            self._keep(envelope)
        if behaviour.startswith("drop") and isinstance(server.transport, asyncio.WriteTransport):
            server.transport.abort()
        if behaviour.startswith("mute"):
            await asyncio.Event().wait()
        return {
            "defer": "451 4.3.0 try again later",
            "refuse": "554 5.7.1 refused by policy",
        }.get(behaviour, "250 2.0.0 kept")

    def _keep(self, envelope: Envelope) -> None:
        """Write the message and its envelope; the message last, under a name that appears when it is whole."""
        name = uuid.uuid4().hex
        folder = self._directory / "messages"
        who = {"from": envelope.mail_from, "to": envelope.rcpt_tos}
        (folder / f"{name}.json").write_text(json.dumps(who), encoding="utf-8")
        partial_file = folder / f"{name}.part"
        partial_file.write_bytes(envelope.original_content or b"")
        partial_file.rename(folder / f"{name}.eml")


async def _serve(directory: Path, address: str, port: int, context: ssl.SSLContext | None) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    session = partial(
        SMTP,
        _Handler(directory),
        hostname="relay.lab.example",
        enable_SMTPUTF8=True,
        tls_context=context,
        require_starttls=context is not None,
    )
    server = await loop.create_server(session, address, port)
    await ended.wait()
    server.close()


def main() -> None:
    """Be the relay until told to end."""
    parser = argparse.ArgumentParser(prog="python -m lab.mail", description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    parser.add_argument("--starttls", action="store_true")
    chosen = parser.parse_args()
    context = None
    if chosen.starttls:
        _, certificate, key = make_certificate(chosen.directory / "tls", chosen.address)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
    asyncio.run(_serve(chosen.directory, chosen.address, chosen.port, context))


if __name__ == "__main__":
    main()
