"""Secrets and keys without files or entropy.

`ScriptedSecrets` keeps the contract of the real store (tests/contract/secrets runs one suite over both).
"""

import base64
import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ronde.model.errors import SecretError

_SHORTEST = 6  # characters, as in the real store
_KIND = b"ssh-ed25519"


class ScriptedSecrets:
    """Secrets by reference, in memory."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self._alone = threading.Lock()

    def read(self, reference: str) -> bytes:
        if reference not in self.values:
            raise SecretError(f"{reference}: there is none.")
        return self.values[reference]

    def require_writable(self, reference: str) -> None:
        if not reference.startswith(("age://", "file:///")):
            raise SecretError(f"{reference} cannot be changed by Ronde.", advice="Keep it as age:// or file:///.")

    def find(self, reference: str) -> bytes | None:
        self.require_writable(reference)
        return self.values.get(reference)

    def replace(self, reference: str, content: bytes) -> None:
        self.require_writable(reference)
        value = content.rstrip(b"\r\n")
        if len(value) < _SHORTEST:
            raise SecretError(f"{reference}: a secret has at least {_SHORTEST} characters.")
        self.values[reference] = value

    def remove(self, reference: str) -> None:
        self.require_writable(reference)
        self.values.pop(reference, None)

    @contextmanager
    def exclusively(self, reference: str) -> Iterator[None]:
        self.require_writable(reference)
        with self._alone:
            yield


class NumberedKeys:
    """Keys that are told apart at a glance: the private key of number 7 is `PRIVATE KEY 7`."""

    def __init__(self) -> None:
        self.made = 0

    def make(self) -> bytes:
        self.made += 1
        return f"PRIVATE KEY {self.made}".encode()

    def public_line(self, private: bytes) -> str:
        if not private.startswith(b"PRIVATE KEY "):
            raise SecretError("The key is not a private key that can be read.")
        blob = len(_KIND).to_bytes(4, "big") + _KIND + hashlib.sha256(private).digest()
        return f"ssh-ed25519 {base64.b64encode(blob).decode()}"
