"""Questions to borg 1.x and what its answers mean, from 1.2 on.

A repository on the host is only ever seen through a view (see `ronde.facts.envelope`), with private folders for borg's
cache, keys and memory; so no lock is taken and no byte can change. The passphrase goes through standard input
(`BORG_PASSPHRASE_FD=0`). Sizes and change come from the listing of an archive, not from `borg info`, which would first
build a cache of every archive.

Stored bytes are verified by borg's own `check --repository-only` over a view that shows one part of the segments:
segment number modulo the number of parts, so that a segment stays in its part. `--max-duration` restricts borg to the
checksums; without it borg would miss the segments that the view leaves out. A checksum cannot tell that a whole segment
is gone, so the segments in use according to borg's own `hints` are compared with the files, every night.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from ronde.facts.envelope import FAR, VIEW, Envelope
from ronde.facts.host import HeldLock
from ronde.facts.question import Question
from ronde.facts.reading import (
    Unreadable,
    common_failure,
    cut,
    instant,
    items,
    loads,
    mapping,
    not_understood,
    text,
)
from ronde.model.backup.evidence import (
    Churn,
    Complete,
    Point,
    Points,
    Profile,
    Repository,
    Sampled,
    Structure,
    Tool,
)
from ronde.model.backup.thresholds import critical, unknown
from ronde.model.check import Finding
from ronde.model.command import OUTPUT_CAP, Answer, Command

LIST_LIMIT = 300  # seconds for questions that read one small piece of each archive
WALK_LIMIT = 1800  # seconds for questions that read all metadata of an archive
LIST_CAP = 32 * 1024 * 1024
_VERSION = re.compile(r"^borg (\d+)\.(\d+)\.(\d+)")
_CHECKPOINT = re.compile(r"\.checkpoint(\.\d+)?$")
_FAR = re.compile(r"^[^/]*:")  # ssh://…, or user@host:path; file:// is taken off before
_ENV = (
    ("BORG_EXIT_CODES", "modern"),
    ("BORG_RELOCATED_REPO_ACCESS_IS_OK", "no"),
    # Borg's own memory of known repositories is a private, empty folder here; the model compares with ours instead.
    ("BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK", "yes"),
    ("BORG_CHECK_I_KNOW_WHAT_I_AM_DOING", "NO"),
    ("BORG_RSH", "ssh -oBatchMode=yes"),
)
_DAMAGED = re.compile(
    r"integrity|checksum mismatch|data corruption|segment entry|missing chunk|inconsistent", re.IGNORECASE
)
_EXCEPTION = re.compile(r"^((?:\w+\.)*\w+(?:Error|Exception)\b.*)$", re.MULTILINE)
_HOLE = re.compile(r"FileNotFoundError.*/view/data/|^configparser\.")  # a segment that is gone, a garbled config

# One line for an archive: files, bytes, stored bytes, then its roots; and the digest of the whole listing. A root is
# an entry that lies in no entry before it, which is how borg lists what it was given to back up.
_LISTING = "{type} {size} {csize} {mode} {isomtime} {path}{NL}"
_PROFILE = r"""| { mkfifo "$d/copy"; sha256sum <"$d/copy" >"$d/sum" & tee "$d/copy" | awk '
/^[-dlcbpsh] [0-9]+ [0-9]+ / {
  path = $0; for (i = 0; i < 5; i++) sub(/^[^ ]* /, "", path)
  if ($1 == "-") { files++; bytes += $2; stored += $3 }
  if (root == "" || (path != root && index(path, root "/") != 1)) { root = path; if (n < 50) roots[n++] = path }
}
END { printf "%d %.0f %.0f\n", files, bytes, stored; for (i = 0; i < n; i++) print roots[i] }'
wait; cat "$d/sum"; }"""

_CHURN = r"""| awk '
/"type": "added"/ { added++; next }
/"type": "removed"/ { removed++; next }
/"type": "modified"/ { changed++ }
END { printf "%d %d %d\n", added, removed, changed }'"""

