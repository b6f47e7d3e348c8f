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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import pyrage

from ronde.adapters.age import own_recipients, parse_identities, seal
from ronde.adapters.private_files import alone_in, remove_durably, write_privately
from ronde.model.errors import SecretError

SHORTEST = 6  # characters; a shorter secret could not be told from ordinary text when output is redacted
_MOST = 1024 * 1024  # bytes; what is larger is not a secret but a mistake
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_REFERENCE = re.compile(r"(age|file|cred|env)://(.+)", re.DOTALL)
_RECIPIENTS = ".age-recipients"  # in the secrets folder: who else can decrypt what we write, one a line
_UNCHANGEABLE = {
    "cred": "A credential is fixed while the service runs; keep a key that is to be replaced as age:// or file:///.",
    "env": "A variable ends with its process; keep a key that is to be replaced as age:// or file:///.",
}


class FileSecrets:
    """Reads and replaces secrets; fulfils `ronde.ports.SecretStore`.

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
        content = seal(value, recipients)
        with _told(reference, path, "written"):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_privately(path, content)
        return path

    def require_writable(self, reference: str) -> None:
        path = self._place(reference)
        if reference.startswith("age://"):
            self._identities(reference)
        if not os.access(path.resolve().parent, os.W_OK | os.X_OK):
            raise SecretError(
                f"{reference}: {path.parent} cannot be written.",
                advice="It must belong to the service's user, and stand in its unit's ReadWritePaths=.",
            )

    def find(self, reference: str) -> bytes | None:
        path = self._place(reference)
        with _told(reference, path, "read"):
            try:
                path.stat()
            except FileNotFoundError:
                return None
        return self.read(reference)

    def replace(self, reference: str, content: bytes) -> None:
        value = content.rstrip(b"\r\n") + b"\n"  # a private key without a last line end is none to ssh itself
        if len(value) <= SHORTEST:
            raise SecretError(f"{reference}: a secret has at least {SHORTEST} characters.")
        path = self._place(reference)
        kept = self._sealed(reference, value) if reference.startswith("age://") else value
        with _told(reference, path, "written"):
            write_privately(path, kept)

    def remove(self, reference: str) -> None:
        path = self._place(reference)
        with _told(reference, path, "removed"):
            remove_durably(path)

    @contextmanager
    def exclusively(self, reference: str) -> Iterator[None]:
        folder = self._place(reference).resolve().parent
        with ExitStack() as held:
            with _told(reference, folder, "locked"):
                held.enter_context(alone_in(folder))
            yield

    def _place(self, reference: str) -> Path:
        """The file of a secret that can be changed.

        Raises:
            SecretError: it is of a kind that cannot, or no reference at all.
        """
        match = _REFERENCE.fullmatch(reference)
        if match is None or match[1] not in ("age", "file"):
            kind = "" if match is None else match[1]
            advice = _UNCHANGEABLE.get(kind, "It is written as age://CLIENT/NAME or file:///PATH.")
            raise SecretError(f"{reference} cannot be changed by Ronde.", advice=advice)
        return self._age_path(reference, match[2]) if match[1] == "age" else _absolute(reference, match[2])

    def _sealed(self, reference: str, value: bytes) -> bytes:
        """The value encrypted for us and for whom else the folder names; proven to open before it replaces anything."""
        content = seal(value, self._recipients(reference))
        if bytes(pyrage.decrypt(content, self._identities(reference))) != value:
            raise SecretError(f"{reference}: what was encrypted does not decrypt to the same again.")
        return content

    def _recipients(self, reference: str) -> Sequence[str]:
        """Everybody who is to read what we write: ourselves, and whom the secrets folder names."""
        assert self._secrets_dir is not None  # noqa: S101 - the reference has led into it
        path = self._secrets_dir / _RECIPIENTS
        with _told(reference, path, "read"):
            named = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        lines = (line.strip() for line in named)
        ours = own_recipients(_content(reference, self._identity_path(reference)))
        return [*ours, *(line for line in lines if line and not line.startswith("#"))]

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

    def _identities(self, reference: str) -> list[Any]:
        path = self._identity_path(reference)
        return parse_identities(_content(reference, path), path)

    def _identity_path(self, reference: str) -> Path:
        path = self._age_identity
        if path is None:
            raise SecretError(f"{reference}: no age identity is set.", advice="Set RONDE_AGE_IDENTITY.")
        _require_private(path)
        return path

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
    return _content(reference, _absolute(reference, name))


def _absolute(reference: str, name: str) -> Path:
    path = Path(name)
    if not path.is_absolute():
        raise SecretError(f"{reference}: the path must be absolute, with three slashes: file:///etc/….")
    return path


@contextmanager
def _told(reference: str, path: Path, done: str) -> Iterator[None]:
    """What the system says against a file, as an error of ours."""
    try:
        yield
    except (OSError, ValueError) as error:
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else "no such name is possible"
        raise SecretError(f"{reference}: {path} cannot be {done}: {reason}.") from error


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
