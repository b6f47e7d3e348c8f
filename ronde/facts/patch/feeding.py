"""Changing commands whose package names come on standard input: the line itself is always the same.

So one exact line in sudoers allows it whatever the packages are, and a run of two thousand packages is not longer than
what a host takes as a command.
"""

from dataclasses import dataclass

from ronde.model.command import Command

# The words are read whole before the program begins; it then finds nothing on its standard input, and asks nobody. dpkg
# refuses to work where it does not find the programs of root.
FEED = (
    'PATH="${PATH:-/usr/bin:/bin}:/usr/local/sbin:/usr/sbin:/sbin"; export PATH; '
    'set -f; words=$(cat) || exit 125; exec "$@" $words </dev/null'
)


@dataclass(frozen=True, slots=True)
class Fed:
    """A command and the words that it is fed with.

    Attributes:
        argv: the fixed line; `path` is its program in full, as sudoers needs it.
        words: what follows it, none of which holds a blank; one a line on standard input.
        limit: seconds that it may take, at most.
    """

    argv: tuple[str, ...]
    path: str
    words: tuple[str, ...]
    limit: float
    env: tuple[tuple[str, str], ...] = ()

    def line(self, *, sudo: bool) -> tuple[str, ...]:
        """What is run: the fixed line behind the script that feeds it. Root finds the program by his own PATH."""
        return ("/bin/sh", "-c", FEED, "ronde", self.path if sudo else self.argv[0], *self.argv[1:])

    @property
    def stdin(self) -> bytes:
        return "".join(f"{word}\n" for word in self.words).encode()

    @property
    def command(self) -> Command:
        """The whole as one would type it."""
        return Command((*self.argv, *self.words), timeout=self.limit, env=self.env)


def fed(command: Command, path: str, fixed: int) -> Fed:
    """A command of the facts, apart: its first `fixed` words are the line, the others are fed.

    Raises:
        ValueError: a word that would be fed holds a blank.
    """
    words = command.argv[fixed:]
    if any(len(word.split()) != 1 for word in words):
        raise ValueError("a package's name or version holds a blank")
    return Fed(command.argv[:fixed], path, words, command.timeout, command.env)