_LOCKS_SCRIPT = r"""cd -- "$1" 2>/dev/null || exit 3
[ -d lock.exclusive ] && find lock.exclusive -mindepth 1 -maxdepth 1 -printf 'x %T@ %f\n'
[ -f lock.roster ] && { find lock.roster -printf 'r %T@ '; tr -d '\n' <lock.roster; echo; }
exit 0"""

_FILES_SCRIPT = r"""cd -- "$1" 2>/dev/null || exit 3
find data -mindepth 2 -maxdepth 2 -type f -name '[0-9]*' -printf '%f\n' &&
ls | sed -n 's/^index\.\([0-9]*\)$/index \1/p'"""


def is_far(repository: str) -> bool:
    """Whether the repository lies behind ssh, so that no view of it can be made on the host."""
    return not repository.startswith("file://") and bool(_FAR.match(repository))


@dataclass(frozen=True, slots=True)
class Borg:
    """The questions to one repository."""

    repository: str
    passphrase: bytes = field(repr=False)

    @property
    def place(self) -> str:
        return self.repository.removeprefix("file://")

    @property
    def far(self) -> bool:
        return is_far(self.repository)

    def archives(self) -> Question:
        return self._ask("list", "--json", "--format", "{hostname}{end}", self._target(), cap=LIST_CAP)

    def profile(self, archive: str) -> Question:
        target = self._target(archive)
        return self._ask("list", "--format", _LISTING, target, limit=WALK_LIMIT, condense=_PROFILE)

    def diff(self, before: str, newest: str) -> Question:
        target = self._target(before)
        return self._ask("diff", "--json-lines", target, newest, limit=WALK_LIMIT, condense=_CHURN)

    def locks(self) -> Question:
        command = Command(("sh", "-c", _LOCKS_SCRIPT, "ronde", self.place))
        return Question(command, f"ls {self.place}/lock.exclusive; cat {self.place}/lock.roster")

    def files(self) -> Question:
        command = Command(("sh", "-c", _FILES_SCRIPT, "ronde", self.place), cap=LIST_CAP)
        return Question(command, f"find {self.place}/data -type f")

    def hints(self) -> Question:
        """`debug` knows no lock bypass; the lock it takes lies in the view."""
        return self._ask("debug", "dump-hints", self._target(), "-", cap=LIST_CAP, bypass=False)

    def check_archive(self, limit: int, prefix: str) -> Question:
        """The metadata of the newest archive, down to whether each of its chunks is in the index."""
        only = ("--glob-archives", f"{prefix}*") if prefix else ()
        return self._ask("check", "--archives-only", "--last", "1", *only, self._target(), limit=limit)

    def check_segments(self, limit: int, part: tuple[int, int]) -> Question:
        """The checksums of one part of the segments; of all, and of the index as well, when there is one part."""
        some = ("--max-duration", str(limit * 100)) if part[1] > 1 else ()
        return self._ask("check", "--repository-only", *some, self._target(), limit=limit, part=part)

    def _target(self, archive: str = "") -> str:
        place = self.repository if self.far else "view"
        return f"{place}::{archive}" if archive else place

    def _ask(
        self,
        *words: str,
        limit: int = LIST_LIMIT,
        cap: int = OUTPUT_CAP,
        condense: str = "",
        part: tuple[int, int] = (1, 1),
        bypass: bool = True,
    ) -> Question:
        prepare = FAR if self.far else VIEW
        envelope = Envelope(self.passphrase, limit, prepare, self.place, part, _ENV, cap)
        lockless = ("--bypass-lock",) if bypass else ()
        return envelope.question(("borg", *lockless, "--info", "--log-json", *words), condense)


def version_question() -> Question:
    return Question(Command(("borg", "--version")), "borg --version")


