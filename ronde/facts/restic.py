"""Questions to restic and what its answers mean, from 0.14 on.

Every question reads without a lock (`--no-lock`), since a lock would be written into the repository, would fail on
append-only storage and would block the client's own prune; and without a cache (`--no-cache`), since a warm cache hides
damage and a new one would be left on the host. The password goes through standard input to `--password-file`.
"""

import json
import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeAlias

from ronde.facts.envelope import Envelope
from ronde.facts.host import HeldLock
from ronde.facts.question import Question, tail
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
    whole,
    words,
)
from ronde.model.backup.evidence import (
    Churn,
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

LIST_LIMIT = 300  # seconds for questions that only read metadata
WALK_LIMIT = 1800  # seconds for questions that walk the trees of a point
LIST_CAP = 32 * 1024 * 1024  # some 40,000 points; a longer list is reported as cut
CODES_SINCE = (0, 17)  # exit codes 10, 11 and 12 mean something of their own (restic docs, scripting)
JSON_CHECK_SINCE = (0, 18)
_VERSION = re.compile(r"\brestic (\d+)\.(\d+)\.(\d+)")
_GROUP = re.compile(r"read group #(\d+) of (\d+) data packs \(out of total (\d+) packs in (\d+) groups\)")
_DAMAGED = re.compile(
    r"repository contains errors|is damaged|invalid data returned|ciphertext verification failed|LoadIndex returned"
    r"|does not match|not found in repository|ReadFull\(<data/.*no such file"
)
_MEANING = (
    (re.compile(r"wrong password or no key found"), critical, "backup-wrong-key", "The password opens no key."),
    (
        re.compile(r"unable to open config file: .*(no such file|not exist|404)", re.IGNORECASE | re.DOTALL),
        critical,
        "backup-missing",
        "There is no repository at this place.",
    ),
    (re.compile(r"repository is already locked"), unknown, "backup-locked", "The repository is locked."),
    (
        re.compile(r"permission denied|access denied", re.IGNORECASE),
        unknown,
        "backup-not-readable",
        "Our user may not read.",
    ),
)
_CODES = {
    10: (critical, "backup-missing", "There is no repository at this place."),
    11: (unknown, "backup-locked", "The repository is locked."),
    12: (critical, "backup-wrong-key", "The password opens no key."),
}


@dataclass(frozen=True, slots=True)
class Restic:
    """The questions to one repository; the password is only ever fed to standard input."""

    repository: str
    password: bytes = field(repr=False)

    def config(self) -> Question:
        return self._ask("cat", "config")

    def snapshots(self) -> Question:
        return self._ask("snapshots", "--json", cap=LIST_CAP)

    def locks(self) -> Question:
        return self._ask("list", "locks")

    def indexes(self) -> Question:
        return self._ask("list", "index")

    def lock(self, identifier: str) -> Question:
        return self._ask("cat", "lock", identifier)

    def stats(self, identifier: str) -> Question:
        return self._ask("stats", "--json", "--mode", "restore-size", identifier, limit=WALK_LIMIT)

    def diff(self, before: str, newest: str) -> Question:
        """Only the last line, the sums, comes back: there is one line for each changed file."""
        return self._ask("diff", "--json", before, newest, limit=WALK_LIMIT, condense="| tail -n 1")

    def check(self, version: tuple[int, ...], limit: int, part: tuple[int, int] | None) -> Question:
        """The walk over all metadata, and with `part` the reading of that share of the packs."""
        extra = [f"--read-data-subset={part[0]}/{part[1]}"] if part else []
        if version >= JSON_CHECK_SINCE:
            extra.append("--json")
        return self._ask("check", *extra, limit=limit)

    def _ask(self, *words: str, limit: int = LIST_LIMIT, cap: int = OUTPUT_CAP, condense: str = "") -> Question:
        options = ("--no-lock", "--no-cache", "--password-file", "/dev/stdin")
        envelope = Envelope(self.password, limit, cap=cap)
        return envelope.question(("restic", "-r", self.repository, *options, *words), condense)


def version_question() -> Question:
    return Question(Command(("restic", "version")), "restic version")


def parse_version(answer: Answer) -> Tool | Finding:
    match = _VERSION.search(answer.text)
    if answer.exit_status == 0 and match:
        return Tool("restic", tuple(int(number) for number in match.groups()))
    return common_failure("restic", answer) or not_understood("restic", answer)


def failure(answer: Answer, version: tuple[int, ...]) -> Finding:
    """What a question that did not succeed means.

    Before 0.17 everything is status 1 and only standard error tells; a status that is not known is never good news.
    """
    general = common_failure("restic", answer)
    if general:
        return general
    said = tail(answer)
    if version >= CODES_SINCE and answer.exit_status in _CODES:
        weigh, rule, message = _CODES[answer.exit_status]
        return weigh(rule, f"{message} restic says: {said}", exit_status=answer.exit_status)
    for pattern, weigh, rule, message in _MEANING:
        if pattern.search(answer.error_text):
            return weigh(rule, f"{message} restic says: {said}", exit_status=answer.exit_status)
    if _DAMAGED.search(answer.error_text):
        return critical("backup-corrupt", f"restic finds damage: {said}", exit_status=answer.exit_status)
    return cut(answer) or not_understood("restic", answer)


def parse_config(answer: Answer, version: tuple[int, ...]) -> Repository | Finding:
    if answer.exit_status != 0:
        return failure(answer, version)
    try:
        return Repository(text(mapping(loads(answer.text)), "id"), "restic", "")
    except Unreadable as error:
        return not_understood("restic", answer, str(error))


def parse_snapshots(answer: Answer, version: tuple[int, ...]) -> Points | Finding:
    """All snapshots, oldest first. `time` is when the backup began.

    A snapshot that cannot be loaded is left out with nothing but a line on standard error and status 0; any such line
    is kept as a remark.
    """
    if answer.exit_status != 0 or answer.truncated:
        return failure(answer, version)
    try:
        points = sorted((_point(mapping(entry)) for entry in items(loads(answer.text))), key=lambda point: point.at)
    except Unreadable as error:
        return not_understood("restic", answer, str(error))
    remarks = tuple(line.strip() for line in answer.error_text.splitlines() if line.strip())
    return Points(tuple(points), remarks)


def _point(entry: Any) -> Point:
    identifier = text(entry, "id")
    summary = entry.get("summary")
    return Point(
        id=identifier,
        name=identifier[:8],
        at=instant(entry.get("time")),
        host=text(entry, "hostname", ""),
        paths=words(entry, "paths"),
        tags=words(entry, "tags"),
        tree=text(entry, "tree", ""),
        **(_summary(mapping(summary)) if summary is not None else {}),
    )


def _summary(summary: Any) -> dict[str, Any]:
    """From 0.17 on each snapshot carries its own figures."""
    added, packed = whole(summary, "data_added"), summary.get("data_added_packed")
    return {
        "took": max(instant(summary.get("backup_end")) - instant(summary.get("backup_start")), timedelta(0)),
        "size": whole(summary, "total_bytes_processed"),
        "files": whole(summary, "total_files_processed"),
        "ratio": packed / added if isinstance(packed, int) and added else None,
    }


def profile_of(point: Point) -> Profile | None:
    """The profile that the list itself gives (0.17 and newer); None when it has to be asked for."""
    if point.size is None or point.files is None:
        return None
    return Profile(point.size, point.files, point.tree, point.paths, point.ratio)


def parse_stats(answer: Answer, version: tuple[int, ...], point: Point) -> Profile | Finding:
    if answer.exit_status != 0 or answer.truncated:
        return failure(answer, version)
    try:
        sums = mapping(loads(answer.text))
        return Profile(whole(sums, "total_size"), whole(sums, "total_file_count"), point.tree, point.paths)
    except Unreadable as error:
        return not_understood("restic", answer, str(error))


def parse_diff(answer: Answer, version: tuple[int, ...]) -> Churn | Finding:
    if answer.exit_status != 0 or answer.truncated:
        return failure(answer, version)
    try:
        sums = mapping(loads(answer.text))
        added, removed = mapping(sums.get("added")), mapping(sums.get("removed"))
        return Churn(whole(added, "files"), whole(removed, "files"), whole(sums, "changed_files"))
    except Unreadable as error:
        return not_understood("restic", answer, str(error))


def parse_lock_list(answer: Answer, version: tuple[int, ...]) -> tuple[str, ...] | Finding:
    if answer.exit_status != 0 or answer.truncated:
        return failure(answer, version)
    lines = tuple(line.strip() for line in answer.text.splitlines() if line.strip())
    if not all(re.fullmatch(r"[0-9a-f]{64}", line) for line in lines):
        return not_understood("restic", answer)
    return lines


def parse_lock(answer: Answer, version: tuple[int, ...]) -> HeldLock | Finding:
    if answer.exit_status != 0 or answer.truncated:
        return failure(answer, version)
    try:
        entry = mapping(loads(answer.text))
        return HeldLock(
            since=instant(entry.get("time")),
            user=text(entry, "username", ""),
            host=text(entry, "hostname", ""),
            pid=whole(entry, "pid"),
            exclusive=bool(entry.get("exclusive")),
            refreshed=True,
        )
    except Unreadable as error:
        return not_understood("restic", answer, str(error))


Proven: TypeAlias = tuple[Structure, Sampled | None]


def parse_check(answer: Answer, version: tuple[int, ...], part: tuple[int, int] | None) -> Proven | Finding:
    """What `check` proves; status 0 alone proves nothing, restic must also say that it read and found no errors."""
    if version >= JSON_CHECK_SINCE:
        return common_failure("restic", answer) or _parse_json_check(answer, version, part)
    if answer.exit_status != 0 or answer.truncated:
        return failure(answer, version)
    if "no errors were found" not in answer.text:
        return not_understood("restic", answer)
    remarks = tuple(line for line in answer.error_text.splitlines() if line.strip())
    if part is None:
        return Structure(remarks), None
    group = _GROUP.search(answer.text)
    if group is None or (int(group[1]), int(group[4])) != part:
        return not_understood("restic", answer, "it does not say that it read the part it was asked for")
    return Structure(remarks), Sampled(*part, objects=int(group[2]))


def _parse_json_check(answer: Answer, version: tuple[int, ...], part: tuple[int, int] | None) -> Proven | Finding:
    try:
        summary = _check_summary(answer.text)
    except Unreadable as error:
        return failure(answer, version) if answer.exit_status != 0 else not_understood("restic", answer, str(error))
    broken = summary.get("broken_packs") or []
    if answer.exit_status == 1 and (whole(summary, "num_errors") or broken):
        errors, said = whole(summary, "num_errors"), _said(answer)
        message = f"restic finds {errors} error(s), {len(broken)} broken pack(s): {said}"
        return critical("backup-corrupt", message, num_errors=errors, broken_packs=list(broken[:20]))
    if answer.exit_status != 0 or answer.truncated:
        return failure(answer, version)
    if summary.get("num_errors") != 0 or broken:
        return not_understood("restic", answer, "status 0 although errors are counted")
    return Structure(), Sampled(*part) if part else None


def _check_summary(output: str) -> Any:
    for line in reversed(output.splitlines()):
        if '"summary"' in line:
            summary = mapping(loads(line))
            whole(summary, "num_errors")
            return summary
    raise Unreadable("no summary")


def _said(answer: Answer) -> str:
    """The first error of standard error, which is JSON lines from 0.18 on."""
    for line in answer.error_text.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            return line[:200]
        if isinstance(entry, dict) and "message" in entry:
            return str(entry["message"])[:200]
    return "no details"
