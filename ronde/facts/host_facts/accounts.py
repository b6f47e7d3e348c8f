"""Who can log in to a host, with which keys, and who can become root."""

import base64
import hashlib
from collections.abc import Iterator, Mapping

from ronde.facts.named import Fields, NamedFact
from ronde.facts.question import Question
from ronde.facts.reading import Unreadable
from ronde.model.command import Answer, Command

# Accounts from every source the host knows; keys from where sshd looks by default; sudoers as written. Read, not run.
_ACCOUNTS = """\
getent passwd | while IFS=: read -r name _ uid gid _ home shell; do
  case $shell in */nologin|*/false|*/sync|*/halt|*/shutdown) continue;; esac
  printf 'user %s %s %s\\n' "$name" "$uid" "$shell"
  for file in "$home/.ssh/authorized_keys" "$home/.ssh/authorized_keys2"; do
    [ -e "$file" ] || continue
    if [ -r "$file" ]; then
      grep -v '^[[:space:]]*\\(#\\|$\\)' "$file" 2>/dev/null |
        while IFS= read -r line; do printf 'key %s %s\\n' "$name" "$line"; done
    else
      printf 'unread %s\\n' "$file"
    fi
  done
done
for group in sudo wheel admin; do
  getent group "$group" | { IFS=: read -r name _ _ members && printf 'group %s %s\\n' "$name" "$members"; }
done
for file in /etc/sudoers /etc/sudoers.d/*; do
  [ -f "$file" ] || continue
  if [ -r "$file" ]; then
    grep -v '^[[:space:]]*\\(#\\|$\\|Defaults\\)' "$file" 2>/dev/null |
      while IFS= read -r line; do printf 'sudoers %s\\n' "$line"; done
  else
    printf 'unread %s\\n' "$file"
  fi
done
echo end
"""


def _ask(_given: Mapping[str, str]) -> Question:
    return Question(Command(("sh", "-c", _ACCOUNTS), timeout=60), "getent passwd; authorized_keys; sudoers")


def _read(answer: Answer) -> Fields:
    lines = answer.text.splitlines()
    if not lines or lines[-1] != "end":
        raise Unreadable("the answer is cut off")
    users = [line.split(" ", 1)[1] for line in lines if line.startswith("user ")]
    if not users:
        raise Unreadable("the host names no account, not even root")
    return {
        "users": sorted(users),
        "keys": sorted(_keys(lines)),
        "sudo": sorted({" ".join(line.split()[1:]) for line in lines if line.startswith(("group ", "sudoers "))}),
        "unread": sorted(line.split(" ", 1)[1] for line in lines if line.startswith("unread ")),
    }


def _keys(lines: list[str]) -> Iterator[str]:
    """`alice ssh-ed25519 SHA256:… comment`, the fingerprint as ssh-keygen writes it."""
    for line in lines:
        if not line.startswith("key "):
            continue
        _, user, entry = line.split(" ", 2)
        words = entry.split()
        at = next((place for place, word in enumerate(words) if word.startswith(("ssh-", "ecdsa-", "sk-"))), None)
        if at is None or at + 1 >= len(words):
            yield f"{user} not understood: {entry[:40]}"
            continue
        options = "with options " if at else ""
        yield f"{user} {options}{words[at]} {_fingerprint(words[at + 1])} {' '.join(words[at + 2 :])}".rstrip()


def _fingerprint(key: str) -> str:

    try:
        digest = hashlib.sha256(base64.b64decode(key, validate=True)).digest()
    except ValueError:
        return "unreadable"
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def _compare(before: Fields, after: Fields) -> Fields:
    """For users, keys and sudo: what came and what went."""
    found = {}
    for name in ("users", "keys", "sudo"):
        was, now = before.get(name), after.get(name)
        if isinstance(was, list) and isinstance(now, list):
            found[f"{name}_added"] = sorted(set(map(str, now)) - set(map(str, was)))
            found[f"{name}_removed"] = sorted(set(map(str, was)) - set(map(str, now)))
    changes = sum(len(each) for each in found.values())
    return {**found, "changes": changes}


ACCOUNTS = NamedFact(
    "accounts",
    "accounts that can log in, their keys, who may become root, and what changed",
    _ask,
    _read,
    fields={
        "users": 'list of "name uid shell"',
        "keys": 'list of "user type fingerprint comment"',
        "sudo": "lines of sudoers, members of sudo, wheel and admin",
        "unread": "files that we may not read: what they hold is not known",
        "changes": "how many differences, when compared; each in users_added, keys_removed, …",
    },
    compare=_compare,
)
