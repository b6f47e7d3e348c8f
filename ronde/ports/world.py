"""What the engine asks of the machine that it runs on."""

from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from ronde.model.inventory import Inventory


class Clock(Protocol):
    """The time. Leases and due instants use the ledger's clock, so that workers with skewed clocks agree."""

    def now(self) -> datetime:
        """This instant, aware, in UTC."""


class Secrets(Protocol):
    """Reads secrets at the last moment, where the worker runs."""

    def read(self, reference: str) -> bytes:
        """The secret behind `age://`, `file:///`, `cred://` or `env://`, without a trailing newline.

        Raises:
            SecretError: it does not exist, cannot be opened or decrypted, or is shorter than six characters.
        """


class SecretStore(Secrets, Protocol):
    """Secrets that can be changed where the worker runs: `age://` and `file:///`.

    What stands beside one has its reference with a word behind it, such as `.next`. Each method raises SecretError when
    it could not be done.
    """

    def require_writable(self, reference: str) -> None:
        """Return when it can be changed here; otherwise the error's advice says what would make it possible."""

    def find(self, reference: str) -> bytes | None:
        """The secret as `read` gives it; None when there is none."""

    def replace(self, reference: str, content: bytes) -> None:
        """Make this the secret, durably and for our user alone; whoever reads gets the old one or the new one."""

    def remove(self, reference: str) -> None:
        """Remove a secret durably; that it was not there is fine."""

    def exclusively(self, reference: str) -> AbstractContextManager[None]:
        """Keep other workers on the same folder from changing it meanwhile; not to be entered twice by one thread."""


class KeyMaker(Protocol):
    """Makes login keys; reaches nothing."""

    def make(self) -> bytes:
        """A new ed25519 private key in OpenSSH's own format, without a passphrase."""

    def public_line(self, private: bytes) -> str:
        """`ssh-ed25519 AAAA…`, without a comment; raises SecretError for what SSH cannot use as a key."""


class Signal(Protocol):
    """Whether the work in hand should stop; polled by everything that waits."""

    def check(self) -> None:
        """Return if the work may go on.

        Raises:
            Fenced: this worker no longer holds the job.
            Cancelled: a person asked for the job to stop.
        """


class Inventories(Protocol):
    """The inventory in force: the last one that was valid, reloaded when its files change."""

    def current(self) -> Inventory:
        """The inventory in force.

        Raises:
            InventoryError: there has never been a valid one in this process.
        """
