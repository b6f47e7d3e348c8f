"""Questions to apt and what its answers mean: its version, its repositories, and what the host holds.

`refresh` alone touches the network, and it alone may fail over a repository. Everything after it reads the lists that
are there (`apt_simulation`); so a refresh that did not succeed in full makes every later answer unbelievable, however
good it looks: plain `apt-get update` ends with 0 when a repository is dead ("old ones used instead").

Nothing here waits for a lock. `DPkg::Lock::Timeout` does not cover the lock of the lists, so a refresh that met it
comes back as `patch-locked`, and whoever asked tries again after `LISTS_RETRY_S`.
"""

import re
from dataclasses import dataclass, replace

from ronde.facts.patch.reading import LOOK_LIMIT, REFRESH_LIMIT, common_failure, cut, not_understood, unusable
from ronde.facts.question import Question
from ronde.model.check import Finding
from ronde.model.command import Answer, Command
from ronde.model.patch.audit import Manager, Metadata, RepositoryFault
from ronde.model.patch.thresholds import unknown

LISTS_RETRY_S = 20.0  # seconds between two tries for the lock of the lists; an update holds it for about a minute
LISTS_RETRIES = 15  # five minutes in all
ERRORS_ANY_SINCE = (2, 1, 16)  # apt changelog: `--error-on=any`
# Package files of these vendors come with a separate one for security; without it nothing ever looks urgent.
SECURITY_VENDORS = frozenset({"Debian", "Ubuntu"})
_ROLLING = frozenset({"unstable", "sid", "experimental"})  # fixes go straight into these, there is no security pocket
_VERSION = re.compile(r"^apt (\d+)\.(\d+)(?:\.(\d+))?", re.MULTILINE)
_LOCKED = re.compile(
    r"^E: Could not get lock (\S+?)\.? (?:It is held by process (\d+)(?: \(([^)]*)\))?)?", re.MULTILINE
)
_DENIED = re.compile(r"^E: .*\(13: Permission denied\)", re.MULTILINE)
_RELEASE = re.compile(r"^E: (Repository '(.+?)' changed its '\w+' value from '.*)$", re.MULTILINE)
_FETCH = re.compile(r"^[WE]: Failed to fetch (\S+) +(.*)$", re.MULTILINE)
_SOURCE = re.compile(r"^ *-?\d+ (.+)\n +release (.*)$", re.MULTILINE)
_COMPLAINT = re.compile(r"^[WE]: (.*)$", re.MULTILINE)
# Said of a refresh that succeeded in full; before 2.1.16 anything else on standard error is taken for a failure.
_HARMLESS = re.compile(
    r"configured multiple times|legacy trusted\.gpg keyring|doesn't support architecture|weak (digest|algorithm|key)"
    r"|Policy will reject signature|Problem unlinking the file"
)
_OF_REPOSITORY = re.compile(r"repository|GPG error|://", re.IGNORECASE)
_GENERAL = re.compile(r"Some index files failed to download")


def ask(program: str, *words: str, limit: float = LOOK_LIMIT) -> Question:
    """One question to a program of apt, spoken in C and quiet."""
    argv = (program, *words)
    command = Command(argv, timeout=limit)
    return Question(command, command.display)


def version_question() -> Question:
    return ask("apt-get", "--version")


def parse_version(answer: Answer) -> Manager | Finding:
    match = _VERSION.search(answer.text)
    if answer.exit_status == 0 and match:
        return Manager("apt", tuple(int(number or 0) for number in match.groups()))
    return common_failure("apt-get", answer) or not_understood("apt-get", answer)


def refresh_question(manager: Manager) -> Question:
    """Read all repositories anew; needs root. Older versions cannot be told to be strict, their words are read."""
    strict = ("--error-on=any",) if manager.version >= ERRORS_ANY_SINCE else ()
    return ask("apt-get", "update", "-q", *strict, limit=REFRESH_LIMIT)


