"""One SSH connection to one host, on paramiko's transport, with every wait bounded and watched.

Paramiko's own waits have no limit (`exec_command`, `recv_exit_status`), or wake ten times a second, or start a timer
thread for each handshake; the two subclasses below replace exactly those.
"""

import errno
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import paramiko
from paramiko.common import (
    MSG_CHANNEL_CLOSE,
    MSG_CHANNEL_FAILURE,
    cMSG_CHANNEL_OPEN,
    cMSG_CHANNEL_REQUEST,
    cMSG_GLOBAL_REQUEST,
)
from paramiko.packet import Packetizer

from ronde.adapters.ssh.limits import SshLimits
from ronde.adapters.ssh.watch import Watch
from ronde.adapters.ssh.wire import Wire
from ronde.model.hostkeys import HostKey

# What paramiko would log, tracebacks and all, reaches people as an error of ours that names the host and what to do.
_MUTED = "ronde.ssh.paramiko"
logging.getLogger(_MUTED).setLevel(logging.CRITICAL + 1)

_WINDOW = 2 * 1024 * 1024  # bytes the other side may be ahead of us, for each command; OpenSSH's own size
_PACKET = 32 * 1024
_KEY_EXCHANGES = (
    "mlkem768x25519-sha256",  # curve25519 too, and safe against who records now and breaks later; OpenSSH >= 9.9
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group-exchange-sha256",
    "diffie-hellman-group14-sha256",
)
_CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr")
_DIGESTS = ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512")


_CAPABLE = vars(paramiko.Transport)["_kex_info"]  # depends on the cryptography library that is installed
_HANDLERS = vars(paramiko.Transport)["_channel_handler_table"]


class _Packets(Packetizer):
    """Measures the handshake against the clock; paramiko's own starts a timer thread that outlives a failed one."""

    _handshake_ends: float | None = None

    def start_handshake(self, timeout: float) -> None:
        self._handshake_ends = time.monotonic() + timeout

    def handshake_timed_out(self) -> bool:
        return self._handshake_ends is not None and time.monotonic() >= self._handshake_ends

    def complete_handshake(self) -> None:
        self._handshake_ends = None


class CommandChannel(paramiko.Channel):
    """A channel that tells apart how it ended.

    Attributes:
        closed_by_peer: the other side closed it, in so many words; false when it merely went with its connection.
        refused: the other side would not run the command.
    """

    closed_by_peer = False
    refused = False

    # Inherited, and not in the published types.
    _request_failed: Callable[[paramiko.Message], None]
    _handle_close: Callable[[paramiko.Message], None]
    _set_transport: Callable[[paramiko.Transport], None]
    _set_window: Callable[[int, int], None]

    def note_failure(self, message: paramiko.Message) -> None:
        self.refused = True
        self._request_failed(message)

    def note_close(self, message: paramiko.Message) -> None:
        self.closed_by_peer = True
        self._handle_close(message)


