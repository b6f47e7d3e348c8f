"""Which boot a host is in, and whether it has finished starting."""

import re
from dataclasses import dataclass

from ronde.facts.question import Question
from ronde.facts.reading import Unreadable
from ronde.model.command import Answer, Command

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
# `is-system-running` exits with 1 for every state but "running": the word is the answer.
_SCRIPT = "cat /proc/sys/kernel/random/boot_id; systemctl is-system-running 2>/dev/null || true; uname -r"
_COMING_UP = frozenset({"initializing", "starting"})
_GOING_DOWN = "stopping"


@dataclass(frozen=True, slots=True)
class Boot:
    """One look at a host.

    Attributes:
        id: the kernel's boot id, another one after every start of the machine.
        state: systemd's word for the whole system; empty where there is no systemd.
        kernel: release of the running kernel.
    """

    id: str
    state: str
    kernel: str

    @property
    def is_up(self) -> bool:
        """Whether it has finished starting, with or without failed units, and is not about to stop."""
        return self.state not in _COMING_UP and self.state != _GOING_DOWN


def boot_question(timeout: float = 10) -> Question:
    return Question(Command(("sh", "-c", _SCRIPT), timeout=timeout), "cat /proc/sys/kernel/random/boot_id")


def parse_boot(answer: Answer) -> Boot:
    """What the host said.

    Raises:
        Unreadable: it named no boot id.
    """
    lines = [line.strip() for line in answer.text.splitlines()]
    if not lines or not _UUID.fullmatch(lines[0]):
        raise Unreadable("the host did not name its boot id")
    kernel = lines[-1] if len(lines) > 1 else ""
    state = lines[1] if len(lines) > 2 else ""
    return Boot(lines[0], state, kernel)