def parse_refresh(answer: Answer, manager: Manager) -> tuple[RepositoryFault, ...] | Finding:
    """The repositories that could not be read; none when all could. A refresh that met a lock is a finding."""
    said = answer.error_text
    general = common_failure("apt-get", answer) or cut(answer) or refused(answer)
    if general:
        return general
    changed = [RepositoryFault(match[2], match[1], release_changed=True) for match in _RELEASE.finditer(said)]
    failed = [RepositoryFault(match[1], match[2]) for match in _FETCH.finditer(said)]
    faults = (*changed, *failed) or tuple(_other_complaints(said))
    if answer.exit_status != 0:
        named = any(fault.name or _OF_REPOSITORY.search(fault.why) for fault in faults)
        return faults if named else not_understood("apt-get update", answer)
    return () if manager.version >= ERRORS_ANY_SINCE else faults


def _other_complaints(said: str) -> list[RepositoryFault]:
    lines = [line for line in _COMPLAINT.findall(said) if not _HARMLESS.search(line)]
    telling = [line for line in lines if not _GENERAL.search(line)]
    return [RepositoryFault("", line) for line in telling or lines]


def refused(answer: Answer) -> Finding | None:
    """The finding when apt was kept from its work by a lock or by missing rights; None when it was not."""
    said = answer.error_text
    if match := _LOCKED.search(said):
        holder = f"{match[3] or 'a program'}, process {match[2]}" if match[2] else "another program"
        message = f"{match[1]} is locked by {holder}."
        return unknown("patch-locked", message, lock=match[1], pid=match[2], program=match[3])
    if _DENIED.search(said):
        return unknown("patch-denied", f"apt needs more rights than our user has: {_DENIED.findall(said)[0]}")
    return None


@dataclass(frozen=True, slots=True)
class Source:
    """One package file that apt reads, as `apt-cache policy` tells it.

    Attributes:
        line: how version tables name it: `http://deb.debian.org/debian bookworm/main amd64 Packages`.
        vendor, archive, label: `o=`, `a=` and `l=` of its release file; empty when it has none.
    """

    line: str
    vendor: str
    archive: str
    label: str

    @property
    def security(self) -> bool:
        return secure(self.label, self.archive)


def secure(label: str, archive: str) -> bool:
    """Whether a release carries security updates, by its label and archive (`Debian-Security`, `jammy-security`)."""
    return label.endswith("-Security") or archive.endswith("-security") or label.startswith("UbuntuESM")


def sources_question() -> Question:
    return ask("apt-cache", "policy")


def parse_sources(answer: Answer) -> tuple[Source, ...] | Finding:
    """Every package file in use, without the package database itself; none is an answer as well."""
    bad = unusable("apt-cache", answer)
    if bad or not answer.text.startswith("Package files:"):
        return bad or not_understood("apt-cache policy", answer)
    body = answer.text.partition("Pinned packages:")[0]
    found = (_source(match[1], match[2]) for match in _SOURCE.finditer(body))
    return tuple(source for source in found if source.archive != "now")


def _source(line: str, release: str) -> Source:
    fields = dict(part.split("=", 1) for part in release.split(",") if "=" in part)
    return Source(line.strip(), fields.get("o", ""), fields.get("a", ""), fields.get("l", ""))


def metadata(
    sources: tuple[Source, ...] | Finding, refresh: tuple[RepositoryFault, ...] | Finding, answer: Answer
) -> Metadata | Finding:
    """The state of the repositories after a refresh, which `answer` brought; as old as its end when it was whole.

    A host that reads its vendor's packages without the security pocket has a fault: nothing would ever look urgent.
    """
    if isinstance(refresh, Finding):
        return refresh
    if isinstance(sources, Finding):
        return sources
    whole = Metadata(len(sources), answer.ended, (*refresh, *_no_security(sources)))
    return whole if not refresh else replace(whole, refreshed=None)


def _no_security(sources: tuple[Source, ...]) -> list[RepositoryFault]:
    settled = [source for source in sources if source.archive not in _ROLLING]
    vendors = {source.vendor for source in settled} & SECURITY_VENDORS
    told = {source.vendor for source in settled if source.security}
    why = "its security updates are not among the host's repositories"
    return [RepositoryFault(vendor, why) for vendor in sorted(vendors - told)]


def holds_question() -> Question:
    return ask("apt-mark", "showhold")


def parse_names(answer: Answer) -> frozenset[str] | Finding:
    """A list of package names, one a line, as `apt-mark show…` prints it; may well be empty."""
    return unusable("apt-mark", answer) or frozenset(answer.text.split())
