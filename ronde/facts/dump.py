"""Questions about dump files and what the answers mean.

The operator's glob never meets a shell: it is handed to `find -path` as an argument, with everything but `*` and `?`
made literal, and `find` is held to the pattern's own depth so that a star cannot cross a folder. Names come back ended
by a zero byte, so any name is safe. File names are only ever arguments.
"""

import posixpath
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from ronde.facts.question import Question, tail
from ronde.facts.reading import cut, not_understood
from ronde.model.backup.dump_format import Ends
from ronde.model.backup.dumps import Content, DumpFile, Listing, Verified
from ronde.model.backup.thresholds import STABLE_GAP_S, WRITTEN_RECENTLY_MIN, critical, unknown
from ronde.model.check import Finding
from ronde.model.command import Answer, Command

HEAD_BYTES = 512  # a tar header block, and more than any opening mark needs
TAIL_BYTES = 16384  # beyond a few blocks of zeros that a crashed file system leaves
_LIST_LIMIT = 120
_KILL_GRACE = 30
_OUR_GRACE = 60.0
_LIST_CAP = 16 * 1024 * 1024
_NO_FOLDER, _NOT_ALL = 3, 4
_DECOMPRESS = {"gzip": ("gzip", "-dc"), "xz": ("xz", "-dc"), "zstd": ("zstd", "-dcq")}
_READERS = {
    "tar": ("tar", "-tf", "-"),
    "pg_custom": ("pg_restore", "-f", "/dev/null"),
    "zip": ("unzip", "-tqq"),
}

# Two looks, some seconds apart when anything was written to lately; the waiting happens on the host.
_LIST = """\
start=$1 depth=$2 pattern=$3 gap=$4 recent=$5
[ -d "$start" ] || exit 3
look() { find -H "$start" -mindepth "$depth" -maxdepth "$depth" -type f -path "$pattern" "$@"; }
look -printf '%T@\\t%s\\t%p\\0' || exit 4
printf '\\0'
[ -z "$(look -mmin "-$recent" -printf x | head -c 1)" ] || sleep "$gap"
look -printf '%T@\\t%s\\t%p\\0' || exit 4
"""

_HEX = "od -An -v -tx1 | tr -d ' \\n'"

_ENDS = f"""\
f=$1
[ -r "$f" ] || exit 3
head -c {HEAD_BYTES} -- "$f" | {_HEX}; echo
tail -c {TAIL_BYTES} -- "$f" | {_HEX}; echo
"""

# One pass through the decompressor: first bytes, last bytes, its exit status. No temporary file.
_CONTENT = f"""\
f=$1 limit=$2; shift 2
[ -r "$f" ] || exit 3
exec 3>&1
status=$({{ {{ timeout -k {_KILL_GRACE} "$limit" "$@" <"$f"; echo $? >&4; }} | {{
  head -c {HEAD_BYTES} | {_HEX} >&3; echo >&3
  tail -c {TAIL_BYTES} | {_HEX} >&3; echo >&3
}}; }} 4>&1)
echo "$status"
"""

# The format's own reader behind the decompressor: the statuses of both.
_THROUGH = f"""\
f=$1 limit=$2; shift 2
[ -r "$f" ] || exit 3
first="$1 -dc"; shift
statuses=$({{ {{ timeout -k {_KILL_GRACE} "$limit" $first <"$f"; echo $? >&4; }} | {{
  timeout -k {_KILL_GRACE} "$limit" "$@" >/dev/null; s=$?; cat >/dev/null; echo $s >&4
}}; }} 4>&1)
echo "$statuses"
"""

# The reader over a file that is stored plainly: by name where it must seek, else by redirection (tar takes a name with
# a colon for another host's).
_DIRECT = f"""\
f=$1 limit=$2; shift 2
[ -r "$f" ] || exit 3
timeout -k {_KILL_GRACE} "$limit" "$@" "$f" >/dev/null
echo "$?"
"""
_REDIRECTED = _DIRECT.replace('"$f" >', '<"$f" >')


@dataclass(frozen=True, slots=True)
class Place:
    """A glob taken apart: the folder without wildcards, how deep below it files lie, and the pattern for `find`."""

    start: str
    depth: int
    pattern: str


def place_of(glob: str) -> Place:
    """An absolute glob in which `*` and `?` stand for any characters of one folder or file name."""
    parts = posixpath.normpath(glob).lstrip("/").split("/")
    plain = next((i for i, part in enumerate(parts) if re.search(r"[*?]", part)), len(parts) - 1)
    plain = min(plain, len(parts) - 1)
    start = "/" + "/".join(parts[:plain])
    prefix = start if start != "/" else ""
    literal = re.sub(r"([\\\[\]])", r"\\\1", prefix + "/" + "/".join(parts[plain:]))
    if prefix:
        literal = re.sub(r"([*?])", r"\\\1", literal[: len(prefix)]) + literal[len(prefix) :]
    return Place(start, len(parts) - plain, literal)


def listing_question(glob: str) -> Question:
    place = place_of(glob)
    words = (place.start, str(place.depth), place.pattern, str(STABLE_GAP_S), str(WRITTEN_RECENTLY_MIN))
    command = Command(("sh", "-c", _LIST, "ronde", *words), timeout=_LIST_LIMIT, cap=_LIST_CAP)
    return Question(command, f"find {place.start} -type f -path '{place.pattern}' -printf '%T@ %s %p'")


