"""A host that answers bundled questions (`ronde.facts.bundle`) one by one, from a script."""

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from ronde.model.command import Command
from tests.doubles.shell import Reply, Script

BUNDLE = "sh -c *--ronde-*"


def bundled(replies: Mapping[str, Reply | Sequence[Reply]]) -> Script:
    """A script for `ScriptedShell`: what each question of any bundle is answered, by pattern as in a script.

    The first pattern that matches the question as typed counts; of several replies each is used once, the last for
    ever. One without an exit status is the last thing that is heard. A question that no pattern matches fails the test,
    as in the shell itself.
    """
    uses: dict[str, int] = {}

    def reply(words: Sequence[str]) -> Reply:
        typed = " ".join(words)
        for pattern, found in replies.items():
            if fnmatchcase(typed, pattern):
                several = [found] if isinstance(found, Reply) else found
                uses[pattern] = uses.get(pattern, -1) + 1
                return several[min(uses[pattern], len(several) - 1)]
        raise AssertionError(f"no answer is scripted for: {typed}")

    def answer(command: Command) -> Reply:
        mark, out, err = command.argv[4], b"", b""
        for words in _questions(command.argv[5:]):
            one = reply(words)
            if one.exit_status is None:
                return Reply(out + _bytes(one.stdout), err)
            out += _bytes(one.stdout) + f"\n{mark} {one.exit_status}\n".encode()
            err += _bytes(one.stderr) + f"\n{mark}\n".encode()
        return Reply(out, err)

    return {BUNDLE: answer, "*": lambda command: reply(command.argv)}


def _questions(words: Sequence[str]) -> Iterator[Sequence[str]]:
    """The commands of a bundle: each is the number of its words, its limit, and the words."""
    rest = list(words)
    while rest:
        count = int(rest[0])
        yield rest[2 : 2 + count]
        del rest[: 2 + count]


def _bytes(text: bytes | str) -> bytes:
    return text.encode() if isinstance(text, str) else text
