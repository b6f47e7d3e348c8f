"""How a Linux host stands: failed units, what listens, what is mounted and how full, the load."""

import re
from collections.abc import Mapping

from ronde.facts.patch.reading import LOOK_LIMIT, common_failure, cut, not_understood, unusable
from ronde.facts.question import Question
from ronde.model.check import Finding
from ronde.model.command import Answer, Command
from ronde.model.patch.health import Load, Mount, Socket
from ronde.model.patch.thresholds import unknown

_NO_SYSTEMD = 3
_UNITS = f"""\
[ -d /run/systemd/system ] || exit {_NO_SYSTEMD}
exec systemctl list-units --failed --all --plain --no-legend --no-pager
"""
# `df` waits for ever on a network file system whose server is away: only local ones are measured, within a limit.
_MOUNTS = "cat /proc/self/mounts && echo && { timeout 20 df -P -k -l 2>/dev/null; exit 0; }"
_LOAD = "cat /proc/loadavg && getconf _NPROCESSORS_ONLN"
_UNIT = re.compile(r"^[*● ]*(\S+\.[a-z]+) +\S+ +failed ", re.MULTILINE)
_SOCKET = re.compile(r"(tcp|udp) +\S+ +\d+ +\d+ +(\S+):(\d+) +\S+.*")
_DISK = re.compile(r"^\S.*? +(\d+) +\d+ +(\d+) +(?:\d+%|-) +(/.*)$", re.MULTILINE)
_ESCAPED = re.compile(r"\\([0-7]{3})")
# File systems that hold no data of their own, or one that passes: their coming and going says nothing.
_PASSING = re.compile(
    r"autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|efivarfs|fuse\.(gvfsd-fuse|lxcfs)|fusectl|hugetlbfs"
    r"|mqueue|nsfs|overlay|proc|pstore|ramfs|rpc_pipefs|securityfs|selinuxfs|squashfs|sysfs|tmpfs|tracefs"
)


def units_question() -> Question:
    command = Command(("sh", "-c", _UNITS, "ronde"), timeout=LOOK_LIMIT)
    return Question(command, "systemctl list-units --failed --plain --no-legend")


def parse_units(answer: Answer) -> frozenset[str] | Finding:
    """Names of failed units. A host without systemd cannot tell, which is not the same as none."""
    if answer.exit_status == _NO_SYSTEMD:
        return unknown("patch-health-unknown", "The host has no systemd that could tell which services failed.")
    bad = unusable("systemctl", answer)
    if bad:
        return bad
    lines = [line for line in answer.text.splitlines() if line.strip()]
    names = frozenset(_UNIT.findall(answer.text))
    return names if len(names) == len(lines) else not_understood("systemctl", answer, lines[0])


def sockets_question() -> Question:
    return Question(Command(("ss", "-Hltun"), timeout=LOOK_LIMIT), "ss -Hltun")


def parse_sockets(answer: Answer) -> frozenset[Socket] | Finding:
    """Everything that listens, without the interface behind a `%`."""
    bad = unusable("ss", answer)
    if bad:
        return bad
    sockets = set()
    for line in answer.text.splitlines():
        match = _SOCKET.fullmatch(line.strip())
        if match is None:
            return not_understood("ss", answer, line)
        sockets.add(Socket(match[1], re.sub(r"%[^\]]*", "", match[2]), int(match[3])))
    return frozenset(sockets)


def mounts_question() -> Question:
    return Question(Command(("sh", "-c", _MOUNTS, "ronde"), timeout=LOOK_LIMIT), "cat /proc/self/mounts; df -P -k -l")


def parse_mounts(answer: Answer) -> tuple[Mount, ...] | Finding:
    """Mounted file systems that hold data, with bytes in all and free where `df` told them."""
    table, gap, disks = answer.text.partition("\n\n")
    if answer.exit_status != 0 or answer.truncated or not gap:
        return cut(answer) or common_failure("cat", answer) or not_understood("cat /proc/self/mounts", answer)
    sizes = {place: (int(size) * 1024, int(free) * 1024) for size, free, place in _DISK.findall(disks)}
    mounts = {}
    for line in table.splitlines():
        words = line.split(" ")
        if len(words) < 3:
            return not_understood("cat /proc/self/mounts", answer, line)
        if words[1] == "/" or not _PASSING.fullmatch(words[2]):
            mounts[_plain(words[1])] = words[2]
    return tuple(_mount(place, kind, sizes) for place, kind in sorted(mounts.items()))


def _mount(place: str, kind: str, sizes: Mapping[str, tuple[int, int]]) -> Mount:
    size, free = sizes.get(place, (None, None))
    return Mount(place, kind, size, free)


def _plain(place: str) -> str:
    """The kernel writes blanks, tabs and backslashes of a path as three octal digits."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 8)), place)


def load_question() -> Question:
    return Question(Command(("sh", "-c", _LOAD, "ronde"), timeout=LOOK_LIMIT), "cat /proc/loadavg; nproc")


def parse_load(answer: Answer) -> Load | Finding:
    words = answer.text.split()
    bad = unusable("cat /proc/loadavg", answer)
    if bad:
        return bad
    try:
        return Load(float(words[0]), int(words[-1]))
    except (ValueError, IndexError):
        return not_understood("cat /proc/loadavg", answer)
