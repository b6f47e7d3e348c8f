"""The way to a host: the hosts to jump through, first to last, each with its pinned keys."""

from dataclasses import dataclass

from ronde.model.errors import HostKeyMissing, InputError
from ronde.model.hostkeys import HostKey
from ronde.model.inventory import Client, Host


@dataclass(frozen=True, slots=True)
class Hop:
    """One host on the way.

    Attributes:
        name: as the inventory has it; `towards`: the host all this is for.
        pins: its pinned keys; empty when there are none.
    """

    name: str
    towards: str
    host: Host
    pins: tuple[HostKey, ...]

    @property
    def where(self) -> str:
        """How messages call it."""
        place = f"{self.name} ({self.host.address}:{self.host.port})"
        return place if self.name == self.towards else f"{place}, the jump host on the way to {self.towards}"

    def require_pins(self) -> None:
        """Refuse a host that nobody has enrolled.

        Raises:
            HostKeyMissing: no key is pinned.
        """
        if not self.pins:
            advice = f"Enrol it, comparing fingerprints with the host's own: ronde host enrol {self.name}"
            raise HostKeyMissing(f"{self.where}: no host key is pinned.", advice=advice)


def route_to(client: Client, name: str) -> tuple[Hop, ...]:
    """The hops to a host of a client, the host itself last.

    Raises:
        InputError: the host, or a jump host on its way, is not in the client's file, or the way turns in a circle, or
            a pinned key is not one.
    """
    hops: list[Hop] = []
    step: str | None = name
    while step is not None:
        if step in {hop.name for hop in hops}:
            circle = " → ".join([*(hop.name for hop in hops), step])
            raise InputError(f"{client.client}: the way to {name} turns in a circle: {circle}.")
        if step not in client.hosts:
            raise InputError(f"{client.client} has no host named {step}.")
        host = client.hosts[step]
        hops.append(Hop(step, name, host, _pins(step, host)))
        step = host.via
    return tuple(reversed(hops))


def _pins(name: str, host: Host) -> tuple[HostKey, ...]:
    try:
        return tuple(HostKey.parse(line) for line in host.host_key)
    except ValueError as error:
        raise InputError(f"{name}: host_key: {error}.") from error
