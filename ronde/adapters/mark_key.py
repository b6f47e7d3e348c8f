"""The key that signs our snapshots, where nobody has given one: made at first use, in a file that only we can read."""

import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path

from ronde.model.errors import SecretError

_BYTES = 32


def own_mark_key(path: Path) -> str:
    """A reference to the key at `path`, which is made when it is not there; of several at once, one makes it.

    Raises:
        SecretError: it is not there and cannot be made.
    """
    try:
        if not path.exists():
            _make(path)
    except OSError as error:
        raise SecretError(f"The key that signs snapshots cannot be made: {path}: {error.strerror}.") from error
    return f"file://{path.absolute()}"


def _make(path: Path) -> None:
    """Written whole under another name, then linked to its own: whoever comes second keeps what the first one made."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # readable by us alone
    made = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(f"{secrets.token_hex(_BYTES)}\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            path.hardlink_to(made)
    finally:
        made.unlink()
