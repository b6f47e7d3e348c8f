from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from ronde.adapters.ssh import SshShells
from ronde.model.command import Command
from ronde.model.errors import AuthRefused, SecretError
from tests.doubles.shell import NeverStop
from tests.doubles.ssh_hosts import Grounds

Private = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
KEYS: dict[str, Private] = {
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
    "nistp256": ec.generate_private_key(ec.SECP256R1()),
    "nistp521": ec.generate_private_key(ec.SECP521R1()),
    "rsa": rsa.generate_private_key(public_exponent=65537, key_size=2048),
}


def written(key: Private, layout: PrivateFormat, seal: KeySerializationEncryption | None = None) -> bytes:
    return key.private_bytes(Encoding.PEM, layout, seal or NoEncryption())


def public(key: Private) -> str:
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def attempt(grounds: Grounds, shells: SshShells, secret: bytes, allowed: list[str]) -> int | None:
    path = grounds.directory / "key"
    path.write_bytes(secret)
    with grounds.server("srv", authorized_keys=allowed) as server:
        grounds.hosts["srv"] = grounds.entry(server, key=f"file://{path}")
        with shells.open(grounds.client(), "srv", NeverStop()) as shell:
            return shell.run(Command(("true",))).exit_status


@pytest.mark.parametrize("layout", [PrivateFormat.OpenSSH, PrivateFormat.PKCS8])
@pytest.mark.parametrize("kind", KEYS)
def test_every_kind_of_key_logs_in(grounds: Grounds, shells: SshShells, kind: str, layout: PrivateFormat) -> None:
    key = KEYS[kind]
    assert attempt(grounds, shells, written(key, layout).strip(), [public(key)]) == 0


def test_the_older_pem_of_an_rsa_key_logs_in(grounds: Grounds, shells: SshShells) -> None:
    key = KEYS["rsa"]
    assert attempt(grounds, shells, written(key, PrivateFormat.TraditionalOpenSSL), [public(key)]) == 0


def test_a_key_that_is_not_allowed_is_refused(grounds: Grounds, shells: SshShells) -> None:
    with pytest.raises(AuthRefused, match="srv") as caught:
        attempt(grounds, shells, written(KEYS["rsa"], PrivateFormat.OpenSSH), [public(KEYS["ed25519"])])
    assert caught.value.permanent


@pytest.mark.parametrize(
    ("secret", "words"),
    [
        (written(KEYS["ed25519"], PrivateFormat.OpenSSH, BestAvailableEncryption(b"sesame")), "passphrase"),
        (written(KEYS["rsa"], PrivateFormat.PKCS8, BestAvailableEncryption(b"sesame")), "passphrase"),
        (b"not a key at all", "not a private key"),
        (written(KEYS["rsa"], PrivateFormat.PKCS8)[:400], "not a private key"),
        (public(KEYS["rsa"]).encode(), "not a private key"),
    ],
)
def test_a_secret_that_is_no_usable_key_is_said(grounds: Grounds, shells: SshShells, secret: bytes, words: str) -> None:
    with pytest.raises(SecretError, match=words) as caught:
        attempt(grounds, shells, secret, [public(KEYS["rsa"])])
    assert secret[2:14].decode() not in str(caught.value)


def test_neither_agent_nor_files_of_ours_are_used(
    grounds: Grounds, shells: SshShells, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home = tmp_path / "home" / ".ssh"
    home.mkdir(parents=True)
    (home / "id_ed25519").write_bytes(written(KEYS["ed25519"], PrivateFormat.OpenSSH))
    monkeypatch.setenv("HOME", str(home.parent))
    with pytest.raises(AuthRefused):
        attempt(grounds, shells, written(KEYS["nistp256"], PrivateFormat.OpenSSH), [public(KEYS["ed25519"])])


def test_a_changed_secret_is_read_anew(grounds: Grounds, shells: SshShells) -> None:
    first, second = KEYS["ed25519"], KEYS["nistp256"]
    assert attempt(grounds, shells, written(first, PrivateFormat.OpenSSH), [public(first)]) == 0
    assert attempt(grounds, shells, written(second, PrivateFormat.OpenSSH), [public(second)]) == 0
