"""Secrets read where the worker runs, at the last moment, from files that nobody else can read.

Four kinds of reference:

- `age://CLIENT/NAME` is `CLIENT/NAME.age` below the secrets folder, decrypted with this machine's identity;
- `cred://NAME` is a systemd credential (`LoadCredential=`), a file in `$CREDENTIALS_DIRECTORY`;
- `file:///PATH` is a file;
- `env://NAME` is a variable of the process, for a technician's laptop: a service's environment is no place for secrets.
"""

import os
import re
import stat
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import pyrage

from ronde.model.errors import SecretError

SHORTEST = 6  # characters; a shorter secret could not be told from ordinary text when output is redacted
_MOST = 1024 * 1024  # bytes; what is larger is not a secret but a mistake
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_REFERENCE = re.compile(r"(age|file|cred|env)://(.+)", re.DOTALL)

_Identity = Any  # of pyrage, which has no types: x25519.Identity or ssh.Identity
_Recipient = Any  # the same: x25519.Recipient or ssh.Recipient


class FileSecrets:
    """Reads secrets; fulfils `ronde.ports.Secrets`.

    Args:
        secrets_dir: where `age://` references lie; None when there are none.
        age_identity: the file that decrypts them: age identities, or an unencrypted SSH private key.
        credentials_dir: systemd's `$CREDENTIALS_DIRECTORY`; None outside a service.
        environment: where `env://` looks; the process's own when left out.
    """

    def __init__(
        self,
        secrets_dir: Path | None,
        age_identity: Path | None,
        credentials_dir: Path | None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._secrets_dir = secrets_dir
        self._age_identity = age_identity
        self._credentials_dir = credentials_dir
        self._environment = os.environ if environment is None else environment

    def read(self, reference: str) -> bytes:
        """The secret, without a trailing newline. No message of an error ever holds a part of it.

        Raises:
            SecretError: there is none behind the reference, it cannot be opened or decrypted, or it is too short.
        """
        match = _REFERENCE.fullmatch(reference)
        if match is None:
            raise SecretError(f'"{reference}" is not a reference to a secret: age://, file:///, cred:// or env://.')
        readers: dict[str, Callable[[str, str], bytes]] = {
            "age": self._from_age,
            "file": _from_file,
            "cred": self._from_credential,
            "env": self._from_environment,
        }
        secret = readers[match[1]](reference, match[2]).removesuffix(b"\n").removesuffix(b"\r")
        if len(secret) < SHORTEST:
            raise SecretError(
                f"{reference} is empty or shorter than {SHORTEST} characters.",
                advice="So short a secret cannot be kept out of stored output; choose a longer one.",
            )
        return secret

    def write_age(self, reference: str, value: bytes, recipients: Sequence[str]) -> Path:
        """Encrypt a secret for `recipients` (`age1…` or `ssh-ed25519 …`) where `reference` (`age://…`) will find it.

        Returns:
            The file, replaced in one step and readable by us alone.

        Raises:
            SecretError: the reference is not an `age://` one, the secret too short, or a recipient not understood.
        """
        match = _REFERENCE.fullmatch(reference)
        if match is None or match[1] != "age":
            raise SecretError(f"{reference}: only age:// references can be written.")
        if len(value) < SHORTEST:
            raise SecretError(f"{reference}: a secret has at least {SHORTEST} characters.")
        path = self._age_path(reference, match[2])
        if not recipients:
            raise SecretError(f"{reference}: nobody is named who could decrypt it.")
        sealed = pyrage.encrypt(value, [_recipient(line) for line in recipients])
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fresh = path.with_name(path.name + ".new")
            fresh.touch(mode=0o600)
            fresh.write_bytes(sealed)
            fresh.replace(path)
        except OSError as error:
            raise SecretError(f"{reference}: {path} cannot be written: {error.strerror}.") from error
        return path

    def _from_age(self, reference: str, name: str) -> bytes:
        sealed = _content(reference, self._age_path(reference, name))
        try:
            return bytes(pyrage.decrypt(sealed, self._identities(reference)))
        except pyrage.DecryptError:
            raise SecretError(
                f"{reference} cannot be decrypted with {self._age_identity}.",
                advice="Was it encrypted for this machine's identity?",
            ) from None

    def _age_path(self, reference: str, name: str) -> Path:
        if self._secrets_dir is None:
            raise SecretError(f"{reference}: no secrets folder is set.", advice="Set RONDE_SECRETS_DIR.")
        path = _below(self._secrets_dir, reference, name)
        return path.with_name(path.name + ".age")

    def _identities(self, reference: str) -> list[_Identity]:
        path = self._age_identity
        if path is None:
            raise SecretError(f"{reference}: no age identity is set.", advice="Set RONDE_AGE_IDENTITY.")
        _require_private(path)
        content = _content(reference, path)
        try:
            if content.lstrip().startswith(b"-----BEGIN"):
                return [pyrage.ssh.Identity.from_buffer(content)]
            lines = [line.strip() for line in content.decode().splitlines()]
            return [pyrage.x25519.Identity.from_str(line) for line in lines if line and not line.startswith("#")]
        except (pyrage.IdentityError, UnicodeDecodeError):
            raise SecretError(
                f"{path} holds no age identity that can be read.", advice="age-keygen makes one."
            ) from None

    def _from_credential(self, reference: str, name: str) -> bytes:
        if self._credentials_dir is None:
            raise SecretError(
                f"{reference}: this process has no systemd credentials.",
                advice="They exist in a service with LoadCredential= or LoadCredentialEncrypted= only.",
            )
        return _content(reference, _below(self._credentials_dir, reference, name))

    def _from_environment(self, reference: str, name: str) -> bytes:
        if name not in self._environment:
            raise SecretError(f"{reference}: the variable is not set.")
        return os.fsencode(self._environment[name])


def _from_file(reference: str, name: str) -> bytes:
    path = Path(name)
    if not path.is_absolute():
        raise SecretError(f"{reference}: the path must be absolute, with three slashes: file:///etc/….")
    return _content(reference, path)


def _below(folder: Path, reference: str, name: str) -> Path:
    """A path inside a folder, wherever links lead.

    Raises:
        SecretError: it would be outside.
    """
    parts = PurePosixPath(name).parts
    plain = "\0" not in name and ".." not in parts and not name.startswith("/")
    if not plain or not folder.joinpath(*parts).resolve().is_relative_to(folder.resolve()):
        raise SecretError(f"{reference} leads out of {folder}.")
    return folder.joinpath(*parts)


def _content(reference: str, path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_MOST + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no such name is possible"
        raise SecretError(f"{reference}: {path} cannot be read: {reason}.") from error
    if len(content) > _MOST:
        raise SecretError(f"{reference}: {path} is larger than 1 MiB; that is not a secret.")
    return content


def _require_private(path: Path) -> None:
    try:
        found = path.stat()
    except OSError as error:
        raise SecretError(f"The age identity {path} cannot be read: {error.strerror}.") from error
    if found.st_mode & _OTHERS:
        raise SecretError(
            f"The age identity {path} is open to other users (mode {stat.S_IMODE(found.st_mode):04o}).",
            advice=f"Close it, and consider who may have read it: chmod 600 {path}",
        )


def _recipient(line: str) -> _Recipient:
    try:
        if line.startswith("ssh-"):
            return pyrage.ssh.Recipient.from_str(line)
        return pyrage.x25519.Recipient.from_str(line)
    except pyrage.RecipientError:
        raise SecretError(f'"{line}" is not an age recipient: age1… or ssh-ed25519 ….') from None
