"""age: who can decrypt, and content sealed for them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyrage
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_ssh_private_key,
)

from ronde.model.errors import SecretError

_PEM = b"-----BEGIN"
_OPENSSH = b"-----BEGIN OPENSSH PRIVATE KEY-----"

Identity = Any  # of pyrage, which has no types: x25519.Identity or ssh.Identity
_Recipient = Any  # the same: x25519.Recipient or ssh.Recipient


def parse_identities(content: bytes, path: Path) -> list[Identity]:
    """What decrypts: age identities, one a line, or an unencrypted SSH private key; raises SecretError."""
    try:
        if content.lstrip().startswith(_PEM):
            return [pyrage.ssh.Identity.from_buffer(content)]
        return [pyrage.x25519.Identity.from_str(line) for line in _lines(content)]
    except (pyrage.IdentityError, UnicodeDecodeError):
        raise SecretError(f"{path} holds no age identity that can be read.", advice="age-keygen makes one.") from None


def own_recipients(content: bytes) -> list[str]:
    """For whom to encrypt so that the identities in such a file decrypt it.

    Raises:
        SecretError: it holds none that can be read.
    """
    try:
        if content.lstrip().startswith(_PEM):
            load = load_ssh_private_key if content.lstrip().startswith(_OPENSSH) else load_pem_private_key
            return [load(content, None).public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()]
        return [str(pyrage.x25519.Identity.from_str(line).to_public()) for line in _lines(content)]
    except (pyrage.IdentityError, UnicodeDecodeError, ValueError, TypeError, UnsupportedAlgorithm):
        raise SecretError(
            "The age identity does not tell for whom to encrypt.", advice="age-keygen makes one."
        ) from None


def seal(value: bytes, recipients: Sequence[str]) -> bytes:
    """The value, encrypted for `age1…` and `ssh-ed25519 …`; raises SecretError for what is neither."""
    return bytes(pyrage.encrypt(value, [_recipient(line) for line in recipients]))


def _lines(content: bytes) -> list[str]:
    lines = [line.strip() for line in content.decode().splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def _recipient(line: str) -> _Recipient:
    try:
        if line.startswith("ssh-"):
            return pyrage.ssh.Recipient.from_str(line)
        return pyrage.x25519.Recipient.from_str(line)
    except pyrage.RecipientError:
        raise SecretError(f'"{line}" is not an age recipient: age1… or ssh-ed25519 ….') from None
