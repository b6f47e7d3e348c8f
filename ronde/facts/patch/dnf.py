"""Questions to dnf 4 (RHEL 8 and 9 and their kin, Amazon Linux 2023) and what its answers mean.

The order matters. `refresh` alone touches the network, and it alone may fail over a repository: everything after it
reads the cache (`-C`), so that all answers of one look speak of one state. Otherwise dnf would answer from a stale
cache without a word about the repository that has gone. `makecache` and `repoquery` also end with 0 when no repository
is defined at all; only the list of repositories tells.

No question waits for another program's lock; dnf ends with 200 then. What a run does is in `dnf_run`.
"""

import re
import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from ronde.facts.patch.dnf_family import FORMAT, TOLERANT, gathered, read_advised, read_offers, read_version
from ronde.facts.patch.reading import LOOK_LIMIT, REFRESH_LIMIT, SOLVE_LIMIT, not_understood, unusable
from ronde.facts.patch.rpm import split_nevra
from ronde.facts.patch.rpm_updates import Advisory, Offer
from ronde.facts.question import Question
from ronde.model.check import Finding
from ronde.model.command import Answer, Command
from ronde.model.patch.audit import Manager, Metadata, RepositoryFault
from ronde.model.patch.thresholds import unknown

LOCKED = 200  # dnf(8), exit_on_lock
UNWAITING = "--setopt=exit_on_lock=1"
CACHED = ("-q", "-C", TOLERANT)
_ALL = ("--disableexcludes=all",)
_ADVISED = """\
for r; do
  echo "= $r"
  dnf -q -C --disableexcludes=all --setopt=*.skip_if_unavailable=1 --repo="$r" updateinfo summary --all || exit
done
"""
_VERSION = re.compile(r"^(\d+)\.(\d+)\.(\d+)\s*$", re.MULTILINE)
_IGNORED = re.compile(r"^Ignoring repositories: (.+)$", re.MULTILINE)
_FAILED = re.compile(r"^Error: Failed to download metadata for repo '([^']+)': (.+)$", re.MULTILINE)
_DETAIL = re.compile(r"^Errors during downloading metadata for repository '([^']+)':\n +- (.+)$", re.MULTILINE)
_REPO_ID = re.compile(r"^Repo-id +: (\S+)$", re.MULTILINE)
_SYNCED = re.compile(r"^Repo-expire +: .*\(last: (.+)\)$", re.MULTILINE)
_ADVISORY = re.compile(r"(\S+) +(?:(\S+)/Sec\.|(\S+)) +(\S+)")
_FIELD = re.compile(r" *(Update ID|Type|CVEs|): ?(.*)")
_LOCKED_BY = re.compile(r"^ *The application with PID (\d+) is: (.+)$", re.MULTILINE)
_TIME = "%a %b %d %H:%M:%S %Y"


def version_question() -> Question:
    return Question(Command(("dnf", "--version"), timeout=LOOK_LIMIT), "dnf --version")


def parse_version(answer: Answer) -> Manager | Finding:
    return read_version("dnf", _VERSION, answer)


def refresh_question() -> Question:
    """Reads all repositories anew. Without `-q`, which would hide the repositories that were ignored."""
    return ask("--refresh", TOLERANT, "makecache", limit=REFRESH_LIMIT)


def parse_refresh(answer: Answer) -> tuple[RepositoryFault, ...] | Finding:
    """The repositories that did not answer; dnf ends with 0 all the same."""
    bad = unreadable(answer)
    if bad:
        return bad
    why = {**dict(_FAILED.findall(answer.error_text)), **dict(_DETAIL.findall(answer.error_text))}
    listed = {name.strip() for line in _IGNORED.findall(answer.error_text) for name in line.split(",")}
    return tuple(RepositoryFault(name, why.get(name, "ignored by dnf")) for name in sorted(listed | why.keys()))


def repositories_question() -> Question:
    return ask(*CACHED, "repolist", "-v")


def parse_repositories(answer: Answer, faults: Sequence[RepositoryFault]) -> Metadata | Finding:
    """Which repositories there are and when the oldest was read; `faults` are those of the refresh.

    One of which there is no cache is not listed any more, so those that failed are counted in.
    """
    bad = unreadable(answer)
    if bad:
        return bad
    listed, synced = _REPO_ID.findall(answer.text), _SYNCED.findall(answer.text)
    if len(listed) != len(synced):
        return not_understood("dnf", answer, "a repository of which nothing says when it was read")
    times = [_instant(text) for text in synced]
    told = [at for at in times if at is not None]
    oldest = min(told) if told and len(told) == len(times) else None
    return Metadata(len(set(listed) | {fault.name for fault in faults}), oldest, tuple(faults))


