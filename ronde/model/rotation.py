"""The replacing of a login key that several hosts share: what stands beside the secret, and what comes next.

The new key is added and proven on every host first. Only then does it become the secret, and only then is the old one
taken away, host by host. So the secret in force opens every host at every moment, and whatever is interrupted can be
taken up from what stands there.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from ronde.model.inventory import Client, Inventory
from ronde.model.words import listed

NEXT, FORMER, NOTES = ".next", ".former", ".rotation"  # behind a secret's reference: what stands beside it


class Phase(StrEnum):
    """How far the replacing of one secret has come."""

    NONE = "none"  # nothing is under way
    ADDING = "adding"  # a new key waits to be proven on every host; the old one is in force
    REMOVING = "removing"  # the new one is in force; the old one is being taken away


def phase_of(current: str, pending: str | None, former: str | None) -> Phase:
    """Where a rotation stands, by the public keys of what is kept; a pending key that is in force is no longer one."""
    if pending is not None and pending != current:
        return Phase.ADDING
    return Phase.NONE if former is None else Phase.REMOVING


@dataclass(frozen=True, slots=True)
class Rotation:
    """What is noted of one rotation, beside its keys; nothing in it is secret.

    Attributes:
        key: fingerprint of the new key; notes of another one are of an earlier rotation.
        proven: hosts that the new key has opened; `cleaned`: those that no longer know the old one.
        run: the run that took the old key away last. Its other jobs, and other attempts at the same one, know by it
            that the key they find is the new one already, and not one that is to be replaced.
    """

    key: str
    proven: frozenset[str] = frozenset()
    cleaned: frozenset[str] = frozenset()
    run: str = ""

    def with_proven(self, host: str) -> "Rotation":
        return replace(self, proven=self.proven | {host})

    def with_cleaned(self, host: str, run: str) -> "Rotation":
        return replace(self, cleaned=self.cleaned | {host}, run=run)

    def encoded(self) -> bytes:
        """As it is kept: one line of JSON."""
        hosts = {"proven": sorted(self.proven), "cleaned": sorted(self.cleaned)}
        return json.dumps({"key": self.key, **hosts, "run": self.run}).encode()

    @classmethod
    def decoded(cls, text: bytes | None, key: str) -> "Rotation":
        """The notes on this key. What is not there, not understood or of another key is no proof of anything."""
        try:
            raw: Any = json.loads(text or b"{}")
            if raw.get("key") == key:
                proven, cleaned = (frozenset(map(str, raw[name])) for name in ("proven", "cleaned"))
                return cls(key, proven, cleaned, str(raw["run"]))
        except (ValueError, AttributeError, KeyError, TypeError):
            pass
        return cls(key)


def sharing(client: Client, reference: str) -> tuple[str, ...]:
    """The client's hosts that we log in to with this key, in order of their names."""
    return tuple(sorted(name for name, host in client.hosts.items() if host.key == reference))


def lacking(hosts: Collection[str], have: Collection[str]) -> tuple[str, ...]:
    """The hosts that are not among those, in order."""
    return tuple(sorted(set(hosts) - set(have)))


def objection(inventory: Inventory, client: Client, reference: str) -> str | None:
    """Why this key cannot be replaced, as far as the inventory tells; None when nothing stands against it."""
    others = [each for name, each in inventory.clients.items() if name != client.client]
    if any(sharing(each, reference) for each in others):
        return f"{reference} also opens hosts of another client; give each client a key of its own first"
    alien = [name for name in sharing(client, reference) if client.hosts[name].system != "linux"]
    if alien:
        return f"{reference} also opens {listed(alien)}, whose keys can only be replaced by hand"
    return None


def twins(client: Client, reference: str) -> tuple[tuple[str, str], ...]:
    """(host, its key's reference) of entries for an account that this key opens, too, under another reference.

    Should that be the same key in another place, taking it away here would take it away there.
    """
    hosts = client.hosts
    accounts = {(hosts[name].address, hosts[name].port, hosts[name].user) for name in sharing(client, reference)}
    return tuple(
        (name, host.key)
        for name, host in sorted(hosts.items())
        if host.key != reference and (host.address, host.port, host.user) in accounts
    )