def parse_version(answer: Answer) -> Tool | Finding:
    match = _VERSION.search(answer.text)
    if answer.exit_status == 0 and match:
        return Tool("borg", tuple(int(number) for number in match.groups()))
    return common_failure("borg", answer) or not_understood("borg", answer)


@dataclass(frozen=True, slots=True)
class Said:
    """One line of borg's log: `level` is INFO, WARNING, ERROR or CRITICAL; `msgid` empty when borg gives none."""

    level: str
    msgid: str
    message: str


def log_of(answer: Answer) -> tuple[Said, ...]:
    """Standard error, which is JSON lines; a line that is none (a traceback, ssh) counts as an error."""
    return tuple(_said(line) for line in answer.error_text.splitlines() if line.strip())


def _said(line: str) -> Said:
    try:
        entry = json.loads(line)
    except ValueError:
        return Said("ERROR", "", line.strip())
    if not isinstance(entry, dict):
        return Said("ERROR", "", line.strip())
    level = str(entry.get("levelname", "INFO"))
    return Said(level, str(entry.get("msgid") or ""), str(entry.get("message", "")).strip())


def _complaints(answer: Answer) -> tuple[str, ...]:
    return tuple(said.message for said in log_of(answer) if said.level != "INFO" and said.message)


def _crash(log: tuple[Said, ...]) -> str:
    """The exception that borg died of, when it did: the line of its traceback that names it."""
    for said in log:
        if said.message.startswith("Traceback") and (named := _EXCEPTION.findall(said.message)):
            return str(named[-1])[:300]
    return ""


_BY_MSGID = {
    "Repository.DoesNotExist": (critical, "backup-missing"),
    "Repository.InvalidRepository": (critical, "backup-missing"),
    "Repository.InvalidRepositoryConfig": (critical, "backup-corrupt"),
    "Repository.CheckNeeded": (critical, "backup-corrupt"),
    "Repository.ObjectNotFound": (critical, "backup-corrupt"),
    "Repository.ParentPathDoesNotExist": (critical, "backup-missing"),
    "NoManifestError": (critical, "backup-corrupt"),
    "PassphraseWrong": (critical, "backup-wrong-key"),
    "PasswordRetriesExceeded": (critical, "backup-wrong-key"),
    "NoPassphraseFailure": (critical, "backup-wrong-key"),
    "RepoKeyNotFoundError": (critical, "backup-wrong-key"),
    "KeyfileNotFoundError": (critical, "backup-wrong-key"),
    "Cache.RepositoryReplay": (critical, "backup-rolled-back"),
    "Cache.EncryptionMethodMismatch": (critical, "backup-encryption-changed"),
    "Cache.RepositoryAccessAborted": (unknown, "backup-not-readable"),
    "Repository.InsufficientFreeSpaceError": (unknown, "backup-not-understood"),
    "LockTimeout": (unknown, "backup-locked"),
    "LockFailed": (unknown, "backup-locked"),
    "LockError": (unknown, "backup-locked"),
    "LockErrorT": (unknown, "backup-locked"),
    "IntegrityError": (critical, "backup-corrupt"),
    "FileIntegrityError": (critical, "backup-corrupt"),
    "DecompressionError": (critical, "backup-corrupt"),
    "TAMRequiredError": (critical, "backup-corrupt"),
    "TAMInvalid": (critical, "backup-corrupt"),
    "ConnectionClosed": (unknown, "backup-unreachable"),
    "ConnectionClosedWithHint": (unknown, "backup-unreachable"),
}
_BY_CODE = {
    **dict.fromkeys((13, 15), (critical, "backup-missing")),
    **dict.fromkeys((16, 17, 26, *range(90, 100)), (critical, "backup-corrupt")),
    **dict.fromkeys((42, 44, 50, 51, 52), (critical, "backup-wrong-key")),
    64: (critical, "backup-rolled-back"),
    **dict.fromkeys(range(70, 76), (unknown, "backup-locked")),
    **dict.fromkeys(range(80, 88), (unknown, "backup-unreachable")),
}
MODERN_CODES_SINCE = (1, 4)