def parse_listing(answer: Answer) -> Listing | Finding:
    """Both looks. A folder that could not be read in full is not a listing."""
    if answer.exit_status == _NO_FOLDER:
        return critical("backup-missing", "There is no folder at the dumps' place.")
    if answer.exit_status == _NOT_ALL:
        return unknown("backup-not-readable", f"Our user may not read all of the dumps' folder: {tail(answer)}")
    if answer.exit_status != 0 or answer.truncated:
        return cut(answer) or not_understood("find", answer)
    first, mark, second = ("\0" + answer.text).partition("\0\0")
    if not mark:
        return not_understood("find", answer, "the second look is missing")
    try:
        return Listing(_files(first), _files(second))
    except (ValueError, OverflowError, OSError) as error:  # a time stamp beyond all years is one of the latter two
        return not_understood("find", answer, str(error))


def _files(records: str) -> tuple[DumpFile, ...]:
    return tuple(_file(record) for record in records.split("\0") if record)


def _file(record: str) -> DumpFile:
    changed, size, path = record.split("\t", 2)
    return DumpFile(path, int(size), datetime.fromtimestamp(float(changed), UTC))


def ends_question(path: str) -> Question:
    command = Command(("sh", "-c", _ENDS, "ronde", path), timeout=_LIST_LIMIT)
    return Question(command, f"head -c {HEAD_BYTES} {path}; tail -c {TAIL_BYTES} {path}")


def parse_ends(answer: Answer) -> Ends | Finding:
    lines = answer.text.split("\n")
    if answer.exit_status == _NO_FOLDER:
        return unknown("backup-not-readable", "Our user may not read the newest file.")
    try:
        if answer.exit_status != 0 or answer.truncated or len(lines) != 3:
            return cut(answer) or not_understood("head and tail", answer)
        return Ends(bytes.fromhex(lines[0]), bytes.fromhex(lines[1]))
    except ValueError as error:
        return not_understood("od", answer, str(error))


def content_question(path: str, compression: str, limit: int) -> Question:
    words = (path, str(limit), *_DECOMPRESS[compression])
    command = Command(("sh", "-c", _CONTENT, "ronde", *words), timeout=limit + _OUR_GRACE)
    return Question(command, f"{' '.join(_DECOMPRESS[compression])} {path} | tail")


def parse_content(answer: Answer, compression: str) -> Content | Finding:
    if answer.exit_status == _NO_FOLDER:
        return unknown("backup-not-readable", "Our user may not read the newest file.")
    lines = answer.text.split("\n")
    if answer.exit_status != 0 or answer.truncated or len(lines) != 4 or not lines[2].isdecimal():
        return cut(answer) or not_understood(compression, answer)
    found = _interrupted(compression, int(lines[2]))
    try:
        return found or Content(Ends(bytes.fromhex(lines[0]), bytes.fromhex(lines[1])), compression, int(lines[2]))
    except ValueError as error:
        return not_understood("od", answer, str(error))


def reader_question(path: str, form: str, compression: str, limit: int) -> Question:
    """The format's own reader over the whole file; a zip cannot be read from a pipe."""
    reader = _READERS[form]
    typed = " ".join(reader)
    if form == "zip" or not compression:
        script = _REDIRECTED if form == "tar" else _DIRECT
        words, shown = (path, str(limit), *reader), f"{typed} {'<' if form == 'tar' else ''}{path}"
    else:
        script, words = _THROUGH, (path, str(limit), compression, *reader)
        shown = f"{compression} -dc {path} | {typed}"
    command = Command(("sh", "-c", script, "ronde", *words), timeout=limit + _OUR_GRACE)
    return Question(command, shown)


def parse_reader(answer: Answer, form: str) -> Verified | Finding:
    """The reader's status; the decompressor's was judged by itself and only counts here when it is missing."""
    tool = _READERS[form][0]
    if answer.exit_status == _NO_FOLDER:
        return unknown("backup-not-readable", "Our user may not read the newest file.")
    lines = answer.text.split()
    if answer.exit_status != 0 or len(lines) not in {1, 2} or not all(line.isdecimal() for line in lines):
        return not_understood(tool, answer)
    status = int(lines[-1])
    return _interrupted(tool, status, missing_is_finding=False) or Verified(tool, status, tail(answer))


def _interrupted(tool: str, status: int, *, missing_is_finding: bool = True) -> Finding | None:
    if status in {124, 137}:
        return unknown("backup-timed-out", f"{tool} was stopped at its time limit.", exit_status=status)
    if missing_is_finding and status in {126, 127}:
        return unknown("backup-tool-missing", f"{tool} is not installed on the host.", exit_status=status)
    return None


def alike_question(newest: str, before: str, compression: str, limit: int) -> Question:
    """Whether two files of one size hold the same: by digest, or by gzip's own trailer, which tells without reading."""
    if compression == "gzip":
        script = 'for f; do tail -c 8 -- "$f" | sha256sum || exit 3; done'
        command = Command(("sh", "-c", script, "ronde", newest, before), timeout=_LIST_LIMIT)
        return Question(command, f"tail -c 8 {newest} {before}")
    argv = ("timeout", "-k", str(_KILL_GRACE), str(limit), "sha256sum", "--", newest, before)
    return Question(Command(argv, timeout=limit + _OUR_GRACE), f"sha256sum {newest} {before}")


def parse_alike(answer: Answer) -> bool | Finding:
    digests = re.findall(r"^\\?([0-9a-f]{64}) ", answer.text, re.MULTILINE)
    if answer.exit_status != 0 or answer.truncated or len(digests) != 2:
        return not_understood("sha256sum", answer)
    return bool(digests[0] == digests[1])