def _instant(text: str) -> datetime | None:
    """`Fri Nov 27 20:08:57 2026` in the C locale and UTC; dnf says `unknown`, or 1970, when it does not know."""
    try:
        at = datetime.strptime(text, _TIME).replace(tzinfo=UTC)
    except ValueError:
        return None
    return at if at.timestamp() > 0 else None


def upgrades_question(*, excluded: bool = False) -> Question:
    """Newer versions of what is installed. `excluded` asks as if the configuration had no `exclude=`."""
    extra = _ALL if excluded else ()
    return ask(*CACHED, *extra, "repoquery", "--upgrades", "--latest-limit=1", "--qf", FORMAT)


def parse_upgrades(answer: Answer) -> tuple[Offer, ...] | Finding:
    return unreadable(answer) or read_offers("dnf", answer)


def advisories_question() -> Question:
    """Which advisories newer than what is installed speak of which packages."""
    return ask(*CACHED, *_ALL, "updateinfo", "list", "--updates")


def references_question() -> Question:
    """The same advisories with their CVEs; their packages are not in this list."""
    return ask(*CACHED, *_ALL, "updateinfo", "info", "--updates")


def parse_advisories(listed: Answer, detailed: Answer) -> tuple[Advisory, ...] | Finding:
    """Advisories from both lists."""
    bad = unreadable(listed) or unreadable(detailed)
    if bad:
        return bad
    rows = []
    for line in listed.text.splitlines():
        match = _ADVISORY.fullmatch(line.strip())
        package = split_nevra(match[4]) if match else None
        if match is None or package is None:
            return not_understood("dnf updateinfo", listed, f"a line we do not know: {line[:80]!r}")
        secure = match[2] is not None or match[3] == "security"
        concerned = frozenset({f"{package.name}.{package.arch}"})
        rows.append(Advisory(match[1], secure, match[2] or "", packages=concerned))
    return gathered(rows, _references(detailed.text))


def _references(said: str) -> Mapping[str, tuple[str, ...]]:
    """CVEs by advisory, from `info`: values go on over lines whose label is empty."""
    found: dict[str, tuple[str, ...]] = {}
    name, label = "", ""
    for line in said.splitlines():
        match = _FIELD.fullmatch(line)
        label = (match[1] or label) if match else ""
        if match and label == "Update ID":
            name = match[2].strip()
        elif match and label == "CVEs":
            found[name] = (*found.get(name, ()), match[2].strip())
    return found


def advised_question(repositories: Sequence[str]) -> Question:
    """Which of these repositories carry advisories about anything that is installed."""
    command = Command(("sh", "-c", _ADVISED, "ronde", *repositories), timeout=SOLVE_LIMIT)
    return Question(command, "dnf -C --repo=… updateinfo summary --all")


def parse_advised(answer: Answer) -> frozenset[str] | Finding:
    """Those that do. Of the others it is not known whether an update of theirs mends a security hole."""
    return unreadable(answer) or read_advised(answer)


def locks_question() -> Question:
    return ask(*CACHED, "versionlock", "list")


def parse_locks(answer: Answer) -> frozenset[str] | Finding:
    """Names that the versionlock plugin holds; without the plugin nothing can be held by it."""
    if answer.exit_status == 1 and "No such command: versionlock" in answer.error_text:
        return frozenset()
    bad = unreadable(answer)
    if bad:
        return bad
    found = set()
    for line in answer.text.split():
        package = split_nevra(f"{line}.any") if line.count("-") > 1 else None
        found.add(package.name if package else line.lstrip("!").removesuffix(".*"))
    return frozenset(found)


def unreadable(answer: Answer) -> Finding | None:
    """The finding in place of an answer that did not succeed in full; None when it may be read."""
    if answer.exit_status == LOCKED:
        return unknown("patch-locked", holder(answer.error_text), exit_status=LOCKED)
    return unusable("dnf", answer)


def holder(said: str) -> str:
    match = _LOCKED_BY.search(said)
    who = f"{match[2]} (pid {match[1]})" if match else "another program"
    return f"{who} holds dnf's lock."


def ask(*words: str, limit: float = SOLVE_LIMIT) -> Question:
    """A question to dnf; shown without the option that keeps it from waiting."""
    command = Command(("dnf", UNWAITING, *words), timeout=limit)
    return Question(command, shlex.join(("dnf", *words)))
