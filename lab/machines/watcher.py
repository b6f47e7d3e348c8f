"""The power supply of one machine: boots it, boots it again whenever it reboots itself, and ends when it is off.

Run as `python -m lab.machines.watcher DIRECTORY BASE NAME`. It is the one process to end: whatever kills it cuts the
machine's power, since the kernel then kills `unshare`, and with it the machine's init and all below.
"""

import signal
import subprocess
import sys
import uuid
from pathlib import Path
from types import FrameType

from lab.machines import cgroups

STAYS_DOWN = "stays-down"
"""A file of this name in the machine's directory: a reboot ends with the machine off."""

_BOOT = Path(__file__).with_name("boot.sh")
_REBOOTED = -signal.SIGHUP  # what the kernel ends a pid namespace with on reboot(2); a power-off is SIGINT

# The joining must come before the cgroup namespace is made, and from inside of the pid namespace: systemd cannot make
# sense of a process in its group that it cannot see.
_JOIN = 'echo 0 >"$1/cgroup.procs"; shift; exec unshare --cgroup "$@"'


def boot(directory: Path, base: Path, name: str) -> bool:
    """Boot the machine and wait until it is off again; whether it wants to be booted once more."""
    group = cgroups.of(directory)
    cgroups.remove(group)
    group.mkdir()
    (directory / "boot-id").write_text(f"{uuid.uuid4()}\n", encoding="ascii")
    argv = [
        *("setpriv", "--pdeathsig", "SIGKILL"),
        *("unshare", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child"),
        *("sh", "-c", _JOIN, "join", str(group)),
        *("sh", str(_BOOT), str(directory), str(base), name),
    ]
    try:
        return subprocess.run(argv, check=False).returncode == _REBOOTED
    finally:
        cgroups.remove(group)


def _end(_number: int, _frame: FrameType | None) -> None:
    """Being asked to end cuts the power at once, and still leaves no control group behind."""
    raise SystemExit


def main() -> None:
    """Keep the machine going until it is switched off."""
    directory, base, name = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)  # `unshare` passes on how its child ended by ending the same way
    signal.signal(signal.SIGTERM, _end)
    while boot(directory, base, name) and not (directory / STAYS_DOWN).exists():
        pass


if __name__ == "__main__":
    main()
