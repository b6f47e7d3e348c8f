r"""Root's commands under an ordinary user: how they keep their limit, how they are ended, and what sudoers must allow.

Whoever is not root may not signal a process of root's. `sudo` itself may be asked to end while it stands between, and
passes that on, but it often becomes the command; and killed, it leaves the command running. So the limit is kept by a
`timeout` on root's side of sudo, and an earlier end is asked of root as well: by a `pkill` that matches the whole
command line of that `timeout` and nothing else. `timeout` passes the signal on, and kills after ten seconds.

Both are exact lines in sudoers, without a wildcard. The user can start this command and end this command; should two
jobs run the very same one on a host at the same time, an early end of one ends both.
"""

import re
from collections.abc import Sequence

from ronde.model.errors import InputError

STOP_GRACE = 13  # seconds until a root process is ended for sure: what `timeout -k` grants, and a little
_KILL_AFTER = "10"
_USER = re.compile(r"[a-z_][a-z0-9_-]*\$?", re.IGNORECASE)
_REGEX = re.compile(r"([][\\.*^$+?(){}|])")
_GLOB = re.compile(r"([][*?!^])")
_SPECIAL = re.compile(r"([:,=#])")
_SPACES = re.compile(r" +")

Environment = Sequence[tuple[str, str]]


def with_sudo(argv: Sequence[str], limit: int, env: Environment = ()) -> tuple[str, ...]:
    """The arguments that run a command as root for at most `limit` seconds, whoever watches. sudo keeps no variables.

    It exits with the command's own status; with 124 or 137 when the limit ended it.
    """
    return ("sudo", "-n", "--", *_guarded(argv, limit, env))


def sudo_stop(argv: Sequence[str], limit: int, env: Environment = ()) -> tuple[str, ...]:
    """The arguments that end what `with_sudo` started with the same values."""
    return ("sudo", "-n", "--", *_ending(argv, limit, env))


def sudoers_line(user: str, argv: Sequence[str], limit: int, env: Environment = ()) -> str:
    """The line in sudoers that lets a user run, and end, exactly this command.

    sudo compares the arguments joined by spaces: it does not see where one ends.

    Raises:
        InputError: the user is no plain name; the program is not named by its full path (whose `PATH` would find it?);
            or the arguments hold a control character or end in a space, which sudoers cannot express.
    """
    return _line(user, argv, (_guarded(argv, limit, env), _ending(argv, limit, env)))


def plain_sudoers_line(user: str, argv: Sequence[str]) -> str:
    """The line for a command that only reads: it is waited for, and needs no limit of root's; raises as above."""
    return _line(user, argv, (tuple(argv),))


def _line(user: str, argv: Sequence[str], allowed: Sequence[Sequence[str]]) -> str:
    if not _USER.fullmatch(user):
        raise InputError(f"{user!r} is not the name of a user.")
    if not argv or not argv[0].startswith("/"):
        raise InputError("A command for sudo needs the full path of its program.")
    return f"{user} ALL=(root) NOPASSWD: " + ", ".join(_entry(words) for words in allowed)


def _guarded(argv: Sequence[str], limit: int, env: Environment) -> tuple[str, ...]:
    settings = tuple(f"{name}={value}" for name, value in env)
    program = ("/usr/bin/env", *settings, *argv) if settings else tuple(argv)
    return ("/usr/bin/timeout", "-k", _KILL_AFTER, str(limit), *program)


def _ending(argv: Sequence[str], limit: int, env: Environment) -> tuple[str, ...]:
    pattern = _REGEX.sub(r"\\\1", " ".join(_guarded(argv, limit, env)))
    return ("/usr/bin/pkill", "-TERM", "-u", "0", "-f", "-x", "--", pattern)


def _entry(words: Sequence[str]) -> str:
    r"""A command as sudoers(5) wants it: wildcards taken literally, `, : = #` and all but single spaces escaped.

    A backslash needs four: two become one when the line is read, and two make a literal one when it is compared.
    """
    program, text = words[0], " ".join(words[1:])
    if re.search(r"[\x00-\x1f\x7f]", text):
        raise InputError("A control character (a line end, a tab) cannot be written in sudoers.")
    if text.endswith(" "):
        raise InputError("A command that ends in a space, or in an empty argument, cannot be written in sudoers.")
    text = _SPECIAL.sub(r"\\\1", _GLOB.sub(r"\\\1", text.replace("\\", "\\\\\\\\")))
    return f"{program} " + _SPACES.sub(lambda run: " " + "\\ " * (len(run[0]) - 1), text)
