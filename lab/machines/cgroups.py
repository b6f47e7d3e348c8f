"""A control group for each machine: systemd needs one that it may divide as if it were the root of all.

Only the cgroup2 hierarchy is used, which every systemd machine has mounted: at /sys/fs/cgroup, or beside the older
hierarchies at /sys/fs/cgroup/unified. Inside, the machine sees it as its whole /sys/fs/cgroup, so a machine looks the
same on both; on the second kind of host it has no controllers, and only limits on memory and the like have no effect.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.errors import LabError
from lab.process import wait_until

_EMPTY_SECONDS = 5.0
_FREEZE_SECONDS = 5.0


def of(directory: Path) -> Path:
    """The control group of the machine in `directory`.

    Raises:
        LabError: this machine has no cgroup2 mounted.
    """
    digest = hashlib.sha256(str(directory).encode()).hexdigest()[:12]
    return _hierarchy() / f"ronde-lab-{digest}"


@contextmanager
def frozen(group: Path) -> Iterator[None]:
    """Let nothing of a group run for so long, as a hypervisor stuns its machine; nothing for one that is off.

    Raises:
        LabError: it still ran after five seconds.
    """
    if not group.exists():
        yield
        return
    (group / "cgroup.freeze").write_text("1", encoding="ascii")
    try:
        if not wait_until(lambda: "frozen 1" in (group / "cgroup.events").read_text(encoding="ascii"), _FREEZE_SECONDS):
            raise LabError(f"{group} does not stand still")
        yield
    finally:
        (group / "cgroup.freeze").write_text("0", encoding="ascii")


def remove(group: Path) -> None:
    """Remove a group and those inside, once the last process has left them.

    Raises:
        LabError: a process is still there after five seconds.
    """
    if not wait_until(lambda: _removed(group), _EMPTY_SECONDS):
        raise LabError(f"{group} still has processes")


def _removed(group: Path) -> bool:
    try:
        for folder, _, _ in os.walk(group, topdown=False):
            Path(folder).rmdir()
    except OSError:
        return False  # a process that was killed is still on its way out
    return True


def _hierarchy() -> Path:
    for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        _, place, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(place)
    raise LabError("no cgroup2 is mounted: a lab machine needs it (mount -t cgroup2 cgroup2 /sys/fs/cgroup)")
