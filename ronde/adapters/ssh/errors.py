"""What paramiko, sockets and the system raise, turned into the project's own errors: here and nowhere else."""

import socket
from enum import Enum

import paramiko
from paramiko.ssh_exception import (
    AuthenticationException,
    BadAuthenticationType,
    BadHostKeyException,
    ChannelException,
    ConfigParseError,
    CouldNotCanonicalize,
    IncompatiblePeer,
    MessageOrderError,
    PartialAuthentication,
    PasswordRequiredException,
    ProxyCommandFailure,
    SSHException,
)

from ronde.model.errors import (
    AuthRefused,
    ConnectionLost,
    HostKeyChanged,
    ProtocolFault,
    RemoteError,
    RondeError,
    SecretError,
    Unreachable,
)
from ronde.model.redaction import sanitise_terminal

FOREIGN = (SSHException, OSError, EOFError)
"""What calls into paramiko and sockets raise by contract."""

_WORDS = 200  # characters kept of what a stranger says


class Stage(Enum):
    """What was going on, as the middle of a sentence: `could not … `."""

    CONNECT = "connect"
    HANDSHAKE = "agree on keys"
    LOGIN = "log in"
    TUNNEL = "pass through"
    COMMAND = "run a command"


_PROTOCOL = (IncompatiblePeer, MessageOrderError, ProxyCommandFailure, CouldNotCanonicalize, ConfigParseError)
_MEANING: tuple[tuple[tuple[type[BaseException], ...], type[RondeError], str], ...] = (
    ((BadHostKeyException,), HostKeyChanged, ""),
    ((PasswordRequiredException,), SecretError, "Store the key without a passphrase."),
    ((BadAuthenticationType,), AuthRefused, "The host must allow login by public key."),
    ((PartialAuthentication,), AuthRefused, "The host wants more than a public key; allow the key alone for our user."),
    ((AuthenticationException,), AuthRefused, "Check the user, and that our public key is in its authorized_keys."),
    (_PROTOCOL, ProtocolFault, ""),
    ((socket.gaierror,), Unreachable, "The name is not known; a numeric address asks nobody."),
    ((ChannelException, OSError, EOFError), Unreachable, ""),
    ((SSHException,), ProtocolFault, ""),
)


def translate(error: BaseException, where: str, stage: Stage) -> RondeError:
    """The project's error for anything that went wrong on the way to `where` (a host, as people know it).

    Errors of the project pass unchanged. While a command runs, everything else is a broken link, except that the host
    refused to run commands at all.
    """
    if isinstance(error, RondeError):
        return error
    said = _said(error)
    if stage is Stage.COMMAND:
        lost: type[RemoteError] = ProtocolFault if isinstance(error, ChannelException) else ConnectionLost
        return lost(f"{where}: the connection broke: {said}." if lost is ConnectionLost else f"{where}: {said}.")
    for kinds, meaning, advice in _MEANING:
        if isinstance(error, kinds):
            return meaning(f"{where}: could not {stage.value}: {said}.", advice=advice)
    return ProtocolFault(f"{where}: could not {stage.value}: {said}.")  # paramiko stumbled over what it was sent


def _said(error: BaseException) -> str:
    if isinstance(error, ChannelException):
        words = f"the request was refused ({error.text})"
    elif isinstance(error, BadAuthenticationType):
        words = f"the host accepts only {', '.join(error.allowed_types)}"
    elif isinstance(error, PartialAuthentication):
        words = f"the host wants {', '.join(error.allowed_types)} as well"
    elif isinstance(error, paramiko.ssh_exception.BadHostKeyException):
        words = "the host shows another key than the pinned one"
    elif isinstance(error, OSError) and error.strerror:
        words = error.strerror
    else:
        words = str(error) or type(error).__name__
    return sanitise_terminal(words)[:_WORDS].rstrip(". \n")
