"""The few parts of restic's on-disk format the lab has to write itself, after restic's design document.

Three things cannot be had from restic 0.14: a key whose derivation takes a millisecond instead of half a second (three
dozen nightly runs would take a minute), a repository in less than the three seconds `init` needs to choose the cost
of that derivation, and a lock file that says it was written hours ago. All are plain JSON inside restic's envelope:
16 bytes of nonce, AES-256 in counter mode, 16 bytes of Poly1305-AES.
"""

import base64
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.poly1305 import Poly1305

_NONCE = 16
_MAC = 16
_QUICK = {"N": 1024, "r": 8, "p": 1}  # scrypt cost of about two milliseconds; no protection, and none is wanted


@dataclass(frozen=True, slots=True)
class Key:
    """One of restic's keys: 32 bytes for AES, 16 and 16 for the authenticator."""

    encrypt: bytes
    mac_k: bytes
    mac_r: bytes

    @staticmethod
    def derive(password: bytes, header: Mapping[str, Any]) -> "Key":
        """The key that opens a key file, from the password and the file's own scrypt parameters."""
        salt = base64.b64decode(header["salt"])
        raw = Scrypt(salt=salt, length=64, n=header["N"], r=header["r"], p=header["p"]).derive(password)
        return Key(raw[:32], raw[32:48], raw[48:])

    def seal(self, plain: bytes) -> bytes:
        """`plain` in restic's envelope."""
        nonce = os.urandom(_NONCE)
        sealed = self._stream(nonce, plain)
        return nonce + sealed + self._authenticator(nonce, sealed)

    def open(self, envelope: bytes) -> bytes:
        """The content of an envelope.

        Raises:
            ValueError: it was not sealed with this key, or was changed since.
        """
        nonce, sealed, mac = envelope[:_NONCE], envelope[_NONCE:-_MAC], envelope[-_MAC:]
        if self._authenticator(nonce, sealed) != mac:
            raise ValueError("not sealed with this key")
        return self._stream(nonce, sealed)

    def _stream(self, nonce: bytes, data: bytes) -> bytes:
        return Cipher(algorithms.AES256(self.encrypt), modes.CTR(nonce)).encryptor().update(data)

    def _authenticator(self, nonce: bytes, data: bytes) -> bytes:
        # Poly1305-AES: the one-time half of the key is the nonce, encrypted under mac_k.
        one_time = Cipher(algorithms.AES128(self.mac_k), modes.ECB()).encryptor().update(nonce)  # noqa: S305 - one block
        return Poly1305.generate_tag(self.mac_r + one_time, data)


def personalise(repository: Path, old: str, new: str) -> None:
    """Give a copy of an empty repository an identity and a password of its own, and make its key quick to open."""
    (path,) = (repository / "keys").iterdir()
    header = json.loads(path.read_bytes())
    master = Key.derive(old.encode(), header).open(base64.b64decode(header["data"]))
    quick = {**header, **_QUICK, "salt": base64.b64encode(os.urandom(64)).decode()}
    quick["data"] = base64.b64encode(Key.derive(new.encode(), quick).seal(master)).decode()
    path.unlink()
    _store(repository / "keys", json.dumps(quick).encode())
    config = repository / "config"
    content = {**json.loads(_key_of(master).open(config.read_bytes())), "id": os.urandom(32).hex()}
    config.chmod(0o600)
    config.write_bytes(_key_of(master).seal(json.dumps(content).encode()))


def redate_lock(repository: Path, password: str, lock: Mapping[str, Any], written: datetime) -> Path:
    """Write `lock` (as `restic cat lock` shows it) again, as of `written`; return the new lock file."""
    text = json.dumps({**lock, "time": written.isoformat()}).encode()
    return _store(repository / "locks", _master(repository, password).seal(text))


def _master(repository: Path, password: str) -> Key:
    (path,) = (repository / "keys").iterdir()
    header = json.loads(path.read_bytes())
    return _key_of(Key.derive(password.encode(), header).open(base64.b64decode(header["data"])))


def _key_of(master: bytes) -> Key:
    kept = json.loads(master)
    return Key(*(base64.b64decode(text) for text in (kept["encrypt"], kept["mac"]["k"], kept["mac"]["r"])))


def _store(folder: Path, content: bytes) -> Path:
    """Restic names every file after the digest of its content."""
    path = folder / hashlib.sha256(content).hexdigest()
    path.write_bytes(content)
    return path
