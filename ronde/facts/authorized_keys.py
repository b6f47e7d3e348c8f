"""The files in which sshd, as it comes, looks for the keys of our user: read whole, and replaced whole."""

import hashlib
from dataclasses import dataclass
from typing import Final

from ronde.facts.question import Question, tail
from ronde.facts.reading import Unreadable
from ronde.model.command import Answer, Command

FILES: Final = ("authorized_keys", "authorized_keys2")  # below ~/.ssh: sshd's own default (sshd_config(5))
_ENVIRONMENT: Final = (("LC_ALL", "C"),)

LOOK: Final = (
    'file=$HOME/.ssh/$1; [ -e "$file" ] || { echo absent; exit 0; }; '
    'sum=$(sha256sum <"$file") || exit 1; printf "%s\\n" "${sum%% *}"; cat -- "$file"'
)
# Written beside its place, with its mode and owner, and moved there only when it arrived whole (a link that breaks ends
# the input early) and nobody else has changed the file meanwhile. A symbolic link stays one.
REPLACE: Final = (
    "set -e; to=$(readlink -f -- \"$HOME/.ssh/$1\") before=$2 after=$3; trap 'exit 1' HUP INT TERM PIPE; "
    'new=$(mktemp -- "$(dirname -- "$to")/.ronde.XXXXXXXX"); trap \'rm -f -- "$new"\' EXIT; cat >"$new"; '
    'sum() { sha256sum <"$1" | cut -d " " -f 1; }; '
    '[ "$(sum "$new")" = "$after" ] || { echo "what was sent did not arrive whole" >&2; exit 75; }; '
    'chmod -- "$(stat -c %a -- "$to")" "$new"; chown -- "$(stat -c %u:%g -- "$to")" "$new"; '
    '[ "$(sum "$to")" = "$before" ] || { echo "somebody else has just changed it" >&2; exit 76; }; '
    'sync "$new" 2>/dev/null || true; mv -f -- "$new" "$to"; sync "$(dirname -- "$to")" 2>/dev/null || true'
)


@dataclass(frozen=True, slots=True)
class KeyFile:
    """One file as it stands; `text` is decoded with `surrogateescape`."""

    name: str
    text: str

    @property
    def content(self) -> bytes:
        return self.text.encode("utf-8", "surrogateescape")

    @property
    def digest(self) -> str:
        """SHA-256, hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()


def look_question(name: str) -> Question:
    """What stands in one of the files."""
    command = Command(("sh", "-c", LOOK, "ronde", name), timeout=30, env=_ENVIRONMENT)
    return Question(command, f"cat ~/.ssh/{name}")


def parse_look(answer: Answer, name: str) -> KeyFile | None:
    """The file; None when there is none.

    Raises:
        Unreadable: it could not be read, or not to its end, or changed while it was read: it is not to be written back.
    """
    if answer.exit_status != 0 or answer.truncated:
        why = "it is too long" if answer.truncated else tail(answer) or "nothing was said"
        raise Unreadable(f"~/.ssh/{name} cannot be read: {why}")
    if answer.stdout == b"absent\n":
        return None
    digest, _, content = answer.stdout.partition(b"\n")
    found = KeyFile(name, content.decode("utf-8", "surrogateescape"))
    if found.digest.encode() != digest:
        raise Unreadable(f"~/.ssh/{name} changed while it was read")
    return found


def replace_question(before: KeyFile, after: KeyFile, shown: str) -> Question:
    """Put `after` in the place of `before`, if that is still there; any status but 0 says that it was not done."""
    argv = ("sh", "-c", REPLACE, "ronde", before.name, before.digest, after.digest)
    return Question(Command(argv, stdin=after.content, timeout=60, env=_ENVIRONMENT), shown)
