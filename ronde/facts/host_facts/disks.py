"""How full the file systems are, what is large on them, and what has grown since last time."""

from collections.abc import Mapping

from ronde.facts.named import Fields, NamedFact
from ronde.facts.question import Question
from ronde.facts.reading import Unreadable
from ronde.model.check import Json
from ronde.model.command import Answer, Command

# POSIX df: one line a file system, 1024-byte blocks; inodes by GNU and busybox alike with -i.
_DF = "df -Pk; echo ==; df -Pi 2>/dev/null || true"
_LARGEST = 20  # folders told
_PSEUDO = ("tmpfs", "devtmpfs", "udev", "overlay-", "shm", "none", "proc", "sysfs", "cgroup")


def _ask_disks(_given: Mapping[str, str]) -> Question:
    return Question(Command(("sh", "-c", _DF), timeout=60), "df -Pk; df -Pi")


def _read_disks(answer: Answer) -> Fields:
    blocks, mark, inodes = answer.text.partition("==\n")
    if not mark:
        raise Unreadable("df did not come to its end")
    free_inodes = {line[-1]: line for line in map(str.split, inodes.splitlines()[1:]) if len(line) >= 6}
    disks: list[dict[str, Json]] = []
    for line in blocks.splitlines()[1:]:
        parts = line.split(None, 5)
        if len(parts) < 6 or not all(part.isdigit() for part in parts[1:4]):
            continue
        if parts[0].startswith(_PSEUDO) or int(parts[1]) == 0:
            continue
        used = free_inodes.get(parts[5], ["", "", "", "", "-"])[4].rstrip("%")
        disks.append(
            {
                "mount": parts[5],
                "device": parts[0],
                "size": int(parts[1]) * 1024,
                "free": int(parts[3]) * 1024,
                "used_percent": _percent(int(parts[2]), int(parts[3])),
                "inodes_percent": int(used) if used.isdigit() else None,
            }
        )
    if not disks:
        raise Unreadable("df names no file system")
    fullest = max(disks, key=lambda disk: int(str(disk["used_percent"])))
    return {"disks": disks, "fullest": fullest["mount"], "fullest_percent": fullest["used_percent"]}


def _percent(used: int, free: int) -> int:
    """As df rounds: up, of what a user could have."""
    return -(-used * 100 // (used + free)) if used + free else 100


def _compare_disks(before: Fields, after: Fields) -> Fields:
    """By how many bytes each mount is fuller than it was."""
    was = _taken(before)
    grew = {mount: taken - was[mount] for mount, taken in _taken(after).items() if taken > was.get(mount, taken)}
    return {"grew": dict(sorted(grew.items(), key=lambda item: -item[1]))}


def _taken(fields: Fields) -> dict[str, int]:
    disks = fields.get("disks")
    return {d["mount"]: d["size"] - d["free"] for d in disks} if isinstance(disks, list) else {}


DISKS = NamedFact(
    "disks",
    "file systems, how full they are, and by how much they grew",
    _ask_disks,
    _read_disks,
    fields={
        "disks": "list of {mount, device, size, free (bytes), used_percent, inodes_percent}",
        "fullest": "mount of the fullest one",
        "fullest_percent": "how full that is, 0 to 100",
        "grew": "bytes by mount, when compared",
    },
    compare=_compare_disks,
)

# On one file system, two levels deep: what a person would type first. `du` warns about what it may not read: told.
_DU = 'e=$(mktemp); du -xk -d 2 -- "$1" 2>"$e" | sort -rn | head -n 200; echo "== $(wc -l <"$e")"; rm -f -- "$e"'


def _ask_largest(given: Mapping[str, str]) -> Question:
    argv = ("sh", "-c", _DU, "ronde", given["path"])
    return Question(Command(argv, timeout=600), f"du -xk -d 2 {given['path']} | sort -rn")


def _read_largest(answer: Answer) -> Fields:
    body, mark, unread = answer.text.rpartition("== ")
    if not mark or not unread.strip().isdigit():
        raise Unreadable("du did not come to its end")
    lines = [line.split("\t", 1) for line in body.splitlines() if "\t" in line]
    folders = {path: int(size) * 1024 for size, path in lines if size.isdigit()}
    if not folders:
        raise Unreadable("du found nothing there")
    return {"folders": dict(list(folders.items())[:200]), "unread": int(unread)}


def _compare_largest(before: Fields, after: Fields) -> Fields:
    """The folders that grew most, in bytes; one that was not among the largest before counts as new."""
    was = before.get("folders")
    now = after.get("folders")
    if not isinstance(was, Mapping) or not isinstance(now, Mapping):
        return {}
    grew = {path: int(str(size)) - int(str(was.get(path, 0))) for path, size in now.items()}
    most = sorted(((path, more) for path, more in grew.items() if more > 0), key=lambda item: -item[1])
    return {"grew": dict(most[:_LARGEST])}


LARGEST = NamedFact(
    "largest",
    "the largest folders below a path, two levels deep, and which of them grew",
    _ask_largest,
    _read_largest,
    takes={"path": "/"},
    fields={
        "folders": "bytes by path, largest first",
        "unread": "how many places could not be read",
        "grew": "bytes by path, when compared",
    },
    compare=_compare_largest,
)
