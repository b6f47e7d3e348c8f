"""Many hosts at once, for measuring: one real sshd each, all with the same keys."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from lab.identity import Identity
from lab.keys import client_key, host_keys
from lab.sshd import SshServer, stop_all

_A_ROW = 250  # addresses used of each /24


Server_co = TypeVar("Server_co", bound=Identity, covariant=True)


@dataclass(frozen=True)
class Hosts(Generic[Server_co]):
    """Servers that all open to the client key at `key` and show the host key `host_key` (`ssh-ed25519 AAAA…`)."""

    servers: tuple[Server_co, ...]
    key: Path
    host_key: str


@contextmanager
def many_hosts(
    count: int, directory: Path, network: str = "127.78", lines: Sequence[str] = ()
) -> Iterator[Hosts[SshServer]]:
    """`count` SSH servers on addresses of their own in `network`.0.0/16, up for the length of the context.

    Each has one of `lines` in its configuration, in turns.

    Raises:
        LabError: one of them did not come up.
    """
    directory = directory.resolve()
    key, line = client_key(directory / "client")
    shared = directory / "host-keys"
    host_keys(shared, ["ed25519"])
    servers = tuple(
        SshServer(
            f"host-{number:04}",
            directory / f"host-{number:04}",
            f"{network}.{number // _A_ROW}.{number % _A_ROW + 1}",
            authorized_keys=[line],
            host_key_types=["ed25519"],
            key_directory=shared,
            mark=directory,
            extra_config=[lines[number % len(lines)]] if lines else [],
        )
        for number in range(count)
    )
    try:
        for server in servers:
            server.launch()
        for server in servers:
            server.await_ready()
        yield Hosts(servers, key, servers[0].public_keys[0] if servers else "")
    finally:
        stop_all(servers)
