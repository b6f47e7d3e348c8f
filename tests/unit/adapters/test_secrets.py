import os
from pathlib import Path

import pyrage
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from ronde.adapters.secrets import FileSecrets
from ronde.model.errors import SecretError

SECRET = b"correct horse"


@pytest.fixture
def identity(tmp_path: Path) -> pyrage.x25519.Identity:
    made = pyrage.x25519.Identity.generate()
    path = tmp_path / "identity"
    path.write_text(f"# created today\n# public key: {made.to_public()}\n{made}\n")
    path.chmod(0o600)
    return made


@pytest.fixture
def secrets(tmp_path: Path, identity: pyrage.x25519.Identity) -> FileSecrets:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "credentials").mkdir()
    return FileSecrets(tmp_path / "secrets", tmp_path / "identity", tmp_path / "credentials", {"HERE": "from outside"})


def test_age_secrets_are_written_and_read(secrets: FileSecrets, identity: pyrage.x25519.Identity) -> None:
    path = secrets.write_age("age://acme/ssh/main", SECRET + b"\n", [str(identity.to_public())])
    assert path.name == "main.age"
    assert path.stat().st_mode & 0o777 == 0o600
    assert SECRET not in path.read_bytes()
    assert secrets.read("age://acme/ssh/main") == SECRET
    secrets.write_age("age://acme/ssh/main", b"another one", [str(identity.to_public())])
    assert secrets.read("age://acme/ssh/main") == b"another one"
    assert [entry.name for entry in path.parent.iterdir()] == ["main.age"]


def test_several_recipients_can_read(tmp_path: Path, secrets: FileSecrets, identity: pyrage.x25519.Identity) -> None:
    offline = pyrage.x25519.Identity.generate()
    path = secrets.write_age("age://acme/x", SECRET, [str(identity.to_public()), str(offline.to_public())])
    assert pyrage.decrypt(path.read_bytes(), [offline]) == SECRET
    assert secrets.read("age://acme/x") == SECRET


def test_an_ssh_key_can_be_the_identity(tmp_path: Path) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    path = tmp_path / "host_key"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    path.chmod(0o600)
    secrets = FileSecrets(tmp_path, path, None)
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    secrets.write_age("age://acme/x", SECRET, [public])
    assert secrets.read("age://acme/x") == SECRET


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n"])
def test_a_file_is_read_without_its_last_line_end(tmp_path: Path, secrets: FileSecrets, ending: bytes) -> None:
    (tmp_path / "f").write_bytes(b"two\nlines" + ending)
    assert secrets.read(f"file://{tmp_path}/f") == b"two\nlines"


def test_credentials_and_variables_are_read(tmp_path: Path, secrets: FileSecrets) -> None:
    (tmp_path / "credentials" / "relay").write_bytes(SECRET + b"\n")
    assert secrets.read("cred://relay") == SECRET
    assert secrets.read("env://HERE") == b"from outside"


@pytest.mark.parametrize(
    "reference",
    [
        "age://../outside/x",
        "age://acme/../../outside",
        "age:///etc/passwd",
        "age://link/outside",
        "cred://../outside",
        "cred:///etc/passwd",
        "cred://a/../../outside",
    ],
)
def test_no_reference_leads_out_of_its_folder(tmp_path: Path, secrets: FileSecrets, reference: str) -> None:
    (tmp_path / "outside.age").write_bytes(SECRET)
    (tmp_path / "outside").write_bytes(SECRET)
    (tmp_path / "secrets" / "link").symlink_to(tmp_path)
    with pytest.raises(SecretError, match="leads out of"):
        secrets.read(reference)


@pytest.mark.parametrize(
    "reference",
    [
        "",
        "secret",
        "http://x",
        "age://",
        "file://relative",
        "file://~/x",
        "vault://a/b",
        "env://MISSING",
        "cred://missing",
        "age://acme/missing",
        "file:///no/such/file",
        "file:///",
        "file:///x\0y",
        "age://a\0b",
    ],
)
def test_what_is_not_there_is_said_without_a_traceback(secrets: FileSecrets, reference: str) -> None:
    with pytest.raises(SecretError) as caught:
        secrets.read(reference)
    assert caught.value.permanent


@pytest.mark.parametrize("content", [b"", b"\n", b"abc12", b"five5\n"])
def test_a_secret_too_short_to_be_redacted_is_refused(tmp_path: Path, secrets: FileSecrets, content: bytes) -> None:
    (tmp_path / "f").write_bytes(content)
    with pytest.raises(SecretError, match="shorter than 6") as caught:
        secrets.read(f"file://{tmp_path}/f")
    assert content.strip().decode() == "" or content.strip().decode() not in str(caught.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666])
def test_an_identity_open_to_others_is_refused(
    tmp_path: Path, secrets: FileSecrets, identity: pyrage.x25519.Identity, mode: int
) -> None:
    secrets.write_age("age://acme/x", SECRET, [str(identity.to_public())])
    (tmp_path / "identity").chmod(mode)
    with pytest.raises(SecretError, match="chmod 600"):
        secrets.read("age://acme/x")