def failure(answer: Answer, version: tuple[int, ...]) -> Finding:
    """What a question that did not succeed means: by msgid first, which 1.2 gives as well, then by modern code.

    Before 1.4 every error is status 2, `modern` or not.
    """
    general = common_failure("borg", answer)
    if general:
        return general
    log = log_of(answer)
    crash = _crash(log)
    message = crash or next((said.message for said in log if said.level in {"ERROR", "CRITICAL"}), "nothing")[:300]
    for said in log:
        if said.msgid in _BY_MSGID:
            weigh, rule = _BY_MSGID[said.msgid]
            return weigh(rule, f"borg says: {said.message[:300]}", msgid=said.msgid, exit_status=answer.exit_status)
    if "Permission denied" in answer.error_text:
        return unknown("backup-not-readable", f"Our user may not read the repository: {message}")
    if version >= MODERN_CODES_SINCE and answer.exit_status in _BY_CODE:
        weigh, rule = _BY_CODE[answer.exit_status]
        return weigh(rule, f"borg says: {message}", exit_status=answer.exit_status)
    if _DAMAGED.search(answer.error_text) or _HOLE.search(crash):
        return critical("backup-corrupt", f"borg finds damage: {message}", exit_status=answer.exit_status)
    return cut(answer) or not_understood("borg", answer, message)


def parse_archives(answer: Answer, version: tuple[int, ...]) -> tuple[Repository, Points] | Finding:
    """The repository and its archives, oldest first. Borg's times have no zone; UTC is forced when it is asked.

    Checkpoints of broken-off backups are no restore points.
    """
    if answer.exit_status != 0 or answer.truncated:
        return failure(answer, version)
    try:
        told = mapping(loads(answer.text))
        repository = mapping(told.get("repository"))
        known = Repository(
            id=text(repository, "id"),
            encryption=text(mapping(told.get("encryption")), "mode"),
            location="",
            modified=instant(repository["last_modified"]) if "last_modified" in repository else None,
        )
        points = sorted((_point(mapping(entry)) for entry in items(told.get("archives"))), key=lambda point: point.at)
    except Unreadable as error:
        return not_understood("borg", answer, str(error))
    counted = tuple(point for point in points if not _CHECKPOINT.search(point.name))
    return known, Points(counted, _complaints(answer))


def _point(entry: Any) -> Point:
    begun = instant(entry.get("start", entry.get("time")))
    took = max(instant(entry["end"]) - begun, timedelta(0)) if "end" in entry else None
    return Point(text(entry, "id"), text(entry, "name"), begun, text(entry, "hostname", ""), took=took)


def parse_profile(answer: Answer, version: tuple[int, ...]) -> Profile | Finding:
    """The condensed listing of one archive."""
    if answer.exit_status != 0 or answer.truncated:
        return failure(answer, version)
    lines = answer.text.splitlines()
    sums = re.fullmatch(r"(\d+) (\d+) (\d+)", lines[0]) if lines else None
    digest = re.fullmatch(r"([0-9a-f]{64})  -", lines[-1]) if lines else None
    if sums is None or digest is None:
        return not_understood("borg", answer, "the listing does not end with its sums")
    files, size, stored = (int(number) for number in sums.groups())
    return Profile(size, files, digest[1], tuple(lines[1:-1]), round(stored / size, 4) if size else None)


def parse_diff(answer: Answer, version: tuple[int, ...]) -> Churn | Finding:
    if answer.exit_status != 0 or answer.truncated:
        return failure(answer, version)
    sums = re.fullmatch(r"(\d+) (\d+) (\d+)\s*", answer.text)
    if sums is None:
        return not_understood("borg", answer)
    return Churn(*(int(number) for number in sums.groups()))


