"""Who a host is and which of its processes live: needed to tell a dead program's lock from a working one's."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from ronde.facts.question import Question
from ronde.model.backup.evidence import Lock
from ronde.model.command import Answer, Command

_SCRIPT = 'uname -n; for p; do if [ -d "/proc/$p" ]; then echo "$p"; fi; done'


@dataclass(frozen=True, slots=True)
class Living:
    """The host's own name and those of the asked process ids that exist."""

    name: str
    pids: frozenset[int]

    def alive(self, host: str, pid: int) -> bool | None:
        """Whether a lock's process lives; None when the lock is another host's, of which nothing is known here."""
        return pid in self.pids if host.split(".", maxsplit=1)[0] == self.name.split(".")[0] else None


def living_question(pids: Collection[int]) -> Question:
    words = [str(pid) for pid in sorted(pids)]
    return Question(Command(("sh", "-c", _SCRIPT, "ronde", *words)), f"uname -n; ls -d /proc/{{{','.join(words)}}}")


def parse_living(answer: Answer) -> Living | None:
    lines = answer.text.split()
    if answer.exit_status != 0 or not lines or not all(line.isdecimal() for line in lines[1:]):
        return None
    return Living(lines[0], frozenset(map(int, lines[1:])))


@dataclass(frozen=True, slots=True)
class HeldLock:
    """A lock as it stands in a repository, before it is known whether its process lives.

    Attributes:
        refreshed: whether the tool renews its locks (restic, every five minutes), so that a living process does not
            excuse an old one.
    """

    since: datetime
    user: str
    host: str
    pid: int
    exclusive: bool
    refreshed: bool

    def judged(self, living: Living | None) -> Lock:
        alive = living.alive(self.host, self.pid) if living is not None else None
        if self.refreshed and alive:
            alive = None
        holder = f"{self.user}@{self.host}" if self.user else self.host
        return Lock(self.since, f"{holder} pid {self.pid}", self.exclusive, alive)
