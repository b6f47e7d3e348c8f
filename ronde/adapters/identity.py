"""Who is at the keyboard: the authenticated local user, whatever the environment claims.

`$USER` and `$LOGNAME` are words that anybody may write. What is believed, in this order:

1. the login session (`/proc/self/loginuid`): set once by PAM at login, kept by the kernel through `sudo` and `su`;
2. what `sudo` says (`SUDO_UID`), but only where it can have been sudo: this process has the rights of root, or of the
   account that owns the data directory. Both could write the ledger behind our back, so that they need not lie to us;
3. the real user of this process.
"""

import os
import pwd
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

UNSET: Final = 4294967295  # what the kernel shows for a process that came out of no login: (uid_t) -1
_LOGINUID: Final = Path("/proc/self/loginuid")


class How(StrEnum):
    """By what the acting user was found."""

    LOGIN = "login session"
    SUDO = "sudo"
    PROCESS = "user of the process"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts.

    Attributes:
        login: from the passwd database; `uid:1234` when that has no such account, and no technician can be named so.
        account: the effective user, with whose rights files are opened; differs from `uid` behind sudo.
    """

    login: str
    uid: int
    how: How
    account: int

    @property
    def lent(self) -> bool:
        """Whether the rights of this process are another account's, lent to the actor by sudo."""
        return self.account != self.uid


def _loginuid() -> str:
    try:
        return _LOGINUID.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):  # a kernel without auditing
        return ""


def _owner(path: Path) -> int | None:
    try:
        return path.stat().st_uid
    except OSError:  # not there yet, or not ours to look at
        return None


def _name(uid: int) -> str | None:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None


@dataclass(frozen=True, slots=True)
class Machine:
    """Where all of this is read; tests give their own."""

    loginuid: Callable[[], str] = _loginuid
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    user: Callable[[], int] = os.getuid
    account: Callable[[], int] = os.geteuid
    owner: Callable[[Path], int | None] = _owner
    name: Callable[[int], str | None] = _name


def who_acts(data_dir: Path, machine: Machine | None = None) -> Actor:
    """The acting user; `data_dir` is where the ledger lies, whose owner is the service's account."""
    machine = machine or Machine()
    account = machine.account()
    uid, how = _found(machine, account, data_dir)
    return Actor(machine.name(uid) or f"uid:{uid}", uid, how, account)


def _found(machine: Machine, account: int, data_dir: Path) -> tuple[int, How]:
    login = _uid(machine.loginuid())
    if login is not None:
        return login, How.LOGIN
    sudo = _uid(machine.environment.get("SUDO_UID", ""))
    if sudo is not None and account in (0, machine.owner(data_dir)):
        return sudo, How.SUDO
    return machine.user(), How.PROCESS


def _uid(text: str) -> int | None:
    """A user's number as the kernel and sudo write it; None for anything else, and for `UNSET`."""
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit()) or int(digits) >= UNSET:
        return None
    return int(digits)
