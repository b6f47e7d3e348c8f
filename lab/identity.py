"""What a host of the lab is known by: its name, where it listens, and its host keys."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab.keys import fingerprint, host_keys, public_line, type_of_line


@dataclass
class Identity:
    """Where a host listens and which keys it shows.

    Attributes:
        name: the host's name.
        directory: everything of this host; its own files are in `root/`.
        address: the loopback address it listens on.
        port: its TCP port; 0 takes a free one, kept from then on.
        authorized_keys: the public lines that may log in.
        host_key_types: which host keys it offers: of ed25519, ecdsa, rsa.
        extra_config: lines put before all others of sshd_config (there, the first value of a keyword wins).
        key_directory: where its host keys are; shared by servers that need no identity of their own (a benchmark).
        mark: the lab this host belongs to; its own directory when it stands alone.
    """

    name: str
    directory: Path
    address: str = "127.0.0.1"
    port: int = 0
    authorized_keys: Sequence[str] = field(default=(), kw_only=True)
    host_key_types: Sequence[str] = field(default=("ed25519", "ecdsa", "rsa"), kw_only=True)
    extra_config: Sequence[str] = field(default=(), kw_only=True)
    key_directory: Path | None = field(default=None, kw_only=True)
    mark: Path | None = field(default=None, kw_only=True)
    user: str = field(default="root", init=False)

    def __post_init__(self) -> None:
        self.directory = self.directory.resolve()

    @property
    def root(self) -> Path:
        """The host's own part of the file system, under the same path for the host and for us."""
        return self.directory / "root"

    @property
    def owner(self) -> Path:
        """The directory that the processes of this host are marked with."""
        return self.mark or self.directory

    @property
    def keys(self) -> Path:
        return self.key_directory or self.directory / "keys"

    @property
    def public_keys(self) -> list[str]:
        """The host's public lines (`ssh-ed25519 AAAA…`), in the order of `host_key_types`."""
        return [public_line(path) for path in host_keys(self.keys, self.host_key_types).values()]

    def fingerprint(self, kind: str = "ed25519") -> str:
        """`SHA256:…` of the host key of type `kind` (ed25519, ecdsa, rsa)."""
        return fingerprint(next(line for line in self.public_keys if line.startswith(type_of_line[kind])))

    @property
    def fingerprints(self) -> dict[str, str]:
        """Type name to `SHA256:…`, for every key the host offers."""
        return {kind: self.fingerprint(kind) for kind in self.host_key_types}

    def replace_host_keys(self) -> None:
        """Give the stopped host new host keys, as a reinstalled machine has; the old ones are kept aside."""
        aside = self._aside
        if not aside.exists():
            self.keys.rename(aside)

    def restore_host_keys(self) -> None:
        """Give the stopped host its first host keys back."""
        aside = self._aside
        if aside.exists():
            for stale in self.keys.glob("ssh_host_*"):
                stale.unlink()
            for kept in aside.iterdir():
                kept.rename(self.keys / kept.name)
            aside.rmdir()

    @property
    def _aside(self) -> Path:
        return self.keys.with_name(self.keys.name + ".pinned")
