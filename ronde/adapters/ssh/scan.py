"""Looking at the host keys that a host offers, without logging in to it."""

from ronde.adapters.ssh.connector import Connection, Connector, handshake
from ronde.adapters.ssh.limits import SshLimits
from ronde.adapters.ssh.link import Link
from ronde.adapters.ssh.route import Hop, route_to
from ronde.model.hostkeys import ALGORITHMS, HostKey, kind_of
from ronde.model.inventory import Client
from ronde.ports import Signal


def scan_host_keys(
    connector: Connector, limits: SshLimits, client: Client, host: str, signal: Signal
) -> tuple[HostKey, ...]:
    """All host keys that a host of a client offers, of every type that we accept, best first.

    The host itself needs no pin; a jump host on the way does, and is logged in to. Each type takes one connection.

    Raises:
        Unreachable, ProtocolFault: the host could not be looked at, or offers no type that we accept.
        HostKeyChanged, HostKeyMissing, AuthRefused, SecretError: a jump host on the way.
        InputError: the host is not in the client's file.
    """
    *through, hop = route_to(client, host)
    connection = Connection(limits, signal)
    try:
        under = connector.connect(through, connection) if through else None
        return _all_keys(hop, under, connection)
    finally:
        connection.close()


def _all_keys(hop: Hop, under: Link | None, connection: Connection) -> tuple[HostKey, ...]:
    link, first = handshake(hop, under, connection, ALGORITHMS)
    found = {first.kind: first}
    for algorithm in ALGORITHMS:
        if algorithm in link.offered and kind_of(algorithm) not in found:
            _, key = handshake(hop, under, connection, (algorithm,))
            found[key.kind] = key
    return tuple(found.values())
