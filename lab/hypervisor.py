"""What a vCenter has done to a real machine that stands behind one of its own: its power, and snapshots of its disk."""

from pathlib import Path
from typing import Protocol

from lab.errors import LabError


class Hypervisor(Protocol):
    """What keeps one machine, which may be off. No snapshot holds memory: whoever goes back boots anew.

    Each method raises LabError when it cannot be done; nothing has changed then.
    """

    def on(self) -> None:
        """Switch it on, without waiting for its guest; does nothing when it is on."""

    def off(self) -> None:
        """Cut its power; its disk keeps what had reached it."""

    def take(self, tag: str) -> None:
        """Take a snapshot of its disk."""

    def revert(self, tag: str) -> None:
        """Put its disk back to what it was then. The machine is off afterwards, the snapshot is kept."""

    def remove(self, tag: str) -> None:
        """Forget a snapshot; the disk stays as it is."""


VERBS = frozenset({"on", "off", "take", "revert", "remove"})


def obey(kept: Hypervisor, verb: str, *tags: str) -> None:
    """Do what a vCenter asks by a command, or say why not and exit with 1."""
    if verb not in VERBS:
        raise SystemExit(f"{verb}: write one of {', '.join(sorted(VERBS))}")
    try:
        getattr(kept, verb)(*tags)
    except (LabError, OSError) as error:
        raise SystemExit(str(error)) from error


def command_of(package: str, python: str, directory: Path) -> list[str]:
    """What a vCenter runs, with a verb behind it, to have something done to the machine in `directory`."""
    checkout = Path(__file__).resolve().parents[1]
    return ["env", f"PYTHONPATH={checkout}", python, "-m", package, str(directory)]
