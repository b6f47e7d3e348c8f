"""The package database of dpkg, and whether it is whole.

Several witnesses are heard about its health, since each is blind to what another sees: `dpkg --audit` prints nothing
about a journal that was cut off, the database shows nothing of it either, and `apt-get check` without locking finds
neither that nor a package whose script failed. All of them end with 0.
"""

import re

from ronde.facts.patch.apt import ask, refused
from ronde.facts.patch.reading import LOOK_LIMIT, SOLVE_LIMIT, common_failure, cut, not_understood, unusable
from ronde.facts.question import Question
from ronde.model.check import Finding
from ronde.model.command import Answer, Command
from ronde.model.patch.audit import Integrity
from ronde.model.patch.packages import Database, Entry, Package, State
from ronde.model.patch.thresholds import unknown

LOCKS = ("/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock", "/var/lib/apt/lists/lock", "/var/cache/apt/archives/lock")
# `${Package}` and the architecture by themselves: `${binary:Package}` adds the architecture for some packages only.
_FORMAT = "${db:Status-Abbrev}\t${Package}\t${Architecture}\t${Version}\n"
_LINE = re.compile(r"([uihrp])([ncHUFWti])([R ])\t(\S+)\t(\S+)\t(\S*)")
_GONE = frozenset("nc")  # not installed; only its configuration files are left
_LOST = re.compile(r"^E: The package (\S+) needs to be reinstalled, but I can't find an archive for it", re.MULTILINE)
_UNMET = re.compile(r"^ (\S+) : (.+)$", re.MULTILINE)


def database_question() -> Question:
    command = Command(("dpkg-query", "-W", f"-f={_FORMAT}"), timeout=LOOK_LIMIT)
    return Question(command, "dpkg-query -W")


def parse_database(answer: Answer) -> Database | Finding:
    """Every package that is installed, in whatever state. A database without dpkg itself is not one."""
    bad = unusable("dpkg-query", answer)
    if bad:
        return bad
    entries = []
    for line in answer.text.splitlines():
        match = _LINE.fullmatch(line)
        if match is None:
            return not_understood("dpkg-query", answer, line)
        if match[2] not in _GONE:
            entries.append(_entry(match))
    if not any(entry.package.name == "dpkg" for entry in entries):
        return not_understood("dpkg-query", answer, "dpkg itself is not in its database")
    return Database(tuple(sorted(entries)))


def _entry(match: re.Match[str]) -> Entry:
    wanted, status, error, name, arch, version = match.groups()
    whole = status == "i" and error == " "
    state = State.INSTALLED if whole else State.BROKEN
    return Entry(Package(name, arch, version), state, f"{wanted}{status}{error}".strip(), held=wanted == "h")


def journal_question() -> Question:
    return ask("ls", "-A", "/var/lib/dpkg/updates")


def audit_question() -> Question:
    return ask("dpkg", "--audit")


def check_question() -> Question:
    """Without locking it needs no rights and disturbs nobody; that it then misses a journal is what `ls` is for."""
    return ask("apt-get", "check", "-q", "-o", "Debug::NoLocking=true", limit=SOLVE_LIMIT)


def parse_integrity(
    journal: Answer, audit: Answer, check: Answer, holders: tuple[str, ...] | Finding
) -> Integrity | Finding:
    """Whether the database is whole; not to be told while somebody works on it (see `apt_locks`)."""
    if isinstance(holders, Finding):
        return holders
    if holders:
        return unknown("patch-locked", f"Packages are being worked on by {holders[0]}.", holders=list(holders))
    bad = unusable("ls", journal) or unusable("dpkg", audit) or _check_failed(check)
    if bad:
        return bad
    numbers = tuple(sorted(name for name in journal.text.split() if name.isdecimal()))
    return Integrity(numbers, _complaints(audit.text), _unmet(check))


def _check_failed(check: Answer) -> Finding | None:
    if check.exit_status == 0 or _unmet(check):
        return cut(check)
    return common_failure("apt-get", check) or refused(check) or not_understood("apt-get check", check)


def _complaints(said: str) -> tuple[str, ...]:
    """The packages that `dpkg --audit` names, which are set in by one blank; without any, its own words."""
    named = tuple(" ".join(line.split()) for line in said.splitlines() if re.match(r" \S", line))
    return named or tuple(line.strip() for line in said.splitlines() if line.strip())


def _unmet(check: Answer) -> tuple[str, ...]:
    said = check.text + check.error_text
    lost = [f"{name}: is to be reinstalled, and no repository has it" for name in _LOST.findall(said)]
    return (*(f"{name}: {why}" for name, why in _UNMET.findall(said)), *lost)
