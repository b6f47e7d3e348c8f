"""Public host keys: their fingerprints, what pins allow, and what an enrolment may pin."""

import base64
import binascii
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ronde.model.errors import HostKeyChanged, InputError

_ORDER = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")
_SIGNATURES = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}  # RFC 8332; an RSA key no longer signs with SHA-1

ALGORITHMS = tuple(algorithm for kind in _ORDER for algorithm in _SIGNATURES.get(kind, (kind,)))
"""Every host key algorithm (as RFC 4253 negotiates them) that we accept, the quickest to verify first."""


@dataclass(frozen=True, slots=True)
class HostKey:
    """A server's public key: its type word (`ssh-ed25519`) and the key itself in SSH wire format."""

    kind: str
    blob: bytes

    @classmethod
    def parse(cls, line: str) -> "HostKey":
        """Read `ssh-ed25519 AAAA… [comment]`.

        Raises:
            ValueError: it is not such a line, or the key's own type differs from the word in front.
        """
        words = line.split()
        try:
            blob = base64.b64decode(words[1], validate=True)
        except (IndexError, binascii.Error) as error:
            raise ValueError("a host key is written like: ssh-ed25519 AAAA…") from error
        key = cls(words[0], blob)
        if not blob.startswith(len(key.kind).to_bytes(4, "big") + key.kind.encode()):
            raise ValueError(f"the key behind {key.kind} is of another type, or cut off")
        return key

    @property
    def line(self) -> str:
        """The key as inventories and authorized_keys files write it, without a comment."""
        return f"{self.kind} {base64.b64encode(self.blob).decode()}"

    @property
    def fingerprint(self) -> str:
        """As `ssh-keygen -l` prints it: `SHA256:` and base64 without padding."""
        digest = base64.b64encode(hashlib.sha256(self.blob).digest()).decode()
        return "SHA256:" + digest.rstrip("=")

    def __str__(self) -> str:
        return f"{self.fingerprint} ({self.kind})"


def algorithms_for(pins: Iterable[HostKey]) -> tuple[str, ...]:
    """The algorithms to negotiate so that the server shows one of the pinned keys and no other."""
    kinds = {pin.kind for pin in pins}
    return tuple(name for kind in _ORDER if kind in kinds for name in _SIGNATURES.get(kind, (kind,)))


def kind_of(algorithm: str) -> str:
    """The key type behind a negotiated algorithm: `rsa-sha2-512` is an `ssh-rsa` key."""
    return next((kind for kind, names in _SIGNATURES.items() if algorithm in names), algorithm)


def shown(keys: Sequence[HostKey]) -> str:
    """Several keys in one message."""
    return ", ".join(str(key) for key in keys) or "none"


def pins_after(
    offered: Sequence[HostKey], pinned: Sequence[HostKey], *, fingerprints: Sequence[str] = (), replace: bool = False
) -> tuple[HostKey, ...]:
    """The keys that an enrolment leaves pinned, best first.

    Each type is offered over a connection of its own, so a fingerprint vouches for its own key alone: with
    `fingerprints`, only the keys that they name are added. Without, a person has compared all that are offered.

    Raises:
        InputError: nothing is offered, or a fingerprint belongs to none of the offered keys.
        HostKeyChanged: a pinned key is no longer offered, and `replace` was not said.
    """
    if not offered:
        raise InputError("The host offers no host key of a type that we accept.")
    names = {key.fingerprint for key in offered}
    unknown = [fingerprint for fingerprint in fingerprints if fingerprint not in names]
    if unknown:
        raise InputError(f"The host offers no key with the fingerprint {unknown[0]}; it offers {shown(offered)}.")
    gone = [pin for pin in pinned if pin not in offered]
    if gone and not replace:
        raise HostKeyChanged(
            f"Pinned is {shown(pinned)}; the host now offers {shown(offered)}.",
            advice="Find out why before anything else; if the host was reinstalled, enrol it with --replace.",
        )
    chosen = {key for key in offered if not fingerprints or key.fingerprint in fingerprints}
    kept = {pin for pin in pinned if pin not in gone and not replace}
    return tuple(sorted(chosen | kept, key=lambda key: (_ORDER.index(key.kind), key.blob)))
