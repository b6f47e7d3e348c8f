"""Questions to dnf5 (Fedora 41 and later) and what its answers mean; held against 5.4.6.

Its words differ from those of dnf 4: `advisory` instead of `updateinfo`, with a subcommand and `--json`; a format of
`repoquery` ends no line by itself; `needs-restarting` needs no flag for the reboot.

Three of its habits would make a lie of an audit. `--refresh makecache` reads nothing anew as long as the cache is not
too old by the host's own settings: the age has to be set to nothing. A repository that does not answer is then skipped
with status 0: only `repo info` tells when each was really read. And without any repository dnf5 ends with 0 as well,
unless an option is set for all of them.

A question waits for another program's lock, whatever `exit_on_lock` says; its limit ends it.
"""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ronde.facts.patch.dnf_family import FORMAT, TOLERANT, gathered, read_advised, read_offers, read_version
from ronde.facts.patch.reading import LOOK_LIMIT, REFRESH_LIMIT, SOLVE_LIMIT, not_understood, unusable
from ronde.facts.patch.rpm import split_nevra
from ronde.facts.patch.rpm_updates import Advisory, Offer
from ronde.facts.question import Question
from ronde.facts.reading import Unreadable, items, loads, mapping, text
from ronde.model.check import Finding
from ronde.model.command import Answer, Command
from ronde.model.patch.audit import Manager, Metadata, RepositoryFault
from ronde.model.patch.thresholds import unknown

CACHED = ("-q", "-C", TOLERANT)
_ALL = ("--setopt=disable_excludes=*",)
_USAGE = 2  # also what an option for all repositories ends with when there is none
# Times are whole seconds: what is read after the next second has begun is later than what was there before.
_REFRESH = """\
before=$(date +%s)
sleep 1
dnf5 '--setopt=*.metadata_expire=0' '--setopt=*.skip_if_unavailable=1' makecache >&2 || exit
echo "$before"
exec dnf5 -q -C '--setopt=*.skip_if_unavailable=1' repo info --enabled --json
"""
_ADVISED = """\
for r; do
  echo "= $r"
  dnf5 -q -C '--setopt=disable_excludes=*' '--setopt=*.skip_if_unavailable=1' --repo="$r" \\
    advisory list --all --json || exit
done
"""
_VERSION = re.compile(r"^dnf5 version (\d+)\.(\d+)\.(\d+)", re.MULTILINE)
_WHY = re.compile(r"^>>> (.+)$", re.MULTILINE)
_LOCKED_NAME = re.compile(r"^Package name: (\S+)$", re.MULTILINE)


def version_question() -> Question:
    return Question(Command(("dnf5", "--version"), timeout=LOOK_LIMIT), "dnf5 --version")


def parse_version(answer: Answer) -> Manager | Finding:
    return read_version("dnf5", _VERSION, answer)


def refresh_question() -> Question:
    """Reads all repositories anew, and then asks when each of them was read, by the host's own clock."""
    return Question(Command(("sh", "-c", _REFRESH), timeout=REFRESH_LIMIT), "dnf5 makecache; dnf5 repo info")


def parse_refresh(answer: Answer) -> tuple[RepositoryFault, ...] | Finding:
    """The repositories that were not read now, whatever dnf5 said of them."""
    bad = unreadable(answer)
    if bad:
        return bad
    before, _, rest = answer.text.partition("\n")
    if not before.isdecimal():
        return not_understood("dnf5", answer, f"{before[:80]!r} is no time")
    try:
        stale = [name for name, read in _read_at(rest).items() if read <= int(before)]
    except Unreadable as error:
        return not_understood("dnf5", answer, str(error))
    why = "; ".join(dict.fromkeys(_WHY.findall(answer.error_text))) or "dnf5 did not read it anew"
    return tuple(RepositoryFault(name, why) for name in sorted(stale))


def _read_at(said: str) -> dict[str, int]:
    """When each repository was last read; seconds of the epoch, -1 for never."""
    found = {}
    for entry in map(mapping, items(loads(said))):
        at = entry.get("timestamp")
        if not isinstance(at, int) or isinstance(at, bool):
            raise Unreadable(f"a repository that was read at {at!r}")
        found[text(entry, "id")] = at
    return found