def parse_locks(answer: Answer) -> list[HeldLock] | Finding:
    """Exclusive locks are files named `host@id.pid-thread`; shared ones stand in the roster, dated by its last change.

    Borg 1.x never takes another host's lock for stale, however old.
    """
    if answer.exit_status != 0 or answer.truncated:
        return unknown("backup-not-readable", "The locks of the repository could not be listed.")
    try:
        return [lock for line in answer.text.splitlines() for lock in _locks_in(line)]
    except (ValueError, OverflowError, OSError) as error:  # a time stamp beyond all years is one of the latter two
        return not_understood("the lock listing", answer, str(error))


def _locks_in(line: str) -> Iterator[HeldLock]:
    kind, when, rest = line.split(" ", 2)
    since = datetime.fromtimestamp(float(when), UTC)
    if kind == "x":
        match = re.fullmatch(r"(.+?)(?:@\d+)?\.(\d+)-\w+", rest)
        host, pid = (match[1], int(match[2])) if match else (rest, 0)
        yield HeldLock(since, "", host, pid, exclusive=True, refreshed=False)
        return
    for holder in items(mapping(loads(rest or "{}")).get("shared")):
        match holder:
            case [str(name), int(pid), _]:
                yield HeldLock(since, "", name.split("@")[0], pid, exclusive=False, refreshed=False)
            case _:
                raise Unreadable(f"not a lock: {holder!r}")


Files: TypeAlias = tuple[frozenset[int], bool]


def parse_files(answer: Answer) -> Files | Finding:
    """The numbers of the segments that exist, and whether there is an index of the last transaction."""
    if answer.exit_status != 0 or answer.truncated:
        return unknown("backup-not-readable", "The segments of the repository could not be listed.")
    lines = answer.text.split("\n")
    numbers = frozenset(int(line) for line in lines if line.isdecimal())
    return numbers, any(line.startswith("index ") for line in lines)


def parse_hints(answer: Answer, version: tuple[int, ...], present: frozenset[int]) -> Complete | Finding:
    """Whether every segment that holds objects in use, by borg's own account, is among the files."""
    if answer.exit_status != 0 or answer.truncated:
        return failure(answer, version)
    try:
        counts = mapping(mapping(loads(answer.text)).get("segments"))
        used = {int(number) for number, count in counts.items() if isinstance(count, int) and count > 0}
    except (Unreadable, ValueError) as error:
        return not_understood("borg", answer, str(error))
    missing = sorted(used - present)
    if missing:
        named = ", ".join(map(str, missing[:10]))
        message = f"{len(missing)} of {len(used)} segments in use are gone: {named}."
        return critical("backup-incomplete", message, missing=list(missing[:50]), used=len(used))
    return Complete(len(used))


def parse_check_archive(answer: Answer, version: tuple[int, ...]) -> Structure | Finding:
    found = _check_failure(answer, version, "Archive consistency check complete, no problems found.")
    return found or Structure(_complaints(answer))


def parse_check_segments(answer: Answer, version: tuple[int, ...], part: tuple[int, int]) -> Sampled | Finding:
    mode = "partial" if part[1] > 1 else "full"
    found = _check_failure(answer, version, f"Finished {mode} repository check, no problems found.")
    return found or Sampled(*part)


def _check_failure(answer: Answer, version: tuple[int, ...], proof: str) -> Finding | None:
    """Why a check proves nothing; None when borg itself says that it finished and found no problem.

    Status 1, borg's word for a warning, is how `check` reports a damaged repository (borg issue 9281).
    """
    log = log_of(answer)
    errors = [said.message for said in log if said.level in {"ERROR", "CRITICAL"}]
    if answer.exit_status == 1 and errors:
        message = f"borg finds damage: {errors[0][:300]}"
        return critical("backup-corrupt", message, errors=[error[:300] for error in errors[:10]])
    if answer.exit_status != 0 or answer.truncated:
        return failure(answer, version)
    if errors or not any(said.message == proof for said in log):
        return not_understood("borg", answer, "it does not say that it finished without a problem")
    return None
