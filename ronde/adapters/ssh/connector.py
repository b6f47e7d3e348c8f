"""Getting to a host: hop by hop, each one's key verified against its pins before we say who we are."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import paramiko

from ronde.adapters.ssh.errors import FOREIGN, Stage, translate
from ronde.adapters.ssh.keys import KeyRing
from ronde.adapters.ssh.limits import SshLimits
from ronde.adapters.ssh.link import Link
from ronde.adapters.ssh.route import Hop
from ronde.adapters.ssh.watch import Watch
from ronde.adapters.ssh.wire import TcpWire, TunnelWire, Wire, dial
from ronde.model.errors import HostKeyChanged, ProtocolFault, RemoteError, Unreachable
from ronde.model.hostkeys import ALGORITHMS, HostKey, algorithms_for, kind_of, shown
from ronde.ports import Secrets, Signal


class Connection:
    """The links along one way, first hop first, ended together whatever has happened to them."""

    def __init__(self, limits: SshLimits, signal: Signal) -> None:
        self.limits = limits
        self.signal = signal
        self.links: list[Link] = []

    def watch(self, seconds: float, late: str) -> Watch:
        return Watch(self.signal, seconds, TimeoutError(f"{late} within {seconds:g} s"))

    def close(self) -> None:
        """End everything within the limit for closing, asking nobody: the other side may be gone."""
        ends = time.monotonic() + self.limits.close
        for link in self.links:  # the first carries the others; when it goes, they wake
            link.close()
        while self.links:
            self.links.pop().hang_up(ends)


class Connector:
    """Connects along routes. One for a process: it keeps parsed keys, and the turns at jump hosts."""

    def __init__(self, secrets: Secrets, limits: SshLimits) -> None:
        self._keys = KeyRing(secrets)
        self._turns = _Turns(limits.handshakes)

    def connect(self, hops: Sequence[Hop], connection: Connection) -> Link:
        """Connect and log in along the hops, of which there is at least one; returns the link to the last.

        Raises:
            Unreachable, HostKeyChanged, HostKeyMissing, AuthRefused, ProtocolFault, SecretError: naming the hop.
            Fenced, Cancelled: the signal said stop.
        """
        for hop in hops:
            hop.require_pins()
        keys = [self._keys.get(hop.host.key) for hop in hops]
        link = self._advance(hops[0], None, keys[0], connection)
        for hop, key in zip(hops[1:], keys[1:], strict=True):
            link = self._advance(hop, link, key, connection)
        return link

    def _advance(self, hop: Hop, under: Link | None, key: paramiko.PKey, connection: Connection) -> Link:
        with self._turns.taken(hop, connection):
            link = _verified(hop, under, connection)
            _log_in(hop, link, key, connection)
        return link


def handshake(hop: Hop, under: Link | None, connection: Connection, algorithms: Sequence[str]) -> tuple[Link, HostKey]:
    """Connect to a hop, over TCP or through the link `under`, and agree on keys without logging in.

    Returns:
        The link, and the host key that the other side has proven to hold.

    Raises:
        Unreachable, ProtocolFault: naming the hop. Fenced, Cancelled: the signal said stop.
    """
    link = Link(_reach(hop, under, connection), connection.limits)
    connection.links.append(link)
    try:
        watch = connection.watch(connection.limits.banner, "it accepted the connection, then no handshake")
        return link, link.negotiate(algorithms, watch)
    except FOREIGN as error:
        raise translate(error, hop.where, Stage.HANDSHAKE) from error


def _reach(hop: Hop, under: Link | None, connection: Connection) -> Wire:
    address, port = hop.host.address, hop.host.port
    watch = connection.watch(connection.limits.connect, "no connection")
    stage = Stage.CONNECT if under is None else Stage.TUNNEL
    try:
        if under is None:
            return TcpWire(dial(address, port, watch), watch)
        return TunnelWire(under.tunnel(address, port, watch), under.wire, watch)
    except FOREIGN as error:
        raise translate(error, hop.where, stage) from error


def _verified(hop: Hop, under: Link | None, connection: Connection) -> Link:
    wanted = algorithms_for(hop.pins)
    try:
        link, key = handshake(hop, under, connection, wanted)
    except ProtocolFault as error:
        offered = connection.links[-1].offered
        if offered and not set(wanted) & set(offered):
            raise _changed(hop, _glimpse(hop, under, connection, offered), offered) from error
        raise
    if key not in hop.pins:
        raise _changed(hop, key, ())
    return link


def _glimpse(hop: Hop, under: Link | None, connection: Connection, offered: Sequence[str]) -> HostKey | None:
    """The key of a host that offers none of the pinned types, looked at for the message's sake only."""
    known = [name for name in ALGORITHMS if name in offered]
    try:
        return handshake(hop, under, connection, known)[1] if known else None
    except RemoteError:
        return None


def _changed(hop: Hop, key: HostKey | None, offered: Sequence[str]) -> HostKeyChanged:
    kinds = ", ".join(sorted({kind_of(name) for name in offered}))
    shows = str(key) if key else f"only keys of the types {kinds}"
    return HostKeyChanged(
        f"{hop.where}: the host key has changed. Pinned: {shown(hop.pins)}. Offered: {shows}.",
        advice="Treat it as an incident until somebody knows why; a reinstalled host is enrolled with --replace.",
    )


def _log_in(hop: Hop, link: Link, key: paramiko.PKey, connection: Connection) -> None:
    try:
        link.login(hop.host.user, key, connection.watch(connection.limits.login, "no answer to our login"))
    except FOREIGN as error:
        raise translate(error, f"{hop.host.user}@{hop.where}", Stage.LOGIN) from error


class _Turns:
    """Bounds the handshakes that are under way at one jump host at the same time."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._doors: dict[tuple[str, int], threading.Semaphore] = {}

    @contextmanager
    def taken(self, hop: Hop, connection: Connection) -> Iterator[None]:
        """Wait for a turn and hold it; a host that nobody jumps through needs none."""
        if hop.name == hop.towards:
            yield
            return
        with self._lock:
            door = self._doors.setdefault((hop.host.address, hop.host.port), threading.Semaphore(self._most))
        seconds = connection.limits.queue
        watch = Watch(connection.signal, seconds, Unreachable(f"{hop.where}: no turn to connect within {seconds:g} s."))
        while not door.acquire(timeout=watch.pause()):
            watch.check()
        try:
            yield
        finally:
            door.release()