def test_a_wrong_identity_is_said(secrets: FileSecrets) -> None:
    stranger = pyrage.x25519.Identity.generate()
    secrets.write_age("age://acme/x", SECRET, [str(stranger.to_public())])
    with pytest.raises(SecretError, match="cannot be decrypted"):
        secrets.read("age://acme/x")


def test_a_broken_identity_and_a_broken_file_are_said(tmp_path: Path, secrets: FileSecrets) -> None:
    (tmp_path / "secrets" / "x.age").write_bytes(b"age-encryption.org/v1\nnonsense")
    with pytest.raises(SecretError, match="cannot be decrypted"):
        secrets.read("age://x")
    (tmp_path / "identity").write_text("AGE-SECRET-KEY-1NONSENSE\n")
    with pytest.raises(SecretError, match="no age identity") as caught:
        secrets.read("age://x")
    assert "NONSENSE" not in str(caught.value)


def test_settings_that_are_missing_are_named(tmp_path: Path) -> None:
    with pytest.raises(SecretError, match="RONDE_SECRETS_DIR"):
        FileSecrets(None, None, None).read("age://acme/x")
    (tmp_path / "x.age").write_bytes(b"sealed")
    with pytest.raises(SecretError, match="RONDE_AGE_IDENTITY"):
        FileSecrets(tmp_path, None, None).read("age://x")
    with pytest.raises(SecretError, match="LoadCredential"):
        FileSecrets(None, None, None).read("cred://x")


@pytest.mark.parametrize(
    ("reference", "value", "recipients"),
    [
        ("file:///x", SECRET, ["age1x"]),
        ("age://acme/x", b"short", ["age1x"]),
        ("age://acme/x", SECRET, ["nobody"]),
        ("age://acme/x", SECRET, ["ssh-ed25519 AAAA"]),
        ("age://acme/x", SECRET, []),
        ("age://../x", SECRET, []),
    ],
)
def test_what_cannot_be_written_is_said(
    secrets: FileSecrets, reference: str, value: bytes, recipients: list[str]
) -> None:
    with pytest.raises(SecretError) as caught:
        secrets.write_age(reference, value, recipients)
    assert value.decode() not in str(caught.value) or value == b"short"


def test_whom_the_folder_names_can_decrypt_what_is_replaced(
    tmp_path: Path, secrets: FileSecrets, identity: pyrage.x25519.Identity
) -> None:
    offline = pyrage.x25519.Identity.generate()
    (tmp_path / "secrets" / ".age-recipients").write_text(f"# in the safe\n\n{offline.to_public()}\n")
    secrets.write_age("age://acme/x", SECRET, [str(identity.to_public())])
    secrets.replace("age://acme/x", b"another one")
    sealed = (tmp_path / "secrets" / "acme" / "x.age").read_bytes()
    assert pyrage.decrypt(sealed, [offline]) == pyrage.decrypt(sealed, [identity]) == b"another one\n"


@pytest.mark.parametrize("layout", [PrivateFormat.OpenSSH, PrivateFormat.PKCS8])
def test_an_ssh_key_as_identity_is_its_own_recipient(tmp_path: Path, layout: PrivateFormat) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    path = tmp_path / "host_key"
    path.write_bytes(key.private_bytes(Encoding.PEM, layout, NoEncryption()))
    path.chmod(0o600)
    secrets = FileSecrets(tmp_path, path, None)
    if layout is PrivateFormat.OpenSSH:
        (tmp_path / "acme").mkdir()
        secrets.replace("age://acme/x", SECRET)
        assert secrets.read("age://acme/x") == SECRET
    else:  # age knows ed25519 in OpenSSH's own format only
        with pytest.raises(SecretError):
            secrets.replace("age://acme/x", SECRET)


def test_a_link_stays_a_link_and_an_owner_an_owner(tmp_path: Path, secrets: FileSecrets) -> None:
    owner = (4242, 4343) if os.geteuid() == 0 else (os.geteuid(), os.getegid())  # only root can give a file away
    (tmp_path / "real").write_bytes(SECRET)
    os.chown(tmp_path / "real", *owner)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    secrets.replace(f"file://{tmp_path}/link", b"another one")
    assert (tmp_path / "link").is_symlink()
    found = (tmp_path / "real").stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (*owner, 0o600)
    assert (tmp_path / "real").read_bytes() == b"another one\n"


def test_a_folder_that_is_not_there_is_said_before_anything_is_tried(tmp_path: Path, secrets: FileSecrets) -> None:
    with pytest.raises(SecretError, match="cannot be written") as caught:
        secrets.require_writable(f"file://{tmp_path}/missing/key")
    assert "ReadWritePaths" in caught.value.advice
    with pytest.raises(SecretError, match="cannot be locked"), secrets.exclusively(f"file://{tmp_path}/missing/key"):
        pass


def test_a_huge_file_is_not_a_secret(tmp_path: Path, secrets: FileSecrets) -> None:
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(2 * 1024 * 1024)
    with pytest.raises(SecretError, match="larger than 1 MiB"):
        secrets.read(f"file://{tmp_path}/huge")