def repositories_question() -> Question:
    return ask(*CACHED, "repo", "info", "--enabled", "--json")


def parse_repositories(answer: Answer, faults: Sequence[RepositoryFault]) -> Metadata | Finding:
    """Which repositories there are and when the oldest was read; `faults` are those of the refresh."""
    bad = unreadable(answer)
    if bad:
        return bad
    try:
        times = _read_at(answer.text)
    except Unreadable as error:
        return not_understood("dnf5", answer, str(error))
    oldest = min(times.values(), default=0)
    refreshed = datetime.fromtimestamp(oldest, UTC) if oldest > 0 else None
    return Metadata(len(times), refreshed, tuple(faults))


def upgrades_question(*, excluded: bool = False) -> Question:
    """Newer versions of what is installed. `excluded` asks as if nothing were excluded or locked.

    The newline is part of the format: dnf5 adds none.
    """
    extra = _ALL if excluded else ()
    return ask(*CACHED, *extra, "repoquery", "--upgrades", "--latest-limit=1", "--queryformat", f"{FORMAT}\n")


def parse_upgrades(answer: Answer) -> tuple[Offer, ...] | Finding:
    return unreadable(answer) or read_offers("dnf5", answer)


def advisories_question() -> Question:
    """Which advisories newer than what is installed speak of which packages."""
    return ask(*CACHED, *_ALL, "advisory", "list", "--updates", "--json")


def references_question() -> Question:
    """The same advisories with their CVEs."""
    return ask(*CACHED, *_ALL, "advisory", "info", "--updates", "--json")


def parse_advisories(listed: Answer, detailed: Answer) -> tuple[Advisory, ...] | Finding:
    """Advisories from both lists. dnf5 crashes over one whose reference has no title: then nothing is known."""
    bad = unreadable(listed) or unreadable(detailed)
    if bad:
        return bad
    try:
        rows = [_advisory(mapping(entry)) for entry in items(loads(listed.text))]
        cves = {text(entry, "Name"): tuple(_cves(entry)) for entry in map(mapping, items(loads(detailed.text)))}
    except Unreadable as error:
        return not_understood("dnf5 advisory", listed, str(error))
    return gathered(rows, cves)


def _advisory(fields: Mapping[str, Any]) -> Advisory:
    package = split_nevra(text(fields, "nevra"))
    if package is None:
        raise Unreadable(f"not a package: {fields.get('nevra')!r}")
    secure = text(fields, "type") == "security"
    concerned = frozenset({f"{package.name}.{package.arch}"})
    return Advisory(text(fields, "name"), secure, text(fields, "severity", ""), packages=concerned)


def _cves(fields: Mapping[str, Any]) -> Iterator[str]:
    for reference in map(mapping, items(fields.get("references"))):
        if text(reference, "Type", "") == "cve":
            yield text(reference, "Id")


def advised_question(repositories: Sequence[str]) -> Question:
    """Which of these repositories carry advisories about anything that is installed."""
    command = Command(("sh", "-c", _ADVISED, "ronde", *repositories), timeout=SOLVE_LIMIT)
    return Question(command, "dnf5 -C --repo=… advisory list --all")


def parse_advised(answer: Answer) -> frozenset[str] | Finding:
    """Those that do. Of the others it is not known whether an update of theirs mends a security hole."""
    return unreadable(answer) or read_advised(answer)


def locks_question() -> Question:
    return ask(*CACHED, "versionlock", "list")


def parse_locks(answer: Answer) -> frozenset[str] | Finding:
    """Names that `versionlock` holds, whatever its condition says of versions."""
    return unreadable(answer) or frozenset(_LOCKED_NAME.findall(answer.text))


def unreadable(answer: Answer) -> Finding | None:
    """The finding in place of an answer that did not succeed in full; None when it may be read."""
    if answer.exit_status == _USAGE and "No matching repositories" in answer.error_text:
        return unknown("patch-no-repository", "No repository is defined.")
    return unusable("dnf5", answer)


def ask(*words: str, limit: float = SOLVE_LIMIT) -> Question:
    return Question(Command(("dnf5", *words), timeout=limit), shlex.join(("dnf5", *words)))
