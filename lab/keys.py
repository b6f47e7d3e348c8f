"""Throw-away SSH keys: made in this process (no ssh-keygen run per key), in OpenSSH's own file format."""

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

type_of_line = {"ed25519": "ssh-ed25519", "ecdsa": "ecdsa-sha2-nistp256", "rsa": "ssh-rsa"}
"""The short name of a key type (as in ssh_host_TYPE_key) and the word a public key line starts with."""

_RSA_BITS = 2048  # what a client still accepts and a laptop makes quickly; these keys guard nothing

_PrivateKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def _generate(kind: str) -> _PrivateKey:
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if kind == "ecdsa":
        return ec.generate_private_key(ec.SECP256R1())
    if kind == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS)
    raise ValueError(f'"{kind}" is not a key type of the lab ({", ".join(type_of_line)})')


def write_key(path: Path, kind: str = "ed25519") -> str:
    """Make a key pair at `path` and `path`.pub; return its public line (`ssh-ed25519 AAAA…`, no comment)."""
    key = _generate(kind)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    line = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    path.with_name(path.name + ".pub").write_text(line + "\n", encoding="utf-8")
    return line


def public_line(path: Path) -> str:
    """The public line of the key pair at `path`."""
    return path.with_name(path.name + ".pub").read_text(encoding="utf-8").strip()


def client_key(directory: Path) -> tuple[Path, str]:
    """The client key of `directory`, made on first use: the private file's path and its public line."""
    path = directory / "id_ed25519"
    return path, public_line(path) if path.with_name(path.name + ".pub").exists() else write_key(path)


def host_keys(directory: Path, kinds: Sequence[str]) -> dict[str, Path]:
    """A server's host keys in `directory`, made where missing: type name to private file."""
    paths = {kind: directory / f"ssh_host_{kind}_key" for kind in kinds}
    for kind, path in paths.items():
        if not path.with_name(path.name + ".pub").exists():
            write_key(path, kind)
    return paths


def fingerprint(line: str) -> str:
    """The fingerprint of a public line, as `ssh-keygen -l` prints it: `SHA256:` and base64 without padding."""
    digest = hashlib.sha256(base64.b64decode(line.split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")
