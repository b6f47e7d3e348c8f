"""Every error that paramiko can raise has a meaning of ours."""

import inspect
import socket

import paramiko
import pytest
from paramiko import ssh_exception
from paramiko.buffered_pipe import PipeTimeout

from ronde.adapters.ssh.errors import Stage, translate
from ronde.model.errors import (
    AuthRefused,
    Cancelled,
    ConnectionLost,
    HostKeyChanged,
    ProtocolFault,
    RondeError,
    SecretError,
    Unreachable,
)

KEY = paramiko.ECDSAKey.generate()
RAISED: dict[type[BaseException], BaseException] = {
    ssh_exception.SSHException: ssh_exception.SSHException("Mismatched MAC"),
    ssh_exception.AuthenticationException: ssh_exception.AuthenticationException("Authentication failed."),
    ssh_exception.PasswordRequiredException: ssh_exception.PasswordRequiredException("locked"),
    ssh_exception.BadAuthenticationType: ssh_exception.BadAuthenticationType("no", ["password"]),
    ssh_exception.PartialAuthentication: ssh_exception.PartialAuthentication(["keyboard-interactive"]),
    ssh_exception.UnableToAuthenticate: ssh_exception.UnableToAuthenticate(),
    ssh_exception.ChannelException: ssh_exception.ChannelException(2, "Connect failed"),
    ssh_exception.BadHostKeyException: ssh_exception.BadHostKeyException("h", KEY, KEY),
    ssh_exception.IncompatiblePeer: ssh_exception.IncompatiblePeer("no acceptable ciphers"),
    ssh_exception.ProxyCommandFailure: ssh_exception.ProxyCommandFailure("nc", "1"),
    ssh_exception.NoValidConnectionsError: ssh_exception.NoValidConnectionsError({("h", 22): OSError("no")}),
    ssh_exception.CouldNotCanonicalize: ssh_exception.CouldNotCanonicalize("h"),
    ssh_exception.ConfigParseError: ssh_exception.ConfigParseError("bad"),
    ssh_exception.MessageOrderError: ssh_exception.MessageOrderError("out of order"),
}
MEANING: dict[type[BaseException], type[RondeError]] = {
    ssh_exception.SSHException: ProtocolFault,
    ssh_exception.AuthenticationException: AuthRefused,
    ssh_exception.PasswordRequiredException: SecretError,
    ssh_exception.BadAuthenticationType: AuthRefused,
    ssh_exception.PartialAuthentication: AuthRefused,
    ssh_exception.UnableToAuthenticate: AuthRefused,
    ssh_exception.ChannelException: Unreachable,
    ssh_exception.BadHostKeyException: HostKeyChanged,
    ssh_exception.IncompatiblePeer: ProtocolFault,
    ssh_exception.ProxyCommandFailure: ProtocolFault,
    ssh_exception.NoValidConnectionsError: Unreachable,
    ssh_exception.CouldNotCanonicalize: ProtocolFault,
    ssh_exception.ConfigParseError: ProtocolFault,
    ssh_exception.MessageOrderError: ProtocolFault,
}
OTHERS: list[tuple[BaseException, type[RondeError]]] = [
    (EOFError("it closed the connection"), Unreachable),
    (ConnectionRefusedError(111, "Connection refused"), Unreachable),
    (TimeoutError("no connection within 10 s"), Unreachable),
    (PipeTimeout(), Unreachable),
    (socket.gaierror(-2, "Name or service not known"), Unreachable),
    (OSError(113, "No route to host"), Unreachable),
    (ValueError("what a library may stumble over"), ProtocolFault),
]


def paramiko_errors() -> list[type[BaseException]]:
    found = [each for _, each in inspect.getmembers(ssh_exception, inspect.isclass)]
    return [each for each in found if issubclass(each, BaseException) and each.__module__ == ssh_exception.__name__]


@pytest.mark.parametrize("kind", paramiko_errors())
def test_every_error_of_paramiko_has_a_meaning(kind: type[BaseException]) -> None:
    error = translate(RAISED[kind], "srv (10.0.0.1:22)", Stage.LOGIN)
    assert type(error) is MEANING[kind]
    assert error.message.startswith("srv (10.0.0.1:22): could not log in: ")


@pytest.mark.parametrize(("raised", "meaning"), OTHERS)
def test_other_errors_have_a_meaning_too(raised: BaseException, meaning: type[RondeError]) -> None:
    assert type(translate(raised, "srv", Stage.CONNECT)) is meaning


@pytest.mark.parametrize("raised", [*RAISED.values(), *(raised for raised, _ in OTHERS)])
def test_while_a_command_runs_the_connection_broke(raised: BaseException) -> None:
    refused = isinstance(raised, ssh_exception.ChannelException)
    assert type(translate(raised, "srv", Stage.COMMAND)) is (ProtocolFault if refused else ConnectionLost)


def test_our_own_errors_pass_unchanged() -> None:
    error = Cancelled("stop")
    assert translate(error, "srv", Stage.COMMAND) is error


def test_what_a_stranger_says_is_made_harmless_and_short() -> None:
    error = translate(paramiko.SSHException("\x1b[2Jboo\x07" + "x" * 5000), "srv", Stage.HANDSHAKE)
    assert "\x1b" not in str(error)
    assert len(str(error)) < 300
