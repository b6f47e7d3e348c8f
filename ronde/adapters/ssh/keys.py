"""Private keys: read when needed, parsed once a process."""

import hashlib
import io
import threading
from collections import OrderedDict

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_ssh_private_key,
)

from ronde.model.errors import SecretError
from ronde.ports import Secrets

_KEPT = 1024  # parsed keys kept; one a client is usual
_OPENSSH = b"-----BEGIN OPENSSH PRIVATE KEY-----"

_Private = Ed25519PrivateKey | EllipticCurvePrivateKey | RSAPrivateKey


class KeyRing:
    """Turns secret references into keys that can sign.

    Checking an RSA key takes tens of milliseconds, a thousand times what a signature by ed25519 takes; the parsed keys
    are therefore kept, by the digest of the secret, so that a changed secret is a new key.
    """

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._lock = threading.Lock()
        self._parsed: OrderedDict[bytes, paramiko.PKey] = OrderedDict()

    def get(self, reference: str) -> paramiko.PKey:
        """The private key behind a reference.

        Raises:
            SecretError: it cannot be read, is no private key, or is protected by a passphrase.
        """
        secret = self._secrets.read(reference)
        digest = hashlib.sha256(secret).digest()
        with self._lock:
            if digest in self._parsed:
                self._parsed.move_to_end(digest)
                return self._parsed[digest]
        key = parse_key(secret, reference)
        with self._lock:
            self._parsed[digest] = key
            if len(self._parsed) > _KEPT:
                self._parsed.popitem(last=False)
        return key


class OpenSshKeys:
    """Makes login keys; fulfils `ronde.ports.KeyMaker`."""

    def make(self) -> bytes:
        return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())

    def public_line(self, private: bytes) -> str:
        key = _load(private, "The key")
        return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def parse_key(secret: bytes, reference: str) -> paramiko.PKey:
    """An ed25519, ECDSA or RSA key in OpenSSH's format, PKCS#8 or the older PEM formats.

    Raises:
        SecretError: it is none of these, or protected by a passphrase; the message names the reference only.
    """
    private = _load(secret, reference)
    try:
        text = private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
        return _kind(private).from_private_key(io.StringIO(text))
    except (ValueError, UnsupportedAlgorithm, paramiko.SSHException) as error:
        raise SecretError(f"{reference} holds a private key of a kind that SSH cannot use.") from error


def _kind(private: _Private) -> type[paramiko.PKey]:
    if isinstance(private, Ed25519PrivateKey):
        return paramiko.Ed25519Key
    return paramiko.RSAKey if isinstance(private, RSAPrivateKey) else paramiko.ECDSAKey


def _load(secret: bytes, reference: str) -> _Private:
    load = load_ssh_private_key if secret.lstrip().startswith(_OPENSSH) else load_pem_private_key
    try:
        private = load(secret, None)
    except TypeError as error:
        raise SecretError(
            f"The private key {reference} is protected by a passphrase.",
            advice="Store it without one: the secret store is what protects it.",
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SecretError(
            f"{reference} is not a private key that can be read.",
            advice="It is expected in OpenSSH or PEM format, as ssh-keygen writes it.",
        ) from error
    if not isinstance(private, _Private):
        raise SecretError(f"{reference} is neither an ed25519, an ECDSA nor an RSA key.")
    return private
