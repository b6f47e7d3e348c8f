"""Who holds a lock on a file, told without any tool: the kernel's own list of locks, and /proc."""

from collections.abc import Sequence

from ronde.facts.patch.reading import LOOK_LIMIT, not_understood, unusable
from ronde.facts.question import Question
from ronde.model.check import Finding
from ronde.model.command import Answer, Command

# A line of /proc/locks: `5: POSIX  ADVISORY  WRITE 20 fe:00:2391602 0 EOF`; one with `->` only waits. The device is not
# compared, since file systems such as btrfs and overlay show another one to stat. A process of another namespace is 0.
_SCRIPT = """\
[ -r /proc/locks ] || exit 3
for f; do
  i=$(stat -c %i -- "$f" 2>/dev/null) || continue
  while read -r _ kind _ _ pid where _; do
    [ "$kind" != "->" ] && [ "${where##*:}" = "$i" ] || continue
    printf '%s\\t%s\\t%s\\n' "$pid" "$f" "$(tr '\\000' ' ' 2>/dev/null <"/proc/$pid/cmdline" | cut -c 1-200)"
  done </proc/locks
done
exit 0
"""


def holders_question(files: Sequence[str]) -> Question:
    return Question(Command(("sh", "-c", _SCRIPT, "ronde", *files), timeout=LOOK_LIMIT), "cat /proc/locks")


def parse_holders(answer: Answer, files: Sequence[str]) -> tuple[str, ...] | Finding:
    """`apt-get upgrade (process 20)` for everyone who holds a lock on one of the files; none when they are free."""
    bad = unusable("cat /proc/locks", answer)
    if bad:
        return bad
    holders: dict[str, None] = {}
    for line in answer.text.splitlines():
        pid, tab, rest = line.partition("\t")
        path, _, words = rest.partition("\t")
        if not tab or path not in files:
            return not_understood("cat /proc/locks", answer, line)
        holders[f"{words.strip() or 'a program'} (process {pid})"] = None
    return tuple(holders)