class Link(paramiko.Transport):
    """A client's connection: agree on keys, log in, then open channels.

    Attributes:
        wire: the bytes below.
        offered: host key algorithms that the other side offers; empty before the handshake.
    """

    _preferred_kex = tuple(name for name in _KEY_EXCHANGES if name in _CAPABLE)
    _preferred_ciphers = _CIPHERS
    _preferred_macs = _DIGESTS
    _channel_handler_table: ClassVar[dict[int, Any]] = {
        **_HANDLERS,
        MSG_CHANNEL_FAILURE: CommandChannel.note_failure,
        MSG_CHANNEL_CLOSE: CommandChannel.note_close,
    }

    # Inherited, and not in the published types.
    _channels: Any
    _next_channel: Callable[[], int]
    _send_user_message: Callable[[paramiko.Message], None]

    def __init__(self, wire: Wire, limits: SshLimits) -> None:
        super().__init__(wire, packetizer_class=_Packets)  # type: ignore[arg-type]  # socket-like is enough, it says
        self.set_log_channel(_MUTED)
        self.wire = wire
        self.offered: tuple[str, ...] = ()
        self.banner_timeout = self.handshake_timeout = limits.banner
        self.clear_to_send_timeout = limits.channel
        self._limits = limits

    def negotiate(self, algorithms: Sequence[str], watch: Watch) -> HostKey:
        """Agree on keys, accepting host keys of these algorithms only; returns the key that was proven.

        Raises:
            paramiko.IncompatiblePeer: nothing in common; `offered` tells the host key algorithms of the other side.
            paramiko.SSHException, OSError, EOFError: it failed. TimeoutError, Fenced, Cancelled: as `Watch.check`.
        """
        self.wire.watch = watch
        self.get_security_options().key_types = tuple(algorithms)
        agreed = threading.Event()
        self.start_client(event=agreed)
        watch.await_event(agreed)
        if not self.is_active() or self.host_key is None:
            raise self.loss()
        return HostKey(self.host_key.get_name(), self.host_key.asbytes())

    def login(self, user: str, key: paramiko.PKey, watch: Watch) -> None:
        """Log in with a public key, and from then on ask for signs of life.

        Raises:
            paramiko.AuthenticationException: refused. Others: as `negotiate`.
        """
        self.wire.watch = watch
        answered = threading.Event()
        self.auth_publickey(user, key, event=answered)
        watch.await_event(answered)
        if not self.is_authenticated():
            refusal = paramiko.AuthenticationException("the host refused our key")
            raise self.get_exception() or refusal if self.is_active() else self.loss()
        self.packetizer.set_keepalive(self._limits.keepalive, self._ask_for_life)

    def session(self, watch: Watch) -> CommandChannel:
        """A channel for one command."""
        return self._open("session", watch)

    def tunnel(self, address: str, port: int, watch: Watch) -> CommandChannel:
        """A channel to a TCP port as the other side reaches it."""
        here = ("127.0.0.1", 0)  # where the connection comes from (RFC 4254 section 7.2): nobody's business
        return self._open("direct-tcpip", watch, address, port, *here)

    def execute(self, channel: CommandChannel, line: str) -> None:
        """Ask for a command without waiting for the consent; see `CommandChannel.refused`."""
        self._ask(channel, "exec", line.encode("utf-8", "surrogateescape"), reply=True)

    def terminate(self, channel: CommandChannel) -> None:
        """Ask for the command's end (RFC 4254 section 6.9); nothing tells whether that was heard."""
        self._ask(channel, "signal", b"TERM", reply=False)

    def hang_up(self, ends: float) -> None:
        """Close, and wait for the thread until the monotonic instant `ends`."""
        self.close()
        self.wire.close()
        if self.ident is not None:
            self.join(max(0.0, ends - time.monotonic()))
        self.wire.release()

    def loss(self) -> Exception:
        """Why the connection is gone, as one of SSHException, OSError and EOFError."""
        error = self.get_exception() or EOFError("it closed the connection")
        if not self.wire.spoke:
            return EOFError("it closed the connection without a word")
        if isinstance(error, paramiko.SSHException | OSError | EOFError):
            return error
        return paramiko.SSHException(f"it sent what cannot be read ({type(error).__name__})")

    def _ask(self, channel: CommandChannel, what: str, text: bytes, *, reply: bool) -> None:
        message = paramiko.Message()
        message.add_byte(cMSG_CHANNEL_REQUEST)
        message.add_int(channel.remote_chanid)
        message.add_string(what)
        message.add_boolean(reply)
        message.add_string(text)
        self._send_user_message(message)

    def _open(self, kind: str, watch: Watch, *details: str | int) -> CommandChannel:
        """Open a channel as `paramiko.Transport.open_channel` does, but watched.

        Raises:
            paramiko.ChannelException: refused. Others: as `negotiate`.
        """
        self.wire.watch = watch
        opened = threading.Event()
        with self.lock:
            number = self._next_channel()
            channel = CommandChannel(number)
            channel._set_transport(self)  # noqa: SLF001 - what open_channel does with a channel of its own
            channel._set_window(_WINDOW, _PACKET)  # noqa: SLF001 - the same
            self._channels.put(number, channel)
            self.channel_events[number] = opened
            self.channels_seen[number] = True
        if not self.is_active():
            raise self.loss()
        self._send_user_message(_opening(kind, number, details))
        watch.await_event(opened)
        if self._channels.get(number) is None or not self.is_active():
            raise self.loss()
        return channel

    def _really_parse_kex_init(self, m: paramiko.Message, ignore_first_byte: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002 - paramiko's signature
        parsed: dict[str, Any] = super()._really_parse_kex_init(m, ignore_first_byte)  # type: ignore[misc]  # not in the published types
        self.offered = tuple(parsed["server_key_algo_list"])
        return parsed

    def _ask_for_life(self) -> None:
        silence = time.monotonic() - self.wire.heard
        if silence >= self._limits.silence:
            raise TimeoutError(errno.ETIMEDOUT, f"no sign of life for {silence:.0f} s")
        message = paramiko.Message()
        message.add_byte(cMSG_GLOBAL_REQUEST)
        message.add_string("keepalive@openssh.com")
        message.add_boolean(b=True)  # an answer is wanted; that it is a refusal is of no matter
        self._send_user_message(message)


def _opening(kind: str, number: int, details: Sequence[str | int]) -> paramiko.Message:
    message = paramiko.Message()
    message.add_byte(cMSG_CHANNEL_OPEN)
    message.add_string(kind)
    for part in (number, _WINDOW, _PACKET, *details):
        if isinstance(part, int):
            message.add_int(part)
        else:
            message.add_string(part)
    return message
